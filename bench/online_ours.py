"""What our runs of PPO and RLOO have in common: policy, reward model and rollouts in one process, timed by update."""

import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rlhf.runtime import keep_memory, set_threads

set_threads()
keep_memory()

import torch  # noqa: E402

from rlhf.chat_format import load_tokenizer  # noqa: E402
from rlhf.online_settings import OnlineSettings  # noqa: E402
from rlhf.policy_files import load_policy_model  # noqa: E402
from rlhf.policy_holdout import Holdout  # noqa: E402
from rlhf.policy_model import PolicyModel  # noqa: E402
from rlhf.processes import Processes  # noqa: E402
from rlhf.reward_files import load_reward_model  # noqa: E402
from rlhf.rollouts import RolloutMaker, Sampler, Task  # noqa: E402
from rlhf.scorer import RewardMix, Scorer  # noqa: E402
from rlhf.types import SamplingSettings  # noqa: E402


def shared_settings(spec: dict[str, Any]) -> dict[str, Any]:
    """The settings that a bench's specification says, of every method."""
    named = ("max_new_tokens", "temperature", "learning_rate", "token_budget", "seed", "reward", "output")
    return {name: spec[name] for name in named} | {
        "model": spec["base"],
        "prompts": "",
        "total_episodes": spec["updates"] * spec["batch"],
        "batch_size": spec["batch"],
        "use_peft": False,
    }


@dataclass(frozen=True)
class Parts:
    """What a trainer is made of."""

    config: Any
    model: PolicyModel
    make: RolloutMaker
    sampler: Sampler
    processes: Processes
    tokenizer: Any

    def trainer(self, kind: Callable[..., Any], tasks: list[Task]) -> Any:
        """A trainer of this kind on these prompts, without a holdout."""
        holdout = Holdout(self.config, self.make, [], [])
        return kind(self.config, self.model, self.make, self.sampler.refresh, tasks, holdout, self.processes)


def set_up(spec: dict[str, Any], config: OnlineSettings, value_model: Any, scorer_kind: type[Scorer] = Scorer) -> Parts:
    """Load policy and reward model as the specification says."""
    dtype = torch.bfloat16 if spec["dtype"] == "bfloat16" else torch.float32
    processes = Processes(spec["device"])
    tokenizer = load_tokenizer(spec["base"])
    reward = load_reward_model(spec["reward"], dtype=dtype, device=processes.device)
    model = load_policy_model(config, tokenizer, reward, compute_dtype=dtype, value_model=value_model)
    model = model.to(processes.device)
    settings = SamplingSettings(temperature=config.temperature, max_new_tokens=config.max_new_tokens)
    sampler = Sampler.of(model, config.model, tokenizer, settings)
    scorer = scorer_kind(reward, tokenizer, tokenizer, longest=config.max_new_tokens)
    budget = 2 * config.tokens_at_once(processes.device)
    make = RolloutMaker(model, sampler, RewardMix.of(scorer), processes, token_budget=budget)
    return Parts(config, model, make, sampler, processes, tokenizer)


def timed(trainer: Any, updates: int) -> tuple[float, list[float], list[dict[str, float]]]:
    """When the updates began, when each ended (seconds of `time.perf_counter`), and the metrics of each."""
    began, ended, metrics = time.perf_counter(), [], []
    for update in range(1, updates + 1):
        metrics.append(trainer.step(update))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ended.append(time.perf_counter())
    return began, ended, metrics


def tell(**figures: Any) -> None:
    """Print the figures with the largest memory, in bytes, as one line of JSON."""
    if torch.cuda.is_available():
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({**figures, "memory": memory, "version": "hone"}))
