"""The settings as JSON schemas: complete, as they were generated into the platform, and checked by the same data."""

import math
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.config import Doc, Ge, Gt, InputError, Le, Lt, Rule, Settings, from_mapping, to_dict
from rlhf.schema import COMMANDS, main, schema
from rlhf.settings import MOST, settings_of

GENERATED = Path(__file__).parents[2] / "app" / "methods" / "schemas"


@dataclass(frozen=True, kw_only=True)
class Base(Settings):
    """What others build on."""

    seed: Annotated[int, Ge(0), Doc("Seed.")] = 0


@dataclass(frozen=True, kw_only=True)
class Example(Base):
    """An example."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("parts", at_most="size", message="No more parts than pieces."),
        Rule("extra", needs="file", message="Extra needs a file."),
    )

    file: Annotated[Path | None, Doc("A file.", group="local")] = None
    size: Annotated[int | None, Ge(1), Le(10), Doc("Pieces.", "Size", "pieces", "main")] = 5
    parts: Annotated[int, Ge(1), Le(10), Doc("Parts.")] = 2
    share: Annotated[float, Gt(0), Lt(1), Doc("Share.")]
    kind: Annotated[Literal["a", "b"], Doc("Kind.")] = "a"
    extra: Annotated[bool, Doc("Extra.")] = False
    texts: Annotated[list[str], Doc("Texts.")] = field(default_factory=list)


def test_a_schema_by_hand() -> None:
    assert schema(Example) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "An example.",
        "type": "object",
        "properties": {
            "file": {"title": "File", "description": "A file.", "type": ["string", "null"], "default": None,
                     "x-group": "local"},
            "size": {"title": "Size", "description": "Pieces.", "type": ["integer", "null"], "minimum": 1,
                     "maximum": 10, "default": 5, "x-unit": "pieces", "x-group": "main"},
            "parts": {"title": "Parts", "description": "Parts.", "type": "integer", "minimum": 1, "maximum": 10,
                      "default": 2, "x-group": "advanced"},
            "share": {"title": "Share", "description": "Share.", "type": "number", "exclusiveMinimum": 0,
                      "exclusiveMaximum": 1, "x-group": "advanced"},
            "kind": {"title": "Kind", "description": "Kind.", "type": "string", "enum": ["a", "b"], "default": "a",
                     "x-group": "advanced"},
            "extra": {"title": "Extra", "description": "Extra.", "type": "boolean", "default": False,
                      "x-group": "advanced"},
            "texts": {"title": "Texts", "description": "Texts.", "type": "array", "items": {"type": "string"},
                      "default": [], "x-group": "advanced"},
            "seed": {"title": "Seed", "description": "Seed.", "type": "integer", "minimum": 0, "maximum": MOST,
                     "default": 0, "x-group": "advanced"},
        },
        "required": ["share"],
        "additionalProperties": False,
        "x-rules": [
            {"field": "parts", "at_most": "size", "message": "No more parts than pieces."},
            {"field": "extra", "needs": "file", "message": "Extra needs a file."},
        ],
    }  # fmt: skip


def test_a_type_that_no_form_can_draw_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd(Settings):
        pairs: Annotated[dict[str, int], Doc("Pairs.")] = field(default_factory=dict)

    with pytest.raises(TypeError, match="pairs: a setting is a number, a text"):
        schema(Odd)


def test_the_generated_schemas_are_those_of_the_settings(tmp_path: Path) -> None:
    main(["--output", str(GENERATED), "--check"])
    assert {path.stem for path in GENERATED.glob("*.json")} == COMMANDS.keys()
    main(["--output", str(tmp_path / "new")])
    main(["--output", str(tmp_path / "new"), "--check"])
    text = (tmp_path / "new" / "ppo.json").read_text()
    (tmp_path / "new" / "ppo.json").write_text(text.replace('"minimum": 1', '"minimum": 2', 1))
    (tmp_path / "new" / "old.json").write_text("{}")
    (tmp_path / "new" / "score.json").unlink()
    with pytest.raises(InputError, match=r"old\.json, ppo\.json, score\.json; write them anew with `make schemas`"):
        main(["--output", str(tmp_path / "new"), "--check"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_setting_says_what_people_need(name: str) -> None:
    for setting in settings_of(COMMANDS[name]):
        help_text = setting.doc.help
        assert help_text.endswith("."), setting.name
        assert len(help_text) <= 110, setting.name
        assert setting.title
        if setting.kind in ("integer", "number"):
            assert any(isinstance(bound, Ge | Gt) for bound in setting.bounds), setting.name
            assert any(isinstance(bound, Le | Lt) for bound in setting.bounds), setting.name
    for rule in COMMANDS[name].rules:
        assert rule.message.endswith(".")
        assert (rule.at_most is None) is not (rule.needs is None)


def accepts(found: dict[str, Any], values: dict[str, Any]) -> bool:
    """Whether the schema takes the values, by its own words: what a program without this library would do."""
    for name, value in values.items():
        words = found["properties"][name]
        kinds = words["type"] if isinstance(words["type"], list) else [words["type"]]
        kind = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}[type(value)]
        if kind not in kinds and not (kind == "integer" and "number" in kinds):
            return False
        if "enum" in words and value not in words["enum"]:
            return False
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = words.get("minimum", -math.inf), words.get("maximum", math.inf)
            above, below = words.get("exclusiveMinimum", -math.inf), words.get("exclusiveMaximum", math.inf)
            if not (low <= value <= high and above < value < below):
                return False
    whole = {name: words.get("default") for name, words in found["properties"].items()} | values
    for rule in found["x-rules"]:
        value, other = whole[rule["field"]], whole[rule.get("at_most") or rule["needs"]]
        if "at_most" in rule and value is not None and other is not None and value > other:
            return False
        if "needs" in rule and value and not other:
            return False
    return True


def some_value(words: dict[str, Any]) -> st.SearchStrategy[Any]:
    kinds = words["type"] if isinstance(words["type"], list) else [words["type"]]
    bounds = [words[key] for key in words if "inimum" in key or "aximum" in key]
    near: list[Any] = [bound + step for bound in bounds for step in (-1, 0, 1)]
    return st.one_of(
        st.sampled_from([*words.get("enum", []), words.get("default"), *near, None]),
        st.booleans() if "boolean" in kinds else st.integers(-3, 300),
        st.floats(-3, 300).filter(lambda x: not x.is_integer()) if "number" in kinds else st.just("other"),
    )


@pytest.mark.parametrize("name", ["reward", "ppo", "rloo", "grpo", "sft", "dpo", "sample", "evaluate_policy"])
@given(data=st.data())
def test_the_library_takes_what_its_schema_takes(name: str, data: st.DataObject) -> None:
    found = schema(COMMANDS[name])
    numbers = [name for name, words in found["properties"].items() if "array" not in words["type"]]
    values: dict[str, Any] = dict.fromkeys(found["required"], "x")
    for setting in data.draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=4, unique=True)):
        values[setting] = data.draw(some_value(found["properties"][setting]), label=setting)
    values = {name: value for name, value in values.items() if not _loose(found["properties"][name], value)}
    values |= {name: "x" for name in found["required"] if name not in values}
    try:
        to_dict(from_mapping(COMMANDS[name], values))
        taken = True
    except InputError:
        taken = False
    assert taken is accepts(found, values)


def _loose(words: dict[str, Any], value: Any) -> bool:
    """Where the command line and YAML are read more generously than JSON: 1 and "true" as true, 5.0 as 5."""
    return ("boolean" in words["type"] and not isinstance(value, bool) and value is not None) or (
        "integer" in words["type"] and isinstance(value, float)
    )


def test_the_schemas_are_written_without_torch() -> None:
    code = "import sys, rlhf.schema; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
