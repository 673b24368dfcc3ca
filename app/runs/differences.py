"""How settings of trainings differ: from the defaults, and between runs. Knows no page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.methods import METHODS
from app.models import Run, TrainingConfig
from app.runs import settings_form


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same everywhere. `values`: in words, of each run."""

    name: str
    title: str
    values: tuple[str, ...]
    default: str


def words(value: Any) -> str:
    """A setting as people read it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def chosen(run: Run) -> dict[str, Any]:
    """The settings of a training by their names; of other runs none."""
    if not isinstance(run.config, TrainingConfig):
        return {}
    return {**run.config.settings, **run.config.options}


def from_defaults(run: Run) -> list[Difference]:
    """The settings of a run that are not the defaults of its method as it is now."""
    if run.method not in METHODS:
        return []
    fields = METHODS[run.method].form.model_fields
    return [
        Difference(name, settings_form.title(name, fields[name]), (words(value),), words(fields[name].default))
        for name, value in chosen(run).items()
        if name in fields and words(value) != words(fields[name].default)
    ]


def between(runs: Sequence[Run]) -> list[Difference]:
    """The settings that these runs do not have in common, in the order of the first run's form."""
    settings = [chosen(run) for run in runs]
    fields = {name: field for run in runs if run.method in METHODS
              for name, field in METHODS[run.method].form.model_fields.items()}  # fmt: skip
    found = []
    for name in dict.fromkeys(name for each in settings for name in each):
        values = tuple(words(each[name]) if name in each else "–" for each in settings)
        if len(set(values)) > 1:
            field = fields.get(name)
            title = settings_form.title(name, field) if field else name
            found.append(Difference(name, title, values, words(field.default) if field else "–"))
    return found
