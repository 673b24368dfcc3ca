"""`python -m rlhf.train reward | ppo | …`: any training, those of extensions among them."""

from rlhf import extensions, trainers
from rlhf.config import InputError, parse_config, run_cli


def main(argv: list[str]) -> None:
    """The command line; see `rlhf.config.run_cli` for how outcomes become exit codes."""
    extensions.load()
    if argv and argv[0] in ("-h", "--help"):
        names = "\n".join(f"  {each.name:12} {each.settings.__doc__}" for each in trainers.trainings())
        print(f"usage: python -m rlhf.train TRAINING [settings]\n\n{names}\n\nEach has its own --help.")
        return
    if not argv:
        names = ", ".join(each.name for each in trainers.trainings())
        raise InputError(f"say what to train: {names} (see --help)")
    training = trainers.find(argv[0])
    training.run(parse_config(training.settings, argv[1:], prog=f"python -m rlhf.train {training.name}"))


if __name__ == "__main__":
    run_cli(main)
