"""One run of our RLOO on given conversations; prints its figures as one line of JSON."""

import json
import resource
import sys
import time
from pathlib import Path

from rlhf.runtime import keep_memory, set_threads

set_threads()
keep_memory()

import torch  # noqa: E402

from rlhf.chat_format import encode_prompt, load_tokenizer  # noqa: E402
from rlhf.group_settings import RLOOConfig  # noqa: E402
from rlhf.group_trainer import RLOOTrainer  # noqa: E402
from rlhf.policy_files import load_policy_model  # noqa: E402
from rlhf.policy_holdout import Holdout  # noqa: E402
from rlhf.processes import Processes  # noqa: E402
from rlhf.reward_model import load_reward_model  # noqa: E402
from rlhf.rollouts import RolloutMaker, Sampler, Task  # noqa: E402
from rlhf.scorer import RewardMix, Scorer  # noqa: E402
from rlhf.types import SamplingSettings  # noqa: E402


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    config = RLOOConfig(
        model=spec["base"],
        reward=spec["reward"],
        prompts="",
        output=spec["output"],
        total_episodes=spec["updates"] * spec["batch"],
        batch_size=spec["batch"],
        num_mini_batches=1,
        num_generations=spec["num_generations"],
        max_new_tokens=spec["max_new_tokens"],
        temperature=spec["temperature"],
        beta=spec["beta"],
        learning_rate=spec["learning_rate"],
        use_peft=False,
        token_budget=spec["token_budget"],
        seed=spec["seed"],
    )
    dtype = torch.bfloat16 if spec["dtype"] == "bfloat16" else torch.float32
    processes = Processes(spec["device"])
    tokenizer = load_tokenizer(spec["base"])
    reward = load_reward_model(spec["reward"], dtype=dtype, device=processes.device)
    model = load_policy_model(config, tokenizer, reward, compute_dtype=dtype, value_model="none").to(processes.device)
    model.find_sharing()
    settings = SamplingSettings(temperature=config.temperature, max_new_tokens=config.max_new_tokens)
    sampler = Sampler.of(model, config.model, tokenizer, settings)
    scorer = Scorer(reward, tokenizer, tokenizer, longest=config.max_new_tokens)
    budget = 2 * config.tokens_at_once(processes.device)
    make = RolloutMaker(model, sampler, RewardMix.of(scorer), processes, token_budget=budget)
    tasks = [Task(messages, encode_prompt(tokenizer, messages), seed=0) for messages in spec["conversations"]]
    trainer = RLOOTrainer(config, model, make, sampler.refresh, tasks, Holdout(config, make, [], []), processes)
    ended, scores, lengths = [], [], []
    for update in range(1, config.updates + 1):
        metrics = trainer.step(update)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ended.append(time.perf_counter())
        scores.append(metrics["objective/scores"])
        lengths.append(metrics["val/answer_tokens"])
    if torch.cuda.is_available():
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ended": ended, "scores": scores, "lengths": lengths, "memory": memory, "version": "hone"}))


if __name__ == "__main__":
    main()
