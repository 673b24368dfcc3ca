"""One run of our PPO on given prompts; prints its figures as one line of JSON."""

import json
import resource
import sys
import time
from pathlib import Path

from rlhf.runtime import keep_memory, set_threads

set_threads()
keep_memory()

import torch  # noqa: E402

from rlhf.batches import Group  # noqa: E402
from rlhf.chat_format import load_tokenizer  # noqa: E402
from rlhf.policy_files import load_policy_model  # noqa: E402
from rlhf.policy_holdout import Holdout  # noqa: E402
from rlhf.policy_settings import PolicyConfig  # noqa: E402
from rlhf.ppo_trainer import PPOTrainer  # noqa: E402
from rlhf.processes import Processes  # noqa: E402
from rlhf.reward_model import load_reward_model  # noqa: E402
from rlhf.rollouts import RolloutMaker, Sampler, Task  # noqa: E402
from rlhf.scorer import Response, RewardMix, Scorer  # noqa: E402
from rlhf.types import Messages, SamplingSettings  # noqa: E402


class ScoresAsDrawn(Scorer):
    """Scores an unfinished answer at its last token, as TRL does, and does not close it first."""

    def _group(self, messages: Messages, sample: Response) -> Group:
        return Group([], [[*sample.prompt_ids, *sample.response_ids]])


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    config = PolicyConfig(
        model=spec["base"],
        reward=spec["reward"],
        prompts="",
        output=spec["output"],
        total_episodes=spec["updates"] * spec["batch"],
        batch_size=spec["batch"],
        num_mini_batches=spec["mini_batches"],
        num_ppo_epochs=spec["epochs"],
        max_new_tokens=spec["max_new_tokens"],
        temperature=spec["temperature"],
        learning_rate=spec["learning_rate"],
        use_peft=False,
        value_model="separate",
        token_budget=spec["token_budget"],
        max_approx_kl=None,
        seed=spec["seed"],
    )
    dtype = torch.bfloat16 if spec["dtype"] == "bfloat16" else torch.float32
    processes = Processes(spec["device"])
    tokenizer = load_tokenizer(spec["base"])
    reward = load_reward_model(spec["reward"], dtype=dtype, device=processes.device)
    model = load_policy_model(config, tokenizer, reward, compute_dtype=dtype, value_model="separate").to(
        processes.device
    )
    settings = SamplingSettings(temperature=config.temperature, max_new_tokens=config.max_new_tokens)
    sampler = Sampler.of(model, config.model, tokenizer, settings)
    scorer = ScoresAsDrawn(reward, tokenizer, tokenizer, longest=config.max_new_tokens)
    budget = 2 * config.tokens_at_once(processes.device)
    make = RolloutMaker(model, sampler, RewardMix.of(scorer), processes, token_budget=budget)
    tasks = [Task([], ids, seed=0) for ids in spec["prompt_ids"]]
    trainer = PPOTrainer(config, model, make, sampler.refresh, tasks, Holdout(config, make, [], []), processes)
    began, ended, metrics = time.perf_counter(), [], []
    for update in range(1, config.updates + 1):
        metrics.append(trainer.step(update))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ended.append(time.perf_counter())
    if torch.cuda.is_available():
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"began": began, "ended": ended, "metrics": metrics, "memory": memory, "version": "hone"}))


if __name__ == "__main__":
    main()
