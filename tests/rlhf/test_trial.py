"""Models of many kinds: together they give what they give alone, or they are refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from rlhf.adapters import add_lora
from rlhf.batches import Group
from rlhf.config import InputError
from rlhf.decode_step import mask_kind
from rlhf.decoding import Decoder, Request
from rlhf.model_config import context_of
from rlhf.policy_files import load_policy_model
from rlhf.policy_model import PolicyModel
from rlhf.policy_settings import PolicyConfig
from rlhf.reward_files import load_reward_model, new_reward_model
from rlhf.sampling import generate
from rlhf.trial import agrees, narrow_windows
from rlhf.types import Draw, SamplingSettings
from tests.rlhf import architectures
from tests.rlhf.alone import decode_alone, log_probs_alone, rows

KINDS = sorted(architectures.SETTINGS)
REFUSED = {"gpt_neo": "GPTNeoForCausalLM", "llama4_text": "Llama4ForCausalLM"}  # their attention goes by the batch
STATES = {
    "bamba", "deepseek_v32", "deepseek_v4", "falcon_h1", "glm_moe_dsa", "granitemoehybrid", "jamba", "lfm2", "mamba",
    "mamba2", "openai-gpt", "qwen3_5_text", "qwen3_next", "recurrent_gemma", "rwkv",
}  # fmt: skip
GREEDY = SamplingSettings(temperature=0.0, max_new_tokens=6)


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_cannot_be_answered_together_is_refused_by_name(kind: str, tokenizer: PreTrainedTokenizerBase) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        model = architectures.build(kind, tokenizer, dtype=dtype)
        with pytest.raises(
            InputError, match=f"{REFUSED[kind]} cannot be used for responses: of texts of unequal length"
        ):
            generate(model, tokenizer, rows(tokenizer), settings=GREEDY)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in REFUSED.keys() | STATES])
def test_rounding_to_eight_digits_is_not_taken_for_an_error(
    kind: str, seed: int, tokenizer: PreTrainedTokenizerBase
) -> None:
    exact = architectures.build(kind, tokenizer, seed)
    assert mask_kind(architectures.build(kind, tokenizer, seed, torch.bfloat16)) == mask_kind(exact)


def test_flat_logits_are_compared_as_well(tokenizer: PreTrainedTokenizerBase) -> None:
    """An untrained model gives all tokens nearly the same probability, right or wrong."""
    for kind, refused in (("gemma2", False), ("gpt_neo", True)):
        model = architectures.build(kind, tokenizer)
        with torch.no_grad():
            model.lm_head.weight.mul_(1e-5)
        if refused:
            with pytest.raises(InputError, match="cannot be used for responses"):
                Decoder(model, tokenizer)
        else:
            Decoder(model, tokenizer)


@pytest.mark.parametrize(
    ("kind", "setting", "refused"),
    [("gpt_neo", "window_size", True), ("mistral", "sliding_window", False), ("gemma2", "sliding_window", False)],
)
def test_windows_longer_than_the_texts_of_the_trial_are_tried_too(
    kind: str, setting: str, refused: bool, tokenizer: PreTrainedTokenizerBase
) -> None:
    model = architectures.build(kind, tokenizer, **{setting: 100})
    if refused:
        with pytest.raises(InputError, match="cannot be used for responses"):
            mask_kind(model)
        return
    assert mask_kind(model) == "added"
    assert getattr(model.config, setting) == 100
    [prompt] = rows(tokenizer, (120,))
    [[response], _] = generate(model, tokenizer, [prompt, [7, 8]], strategy="greedy", settings=GREEDY)
    assert response.response_ids == decode_alone(model, prompt, len(response.response_ids))[0]


def test_the_trial_is_held_once_for_a_model(tokenizer: PreTrainedTokenizerBase, monkeypatch: Any) -> None:
    model = architectures.build("llama", tokenizer)
    Decoder(model, tokenizer)
    passes: list[int] = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda *args, **kwargs: passes.append(1) or forward(*args, **kwargs))
    Decoder(model, tokenizer)
    assert not passes


def test_a_window_is_narrow_only_while_it_is_tried(tokenizer: PreTrainedTokenizerBase) -> None:
    model = architectures.build("gemma2", tokenizer, sliding_window=100)
    widths = [getattr(module, "sliding_window", None) for module in model.modules()]
    assert 100 in widths
    with narrow_windows([model]):
        assert model.config.sliding_window == 4
    assert model.config.sliding_window == 100
    assert [getattr(module, "sliding_window", None) for module in model.modules()] == widths


def test_broken_weights_are_told_from_a_wrong_kind(tokenizer: PreTrainedTokenizerBase) -> None:
    model = architectures.build("llama", tokenizer)
    model.lm_head.weight.data[5] = torch.nan
    with pytest.raises(InputError, match="weights of this LlamaForCausalLM are broken"):
        Decoder(model, tokenizer)


def test_a_rotation_that_depends_on_the_longest_row_bounds_the_context(tokenizer: PreTrainedTokenizerBase) -> None:
    model = architectures.build("phi3-longrope", tokenizer)
    assert context_of(model.config) == 48
    decoder = Decoder(model, tokenizer)
    with pytest.raises(InputError, match="context of 48"):
        decoder.add(Request("long", [5] * 48, (Draw(GREEDY, 0),)))
    [prompt] = rows(tokenizer, (45,))
    responses = generate(
        model, tokenizer, [[5, 6], prompt], strategy="greedy", settings=SamplingSettings(max_new_tokens=9)
    )
    assert len(responses[1][0].response_ids) == 3
    assert responses[0][0].response_ids == decode_alone(model, [5, 6], len(responses[0][0].response_ids))[0]


def test_by_hand() -> None:
    right = torch.tensor([[1.0, 2.0, 3.0], [2.0, 0.0, -2.0], [0.0, 1.0, 0.0]])
    assert agrees(right + 5.0, right, exact=True)  # a shift of all logits is no difference
    off = right.clone()
    off[2] = torch.tensor([1.0, 0.0, 0.0])
    assert not agrees(off, right, exact=True)
    assert agrees(off, right, exact=False)  # one of three may be off in low precision: another expert was chosen
    off[0] = torch.tensor([3.0, 2.0, 1.0])
    assert not agrees(off, right, exact=False)


# ---- training ----------------------------------------------------------------------------------------------------


def test_a_trunk_that_cannot_be_had_alone_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(InputError, match="Llama4ForCausalLM cannot be used to be trained"):
        PolicyModel(architectures.build("llama4_text", tokenizer), reference=None, value_trunk=None)


@pytest.mark.parametrize("value_model", ["separate", "shared"])
def test_ppo_refuses_at_once_what_could_not_answer_later(
    value_model: Any, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    base = architectures.save("gpt_neo", tmp_path / "base", tokenizer)
    new_reward_model(base, tokenizer).save(tmp_path / "reward", tokenizer, 0.0, 1.0)
    config = PolicyConfig(
        model=str(base),
        reward=str(tmp_path / "reward"),
        prompts="-",
        output="-",
        value_model=value_model,
        use_peft=False,
    )
    with pytest.raises(InputError, match="GPTNeoForCausalLM cannot be used for responses"):
        load_policy_model(
            config,
            tokenizer,
            load_reward_model(config.reward),
            compute_dtype=torch.float32,
            value_model=config.value_model,
        )


def test_a_policy_whose_states_are_narrower_than_its_layers(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    base = architectures.save("opt-projected", tmp_path / "base", tokenizer)
    new_reward_model(base, tokenizer).save(tmp_path / "reward", tokenizer, 0.0, 1.0)
    config = PolicyConfig(
        model=str(base),
        reward=str(tmp_path / "reward"),
        prompts="-",
        output="-",
        use_peft=False,
        value_model="separate",
    )
    reward = load_reward_model(config.reward)
    model = load_policy_model(config, tokenizer, reward, compute_dtype=torch.float32, value_model=config.value_model)
    values = model(model.batch([[5, 6, 7]], [[8]]))[2]
    assert values is not None
    assert float(values) == pytest.approx(float(reward.score([Group([5, 6], [[7]])])[0]), abs=1e-4)


def test_a_head_that_no_setting_tells_of_is_found_out(tokenizer: PreTrainedTokenizerBase) -> None:
    model = architectures.build("llama", tokenizer)
    model.lm_head.register_forward_hook(lambda module, args, output: output.tanh())
    with pytest.raises(InputError, match="LlamaForCausalLM is not supported yet"):
        PolicyModel(model, reference=None, value_trunk=None)


def test_a_value_model_of_another_kind_decides_too(tokenizer: PreTrainedTokenizerBase) -> None:
    policy = architectures.build("llama", tokenizer)
    other = architectures.build("mpt", tokenizer).base_model
    model = PolicyModel(add_lora(policy, 2, 4), reference=None, value_trunk=other)
    assert not model.packs
    prompts, responses = rows(tokenizer, (2, 30)), rows(tokenizer, (3, 4), seed=6)
    with torch.no_grad():
        found = model(model.batch(prompts, responses))[0]
        torch.testing.assert_close(found, log_probs_alone(policy, prompts, responses), rtol=1e-3, atol=1e-3)
