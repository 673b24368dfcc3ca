"""Models and data that people bring and that are a little beside the rule, from the command's own entry to its end."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow
import pyarrow.parquet
import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from rlhf.adapters import SideProducts, add_adapters, add_lora
from rlhf.base_models import prepare
from rlhf.causal_model import load_causal_lm
from rlhf.chat_format import encode_prompt, load_tokenizer
from rlhf.config import InputError
from rlhf.data import load_prompts
from rlhf.decoding import Decoder, Request
from rlhf.evaluate_policy import EvaluatePolicyConfig, evaluate_policy
from rlhf.evaluate_reward import EvaluateRewardConfig, ScoreConfig, evaluate_reward, score_file
from rlhf.policy_settings import PolicyConfig
from rlhf.prompts import unfinished_warning
from rlhf.reward_config import RewardConfig
from rlhf.reward_files import load_reward_model, new_reward_model
from rlhf.sample import sample
from rlhf.sample_settings import SampleConfig
from rlhf.tiny_model import CHAT_TEMPLATE, tiny_tokenizer
from rlhf.train_policy import train_policy
from rlhf.train_reward import train_reward
from rlhf.types import Draw, SamplingSettings, user_message
from rlhf.vocabulary import Vocabulary
from tests.rlhf import architectures, tokenizers
from tests.rlhf.preference_files import pair_rows, read_rows, write_rows

NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + CHAT_TEMPLATE
SYSTEM = [{"role": "system", "content": "be kind"}, *user_message("say something")]
QUICK = {
    "total_episodes": 8, "batch_size": 4, "num_mini_batches": 1, "num_ppo_epochs": 1, "eval_size": 2, "eval_steps": 8,
    "dtype": "float32",
}  # fmt: skip


def policy_config(root: Path, **settings: Any) -> PolicyConfig:
    names = {
        "model": root / "base",
        "reward": root / "reward",
        "prompts": root / "prompts.jsonl",
        "output": root / "out",
    }
    return PolicyConfig(**{**{name: str(path) for name, path in names.items()}, **QUICK, **settings})


def folder_of(root: Path, kind: str, tokenizer: PreTrainedTokenizerBase, **settings: Any) -> Path:
    """base, reward and prompts.jsonl."""
    architectures.save(kind, root / "base", tokenizer, **settings)
    new_reward_model(root / "base", load_tokenizer(root / "base")).save(root / "reward", tokenizer, 0.0, 1.0)
    write_rows(root / "prompts.jsonl", [{"prompt": f"say word {number} " + "the people " * 40} for number in range(12)])
    return root


# ---- short contexts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gpt2", "opt", "xglm", "gpt_neox"])
def test_a_context_that_prompt_and_response_fill_to_the_last_place(
    kind: str, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    length = {"gpt2": {"n_positions": 64}}.get(kind, {"max_position_embeddings": 64})
    if kind == "xglm":  # transformers has no classifier of it
        architectures.save("gpt2", tmp_path / "base", tokenizer, n_positions=64)
        new_reward_model(tmp_path / "base", tokenizer).save(tmp_path / "reward", tokenizer, 0.0, 1.0)
        architectures.save(kind, tmp_path / "base", tokenizer, **length)
        write_rows(tmp_path / "prompts.jsonl", [{"prompt": f"{n} " + "the people " * 40} for n in range(12)])
    else:
        folder_of(tmp_path, kind, tokenizer, **length)
    summary = train_policy(policy_config(tmp_path, max_new_tokens=8, max_prompt_tokens=56))
    assert summary["stop_reason"] == "completed"


def test_a_reward_model_that_reads_less_than_the_policy(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    folder_of(tmp_path, "llama", tokenizer)
    architectures.save("gpt2", tmp_path / "short", tokenizer, n_positions=32)
    new_reward_model(tmp_path / "short", tokenizer).save(tmp_path / "reward", tokenizer, 0.0, 1.0)
    assert train_policy(policy_config(tmp_path, max_new_tokens=8))["stop_reason"] == "completed"
    with pytest.raises(InputError, match=r"reward model reads 32 tokens at most.*responses of up to 31 tokens"):
        train_policy(policy_config(tmp_path, max_new_tokens=31))
    found = evaluate_policy(
        EvaluatePolicyConfig(
            model=str(tmp_path / "base"), baseline=str(tmp_path / "base"), reward=str(tmp_path / "reward"),
            prompts=str(tmp_path / "prompts.jsonl"), max_new_tokens=8, dtype="float32",
        )
    )  # fmt: skip
    assert found["win_rate"] == 0.5


def test_a_policy_that_reads_less_than_is_asked_for(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    folder_of(tmp_path, "gpt2", tokenizer, n_positions=64)
    names = {"model": str(tmp_path / "base"), "baseline": str(tmp_path / "base"), "reward": str(tmp_path / "reward")}
    settings = names | {"prompts": str(tmp_path / "prompts.jsonl"), "dtype": "float32"}
    assert evaluate_policy(EvaluatePolicyConfig(**settings, max_new_tokens=8))["prompts"] == 12
    for run in (
        lambda: evaluate_policy(EvaluatePolicyConfig(**settings, max_new_tokens=64)),
        lambda: train_policy(policy_config(tmp_path, max_new_tokens=64)),
    ):
        with pytest.raises(InputError, match="--max_new_tokens 64 leaves no room for a prompt in the context of 64"):
            run()


# ---- more rows than tokens ---------------------------------------------------------------------------------------


def padded_model(root: Path, tokenizer: PreTrainedTokenizerBase, kind: str = "qwen2") -> Path:
    """A model with 20 rows beyond its tokenizer's, by far the likeliest in every state."""
    model = architectures.build(kind, tokenizer)
    size = len(tokenizer)
    model.resize_token_embeddings(size + 20, mean_resizing=False)
    with torch.no_grad():
        model.lm_head.weight[size:] = 30 * model.lm_head.weight[:20]
    model.save_pretrained(root)
    tokenizer.save_pretrained(root)
    return root


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {}, {"top_k": 3}, {"repetition_penalty": 1.3}])
def test_what_is_no_token_is_never_drawn(
    settings: dict[str, Any], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = load_causal_lm(padded_model(tmp_path, tokenizer))
    decoder = Decoder(model, tokenizer)
    for seed in range(4):
        decoder.add(Request(seed, [5, 6, 7], (Draw(SamplingSettings(max_new_tokens=16, **settings), seed),)))
    samples = [event.sample for event in iter_events(decoder)]
    sampled = [token for sample in samples for token in sample.response_ids]
    assert max(sampled) < len(tokenizer)
    # and the probabilities are those among the tokens there are
    logits = model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1, : len(tokenizer)]
    for found in samples:
        assert found.logprobs[0] == pytest.approx(float(logits.log_softmax(-1)[found.response_ids[0]]), abs=1e-4)


