"""Learning-rate schedules: the share of the peak rate that a step takes. Pure functions of the steps done before it."""

import math


def cosine_decay(done: int, total: int, warmup: int = 0) -> float:
    """A linear rise over `warmup` steps, then half a cosine from 1 down to 0 (Loshchilov and Hutter 2017).

    done: steps before this one, from 0; total: steps in all.
    """
    if done < warmup:
        return (done + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / max(1, total - warmup)))


def linear_decay(done: int, total: int) -> float:
    """1 at first, then down to 0 in a straight line. done: steps before this one, from 0; total: steps in all."""
    return max(1 - done / total, 0.0)
