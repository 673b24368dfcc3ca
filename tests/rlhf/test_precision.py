"""What 16 bits must not take away: with a bfloat16 base, sampler, trainer, `model/` and `adapter/` are one policy."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from rlhf.online_trainer import Minibatch
from rlhf.policy_files import save_policy
from rlhf.policy_settings import PolicyConfig
from rlhf.ppo_trainer import PPOTrainer
from rlhf.processes import Processes
from rlhf.train_policy import prepare

IDS = torch.randint(3, 60, (16, 24), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folders(
    llama_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """A base policy in bfloat16, a reward model and prompts."""
    root = tmp_path_factory.mktemp("precision")
    AutoModelForCausalLM.from_pretrained(llama_folder, dtype=torch.bfloat16).save_pretrained(root / "base")
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(llama_folder, num_labels=1).save_pretrained(root / "reward")
    for name in ("base", "reward"):
        tokenizer.save_pretrained(root / name)
    (root / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"say word {i}"}) + "\n" for i in range(40)))
    return {"model": str(root / "base"), "reward": str(root / "reward"), "prompts": str(root / "prompts.jsonl")}


def trainer_of(folders: dict[str, str], output: Path, rate: float, **changes: Any) -> PPOTrainer:
    """A trainer that has taken eight optimiser steps in bfloat16."""
    config = PolicyConfig(
        **folders, output=str(output), total_episodes=1 << 20, batch_size=16, num_mini_batches=1, num_ppo_epochs=1,
        max_new_tokens=12, value_model="shared", dtype="bfloat16", learning_rate=rate,
        **({"use_peft": False} | changes),
    )  # fmt: skip
    trainer: PPOTrainer = prepare(config, Processes("cpu"))[0]
    for update in range(1, 9):
        trainer.step(update)
    return trainer


def log_probs(model: Any) -> Tensor:
    """(sequences, length, vocabulary) on sequences that nobody chose."""
    with torch.no_grad():
        return model(IDS).logits.float().log_softmax(dim=-1)


def kl(of: Tensor, log_ratio: Tensor) -> float:
    """The mean of a log-ratio over all tokens that a policy may draw, nats a token."""
    return float((of.exp() * log_ratio).sum(dim=-1).mean())


@pytest.mark.parametrize("rate", [1e-4, 1e-3])
def test_kl_on_sampled_responses_is_the_trainers_own(folders: dict[str, str], tmp_path: Path, rate: float) -> None:
    trainer = trainer_of(folders, tmp_path / "run", rate, use_peft=True)
    sampler, model = trainer.make.sampler, trainer.model
    with sampler.side.active() if hasattr(sampler, "side") else nullcontext():
        sampled = log_probs(sampler.plain)
    with torch.autocast("cpu", torch.bfloat16):  # as the trainer computes
        own = log_probs(model.causal)
        with model.policy.disable_adapter():
            reference = log_probs(model.causal)
    expected = kl(own, own - reference)
    assert kl(sampled, own - reference) == pytest.approx(expected, rel=0.05)
    assert kl(sampled, sampled - own) < 0.05 * expected


@pytest.mark.parametrize("use_peft", [True, False])
def test_the_saved_model_is_the_trained_policy(
    folders: dict[str, str], tmp_path: Path, tokenizer: PreTrainedTokenizerBase, use_peft: bool
) -> None:
    trainer = trainer_of(folders, tmp_path / "run", 1e-4 if use_peft else 3e-6, use_peft=use_peft)
    save_policy(tmp_path, trainer.model, tokenizer, trainer.config, readme="")
    saved = log_probs(AutoModelForCausalLM.from_pretrained(tmp_path / "model").float())
    base = AutoModelForCausalLM.from_pretrained(folders["model"], dtype=torch.float32)
    moved = (log_probs(base) - saved).abs().max()
    if use_peft:
        policy: Any = PeftModel.from_pretrained(base, str(tmp_path / "adapter"))
    else:
        policy = trainer.model.causal.eval()
    difference = (log_probs(policy) - saved).abs().max()
    assert difference < 1e-3
    assert difference < 0.01 * moved  # and not only because there is little to lose


def test_a_sampler_that_is_another_policy_is_measured_told_and_corrected(
    folders: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = trainer_of(folders, tmp_path / "run", 1e-4, use_peft=True, importance_correction=True, importance_cap=1.5)
    assert "the sampler is" not in capsys.readouterr().err
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.05)  # and no refresh: the sampler stays where it was
    experience = trainer.work(9)
    rows = list(range(16))
    old = trainer.tokens(experience.paid.log_probs, experience, rows)
    loss = trainer.losses(experience, rows, Minibatch(16, 1), old, None)[0]  # every ratio is 1 here
    assert float(loss) == pytest.approx(-float((experience.importance * experience.advantages).sum()), rel=0.05)
    assert abs(float(loss)) > 1  # without the weights it would be 0: advantages are whitened
    found = trainer.learn(9, experience)
    ratio = (experience.paid.log_probs - experience.paid.sampled)[experience.paid.mask]
    assert found["policy/sampler_logratio"] == pytest.approx(-float(ratio.mean()), rel=1e-4)
    assert found["policy/sampler_kl"] > 0.01 * found["val/answer_tokens"]
    torch.testing.assert_close(experience.importance[experience.paid.mask], ratio.exp().clamp(max=1.5))
    assert capsys.readouterr().err.count("update 9: the sampler is") == 1


@pytest.mark.parametrize("value_model", ["shared", "separate"])
def test_products_are_in_bfloat16_where_the_processor_has_it_and_masters_are_not(
    folders: dict[str, str], tmp_path: Path, value_model: str
) -> None:
    """In sampling and in the passes of training; weights, gradients and log-probabilities are in float32."""
    flags = set(torch.cpu.get_capabilities().items())
    native = bool(flags & {("avx512_bf16", True), ("amx_bf16", True), ("bf16", True)})
    expected = torch.bfloat16 if native else torch.float32
    settings = {"total_episodes": 32, "batch_size": 8, "max_new_tokens": 8, "value_model": value_model}
    config = PolicyConfig(**folders, output=str(tmp_path / "run"), use_peft=False, device="cpu", **settings)
    assert config.dtype == "auto"
    trainer: PPOTrainer = prepare(config, Processes("cpu"))[0]
    seen: dict[str, set[torch.dtype]] = {"policy": set(), "sampler": set()}
    sampled = trainer.make.sampler.plain
    for name, model in (("policy", trainer.model.causal), ("sampler", sampled)):
        if name == "sampler" and model is trainer.model.causal:
            continue
        layer = model.model.layers[0].mlp.down_proj
        layer.register_forward_hook(lambda module, given, output, name=name: seen[name].add(output.dtype))
    gradients: set[torch.dtype] = set()
    update = trainer.update

    def watched(numbers: Any) -> bool:
        gradients.update(p.grad.dtype for p in trainer.model.parameters() if p.grad is not None)
        return update(numbers)

    trainer.update = watched  # type: ignore[method-assign]
    experience = trainer.work(1)
    trainer.learn(1, experience)
    assert set().union(*seen.values()) == {expected}
    assert gradients == {torch.float32}
    assert {p.dtype for p in trainer.model.parameters() if p.requires_grad} == {torch.float32}
    assert {part["exp_avg"].dtype for part in trainer.optimizer.state.values()} == {torch.float32}
    assert experience.paid.log_probs.dtype == torch.float32
