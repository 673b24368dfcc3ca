"""What the demo found, as JSON for programs and as one HTML file for people."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.web.render import environment
from workers.demo import curves as drawing
from workers.demo.sizes import LEAST_COMPARISONS, Sizes

# name of the metric, title, which run it belongs to
CURVES = {
    "reward": [
        ("loss", "Loss on training pairs"),
        ("eval_loss", "Loss on holdout pairs"),
        ("eval_accuracy", "Accuracy on holdout pairs"),
    ],
    "ppo": [
        ("objective/scores", "Score of the answers while training"),
        ("eval/reward", "Score on holdout prompts"),
        ("objective/kl", "KL to the base model, nats an answer"),
        ("objective/entropy", "Entropy"),
        ("policy/clipfrac_avg", "Share of clipped ratios"),
        ("loss/value_avg", "Value loss"),
    ],
}


def write(folder: Path, found: Mapping[str, Any], curves: Mapping[str, Mapping[str, Any]]) -> list[Path]:
    """Write demo-report.json and report.html into the data folder, each whole or not at all."""
    charts = {
        kind: [
            {"title": title, "svg": drawing.chart(*points[name])}
            for name, title in names
            if name in (points := curves.get(kind, {})) and len(points[name][0])
        ]
        for kind, names in CURVES.items()
    }
    rate = found.get("policy_win_rate")
    strip = (
        None if rate is None else drawing.interval(rate, found["policy_win_rate_low"], found["policy_win_rate_high"])
    )
    page = (
        environment()
        .get_template("demo/report.html")
        .render(found=found, charts=charts, strip=strip, figures=figures(found), lines=lines(found))
    )
    return [
        _replace(folder / "demo-report.json", json.dumps(found, indent=2, ensure_ascii=False) + "\n"),
        _replace(folder / "report.html", page),
    ]


def figures(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The main results, each a figure with what it is; only what there is."""
    said: list[tuple[str, str]] = []
    if "labels" in found:
        said.append((str(found["labels"]), "labels"))
    if "reward_holdout_accuracy" in found:
        low, high = found["reward_holdout_accuracy_low"], found["reward_holdout_accuracy_high"]
        words = f"reward model's accuracy on holdout pairs, {low:.1%} to {high:.1%}"
        said.append((f"{found['reward_holdout_accuracy']:.1%}", words))
    if found.get("policy_win_rate") is not None:
        low, high = found["policy_win_rate_low"], found["policy_win_rate_high"]
        words = f"of {found['comparisons']} blind comparisons won by the new policy, {low:.1%} to {high:.1%}"
        said.append((f"{found['policy_win_rate']:.1%}", f"{words}, ties count one half"))
    if "kl" in found:
        said.append((f"{found['kl']:.2f}", f"nats of KL to the base model, of a budget of {found['kl_budget']:g}"))
    return said


def lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The findings in words, for the terminal's table and the page; only what there is."""
    said: list[tuple[str, str]] = [("Model", str(found["model"]))]
    if "labels" in found:
        said.append(("Labels by simulated annotators", str(found["labels"])))
    if "reward_holdout_accuracy" in found:
        bounds = (found["reward_holdout_accuracy_low"], found["reward_holdout_accuracy_high"])
        said.append(("Reward model, holdout accuracy", _share(found["reward_holdout_accuracy"], *bounds)))
    if "kl" in found:
        said.append(("Policy, KL to the base model", f"{found['kl']:.2f} of {found['kl_budget']:g} nats"))
    if found.get("policy_win_rate") is not None:
        bounds = (found["policy_win_rate_low"], found["policy_win_rate_high"])
        said.append(("New policy wins against base", _share(found["policy_win_rate"], *bounds)))
        said.append(("Blind comparisons", str(found["comparisons"])))
    said += [(f"Time: {stage}", f"{seconds:.0f} s") for stage, seconds in found["seconds"].items()]
    said.append(("Time: all", f"{found['total_seconds'] / 60:.1f} min"))
    return said


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _replace(path: Path, text: str) -> Path:
    beside = path.with_name(f"{path.name}.part")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return path


def shortcomings(sizes: Sizes, report: dict[str, Any]) -> list[str]:
    """What keeps the loop from counting as closed, a sentence each; none where all is well."""
    found = []
    accuracy, low = report["reward_holdout_accuracy"], report["policy_win_rate_low"]
    if accuracy < sizes.least_accuracy:
        found.append(
            f"the reward model ranks {accuracy:.1%} of the holdout pairs as the annotators did; "
            f"{sizes.least_accuracy:.0%} are needed."
        )
    if report["comparisons"] < LEAST_COMPARISONS:
        found.append(f"there were {report['comparisons']} comparisons; {LEAST_COMPARISONS} are needed.")
    if low is None or low <= 0.5:
        found.append(
            f"its win rate of {report['policy_win_rate'] or 0:.1%} has an interval from {low or 0:.1%}, not above 50%."
        )
    if report["kl"] >= report["kl_budget"]:
        found.append(f"its KL of {report['kl']:.1f} is not below the budget of {report['kl_budget']:g}.")
    return found
