"""`python -m rlhf.evaluate reward | policy | score`: what a finished model is worth, and the scores it gives."""

from __future__ import annotations

from collections.abc import Callable

from rlhf.config import InputError, run_cli

USAGE = """usage: python -m rlhf.evaluate {reward,policy,score} [settings]

  reward   accuracy, calibration and length bias of a reward model on labelled pairs
  policy   win rate, reward and KL of a policy against another
  score    a reward model's score for each response of a file

Each has its own --help."""


def main(argv: list[str]) -> None:
    commands: dict[str, Callable[[list[str]], None]] = {"reward": _reward, "policy": _policy, "score": _score}
    if argv and argv[0] in ("-h", "--help"):
        print(USAGE)
        return
    if not argv or argv[0] not in commands:
        raise InputError("say what to evaluate: reward, policy or score (see --help)")
    commands[argv[0]](argv[1:])


def _reward(argv: list[str]) -> None:
    from rlhf.evaluate_reward import reward_main

    reward_main(argv)


def _score(argv: list[str]) -> None:
    from rlhf.evaluate_reward import score_main

    score_main(argv)


def _policy(argv: list[str]) -> None:
    from rlhf.evaluate_policy import main as policy_main

    policy_main(argv)


if __name__ == "__main__":
    run_cli(main)
