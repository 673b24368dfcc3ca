"""What a label is worth where a live head chooses what is asked, beside chance.

    HONE_BENCH_DATA=/path/to/data make bench-worth

The folder has hh_harmless.jsonl.gz, judged_pairs.jsonl.gz and prompts.jsonl.gz. Features are computed once (minutes to
an hour) and kept in build/worth. Then labels are replayed: in the order of each rule, on both sets of pairs; and over 8
sampled responses a prompt with a planted taste, two of them chosen by each rule, or four ranked, at equal reading time.
The ratio is what a rule needs to be as good as chance is after 400 labels, by what chance needs: below 1 is better. The
last line on stdout is JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import worth_features, worth_replay
from bench.pairs import report, say
from bench.worth_replay import ORDERS, RULES, Curve, Tasted, on, ratio
from rlhf.config import Doc, Gt, InputError, parse_config, run_cli
from rlhf.feature_space import DIRECTIONS
from rlhf.live_head import right, sigmoid
from workers.demo.taste import score

RANDOM_RUNS = 3
RESPONSES, TOKENS = 8, 64


@dataclass(frozen=True)
class WorthConfig:
    """Replays labels in the order of each rule."""

    data: Annotated[str, Doc("The folder of the files; also HONE_BENCH_DATA.")] = os.environ.get("HONE_BENCH_DATA", "")
    cache: Annotated[str, Doc("Where features are kept.")] = "build/worth"
    prompts: Annotated[int | None, Gt(0), Doc("Of each file take the first so many; none: all.")] = None
    splits: Annotated[int, Gt(1), Doc("By prompt, each with other raters.")] = 20
    labels: Annotated[int, Gt(0), Doc("At which chance is to be equalled.")] = 400
    most: Annotated[int, Gt(0), Doc("Labels of a replay: so far a worse rule may take.")] = 800
    directions: Annotated[int, Gt(0), Doc("Of the features.")] = DIRECTIONS
    features: Annotated[Literal["trunk", "words"], Doc("What responses are described by; words needs no model.")] = (
        "trunk"
    )
    several: Annotated[bool, Doc("Sample responses and replay the choice of two, or of four.")] = True


def main(argv: list[str]) -> None:
    config = parse_config(WorthConfig, argv, prog="python -m bench.worth")
    if not config.data:
        raise InputError("say where the files are: --data FOLDER, or HONE_BENCH_DATA")
    data, cache = Path(config.data), Path(config.cache)
    base = cache / "base"
    if config.features == "trunk" or config.several:
        module("rlhf.base_models", source="builtin:smollm2-135m-instruct", output=base)
    sets = {
        "judged_pairs": lambda: worth_features.judged(data / "judged_pairs.jsonl.gz"),
        "hh_harmless": lambda: worth_features.harmless(data / "hh_harmless.jsonl.gz"),
    }
    found = {name: orders(name, features(read, base, cache, name, config), config) for name, read in sets.items()}
    if config.several:
        found["planted_taste"] = several(tasted(data, base, cache, config), config)
    report({name: {**arms[DEFAULTS[name]], "arms": arms} for name, arms in found.items()})


DEFAULTS = {"judged_pairs": "uncertain", "hh_harmless": "uncertain", "planted_taste": RULES[1]}


def features(
    read: Callable[[], list[worth_features.Asked]], base: Path, cache: Path, name: str, config: WorthConfig
) -> worth_features.Features:
    """Of a file's first prompts; those of the trunk are computed once."""
    if config.features == "words":
        return worth_features.words(read()[: config.prompts])
    kept = cache / f"{name}-{config.prompts or 'all'}.npz"
    return worth_features.features(lambda: read()[: config.prompts], base, kept)


def orders(name: str, found: worth_features.Features, config: WorthConfig) -> dict[str, Any]:
    """Each rule's ratios on one set of pairs."""
    grid = np.arange(25, config.most + 1, 25)
    vectors = worth_replay.vectors_of(found, config.directions)
    splits = [worth_replay.split(found, vectors, seed) for seed in range(config.splits)]

    def run(rule: str, seed: int) -> Curve:
        runs = RANDOM_RUNS if rule == "random" else 1
        drawn = [seed * 100 + each for each in range(runs)]
        return on(grid, [worth_replay.replay_order(splits[seed], ORDERS[rule], config.most, each) for each in drawn])

    longer = np.mean([longer_wins(each.test_z, each.test_targets) for each in splits])
    say(f"{name}: {len(found.pairs)} pairs; the longer one wins {longer:.1%} of those that measure")
    return compared(name, list(ORDERS), run, config.labels, config.splits)


