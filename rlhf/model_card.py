"""The README.md of a finished model: what it is, what it was trained on, how, and how well it does.

It formats what a training hands it and measures nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

PREPARED = "prepared.json"  # beside the weights of a base model: what it was made from
_WHEELS = {"builtin:smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct"}
_MODELS = ("model", "reward", "watch_reward")
_WORD = re.compile(r"[^\s*+,]+")
_FILES = ("data", "eval_data", "choose_data", "prompts", "eval_prompts", "choose_prompts")
_NOT_SHOWN = ("output", "resume", "device", "report_to", "save_seconds")  # of the machine, not of the run

Task = Literal["text-generation", "text-classification"]


def header_of(folder: Path) -> dict[str, Any]:
    """What the header of a folder's README.md says; nothing where there is none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
        found = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def _prepared(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / PREPARED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _on_the_hub(model: str | Path) -> str | None:
    """The hub id of a model given as one, or as a folder that was prepared from one."""
    name = str(model)
    if Path(model).is_dir():
        name = str(_prepared(Path(model)).get("source") or "")
    name = _WHEELS.get(name, name)
    is_id = name.count("/") == 1 and name[0] not in "/.~" and not Path(name).exists()
    return name if is_id else None


def parent_of(model: str | Path) -> str:
    """What the model is called that something was trained from: its hub id, or the name of its folder, no path."""
    return _on_the_hub(model) or Path(model).resolve().name


def _origin(model: str | Path) -> dict[str, Any]:
    """`base_model` and `license` for a card: of the model on the hub that the line of trainings began with."""
    folder = Path(model)
    before = header_of(folder)
    base = _on_the_hub(model) or before.get("base_model")
    licence = _prepared(folder).get("license") or before.get("license") or "unknown"
    return ({"base_model": base} if base else {}) | {"license": str(licence).lower()}


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)


def table(rows: Mapping[str, Any]) -> str:
    """A Markdown table of names and values."""
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run that a reader elsewhere can use: files by their names, nothing of the machine."""
    shown = {name: value for name, value in settings.items() if name not in (*_NOT_SHOWN, "data_note")}
    models = {name: _without_paths(shown[name]) for name in _MODELS if shown.get(name)}
    return shown | models | {name: Path(shown[name]).name for name in _FILES if shown.get(name)}


def _without_paths(text: str) -> str:
    """A folder's name, or a mix of rewards with the folders in it by their names."""
    if Path(text).exists():
        return parent_of(text)
    return _WORD.sub(lambda word: parent_of(word[0]) if Path(word[0]).exists() else word[0], text)


def card(
    title: str,
    task: Task,
    settings: Mapping[str, Any],
    tags: list[str],
    intro: str,
    sections: Mapping[str, str],
    library: Literal["transformers", "peft"] = "transformers",
) -> str:
    """A model card with the header that model hubs read, of a run with these settings."""
    data = [Path(settings[name]).name for name in ("data", "prompts") if settings.get(name)]
    header = _origin(settings["model"]) | {
        "datasets": data, "library_name": library, "pipeline_tag": task, "tags": tags,
    }  # fmt: skip
    body = [f"# {title}", intro, f"Base model: `{parent_of(settings['model'])}`"]
    note = {"Labels": settings["data_note"]} if settings.get("data_note") else {}
    for name, text in ({"Run": table(shown(settings))} | note | dict(sections)).items():
        body += [f"## {name}", text]
    return f"---\n{yaml.safe_dump(header, sort_keys=True)}---\n\n" + "\n\n".join(body) + "\n"


def adapter_card(text: str) -> str:
    """The card of the adapter that a model was merged from: the model's own card, for peft."""
    return text.replace("library_name: transformers", "library_name: peft", 1)


def with_attention(text: str, config: Any) -> str:
    """The card of a model, which says so where the model can be computed by transformers' plain attention alone.

    Its config.json cannot: transformers 4 does not read the attention from there.
    """
    if config._attn_implementation != "eager" or getattr(config, "attention", None):
        return text
    return (
        f'{text}\n## Loading\n\nLoad it with `attn_implementation="eager"`. Some versions of transformers (4.57 for '
        "Gemma-2) choose an attention by themselves that leaves a part of this model out, without a word.\n"
    )


def reward_card(settings: Mapping[str, Any], summary: Mapping[str, Any], found: Mapping[str, Any] | None) -> str:
    """The card of a reward model. found: what `reward_metrics.pair_metrics` gave for the holdout, or None."""
    intro = (
        "Scores a response to a conversation: the higher, the more people are expected to prefer it. The difference of "
        "two scores is the log-odds that the first response is preferred. Give it the conversation in the tokenizer's "
        "chat template up to and including the end-of-turn token of the response; the score is read there. "
        "`config.mean` and `config.std` are those of the scores of reference responses."
    )
    data = {
        "training pairs": summary["pairs"],
        "holdout pairs that chose the checkpoint": summary["choosing_pairs"],
        "holdout pairs that the figures are of": summary.get("eval_pairs"),
        "holdout data": Path(settings["eval_data"]).name
        if settings["eval_data"]
        else f"{settings['holdout']:.0%} of the prompts of the training data",
    }
    sections = {
        "Data": table(data),
        "Result": table({name: value for name, value in summary.items() if name != "model"}),
    }
    if found is not None:
        rows = [
            f"| {_cell(row['from'])} to {_cell(row['to'])} | {row['pairs']} | {_cell(row['accuracy'])} |"
            for row in found["accuracy_by_length"]
        ]
        head = ["| preferred response longer by (tokens) | pairs | accuracy |", "|---|---|---|"]
        sections["Accuracy by length difference"] = "\n".join([*head, *rows])
    return card("Reward model", "text-classification", settings, ["reward-model", "rlhf", "hone"], intro, sections)
