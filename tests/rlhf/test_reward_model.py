from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    MistralConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    pipeline,
)

from rlhf.batches import Group, collate, group_sequences
from rlhf.chat_format import choose_pad, end_of_turn_id, load_tokenizer
from rlhf.config import InputError
from rlhf.losses import preference_loss
from rlhf.reward_files import load_reward_model, new_reward_model
from rlhf.reward_model import RewardModel
from tests.rlhf import architectures


def random_sequences(count: int, seed: int, end: int, longest: int = 40) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, longest, (count,), generator=generator).tolist()
    return [[*torch.randint(5, 700, (length,), generator=generator).tolist(), end] for length in lengths]


def random_pairs(count: int, seed: int, end: int) -> list[Group]:
    prompts = random_sequences(count, seed, end)
    chosen, rejected = random_sequences(count, seed + 1, end), random_sequences(count, seed + 2, end)
    return [group_sequences([p + a, p + b]) for p, a, b in zip(prompts, chosen, rejected, strict=True)]


def make(folder: Path, **settings: Any) -> tuple[RewardModel, PreTrainedTokenizerBase]:
    tokenizer = load_tokenizer(folder)
    return new_reward_model(folder, tokenizer, **settings), tokenizer


def save(model: RewardModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    model.save(folder, tokenizer, mean=0.5, std=2.0)
    return folder


def padded_scores(model: RewardModel, groups: list[Group]) -> Tensor:
    """What plain transformers computes: every sequence whole, padded on the right, with an attention mask."""
    whole = [[*g.prefix, *branch] for g in groups for branch in g.branches]
    lengths = torch.tensor([len(ids) for ids in whole])
    ids = torch.zeros(len(whole), int(lengths.max()), dtype=torch.long)
    for row, sequence in enumerate(whole):
        ids[row, : len(sequence)] = torch.tensor(sequence)
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    hidden = model.hf.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
    return model.hf.score(hidden[torch.arange(len(whole)), lengths - 1])


def pair_gradients(model: RewardModel, scores: Tensor) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    loss = preference_loss(scores[0::2], scores[1::2]).mean()
    loss.backward()
    return float(loss.detach()), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_shared_prompt_gives_the_gradients_of_two_padded_forwards(any_model_folder: Path, attention: str) -> None:
    model, tokenizer = make(any_model_folder, attention=attention)
    groups = random_pairs(6, seed=3, end=end_of_turn_id(tokenizer))
    assert all(len(group.prefix) >= 3 for group in groups)

    expected_loss, expected = pair_gradients(model, padded_scores(model, groups))
    assert model.find_layout(256) == ("packed" if attention == "sdpa" else "shared")
    loss, found = pair_gradients(model, model(model.batch(groups)))

    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert found.keys() == expected.keys()
    flat = torch.cat([g.flatten() for g in found.values()]).double()
    flat_expected = torch.cat([g.flatten() for g in expected.values()]).double()
    assert float((flat - flat_expected).norm() / flat_expected.norm()) < 1e-5
    for name, gradient in expected.items():
        assert float((found[name] - gradient).norm()) <= 1e-5 * float(flat_expected.norm()), name


def test_sharing_is_found_to_hold_and_does_not_hold_where_positions_do_not_restart(any_model_folder: Path) -> None:
    for attention, layout in (("sdpa", "packed"), ("eager", "shared")):
        model, _ = make(any_model_folder, attention=attention)
        assert model.find_layout(256) == layout
        trunk = model.hf.base_model
        original = trunk.forward
        trunk.forward = partial(without_positions, original)
        assert model.find_layout(256) == "apart"
        trunk.forward = original
        assert model.find_layout(256) == layout


def without_positions(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return forward(*args, **{**kwargs, "position_ids": None})


def test_a_window_that_a_ready_made_mask_would_switch_off(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    architectures.save("mistral", tmp_path, tokenizer, sliding_window=100)
    model, _ = make(tmp_path, attention="eager")
    assert model.find_layout(256) == "apart"
    assert model.find_layout(90) == "shared"  # no text is so long that it would notice
    assert model.hf.config.sliding_window == 100
    model, _ = make(tmp_path)
    assert model.find_layout(256) == "packed"
    assert model.find_layout(256, share=False) == "apart"


def test_packed_pairs_keep_their_window(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=4, initializer_range=0.3, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model, _ = make(tmp_path)
    groups = random_pairs(5, seed=4, end=1)
    apart = model(model.batch(groups))
    assert model.find_layout(256) == "packed"
    torch.testing.assert_close(model(model.batch(groups)), apart, rtol=1e-4, atol=1e-5)


def test_scores_do_not_depend_on_batches_padding_or_sharing(any_model_folder: Path) -> None:
    model, tokenizer = make(any_model_folder, heads=3)
    end = end_of_turn_id(tokenizer)
    prompt, *responses = random_sequences(5, seed=1, end=end)
    groups = [group_sequences([prompt + a for a in responses]), *random_pairs(7, seed=9, end=end)]
    alone = torch.cat([model(collate([g], model.pad_id, shared=False)) for g in groups])
    for layout in ("apart", "shared", "packed"):
        model.layout = layout
        scores = model.score(groups, token_budget=150)
        assert [tuple(part.shape) for part in scores] == [(len(g.branches), 3) for g in groups]
        assert torch.allclose(torch.cat(scores), alone, atol=1e-5)


def test_the_head_starts_small_without_bias_from_the_seed(llama_folder: Path) -> None:
    first, _ = make(llama_folder, heads=400, seed=1)
    again, _ = make(llama_folder, heads=400, seed=1)
    other, _ = make(llama_folder, heads=400, seed=2)
    weight = first.head_weight()
    assert first.hf.score.bias is None
    assert float(weight.detach().std()) == pytest.approx((32 + 1) ** -0.5, rel=0.03)
    assert torch.equal(weight, again.head_weight())
    assert not torch.equal(weight, other.head_weight())


@pytest.mark.parametrize("heads", [1, 4])
def test_the_saved_model_is_plain_transformers(any_model_folder: Path, tmp_path: Path, heads: int) -> None:
    model, tokenizer = make(any_model_folder, heads=heads)
    groups = random_pairs(4, seed=5, end=end_of_turn_id(tokenizer))
    expected = torch.cat(model.score(groups)).detach()
    folder = save(model, tokenizer, tmp_path / "model")

    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    whole = [[*g.prefix, *branch] for g in groups for branch in g.branches]
    for side in ("right", "left"):
        loaded = AutoTokenizer.from_pretrained(folder, padding_side=side)
        batch = loaded.pad({"input_ids": whole}, return_tensors="pt")
        with torch.no_grad():
            assert torch.allclose(plain(**batch).logits[:, 0], expected.mean(dim=1), atol=1e-4)
    assert (plain.config.num_labels, plain.config.mean, plain.config.std) == (1, 0.5, 2.0)

    ours = load_reward_model(folder)
    assert ours.heads == heads
    assert ours.packs
    assert torch.allclose(torch.cat(ours.score(groups)), expected, atol=1e-6)


def test_a_pad_that_equals_the_end_is_replaced(llama_folder: Path, tmp_path: Path) -> None:
    """With pad equal to end, transformers' own pooling reads one token early: so must fail without the change."""
    tokenizer = load_tokenizer(llama_folder)
    tokenizer.pad_token = tokenizer.eos_token
    end = end_of_turn_id(tokenizer)
    model = new_reward_model(llama_folder, tokenizer)
    assert tokenizer.pad_token_id == model.pad_id != end
    groups = random_pairs(4, seed=5, end=end)
    expected = torch.cat(model.score(groups))[:, 0].detach()
    folder = save(model, tokenizer, tmp_path / "model")

    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    batch = AutoTokenizer.from_pretrained(folder, padding_side="right").pad(
        {"input_ids": [[*g.prefix, *branch] for g in groups for branch in g.branches]}, return_tensors="pt"
    )
    with torch.no_grad():
        assert torch.allclose(plain(**batch).logits[:, 0], expected, atol=1e-4)
        plain.config.pad_token_id = end
        batch["input_ids"][batch["attention_mask"] == 0] = end
        assert not torch.allclose(plain(**batch).logits[:, 0], expected, atol=1e-2)


def test_a_tokenizer_without_any_other_special_token_gets_a_pad() -> None:
    """Like GPT-2's, which has one special token for everything."""
    words = Tokenizer(WordLevel({"<|end|>": 0, "a": 1, "b": 2, "c": 3}, unk_token="<|end|>"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        eos_token="<|end|>",
        pad_token="<|end|>",
        chat_template="{% for m in messages %}{{ m.content }}{% endfor %}",
    )
    assert choose_pad(tokenizer) == 4
    assert tokenizer.pad_token == "<|pad|>"
    assert tokenizer.encode("a b") == [1, 2]


def test_the_pipeline_of_transformers_gives_the_raw_score(llama_folder: Path, tmp_path: Path) -> None:
    model, tokenizer = make(llama_folder)
    folder = save(model, tokenizer, tmp_path / "model")
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a cat"}, {"role": "assistant", "content": "a dog"}], tokenize=False
    )
    ids = tokenizer.encode(text, add_special_tokens=False)
    ids = ids[: len(ids) - ids[::-1].index(end_of_turn_id(tokenizer))]
    classify = pipeline("text-classification", model=str(folder), device="cpu")
    expected = float(model.score([Group(ids[:-1], [ids[-1:]])])[0])
    assert classify(tokenizer.decode(ids))[0]["score"] == pytest.approx(expected, abs=1e-4)


def test_what_is_no_reward_model_is_refused(llama_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no reward model"):
        load_reward_model(llama_folder)
    with pytest.raises(InputError, match="holds no model"):
        load_reward_model(tmp_path)


@pytest.mark.parametrize("kind", ["ctrl", "bert"])
def test_a_classifier_of_another_build_is_no_fault_of_the_weights(
    kind: str, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    settings = {"n_embd": 32, "n_layer": 2, "n_head": 4, "dff": 64}
    settings = settings if kind == "ctrl" else architectures.SETTINGS["llama"] | {"is_decoder": True}
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **settings)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(
        InputError, match=f"no reward model can be made of .* classifier of {kind} has no linear `score`"
    ):
        new_reward_model(tmp_path, tokenizer)


def test_bfloat16_scores_are_near_those_of_float32(model_folder: Callable[[str], Path]) -> None:
    model, tokenizer = make(model_folder("llama"))
    groups = random_pairs(6, seed=2, end=end_of_turn_id(tokenizer))
    exact = torch.cat(model.score(groups))
    model.autocast = torch.bfloat16
    assert model.find_layout(256) == "packed"
    rough = torch.cat(model.score(groups))
    assert rough.dtype == torch.float32
    assert float((rough - exact).abs().max()) < 0.1 * float(exact.std())
    assert model.hf.dtype == torch.float32
