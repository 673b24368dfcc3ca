"""The language head against the full softmax, the forward pass against transformers', the reference, the value head."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    MistralConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from rlhf.adapters import add_adapters, add_lora
from rlhf.batches import Group, Spans
from rlhf.config import InputError
from rlhf.language_head import Head, token_log_probs
from rlhf.policy_files import load_causal, load_policy_model
from rlhf.policy_model import (
    PolicyModel,
    frozen_copy,
    response_batch,
)
from rlhf.policy_settings import PolicyConfig
from rlhf.reward_files import load_reward_model
from rlhf.reward_model import RewardModel
from rlhf.vocabulary import Vocabulary

PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12], [13]]
RESPONSES = [[20, 21, 22, 1], [23], [24, 25, 26, 27, 28, 1]]
CPU = torch.device("cpu")


def full_softmax(hidden: Tensor, head: Head, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    logits = nn.functional.linear(hidden, head.weight, head.bias) * head.scale
    if head.cap is not None:
        logits = head.cap * torch.tanh(logits / head.cap)
    if head.vocabulary is not None:
        never = torch.zeros(len(head.weight), dtype=torch.bool)
        never[list(head.vocabulary.missing)] = True
        logits = logits.masked_fill(never, -1e30)
    log_probs = torch.log_softmax(logits / temperature, dim=-1)
    return log_probs.gather(1, targets[:, None]).squeeze(1), -(log_probs.exp() * log_probs).sum(dim=1)


FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bias": {"bias": torch.linspace(-1, 1, 50)},
    "scaled": {"scale": 0.3},
    "capped": {"cap": 4.0},
    "all, with holes": {
        "bias": torch.linspace(-1, 1, 50), "scale": 1.7, "cap": 4.0, "vocabulary": Vocabulary(50, (3, 48))
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("train_head", [True, False])
def test_chunked_head_equals_the_full_softmax(form: str, chunk: int, train_head: bool) -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(7, 16), torch.randn(50, 16)
    targets, upstream = torch.tensor([0, 7, 49, 7, 12, 30, 2]), torch.randn(7)
    found = []
    for log_probs_of in (partial(token_log_probs, chunk=chunk), full_softmax):
        settings = dict(FORMS[form])
        learned = [hidden.clone().requires_grad_(), weight.clone().requires_grad_(train_head)]
        if "bias" in settings:
            settings["bias"] = settings["bias"].clone().requires_grad_(train_head)
            learned.append(settings["bias"])
        log_probs, entropy = log_probs_of(learned[0], Head(learned[1], **settings), targets, temperature=0.7)
        (log_probs * upstream).sum().backward()
        found.append([log_probs, entropy, *[tensor.grad for tensor in learned if tensor.grad is not None]])
    assert len(found[0]) == (2 + 1 + train_head * (1 + ("bias" in FORMS[form])))
    for mine, reference in zip(*found, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


def test_autocast_does_not_round_what_is_measured() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(40, 16).bfloat16(), torch.randn(500, 16).bfloat16()
    targets = torch.randint(0, 500, (40,))
    expected = token_log_probs(hidden, Head(weight), targets)
    with torch.autocast("cpu", torch.bfloat16):
        found = token_log_probs(hidden, Head(weight), targets)
    torch.testing.assert_close(found, expected)


def test_two_classes_by_hand() -> None:
    # logits (ln 3, 0) -> probabilities (3/4, 1/4)
    hidden, weight = torch.tensor([[1.0]]), torch.tensor([[3.0], [1.0]]).log()
    log_probs, entropy = token_log_probs(hidden, Head(weight), torch.tensor([1]))
    assert log_probs.exp().item() == pytest.approx(0.25)
    assert entropy.item() == pytest.approx(-0.75 * torch.tensor(0.75).log() - 0.25 * torch.tensor(0.25).log())


def test_no_softmax_is_kept_for_backward() -> None:
    hidden, weight = torch.randn(64, 8, requires_grad=True), torch.randn(1000, 8, requires_grad=True)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):  # type: ignore[func-returns-value]
        token_log_probs(hidden, Head(weight), torch.zeros(64, dtype=torch.long), chunk=16)
    assert max(kept) <= weight.numel()


def test_batches_are_laid_out_as_described() -> None:
    batch = response_batch([[5, 6], [7]], [[8], [9, 1]], CPU)
    assert batch.conversations.input_ids.tolist() == [[5, 6, 8], [7, 9, 1]]
    assert batch.rows.tolist() == [0, 1, 1]
    assert batch.positions.tolist() == [1, 0, 1]
    assert batch.targets.tolist() == [8, 9, 1]


def test_packed_conversations_fill_one_row() -> None:
    batch = response_batch([[5], [6, 7, 8], [9, 10]], [[11], [12, 13], [14]], CPU, packed=True)
    assert batch.conversations.input_ids.tolist() == [[5, 11, 6, 7, 8, 12, 13, 9, 10, 14]]
    assert batch.conversations.position_ids.tolist() == [[0, 1, 0, 1, 2, 3, 4, 0, 1, 2]]
    assert batch.conversations.spans == Spans.of([Group([], [[0] * length]) for length in (2, 5, 3)])
    assert batch.rows.tolist() == [0] * 4
    assert batch.positions.tolist() == [0, 4, 5, 8]
    assert batch.targets.tolist() == [11, 12, 13, 14]


def test_packed_conversations_come_out_as_alone(any_model: PreTrainedModel) -> None:
    torch.manual_seed(0)
    prompts = [torch.randint(3, 60, (length,)).tolist() for length in (9, 2, 1, 4, 6)]
    responses = [torch.randint(3, 60, (length,)).tolist() for length in (3, 5, 1, 2, 1)]
    model = PolicyModel(any_model, reference=None, value_trunk=copy.deepcopy(any_model.base_model))
    nn.init.normal_(model.value_head.weight)
    assert model.packs
    assert len(model.batch(prompts, responses).conversations.input_ids) == 1
    found = []
    for packed in (True, False):
        model.zero_grad()
        log_probs, entropy, values = model(response_batch(prompts, responses, CPU, packed=packed))
        (log_probs.sum() + values.square().sum()).backward()
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        found.append((log_probs.detach(), entropy.detach(), values.detach(), torch.cat(gradients)))
    for together, alone in zip(*found, strict=True):
        assert (together - alone).norm() / alone.norm() < 1e-5


def test_a_model_with_attention_of_its_own_gets_a_row_for_each_conversation(any_model: PreTrainedModel) -> None:
    any_model.set_attn_implementation("eager")
    model = PolicyModel(any_model, reference=None, value_trunk=None)
    assert not model.packs
    assert len(model.batch(PROMPTS, RESPONSES).conversations.input_ids) == len(PROMPTS)


def test_packed_conversations_keep_their_window() -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=64, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=4, initializer_range=0.3,
    )  # fmt: skip
    mistral = AutoModelForCausalLM.from_config(config).eval()
    model = PolicyModel(mistral, reference=None, value_trunk=None)
    assert model.packs
    batches = (response_batch([[5, 6, 7, 8, 9, 10, 11]] * 2, [[12, 13, 14]] * 2, CPU, packed=p) for p in (True, False))
    together, alone = (model(batch)[0] for batch in batches)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_forward_equals_transformers_one_by_one(any_model: PreTrainedModel) -> None:
    model = PolicyModel(any_model, reference=frozen_copy(any_model, torch.float32), value_trunk=None, temperature=0.8)
    log_probs, entropy, values = model(response_batch(PROMPTS, RESPONSES, CPU))
    expected = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        logits = any_model(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1] / 0.8
        expected.append(logits.log_softmax(-1).gather(1, torch.tensor(response)[:, None]).squeeze(1))
    torch.testing.assert_close(log_probs, torch.cat(expected), rtol=1e-4, atol=1e-5)
    assert values is not None
    assert values.shape == entropy.shape == log_probs.shape
    assert not values.any()  # a new head values everything at 0
    reference, _, none = model(response_batch(PROMPTS, RESPONSES, CPU), role="reference")
    torch.testing.assert_close(reference, log_probs.detach())
    assert none is None


@pytest.mark.parametrize("lora", [True, False])
def test_the_reference_stays_where_the_policy_began(llama: PreTrainedModel, lora: bool) -> None:
    policy: Any = add_lora(llama, rank=2, alpha=4) if lora else llama
    reference = None if lora else frozen_copy(llama, torch.float32)
    model = PolicyModel(policy, reference=reference, value_trunk=None)
    batch = response_batch(PROMPTS, RESPONSES, CPU)
    before = model(batch)[0].detach()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        model(batch)[0].sum().backward()
        optimizer.step()
    after = model(batch)[0].detach()
    assert (after - before).abs().max() > 1e-3
    torch.testing.assert_close(model(batch, role="reference")[0].detach(), before)


def test_merged_copy_answers_like_the_adapters(llama: PreTrainedModel) -> None:
    plain = copy.deepcopy(llama)
    model = PolicyModel(add_lora(llama, rank=4, alpha=8), reference=None, value_trunk=None)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    add_adapters(model.causal, plain)
    ids = torch.tensor([[5, 6, 7, 20, 21]])
    torch.testing.assert_close(plain(ids).logits, model.causal(ids).logits, rtol=1e-4, atol=1e-5)


def test_lora_in_the_last_layers_only(llama: PreTrainedModel) -> None:
    wrapped = add_lora(llama, rank=2, alpha=4, last_layers=1)
    trained = [name for name, parameter in wrapped.named_parameters() if parameter.requires_grad]
    assert trained
    assert all(".layers.1." in name for name in trained)


@pytest.fixture
def reward(llama_folder: Path, tmp_path: Path) -> RewardModel:
    torch.manual_seed(3)
    classifier = AutoModelForSequenceClassification.from_pretrained(llama_folder, num_labels=1)
    classifier.config.mean, classifier.config.std = 0.5, 2.0
    classifier.save_pretrained(tmp_path / "reward")
    return load_reward_model(tmp_path / "reward")


def config_of(model: Path, **changes: Any) -> PolicyConfig:
    """All weights trained, with a value model of its own."""
    settings: dict[str, Any] = {"use_peft": False, "value_model": "separate", **changes}
    return PolicyConfig(model=str(model), reward="-", prompts="-", output="-", **settings)


@pytest.mark.parametrize("use_peft", [True, False])
def test_the_value_model_begins_as_the_reward_model(
    tokenizer: PreTrainedTokenizerBase, llama_folder: Path, reward: RewardModel, use_peft: bool
) -> None:
    config = config_of(llama_folder, use_peft=use_peft)
    model = load_policy_model(config, tokenizer, reward, compute_dtype=torch.float32, value_model=config.value_model)
    values = model(response_batch([[5, 6, 7]], [[20, 21]], CPU))[2]
    assert values is not None
    # the value of the state in which a token is sampled is the normalised score of what stands before it
    for token, seen in enumerate(([5, 6, 7], [5, 6, 7, 20])):
        hidden = reward.hf.base_model(torch.tensor([seen])).last_hidden_state[0, -1].detach()
        score = float(reward.head_weight()[0].detach() @ hidden)
        assert values[token].item() == pytest.approx((score - 0.5) / 2, abs=1e-5)
    # value and reward model share no weights: training one leaves the other as it is
    theirs = {p.data_ptr() for p in reward.parameters()}
    assert theirs.isdisjoint(p.data_ptr() for p in model.parameters())


def test_policy_and_value_model_in_turn_are_both_at_once(
    tokenizer: PreTrainedTokenizerBase, llama_folder: Path, reward: RewardModel
) -> None:
    config = config_of(llama_folder)
    model = load_policy_model(config, tokenizer, reward, compute_dtype=torch.float32, value_model=config.value_model)
    batch = model.batch(PROMPTS, RESPONSES)
    log_probs, entropy, values = model(batch)
    found = model(batch, "policy")
    torch.testing.assert_close((*found[:2], model(batch, "value")[2]), (log_probs, entropy, values), rtol=0, atol=0)
    assert found[2] is None
    assert model(batch, "value")[:2] == (None, None)


def test_gradient_checkpointing_changes_no_gradient(
    tokenizer: PreTrainedTokenizerBase, llama_folder: Path, reward: RewardModel
) -> None:
    gradients = []
    for on in (False, True):
        config = config_of(llama_folder, gradient_checkpointing=on)
        model = load_policy_model(
            config, tokenizer, reward, compute_dtype=torch.float32, value_model=config.value_model
        )
        assert model.packs
        log_probs, _, values = model(model.batch(PROMPTS, RESPONSES))
        (log_probs.sum() + values.square().sum()).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a model folder"):
        load_causal(tmp_path, torch.float32)


def test_loaded_models_have_no_dropout(llama_folder: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(llama_folder)
    model.config.attention_dropout = 0.5
    model.save_pretrained(tmp_path / "droppy")
    loaded = load_causal(tmp_path / "droppy", torch.float32).train()
    ids = torch.tensor([[5, 6, 7, 8]])
    torch.testing.assert_close(loaded(ids).logits, loaded(ids).logits)