def longer_wins(z: np.ndarray, targets: np.ndarray) -> float:
    """The accuracy of the rule that the longer one is better, on pairs that are no tie."""
    return float(right(sigmoid(z[:, -1]), targets)[targets != 0.5].mean())


def several(data: Tasted, config: WorthConfig) -> dict[str, Any]:
    """Each rule's ratios where it chooses among several responses, at equal reading time."""
    a_pair = worth_replay.CHOICE + 2 * float(data.length.mean())
    grid = a_pair * np.arange(50, config.most + 1, 25)

    def run(rule: str, seed: int) -> Curve:
        runs = RANDOM_RUNS if rule == RULES[0] else 1
        drawn = [seed * 100 + each for each in range(runs)]
        return on(grid, [worth_replay.replay_several(data, rule, grid[-1], each) for each in drawn])

    return compared("planted_taste", list(RULES), run, config.labels * a_pair, config.splits)


def compared(name: str, rules: list[str], run: Callable[[str, int], Curve], at: float, splits: int) -> dict[str, Any]:
    """The curves of all rules (the first is chance), as a table on the way, and their ratios."""
    chance, *arms = rules
    curves: dict[str, list[Curve]] = {}
    for rule in rules:
        curves[rule] = [run(rule, seed) for seed in range(splits)]
        say(f"{name}: {rule}")
    table = Table(title=name)
    for column in ("rule", "accuracy", "log-loss", "ratio by accuracy", "by log-loss", "corrected for all checks"):
        table.add_column(column)
    found = {}
    for rule in rules:
        mean = on(np.array([at]), curves[rule])
        figures = f"{mean.accuracy[0]:.1%}", f"{mean.loss[0]:.4f}"
        if rule == chance:
            table.add_row(rule, *figures, "1", "1", "")
            continue
        accuracy, loss = (ratio(curves[chance], curves[rule], measure, at) for measure in ("accuracy", "loss"))
        wide = ratio(curves[chance], curves[rule], "accuracy", at, checks=2 * len(arms))
        table.add_row(rule, *figures, words(accuracy), words(loss), f"{wide.low:.2f} to {wide.high:.2f}")
        found[rule] = {
            "ratio_accuracy": round(accuracy.ratio, 3),
            "low": round(accuracy.low, 3),
            "high": round(accuracy.high, 3),
            "ratio_logloss": round(loss.ratio, 3),
            "logloss_low": round(loss.low, 3),
            "logloss_high": round(loss.high, 3),
            "corrected_high": round(wide.high, 3),
        }
    Console(stderr=True, width=140).print(table)
    return found


def words(found: worth_replay.Ratio) -> str:
    """A ratio with its interval."""
    return f"{found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})"


def tasted(data: Path, base: Path, cache: Path, config: WorthConfig) -> Tasted:
    """Eight responses of the base model to each prompt, and what the planted taste says of them: its scale is such that
    of two responses at the median gap the better one is chosen in 73 of 100 cases."""
    written, prompts = cache / f"sampled-{config.prompts or 'all'}.jsonl", cache / "prompts.jsonl"
    if not written.exists():
        rows = list(worth_features.lines(data / "prompts.jsonl.gz"))[: config.prompts]
        prompts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        more = {"n": RESPONSES, "strategy": "stochastic", "max_new_tokens": TOKENS}
        module("rlhf.sample", model=base, prompts=prompts, output=written, **more)
    asked = worth_features.sampled(written)
    found = features(lambda: asked, base, cache, "sampled", config)
    taste = np.array([[score(*one) for one in zip(each.responses, each.ended, strict=True)] for each in asked])
    gaps = np.abs(taste[:, :, None] - taste[:, None, :])[:, *np.triu_indices(RESPONSES, 1)]
    vectors = worth_replay.vectors_of(found, config.directions)
    shape = (len(taste), RESPONSES)
    return Tasted(vectors.reshape(*shape, -1), taste / np.median(gaps), found.lengths.reshape(shape))


def module(name: str, **settings: Any) -> None:
    """Run a command of the library."""
    given = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
    subprocess.run([sys.executable, "-m", name, *given], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    run_cli(main)
