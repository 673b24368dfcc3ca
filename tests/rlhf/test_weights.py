"""Weights that are not there, or that have no place: refused by name, wherever weights are read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from rlhf.base_models import prepare
from rlhf.causal_model import load_causal_lm
from rlhf.config import InputError
from rlhf.reward_files import load_reward_model, new_reward_model
from rlhf.reward_model import HEADS_FILE
from tests.rlhf import architectures

Tensors = dict[str, Tensor]


def rewrite(folder: Path, change: Callable[[Tensors], Tensors], file: str = "model.safetensors") -> Path:
    """Changes the tensors in a folder."""
    save_file(change(load_file(folder / file)), folder / file, metadata={"format": "pt"})
    return folder


def describe(folder: Path, **settings: Any) -> Path:
    """Changes what config.json says."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return folder


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {other: tensor for other, tensor in tensors.items() if other != name}


def prefixed(tensors: Tensors) -> Tensors:
    """As `DistributedDataParallel` names them."""
    return {f"module.{name}": tensor for name, tensor in tensors.items()}


@pytest.fixture
def policy(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> Path:
    return architectures.save("llama", tmp_path / "policy", tokenizer)


@pytest.fixture
def reward(policy: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> Path:
    """A finished reward model of three heads."""
    new_reward_model(policy, tokenizer, heads=3).save(tmp_path / "reward", tokenizer, 0.0, 1.0)
    return tmp_path / "reward"


def refused_as_policy(folder: Path, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_causal_lm(folder)


def refused_as_reward(folder: Path, tokenizer: PreTrainedTokenizerBase, sentence: str) -> None:
    """To score with, and to train further."""
    with pytest.raises(InputError, match=sentence):
        load_reward_model(folder)
    with pytest.raises(InputError, match=sentence):
        new_reward_model(folder, tokenizer, heads=3)


def test_a_reward_model_without_its_score(reward: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    rewrite(reward, without("score.weight"))
    refused_as_reward(reward, tokenizer, r"not a whole LlamaForSequenceClassification: score\.weight is missing")


@pytest.mark.parametrize("tensor", ["model.layers.1.mlp.up_proj.weight", "model.norm.weight"])
def test_a_reward_model_without_part_of_its_trunk(
    reward: Path, tokenizer: PreTrainedTokenizerBase, tensor: str
) -> None:
    rewrite(reward, without(tensor))
    refused_as_reward(reward, tokenizer, f"{tensor} is missing")


def test_names_with_a_wrappers_prefix(
    reward: Path, policy: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    sentence = r"is missing, and \d+ more; module\..*, which is there, has no place in it"
    refused_as_reward(rewrite(reward, prefixed), tokenizer, sentence)
    refused_as_policy(rewrite(policy, prefixed), sentence)
    with pytest.raises(InputError, match=sentence):
        new_reward_model(policy, tokenizer)
    with pytest.raises(InputError, match=sentence):
        prepare(str(policy), tmp_path / "out", say=lambda text: None)


def test_a_language_model_that_calls_itself_a_classifier(policy: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    describe(
        policy, architectures=["LlamaForSequenceClassification"], id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0}
    )
    refused_as_reward(policy, tokenizer, r"score\.weight is missing; lm_head\.weight, which is there, has no place")


def test_a_classifier_that_calls_itself_a_language_model(reward: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    describe(reward, architectures=["LlamaForCausalLM"])
    refused_as_policy(reward, r"lm_head\.weight is missing; score\.weight, which is there, has no place")
    with pytest.raises(InputError, match=r"has score\.weight, but its config\.json tells of a model without it"):
        new_reward_model(reward, tokenizer)


def test_a_classifier_with_tied_embeddings_is_no_language_model(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """Nothing is missing then: the head is the embedding."""
    base = architectures.build("llama", tokenizer)
    base.config.tie_word_embeddings = True
    base.tie_weights()
    base.save_pretrained(tmp_path / "base")
    assert "lm_head.weight" not in load_file(tmp_path / "base" / "model.safetensors")
    load_causal_lm(tmp_path / "base")  # a head that is tied may be left out
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "base", num_labels=1).save_pretrained(tmp_path / "r")
    refused_as_policy(tmp_path / "r", r"not those of a LlamaForCausalLM: score\.weight has no place in it")


def test_a_classifier_of_several_labels_is_no_base(
    policy: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    AutoModelForSequenceClassification.from_pretrained(policy, num_labels=3).save_pretrained(tmp_path / "classes")
    with pytest.raises(InputError, match="is a classifier of 3 labels"):
        new_reward_model(tmp_path / "classes", tokenizer)


def test_a_value_head_that_another_trainer_left(policy: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    rewrite(policy, lambda tensors: {**tensors, "v_head.summary.weight": torch.ones(1, 32)})
    refused_as_policy(policy, r"v_head\.summary\.weight has no place in it")
    with pytest.raises(InputError, match=r"v_head\.summary\.weight has no place in it"):
        new_reward_model(policy, tokenizer)


def test_a_layer_too_many(policy: Path, reward: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    refused_as_policy(describe(policy, num_hidden_layers=1), r"model\.layers\.1\..* has no place in it, and 8 more")
    refused_as_reward(describe(reward, num_hidden_layers=1), tokenizer, r"model\.layers\.1\..* has no place in it")


def test_a_tensor_of_another_shape(policy: Path, reward: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    sentence = r"model\.norm\.weight has shape \(16,\), not \(32,\)"
    for folder in (policy, reward):
        rewrite(folder, lambda tensors: {**tensors, "model.norm.weight": torch.ones(16)})
    refused_as_policy(policy, sentence)
    refused_as_reward(reward, tokenizer, sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors: {"other": tensors["weight"]}, "must hold the tensor 'weight' alone: 'other'"),
        (lambda tensors: {**tensors, "bias": torch.ones(3)}, "must hold the tensor 'weight' alone: 'bias'"),
        (lambda tensors: {"weight": tensors["weight"][:, :16].contiguous()}, r"has shape \(3, 16\), not \(heads, 32\)"),
        (lambda tensors: {"weight": tensors["weight"][:2].contiguous()}, "of 3 heads, but 2 are there"),
    ],
)
def test_the_heads_of_an_ensemble(
    reward: Path, tokenizer: PreTrainedTokenizerBase, change: Callable[[Tensors], Tensors], sentence: str
) -> None:
    refused_as_reward(rewrite(reward, change, HEADS_FILE), tokenizer, sentence)


def test_heads_that_were_left_behind_or_cut_short(reward: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    content = (reward / HEADS_FILE).read_bytes()
    (reward / HEADS_FILE).write_bytes(content[:40])
    refused_as_reward(reward, tokenizer, f"{HEADS_FILE} cannot be read")
    (reward / HEADS_FILE).unlink()
    refused_as_reward(reward, tokenizer, "of 3 heads, but 1 are there")


def test_an_adapter_beside_the_weights_is_not_taken_for_part_of_them(
    policy: Path, reward: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    for folder in (policy, reward):
        (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2}')
    refused_as_policy(policy, "holds an adapter: merge it into its base model")
    refused_as_reward(reward, tokenizer, "holds an adapter: merge it into its base model")


@pytest.mark.parametrize(
    ("kind", "constants"),
    [
        ("gpt2", ("transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias")),
        ("gptj", ("transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias")),
        ("gpt_neo", ("transformer.h.0.attn.attention.bias", "transformer.h.0.attn.attention.masked_bias")),
        ("gpt_neox", ("gpt_neox.layers.0.attention.bias", "gpt_neox.layers.0.attention.rotary_emb.inv_freq")),
        ("codegen", ("transformer.h.0.attn.causal_mask",)),
        ("llama", ("model.layers.0.self_attn.rotary_emb.inv_freq",)),
        ("xglm", ("model.embed_positions.weights",)),
    ],
)
def test_constants_that_older_files_hold_are_no_weights(
    kind: str, constants: tuple[str, ...], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    folder = architectures.save(kind, tmp_path, tokenizer)
    plain = load_causal_lm(folder).state_dict()
    rewrite(folder, lambda tensors: {**tensors, **{name: torch.ones(1) for name in constants}})
    loaded = load_causal_lm(folder).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in plain.items())


def test_a_new_reward_model_needs_no_language_head(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """It begins from a trunk, whatever the head on it is called, and with none as well."""
    for kind in ("gptj", "gpt_neox", "phi"):
        new_reward_model(architectures.save(kind, tmp_path / kind, tokenizer), tokenizer)
    trunk: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "phi").base_model
    trunk.save_pretrained(tmp_path / "trunk")
    new_reward_model(tmp_path / "trunk", tokenizer)
