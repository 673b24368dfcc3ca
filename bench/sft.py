"""`make bench-sft`: SFT beside TRL's SFTTrainer, see `bench.tuning`."""

from bench.tuning import measure
from rlhf.config import run_cli

if __name__ == "__main__":
    run_cli(lambda argv: measure("sft", argv))
