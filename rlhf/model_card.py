"""The README.md of a finished model: what it is, what it was trained on, how, and how well it does.

It formats what a training hands it and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)


def table(rows: Mapping[str, Any]) -> str:
    """A Markdown table of names and values."""
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def card(title: str, base_model: str, tags: list[str], intro: str, sections: Mapping[str, str]) -> str:
    """A model card with the header that model hubs read."""
    header = ["---", "library_name: transformers", "tags:", *(f"- {tag}" for tag in tags), "---"]
    body = [f"# {title}", intro, f"Base model: `{base_model}`"]
    for name, text in sections.items():
        body += [f"## {name}", text]
    return "\n".join(header) + "\n\n" + "\n\n".join(body) + "\n"


def reward_card(settings: Mapping[str, Any], summary: Mapping[str, Any], found: Mapping[str, Any] | None) -> str:
    """The card of a reward model. found: what `reward_metrics.pair_metrics` gave for the holdout, or None."""
    intro = (
        "Scores an answer to a conversation: the higher, the more people are expected to prefer it. The difference of "
        "two scores is the log-odds that the first answer is preferred. Give it the conversation in the tokenizer's "
        "chat template up to and including the end-of-turn token of the answer; the score is read there. "
        "`config.mean` and `config.std` are those of the scores of reference answers."
    )
    data = {
        "training pairs": summary["pairs"],
        "training data": settings["data"],
        "holdout pairs that chose the checkpoint": summary["choosing_pairs"],
        "holdout pairs that the figures are of": summary.get("eval_pairs"),
        "holdout data": settings["eval_data"] or f"{settings['holdout']:.0%} of the prompts of the training data",
    }
    sections = {
        "Data": table(data),
        "Run": table({name: value for name, value in settings.items() if name not in ("data", "eval_data", "resume")}),
        "Result": table({name: value for name, value in summary.items() if name != "model"}),
    }
    if found is not None:
        rows = [
            f"| {_cell(row['from'])} to {_cell(row['to'])} | {row['pairs']} | {_cell(row['accuracy'])} |"
            for row in found["accuracy_by_length"]
        ]
        head = ["| preferred answer longer by (tokens) | pairs | accuracy |", "|---|---|---|"]
        sections["Accuracy by length difference"] = "\n".join([*head, *rows])
    return card("Reward model", settings["model"], ["reward-model", "rlhf", "hone"], intro, sections)
