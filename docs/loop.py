"""The whole loop by the client: prompts, pairs, labels, a reward model, PPO, a blind comparison, promotion, chat.

    export HONE_TOKEN=$(hone token create loop --scope read --scope label --scope manage --scope admin)
    export HONE_URL=http://127.0.0.1:8000
    python docs/loop.py tiny:0

Without the scope `admin` it makes no first project, only further ones for somebody who manages one. Whoever labels here
likes the longer answer; people do it on the pages. The base model is the one that is named, or the installation's; with
`tiny:0`, whose answers are word salad, it takes a few minutes.
"""

import os
import sys
import time
from pathlib import Path

from hone_client import Client, models

PAIRS, COMPARISONS = 80, 20
SETTINGS = {
    "reward": {"num_train_epochs": 3, "learning_rate": 1e-3, "train_batch_size": 16, "max_length": 256},
    "ppo": {"total_episodes": 64, "batch_size": 32, "num_mini_batches": 2, "max_new_tokens": 24},
}


def walk(hone: Client, base_model: str, to: Path) -> None:
    """From nothing to a promoted policy, and the labels in the file `to`."""
    project = hone.create_project(
        name="By the client",
        base_model=base_model,
        guidelines="The longer answer is the better one.",
        sampling={"strategy": "stochastic", "max_new_tokens": 24},
        queue={"queue_depth": PAIRS + 10},
        automation={"refresh_pairs": False},
    ).id
    say(f"Project {project}: {sum(1 for _ in hone.list_prompts(project))} prompts")

    while (ready := hone.show_loop(project).open_items) < PAIRS:
        for run in hone.list_runs(project, state="failed", limit=1):
            raise SystemExit(f"Run {run.id} failed: {run.error}")
        time.sleep(1)
    say(f"{ready} pairs are sampled")
    hone.change_project(project, automation={"keep_queue_filled": False, "refresh_pairs": False})
    say(f"{label(hone, project)} labels")

    train(hone, project, "reward")
    reward = next(iter(hone.list_rewards(project)))
    train(hone, project, "ppo")
    policy = next(iter(hone.list_policies(project)))
    say(f"Reward model {reward.name}, policy {policy.name}")

    evaluation = hone.wait(hone.start_evaluation(project, policy.id, comparisons=COMPARISONS))
    while (result := hone.show_evaluation(project, evaluation.id).result).judged < result.items:
        if not label(hone, project):
            time.sleep(1)  # somebody has found an empty queue a moment ago; it is looked at again soon
    if result.rate is None:
        say("The policy answers as the base model does, or all answers were equally good")
    else:
        say(f"The policy wins {result.rate:.0%} ({result.low:.0%} to {result.high:.0%}) of {result.judged} comparisons")

    # So few comparisons prove nothing: a page would ask whether to promote it all the same.
    hone.promote_policy(project, policy.id, confirm_without_evaluation=True)
    answer = hone.begin_conversation(project, content="Why is the sky blue?").turns[-1]
    say(f"{answer.model}: {answer.content!r}")

    hone.download_export(project, layout="trl-conversational").save(to)
    say(f"{len(to.read_text().splitlines())} preferences in {to}")


def label(hone: Client, project: int) -> int:
    """Label what there is; how many."""
    count = 0
    while task := hone.claim_item(project).task:
        left, right = (len(response.text) for response in task.responses)
        hone.save_label(project, assignment_id=task.assignment_id, answer="left" if left >= right else "right")
        count += 1
    return count


def train(hone: Client, project: int, method: str) -> None:
    """Start a training and wait for its end; RunEnded says why where it fails."""
    done = hone.wait(hone.start_training(project, method=method, settings=SETTINGS[method]), progress=told)
    say(f"{method}: {done.step} {done.unit or 'steps'}")


def told(run: models.RunView) -> None:
    """How far a run is, on one line."""
    print(
        f"\r{run.method} is {run.state}: {run.step} of {run.total_steps or '…'}   ", end="", file=sys.stderr, flush=True
    )


def say(words: str) -> None:
    """A line."""
    print(words, flush=True)


if __name__ == "__main__":
    with Client(os.environ["HONE_URL"], os.environ["HONE_TOKEN"]) as client:
        walk(client, "".join(sys.argv[1:]), Path("labels.jsonl"))
