"""RLOO and GRPO: advantages by hand, a step beside plain transformers, and whole runs."""

import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from rlhf import train
from rlhf.config import InputError, from_mapping, run_cli
from rlhf.group_advantages import group_relative, leave_one_out, standardised
from rlhf.group_settings import GRPOConfig, RLOOConfig
from rlhf.processes import Processes
from rlhf.train_groups import prepare_grpo, prepare_rloo, train_grpo, train_rloo
from tests.rlhf.policy_runs import SMALL, command, in_child, make_folders, metrics, run_in_two, smooth, wait_for_lines

METHODS: dict[str, Any] = {
    "rloo": (RLOOConfig, prepare_rloo, train_rloo),
    "grpo": (GRPOConfig, prepare_grpo, train_grpo),
}
NOT_OURS = ("num_ppo_epochs", "value_model")
GROUPS = {name: value for name, value in SMALL.items() if name not in NOT_OURS} | {
    "num_generations": 4,
    "num_iterations": 2,
}


@pytest.fixture(scope="module")
def folders(
    llama_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    return make_folders(tmp_path_factory.mktemp("groups"), llama_folder, tokenizer)


def config(method: str, folders: dict[str, str], output: Path, **changes: Any) -> Any:
    return METHODS[method][0](**{**folders, "output": str(output), **GROUPS, **changes})


def trainer_of(method: str, folders: dict[str, str], output: Path, **changes: Any) -> Any:
    return METHODS[method][1](config(method, folders, output, **changes), Processes("cpu"))[0]


def run_command(method: str, arguments: list[str]) -> None:
    sys.argv = ["train", method, *arguments]
    run_cli(train.main)


# ---- advantages --------------------------------------------------------------------------------------------------


def test_advantages_by_hand() -> None:
    rewards = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    torch.testing.assert_close(leave_one_out(rewards), torch.tensor([[-3.0, -1.5, 4.5], [-1.5, -1.5, 3.0]]))
    # means 3 and 1; standard deviations sqrt(14 / 2) and sqrt(3), of all six sqrt(26 / 5)
    centred = torch.tensor([[-2.0, -1.0, 3.0], [-1.0, -1.0, 2.0]])
    torch.testing.assert_close(group_relative(rewards, scale="none"), centred)
    spread = torch.tensor([[math.sqrt(7)], [math.sqrt(3)]]) + 1e-4
    torch.testing.assert_close(group_relative(rewards, scale="group"), centred / spread)
    torch.testing.assert_close(group_relative(rewards, scale="batch"), centred / (math.sqrt(26 / 5) + 1e-4))
    torch.testing.assert_close(standardised(centred), centred / (2.0 + 1e-4))  # mean 0, sum of squares 20 of 5


def test_equal_rewards_teach_nothing() -> None:
    same = torch.full((2, 4), 5.0)
    for found in (leave_one_out(same), group_relative(same), group_relative(same, scale="batch")):
        assert found.abs().max() == 0


# ---- a step ------------------------------------------------------------------------------------------------------


def plain_log_probs(model: Any, rollouts: list[Any]) -> list[Tensor]:
    """Of the tokens of each response by transformers, one sequence after the other."""
    found = []
    for rollout in rollouts:
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.response_ids]])
        log_probs = model(input_ids=ids).logits[0, :-1].log_softmax(dim=-1).gather(1, ids[0, 1:, None]).squeeze(1)
        found.append(log_probs[len(rollout.prompt_ids) - 1 :])
    return found


