"""Loss and gradient of a first step beside TRL's, on the same tokens and weights in float32: `make bench-gradients`.

SFT, DPO and its forms, RLOO and GRPO in theirs. The policy is not its reference any more, so that no term of a loss is
zero; RLOO's and GRPO's responses are sampled by us and given to the peer with what they are paid. A loss may differ by
1e-5, a gradient by 1e-5 of its norm, or the exit code is 1. The last line on stdout is JSON.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from bench.online_ours import set_up, shared_settings
from bench.pairs import HERE, one_run, report, say
from bench.peers import peer_python
from bench.ppo import write_models
from bench.tuning_ours import dpo, sft
from rlhf.base_models import prepare
from rlhf.causal_model import load_causal_lm
from rlhf.chat_format import encode_prompt
from rlhf.config import RunFailed, run_cli
from rlhf.group_settings import GRPOConfig, RLOOConfig
from rlhf.group_trainer import GRPOTrainer, RLOOTrainer
from rlhf.processes import Processes
from rlhf.rollouts import Task
from rlhf.types import user_message

PEER = "trl==1.16.0"
CLOSE = 1e-5

# (what is compared, our settings, TRL's); the names of TRL's losses are its own
DPO: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dpo": ({}, {}),
    "dpo, by length": ({"length_normalized": True}, {"loss_type": ["sigmoid_norm"]}),
    "dpo, ipo": ({"loss": "ipo", "length_normalized": True}, {"loss_type": ["ipo"]}),
    "dpo, hinge": ({"loss": "hinge"}, {"loss_type": ["hinge"]}),
}
RLOO: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "rloo": ({}, {}),
    "rloo, normalised": ({"normalize_advantages": True}, {"normalize_advantages": True}),
}
GRPO: dict[str, dict[str, Any]] = {
    "grpo, dapo": {"loss_type": "dapo"},
    "grpo, grpo": {"loss_type": "grpo", "use_bias_correction_kl": False},
    "grpo, dr_grpo": {"loss_type": "dr_grpo", "scale_rewards": "none"},
    "grpo, by the batch": {"loss_type": "grpo", "scale_rewards": "batch"},
}


def main(argv: list[str]) -> None:
    if argv:
        raise RunFailed("bench.gradients has no settings")
    peer = [str(peer_python(PEER, [PEER])), str(HERE / "gradients_peer.py")]
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-gradients-") as name:
        folder = Path(name)
        prepare("tiny:0", folder / "source", say=lambda text: None)
        write_models(str(folder / "source"), folder)
        moved = write_moved(folder)
        cases: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
            ("sft", "sft", {}, {}),
            *(("dpo", name, *both) for name, both in DPO.items()),
        ]
        cases += [("rloo", name, *both) for name, both in RLOO.items()]
        cases += [("grpo", name, same, same) for name, same in GRPO.items()]
        for method, what, settings, theirs in cases:
            given, loss, gradients = (tuned if method in ("sft", "dpo") else rewarded)(method, folder, moved, settings)
            spec: dict[str, Any] = {"method": method, "base": str(folder / "base"), "policy": str(folder / "policy")}
            spec |= {"output": str(folder / "peer"), "settings": theirs} | given
            other = one_run(peer, folder, spec)
            found[what] = compare(loss, gradients, other["loss"], load_file(folder / "peer" / "gradients.safetensors"))
            say(f"{what}: loss {loss:.6f}, off by {found[what]['loss']:.1e}, gradient by {found[what]['gradient']:.1e}")
    worst = {name: max(each[name] for each in found.values()) for name in ("loss", "gradient")}
    report({"bench": "gradients", "peer_version": f"trl {other['version']}", **worst, "each": found})
    if not max(worst.values()) <= CLOSE:
        raise RunFailed(f"a loss or a gradient differs from the peer's by more than {CLOSE:g}")


def write_moved(folder: Path) -> dict[str, Tensor]:
    """Writes `folder`/policy, the base with some noise in every weight; returns its weights."""
    model = load_causal_lm(folder / "base", torch.float32)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    model.save_pretrained(folder / "policy")
    return dict(model.named_parameters())


def move(model: Any, to: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in model.causal.named_parameters():
            parameter.copy_(to[name])


def keep_gradient(trainer: Any) -> dict[str, Tensor]:
    """Where the gradient of the trainer's next step will be, by the names of transformers; the weights stay."""
    kept: dict[str, Tensor] = {}

    def update(numbers: Any) -> bool:
        for name, parameter in trainer.model.causal.named_parameters():
            if parameter.grad is not None:
                kept[name] = parameter.grad.clone()
        return True

    trainer.update = update
    return kept


