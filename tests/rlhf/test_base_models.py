"""Base models from every source, whole or not at all."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel

from rlhf.base_models import BUILTIN, PREPARED, prepare
from rlhf.causal_model import load_causal_lm
from rlhf.chat_format import encode_prompt, load_tokenizer
from rlhf.config import InputError
from rlhf.sampling import generate
from rlhf.types import user_message


def silent(text: str) -> None:
    pass


@pytest.fixture
def copy_of(llama_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the small Llama's folder without the named files."""

    def build(*without: str) -> Path:
        folder = tmp_path / "source"
        folder.mkdir()
        for path in llama_folder.iterdir():
            if path.name not in without:
                (folder / path.name).write_bytes(path.read_bytes())
        return folder

    return build


def nothing_left(output: Path) -> bool:
    return not output.exists() and not any(path.name.startswith(f".{output.name}") for path in output.parent.iterdir())


def test_a_tiny_model_is_the_same_for_the_same_seed_and_speaks(tmp_path: Path) -> None:
    about = prepare("tiny:3", tmp_path / "a", say=silent)
    prepare("tiny:3", tmp_path / "b", say=silent)
    prepare("tiny:4", tmp_path / "c", say=silent)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in "abc"]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["lm_head.weight"], weights[2]["lm_head.weight"])
    assert about["parameters"] < 1_000_000
    assert json.loads((tmp_path / "a" / PREPARED).read_text()) == about

    tokenizer, model = load_tokenizer(tmp_path / "a"), load_causal_lm(tmp_path / "a")
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    prompts = [encode_prompt(tokenizer, user_message(text)) for text in ("What is life?", "Tell me a story.")]
    responses = [s for row in generate(model, tokenizer, prompts, n=50) for s in row]
    assert sum(s.ended for s in responses) > 90
    assert 5 < sum(len(s.response_ids) for s in responses) / 100 < 40
    assert len({s.text for s in responses}) > 90


def test_a_folder_is_taken_over_with_its_weights_and_prepared_once(llama_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    about = prepare(str(llama_folder), output, say=silent)
    assert about["architecture"] == "LlamaForCausalLM"
    assert about["context"] == 256
    before, after = load_file(llama_folder / "model.safetensors"), load_file(output / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    AutoModelForCausalLM.from_pretrained(output)
    assert AutoTokenizer.from_pretrained(output).chat_template
    stamp = (output / "model.safetensors").stat().st_mtime_ns
    assert prepare(str(llama_folder), output, say=silent) == about
    assert (output / "model.safetensors").stat().st_mtime_ns == stamp


def test_an_output_that_holds_something_else_is_left_alone(llama_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="exists and holds something else"):
        prepare(str(llama_folder), tmp_path / "out", say=silent)
    assert (tmp_path / "out" / "mine.txt").read_text() == "x"


def test_pickled_weights_are_refused_and_never_loaded(copy_of: Callable[..., Path], tmp_path: Path) -> None:
    folder = copy_of("model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")
    with pytest.raises(InputError, match="pickle can run code"):
        prepare(str(folder), tmp_path / "out", say=silent)
    assert nothing_left(tmp_path / "out")


def test_a_model_that_brings_its_own_code_is_refused(copy_of: Callable[..., Path], tmp_path: Path) -> None:
    folder = copy_of()
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('ran foreign code')")
    with pytest.raises(InputError, match="cannot read"):
        prepare(str(folder), tmp_path / "out", say=silent)


def test_incomplete_weights_are_refused(copy_of: Callable[..., Path], tmp_path: Path) -> None:
    folder = copy_of()
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"not a whole LlamaForCausalLM: model\.layers\.1\.mlp\.up_proj\.weight"):
        prepare(str(folder), tmp_path / "out", say=silent)


def test_weights_cut_short_are_refused(copy_of: Callable[..., Path], tmp_path: Path) -> None:
    folder = copy_of()
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot be loaded"):
        prepare(str(folder), tmp_path / "out", say=silent)


def test_weights_that_are_not_numbers_are_refused(copy_of: Callable[..., Path], tmp_path: Path) -> None:
    folder = copy_of()
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="not finite"):
        prepare(str(folder), tmp_path / "out", say=silent)
    assert nothing_left(tmp_path / "out")


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, is_decoder=False
    )
    config.model_type = "vit"
    BertModel(config).save_pretrained(tmp_path / "source")
    saved = json.loads((tmp_path / "source" / "config.json").read_text()) | {"model_type": "vit"}
    (tmp_path / "source" / "config.json").write_text(json.dumps(saved))
    with pytest.raises(InputError, match="not a causal language model"):
        prepare(str(tmp_path / "source"), tmp_path / "out", say=silent)


def test_a_model_without_a_chat_template_gets_a_plain_one_on_request(
    copy_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copy_of("chat_template.jinja")
    with pytest.raises(InputError, match="add --chat_template plain"):
        prepare(str(folder), tmp_path / "out", say=silent)
    assert nothing_left(tmp_path / "out")
    prepare(str(folder), tmp_path / "out", chat_template="plain", say=silent)
    tokenizer = load_tokenizer(tmp_path / "out")
    assert tokenizer.decode(encode_prompt(tokenizer, user_message("hi"))) == "User:\nhi\n\nAssistant:\n"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("/nowhere/at/all", "there is no folder /nowhere/at/all"),
        ("builtin:gpt5", "there is no built-in model"),
        ("tiny:many", "tiny:<seed>"),
        ("{tmp}", "no config.json"),
    ],
)
def test_sources_that_are_none(source: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        prepare(source.format(tmp=tmp_path), tmp_path / "out", say=silent)
    assert nothing_left(tmp_path / "out")


def test_a_write_that_fails_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    """The system refuses to let any file grow beyond 100 kB, as a full disk refuses to take more."""
    done = subprocess.run(
        [sys.executable, "-m", "rlhf.base_models", "--source", "tiny:0", "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: {tmp_path / 'out'} cannot be written")
    assert "Traceback" not in done.stderr
    assert nothing_left(tmp_path / "out")


def test_the_builtin_model_is_converted_and_knows_the_capital_of_france(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rlhf.base_models", "--source", BUILTIN, "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    about = json.loads(done.stdout.splitlines()[-1])
    assert about["parameters"] == 134_515_008
    assert "Paris" in about["sample"]
    model = load_causal_lm(tmp_path / "out")
    assert model.dtype is torch.bfloat16
    assert model.lm_head.weight is model.model.embed_tokens.weight