def expected_loss(config: Any, paid: Any, now: list[Tensor], then: list[Tensor], reference: list[Tensor]) -> Tensor:
    """By the formulas of TRL's trainers written out, response by response."""
    scores, n, clip, beta = paid.scores.tolist(), config.num_generations, config.cliprange, config.beta
    losses, tokens = [], sum(map(len, now))
    for i in range(len(now)):
        group = range(i // n * n, i // n * n + n)
        ratio = now[i] - then[i]
        if isinstance(config, RLOOConfig):
            rewards = {j: scores[j] - beta * float((then[j] - reference[j]).sum()) for j in group}
            advantage = rewards[i] - sum(rewards[j] for j in group if j != i) / (n - 1)
            whole = ratio.sum().exp()
            losses.append(-torch.min(whole * advantage, whole.clamp(1 - clip, 1 + clip) * advantage) / len(now))
            continue
        own = torch.tensor([scores[j] for j in group])
        advantage = scores[i] - float(own.mean())
        if config.scale_rewards == "group":
            advantage /= float(own.std()) + 1e-4
        each = -torch.min(ratio.exp() * advantage, ratio.exp().clamp(1 - clip, 1 + clip) * advantage)
        kl = (reference[i] - now[i]).exp() - (reference[i] - now[i]) - 1
        each = each + beta * (kl * ratio.exp() if config.use_bias_correction_kl else kl)
        share = {"dapo": tokens, "grpo": len(now[i]) * len(now), "dr_grpo": config.max_new_tokens * len(now)}
        losses.append(each.sum() / share[config.loss_type])
    return torch.stack(losses).sum()


@pytest.mark.parametrize("budget", [100_000, 60])
@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("rloo", {}),
        ("grpo", {}),
        ("grpo", {"loss_type": "grpo", "use_bias_correction_kl": False}),
        ("grpo", {"loss_type": "dr_grpo", "scale_rewards": "none"}),
    ],
)
def test_a_step_is_that_of_plain_transformers(
    folders: dict[str, str], tmp_path: Path, method: str, changes: dict[str, Any], budget: int
) -> None:
    """Loss and gradient where the policy has moved from the reference, and from the one that wrote the responses."""
    trainer = trainer_of(
        method, folders, tmp_path / "run", beta=0.3, token_budget=budget, learning_rate=1e-2, **changes
    )
    assert trainer.model.shares
    trainer.max_grad_norm = 1000.0
    trainer.step(1)
    experience = trainer.work(2)
    paid = experience.paid
    assert paid.log_ratios.abs().max() > 0.01
    plain = AutoModelForCausalLM.from_pretrained(folders["model"], dtype=torch.float32)
    reference = [part.detach() for part in plain_log_probs(plain, paid.rollouts)]
    state = {name.removeprefix("policy."): value for name, value in trainer.model.policy.state_dict().items()}
    plain.load_state_dict(state)
    then = [part.detach() for part in plain_log_probs(plain, paid.rollouts)]
    torch.manual_seed(1)
    noise = [torch.randn_like(parameter) * 0.003 for parameter in plain.parameters()]
    with torch.no_grad():
        for models in (plain, trainer.model.policy):
            for parameter, moved in zip(models.parameters(), noise, strict=True):
                parameter += moved
    now = plain_log_probs(plain, paid.rollouts)
    trainer.state["beta"] = trainer.config.beta
    loss = expected_loss(trainer.config, paid, now, then, reference)
    loss.backward()
    gradients: dict[str, Tensor] = {}

    def keep(numbers: Any) -> bool:
        gradients.update({name: p.grad.clone() for name, p in trainer.model.policy.named_parameters()})
        return True

    trainer.update = keep
    rows = [list(range(i, i + 4)) for i in range(0, 16, 4)]
    found = trainer.optimiser_step(trainer.experience(paid, trainer.config.beta), rows)
    ours = found["loss/policy_avg"] + trainer.config.beta * found.get("loss/kl_avg", 0.0)
    assert ours == pytest.approx(float(loss.detach()), abs=1e-5)
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_the_prompt_of_a_group_is_computed_once(folders: dict[str, str], tmp_path: Path) -> None:
    trainer = trainer_of("rloo", folders, tmp_path / "run")
    computed: list[int] = []
    sampler = trainer.make.sampler
    tasks = trainer.tasks(1)
    assert [task.prompt_ids for task in tasks[:4]] == [tasks[0].prompt_ids] * 4
    assert len({task.seed for task in tasks}) == len(tasks) == 16
    embeddings = sampler.plain.get_input_embeddings()
    handle = embeddings.register_forward_pre_hook(lambda module, given: computed.append(given[0].shape[0]))
    together = sampler(tasks)
    handle.remove()
    assert computed[0] == 4  # prompts, and not 16
    alone = [sampler([task])[0] for task in tasks]
    same = [one.response_ids == other.response_ids for one, other in zip(together, alone, strict=True)]
    assert sum(same) >= 15  # rounding alone turns one draw in some thousand tokens