def tuned(method: str, folder: Path, moved: dict[str, Tensor], settings: dict[str, Any]) -> Any:
    """What the peer is given, our loss and our gradient, of SFT or DPO on random tokens."""
    draw = random.Random(1)
    longest = {"prompt_ids": 20, "chosen_ids": 30, "rejected_ids": 30}
    rows = [
        {name: [draw.randrange(5, 200) for _ in range(draw.randint(1, most))] for name, most in longest.items()}
        for _ in range(8)
    ]
    shared: dict[str, Any] = {
        "model": str(folder / "base"),
        "output": str(folder / "ours"),
        "train_batch_size": len(rows),
    }
    shared |= {"max_steps": 1, "max_grad_norm": 1e9, "use_peft": False, "dtype": "float32", "device": "cpu"}
    trainer = (dpo if method == "dpo" else sft)({"rows": rows}, shared | settings, torch.float32, Processes("cpu"))
    move(trainer.model, moved)
    gradient = keep_gradient(trainer)
    loss = trainer.learn(1, list(range(len(rows))))["loss"]
    return {"rows": rows}, loss, gradient


def rewarded(method: str, folder: Path, moved: dict[str, Tensor], settings: dict[str, Any]) -> Any:
    """The same of RLOO or GRPO, on responses that the policy sampled."""
    spec: dict[str, Any] = {
        "base": str(folder / "base"),
        "reward": str(folder / "reward"),
        "output": str(folder / "ours"),
    }
    spec |= {"max_new_tokens": 24, "temperature": 1.0, "learning_rate": 1e-5, "token_budget": None, "seed": 0}
    spec |= {"updates": 1, "batch": 16, "dtype": "float32", "device": "cpu"}
    kinds: dict[str, tuple[Any, Any]] = {"rloo": (RLOOConfig, RLOOTrainer), "grpo": (GRPOConfig, GRPOTrainer)}
    make_config, kind = kinds[method]
    given = {"num_generations": 4, "beta": 0.3, "max_grad_norm": 1e9, "num_mini_batches": 1, "dtype": "float32"}
    config = make_config(**shared_settings(spec) | given | settings)
    parts = set_up(spec, config, "none")
    parts.model.find_sharing()
    move(parts.model, moved)
    parts.sampler.refresh()
    prompts = [user_message(f"say word {number}") for number in range(4)]
    trainer = parts.trainer(kind, [Task(p, encode_prompt(parts.tokenizer, p), seed=0) for p in prompts])
    experience = trainer.work(1)
    gradient = keep_gradient(trainer)
    metrics = trainer.optimiser_step(experience, [list(range(start, start + 4)) for start in range(0, 16, 4)])
    loss = metrics["loss/policy_avg"] + config.beta * metrics.get("loss/kl_avg", 0.0)
    paid = experience.paid
    told = {
        "prompts": [list(rollout.prompt_ids) for rollout in paid.rollouts],
        "responses": [list(rollout.response_ids) for rollout in paid.rollouts],
        "scores": paid.scores.tolist(),
        "max_new_tokens": config.max_new_tokens,
        "beta": config.beta,
        "epsilon": config.cliprange,
    }
    return told, loss, gradient


def compare(loss: float, ours: dict[str, Tensor], other: float, theirs: dict[str, Tensor]) -> dict[str, float]:
    """How far losses are apart, and gradients, as a share of ours."""
    names = set(ours) | set(theirs)
    off = math.sqrt(sum(float((ours[name] - theirs[name]).norm()) ** 2 for name in names))
    return {"loss": abs(loss - other), "gradient": off / math.sqrt(sum(float(g.norm()) ** 2 for g in ours.values()))}


if __name__ == "__main__":
    sys.exit(run_cli(main))