def iter_events(decoder: Decoder) -> list[Any]:
    events: list[Any] = []
    while decoder.busy:
        events += decoder.step()
    return events


def test_ids_without_a_token_between_others_are_none_either(tokenizer: PreTrainedTokenizerBase) -> None:
    class Holes:
        """A tokenizer of which two ids stand for nothing."""

        def get_vocab(self) -> dict[str, int]:
            return {token: index for token, index in tokenizer.get_vocab().items() if index not in (9, 300)}

        def __len__(self) -> int:
            return len(tokenizer) - 2

    found = Vocabulary.of(Holes())  # type: ignore[arg-type]
    assert found == Vocabulary(len(tokenizer), (9, 300))
    logits = torch.zeros(2, len(tokenizer) + 4)
    logits[:, [9, 300]] = 50.0
    assert not {9, 300} & set(found.restrict(logits).softmax(-1).multinomial(500, replacement=True).flatten().tolist())
    assert found.among([8, 9, 10**6])[0] == 8
    assert not {9, 300} & set(found.among(range(2000)))


def test_ppo_and_its_sampler_agree_on_the_tokens_there_are(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    folder_of(tmp_path, "qwen2", tokenizer)
    padded_model(tmp_path / "base", tokenizer)
    summary = train_policy(policy_config(tmp_path, max_new_tokens=6, learning_rate=0.0))
    rows = read_rows(tmp_path / "out" / "metrics.jsonl")
    assert summary["stop_reason"] == "completed"
    assert all(abs(row["policy/sampler_kl"]) < 1e-4 for row in rows if "policy/sampler_kl" in row)
    assert all(abs(row["objective/kl"]) < 1e-4 for row in rows if "objective/kl" in row)


def test_a_tokenizer_of_another_model_is_told_of(tokenizer: PreTrainedTokenizerBase) -> None:
    model = architectures.build("llama", tokenizer)
    model.resize_token_embeddings(50)
    decoder = Decoder(model, tokenizer)
    with pytest.raises(InputError, match="the prompt has the token 60, but the model knows only 50"):
        decoder.add(Request("x", [5, 60], (Draw(SamplingSettings(max_new_tokens=4)),)))


# ---- shapes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["opt-projected", "gptj", "gemma2", "granite", "cohere2", "phi"])
@pytest.mark.parametrize("use_peft", [False, True])
def test_ppo_runs_with_projected_states_and_with_heads_of_all_kinds(
    kind: str, use_peft: bool, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    if kind in ("granite", "cohere2"):  # transformers has no classifier of these
        folder_of(tmp_path, "llama", tokenizer)
        architectures.save(kind, tmp_path / "base", tokenizer)
    else:
        folder_of(tmp_path, kind, tokenizer)
    summary = train_policy(policy_config(tmp_path, max_new_tokens=6, use_peft=use_peft))
    rows = read_rows(tmp_path / "out" / "metrics.jsonl")
    assert summary["stop_reason"] == "completed"
    assert abs(next(row["policy/sampler_kl"] for row in rows if "policy/sampler_kl" in row)) < 1e-3


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe", "gpt_oss", "gpt2", "gpt_neox", "opt"])
@pytest.mark.parametrize("last_layers", [None, 1])
def test_ppo_runs_with_adapters_on_every_kind_of_layer(
    kind: str, last_layers: int | None, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    folder_of(tmp_path, kind, tokenizer)
    settings = {"use_peft": True, "lora_last_layers": last_layers, "max_new_tokens": 6}
    assert train_policy(policy_config(tmp_path, **settings))["stop_reason"] == "completed"
    plain = load_causal_lm(tmp_path / "base")
    model = add_lora(load_causal_lm(tmp_path / "base"), 2, 4, last_layers=last_layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.1)
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    add_adapters(model.get_base_model(), plain)
    changed = {name for name, tensor in plain.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed
    assert not any("expert" in name or "embed" in name or "lm_head" in name for name in changed)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad(), SideProducts(model.get_base_model(), torch.float32).active():
        torch.testing.assert_close(model(input_ids=ids).logits, plain(input_ids=ids).logits, rtol=1e-4, atol=1e-4)


def test_an_attention_that_was_asked_for_is_kept_with_the_model(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    architectures.save("llama", tmp_path / "base", tokenizer)
    write_rows(tmp_path / "pairs.jsonl", pair_rows(24))
    data = str(tmp_path / "pairs.jsonl")
    settings = {"data": data, "output": str(tmp_path / "out"), "attn_implementation": "eager", "dtype": "float32"}
    train_reward(RewardConfig(model=str(tmp_path / "base"), **settings))
    model = load_reward_model(tmp_path / "out" / "model")
    assert model.hf.config._attn_implementation == "eager"
    assert not model.packs
    other = new_reward_model(tmp_path / "out" / "model", tokenizer, heads=4, attention="sdpa")  # and may be changed
    assert other.hf.config._attn_implementation == "sdpa"
    assert evaluate_reward(EvaluateRewardConfig(model=str(tmp_path / "out" / "model"), data=data))["pairs"] == 24


@pytest.mark.parametrize("kind", ["gemma2", "gpt_oss"])
def test_a_kind_that_needs_its_own_attention_has_it_everywhere(
    kind: str, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    folder_of(tmp_path, kind, tokenizer)
    assert load_reward_model(tmp_path / "reward").hf.config._attn_implementation == "eager"
    assert load_causal_lm(tmp_path / "base").config._attn_implementation == "eager"


@pytest.mark.parametrize(("kind", "said"), [("gemma2", 1), ("llama", 0)])
def test_the_card_says_which_attention_a_model_needs(
    kind: str, said: int, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    folder_of(tmp_path, kind, tokenizer)
    data = str(write_rows(tmp_path / "pairs.jsonl", pair_rows(24)))
    train_policy(policy_config(tmp_path, max_new_tokens=4, use_peft=True))
    train_reward(RewardConfig(model=str(tmp_path / "base"), data=data, output=str(tmp_path / "judge"), max_steps=1))
    for folder in ("out/model", "out/adapter", "judge/model"):
        card = (tmp_path / folder / "README.md").read_text(encoding="utf-8")
        assert card.count('Load it with `attn_implementation="eager"`') == said, folder


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, " (bitsandbytes)"),
        ({"quant_method": "gptq", "bits": 4}, " (gptq)"),
        ({"quant_method": "fp8"}, " (fp8)"),
        ({"quant_method": "unheard of"}, " (unheard of)"),
        ({"bits": 4}, ""),
    ],
)
def test_quantized_weights_are_not_trained(
    settings: dict[str, Any], named: str, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    architectures.save("llama", tmp_path, tokenizer)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": settings}))
    with pytest.raises(InputError, match=r"the weights in .* are quantized") as caught:
        new_reward_model(tmp_path, tokenizer)
    assert f"are quantized{named}: give the model in 16 or 32 bits" in str(caught.value)


def test_a_quantization_that_is_no_settings_at_all(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    architectures.save("llama", tmp_path, tokenizer)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": "int4"}))
    with pytest.raises(InputError, match="holds no model that transformers can load"):
        new_reward_model(tmp_path, tokenizer)


# ---- templates ---------------------------------------------------------------------------------------------------


@pytest.fixture
def strict() -> PreTrainedTokenizerBase:
    """A tokenizer whose template takes no system turn."""
    own = tiny_tokenizer()
    own.chat_template = NO_SYSTEM
    return own


def test_a_pair_that_the_template_refuses_is_counted(
    strict: PreTrainedTokenizerBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    architectures.save("llama", tmp_path / "base", strict)
    rows = pair_rows(40)
    rows[7] = {"prompt": SYSTEM, "chosen": "fine please", "rejected": "fine never"}
    write_rows(tmp_path / "pairs.jsonl", rows)
    settings = {"data": str(tmp_path / "pairs.jsonl"), "output": str(tmp_path / "out"), "dtype": "float32"}
    assert train_reward(RewardConfig(model=str(tmp_path / "base"), **settings))["pairs"] <= 36
    assert "1 that the chat template refuses left out (line 8:" in capsys.readouterr().err
    found = evaluate_reward(EvaluateRewardConfig(model=str(tmp_path / "out" / "model"), data=settings["data"]))
    assert found["pairs"] == 39
    with pytest.raises(InputError, match=r"of 1 of \d+ pairs the model's chat template refuses .* \(lines 8\)"):
        train_reward(RewardConfig(model=str(tmp_path / "base"), max_bad_share=0.0, **settings))


@pytest.mark.parametrize("who", ["policy", "reward"])
def test_a_prompt_that_a_template_refuses_is_counted_before_the_first_step(
    who: str, strict: PreTrainedTokenizerBase, tokenizer: PreTrainedTokenizerBase, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder_of(tmp_path, "llama", tokenizer)
    (tmp_path / ("base" if who == "policy" else "reward") / "chat_template.jinja").write_text(NO_SYSTEM)
    rows = [{"prompt": f"say word {number}"} for number in range(40)]
    rows[11] = {"prompt": SYSTEM}
    write_rows(tmp_path / "prompts.jsonl", rows)
    summary = train_policy(policy_config(tmp_path, total_episodes=40, max_new_tokens=4))
    assert summary["stop_reason"] == "completed"
    assert "1 of 40 prompts cannot be used (line 12: the model's chat template refuses" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"line 12: .* more than the share of 0 that max_bad_share allows"):
        train_policy(policy_config(tmp_path, max_bad_share=0.0))
    found = evaluate_policy(
        EvaluatePolicyConfig(
            model=str(tmp_path / "base"), baseline=str(tmp_path / "base"), reward=str(tmp_path / "reward"),
            prompts=str(tmp_path / "prompts.jsonl"), max_new_tokens=4,
        )
    )  # fmt: skip
    assert found["prompts"] == 39


def test_sampling_and_scoring_leave_out_what_the_template_refuses(
    strict: PreTrainedTokenizerBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_of(tmp_path, "llama", strict)
    rows: list[dict[str, Any]] = [{"prompt": f"say {number}", "response": "the people"} for number in range(40)]
    rows[3] = {"prompt": SYSTEM, "response": "the people"}
    data = write_rows(tmp_path / "rows.jsonl", rows)
    config = SampleConfig(model=tmp_path / "base", prompts=data, output=tmp_path / "sampled.jsonl", max_new_tokens=4)
    summary = sample(config)
    assert [summary["prompts"], summary["bad_rows"], len(read_rows(tmp_path / "sampled.jsonl"))] == [39, 1, 39]
    assert "warning: " in (said := capsys.readouterr().err)
    assert "1 of 40 prompts cannot be used (line 4: " in said
    score_file(ScoreConfig(model=str(tmp_path / "reward"), data=str(data), output=str(tmp_path / "scores.jsonl")))
    scored = read_rows(tmp_path / "scores.jsonl")
    assert [row["score"] is None for row in scored] == [number == 3 for number in range(40)]
    assert "refuses this conversation: no system turn" in scored[3]["score_error"]


def test_every_prompt_refused(strict: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    folder_of(tmp_path, "llama", strict)
    write_rows(tmp_path / "prompts.jsonl", [{"prompt": SYSTEM}] * 12)
    with pytest.raises(InputError, match=r"12 of 12 prompts cannot be used .*; and 7 more"):
        train_policy(policy_config(tmp_path, max_bad_share=1.0))


def test_every_prompt_too_long(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    folder_of(tmp_path, "llama", tokenizer)
    with pytest.raises(InputError, match="3 tokens leave no room for a question"):
        train_policy(policy_config(tmp_path, max_prompt_tokens=3))


@pytest.mark.parametrize("kind", ["sentencepiece_bpe", "unigram", "chatml"])
def test_the_plain_template_begins_as_the_tokenizer_does(kind: str, tmp_path: Path) -> None:
    own = tokenizers.KINDS[kind]()
    own.chat_template = None
    architectures.save("llama", tmp_path / "source", own)
    prepare(str(tmp_path / "source"), tmp_path / "out", chat_template="plain", say=lambda text: None)
    found = load_tokenizer(tmp_path / "out")
    whole, bare = own.encode("User:\nhi"), own.encode("User:\nhi", add_special_tokens=False)
    before = whole[: len(whole) - len(bare)]
    assert len(before) == (0 if kind == "chatml" else 1)
    assert encode_prompt(found, user_message("hi"))[: len(before)] == before


# ---- data and figures --------------------------------------------------------------------------------------------


def test_columns_that_json_does_not_have(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    folder_of(tmp_path, "llama", tokenizer)
    moment = datetime(2026, 11, 29, 6, 55, tzinfo=UTC)
    odd = {
        "at": moment, "day": date(2026, 11, 29), "hour": time(6, 55), "took": timedelta(seconds=90),
        "raw": b"\xff\x00", "price": Decimal("1.10"), "nested": {"at": [moment, None]}, "nan": float("nan"),
        "uuid": UUID(int=7).bytes,
    }  # fmt: skip
    rows = [{"prompt": f"say {number}", "response": "the people", **odd} for number in range(3)]
    path = tmp_path / "odd.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    config = SampleConfig(model=tmp_path / "base", prompts=path, output=tmp_path / "sampled.jsonl", max_new_tokens=4)
    sample(config)
    score_file(ScoreConfig(model=str(tmp_path / "reward"), data=str(path), output=str(tmp_path / "scores.jsonl")))
    for written in ("sampled.jsonl", "scores.jsonl"):
        row = read_rows(tmp_path / written)[0]
        assert row["at"] == row["nested"]["at"][0] == "2026-11-29T06:55:00+00:00"
        assert [row["day"], row["hour"], row["raw"], row["price"]] == ["2026-11-29", "06:55:00", "/wA=", 1.1]
        assert row.get("nan") is None
    assert load_prompts(path)[0][0].row["nested"]["at"][1] is None


def test_responses_that_never_end_are_told_of(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_of(tmp_path, "llama", tokenizer)
    said = "did not end within 2 tokens; raise --max_new_tokens"
    train_policy(policy_config(tmp_path, max_new_tokens=2))
    assert capsys.readouterr().err.count(said) == 1
    names = {"prompts": tmp_path / "prompts.jsonl", "output": tmp_path / "sampled.jsonl"}
    sample(SampleConfig(model=tmp_path / "base", max_new_tokens=2, **names))
    assert said in capsys.readouterr().err
    evaluate_policy(
        EvaluatePolicyConfig(
            model=str(tmp_path / "base"), baseline=str(tmp_path / "base"), reward=str(tmp_path / "reward"),
            prompts=str(tmp_path / "prompts.jsonl"), max_new_tokens=2,
        )
    )  # fmt: skip
    assert capsys.readouterr().err.count(said) == 2


def test_the_share_of_unfinished_responses_by_hand() -> None:
    assert unfinished_warning(0, 0, 8) is None
    assert unfinished_warning(49, 100, 8) is None
    warning = unfinished_warning(3, 4, 8)
    assert warning is not None
    assert "75% of the responses (3 of 4) did not end within 8 tokens" in warning


@pytest.mark.parametrize("damage", [torch.nan, torch.inf])
def test_a_reward_model_that_computes_no_numbers(
    damage: float, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    folder_of(tmp_path, "llama", tokenizer)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "reward")
    with torch.no_grad():
        model.score.weight[:] = damage
    model.save_pretrained(tmp_path / "reward")
    pairs = write_rows(tmp_path / "pairs.jsonl", pair_rows(8))
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": "a", "response": "b"}] * 3)
    reward = str(tmp_path / "reward")
    settings = {"model": str(tmp_path / "base"), "baseline": str(tmp_path / "base"), "reward": reward}
    for run in (
        lambda: evaluate_reward(EvaluateRewardConfig(model=reward, data=str(pairs))),
        lambda: score_file(ScoreConfig(model=reward, data=str(rows), output=str(tmp_path / "scores.jsonl"))),
        lambda: evaluate_policy(EvaluatePolicyConfig(**settings, prompts=str(rows), max_new_tokens=4)),
    ):
        with pytest.raises(InputError, match="gives scores that are not finite: it is damaged"):
            run()
    assert not (tmp_path / "scores.jsonl").exists()
