"""`python -m app.methods.reference FILE`: the settings of every method that comes with Hone, as a page of docs/."""

import sys
from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from app import extensions
from app.methods import METHODS, Method

_HEAD = """# Settings of trainings

Written by `make schemas` from the forms of the methods; do not change it by hand. Pages, API (`POST
/api/v1/projects/{project_id}/runs`) and `hone runs start METHOD --set name=value` take the same settings.
"""


def page() -> str:
    """The whole page, in the order of the methods' names."""
    extensions.load()
    return "\n".join([_HEAD, *(_section(METHODS[name]) for name in sorted(METHODS))])


def _section(method: Method) -> str:
    fields = method.form.model_fields
    lines = [f"## {method.title} (`{method.name}`)", "", f"{method.help} Needed: {method.needs}", ""]
    lines += ["| setting | default | range | what it does |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {_default(field)} | {_range(field)} | {(field.description or '').replace('|', '/')} |"
        for name, field in fields.items()
    ]
    return "\n".join([*lines, ""])


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == "":
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _range(field: FieldInfo) -> str:
    low = [each.ge if isinstance(each, Ge) else each.gt for each in field.metadata if isinstance(each, Ge | Gt)]
    high = [each.le if isinstance(each, Le) else each.lt for each in field.metadata if isinstance(each, Le | Lt)]
    return f"{low[0]} to {high[0]}" if low and high else ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