# ---- whole runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_reward_rises_and_the_best_policy_is_published(folders: dict[str, str], tmp_path: Path, method: str) -> None:
    output = tmp_path / "run"
    settings = {"total_episodes": 480, "max_new_tokens": 8, "learning_rate": 5e-3, "eval_steps": 6}
    summary = METHODS[method][2](config(method, folders, output, **settings))
    rows = metrics(output)
    assert summary["reward_gain"] > 0.2
    assert summary["kl"] < summary["kl_budget"]
    assert rows[1]["objective/kl"] == pytest.approx(0.0, abs=1e-4)
    assert rows[1]["episode"] == 16
    assert rows[-1]["loss/policy_avg"] is not None
    assert "val/explained_variance" not in rows[1]
    trained = AutoModelForCausalLM.from_pretrained(output / "model")
    base = AutoModelForCausalLM.from_pretrained(folders["model"])
    assert (trained.lm_head.weight - base.lm_head.weight).abs().max() > 1e-3
    assert f"fine-tuned with {method.upper()}" in (output / "model" / "README.md").read_text()


@pytest.mark.parametrize("method", METHODS)
def test_killed_and_resumed_equals_never_killed(folders: dict[str, str], tmp_path: Path, method: str) -> None:
    run, whole, output = partial(run_command, method), tmp_path / "whole", tmp_path / "killed"
    more = ["--total_episodes=160"]
    killed = in_child(command(folders, output, *more, settings=GROUPS), run)
    wait_for_lines(killed, output, 4)  # update 3: one after the last checkpoint
    killed.kill()
    killed.join()
    assert not (output / "model").exists()
    resumed = METHODS[method][2](config(method, folders, output, total_episodes=160, resume=True))
    never = METHODS[method][2](config(method, folders, whole, total_episodes=160))
    assert metrics(output) == metrics(whole)
    ours, theirs = (load_file(path / "model" / "model.safetensors") for path in (output, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    same = dict.fromkeys(("seconds", "episodes_per_second", "model"))
    assert resumed | same == never | same


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_give_the_losses_of_one(folders: dict[str, str], tmp_path: Path, method: str) -> None:
    arguments = command(folders, tmp_path / "two", "--total_episodes=32", "--device=cpu", settings=GROUPS)
    run_in_two(arguments, partial(run_command, method))
    METHODS[method][2](config(method, folders, tmp_path / "one", total_episodes=32))
    for one, two in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        assert smooth(one) == pytest.approx(smooth(two), abs=1e-4, rel=1e-4)


def test_lora_trains_beside_its_own_reference(folders: dict[str, str], tmp_path: Path) -> None:
    summary = train_rloo(config("rloo", folders, tmp_path / "run", use_peft=True, learning_rate=1e-2))
    assert summary["updates"] == 4
    assert (tmp_path / "run" / "adapter").is_dir()
    assert metrics(tmp_path / "run")[-1]["objective/kl"] > 0.01


def test_a_batch_is_of_whole_groups(folders: dict[str, str], tmp_path: Path) -> None:
    made = config("rloo", folders, tmp_path / "run", batch_size=18, total_episodes=33)
    assert (made.prompts_at_once, made.update_size, made.updates) == (4, 16, 3)
    paths = {**folders, "output": str(tmp_path / "run")}
    with pytest.raises(InputError, match="All responses to a prompt belong to one batch"):
        from_mapping(RLOOConfig, {**paths, "batch_size": 6, "num_generations": 8})
    few = trainer_of("rloo", folders, tmp_path / "run", num_mini_batches=16, learning_rate=0.0)  # of 4 prompts
    assert few.step(1)["val/optimiser_steps"] == 8
