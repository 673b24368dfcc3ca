"""`python -m rlhf.schema`: the settings of every command as JSON schemas (draft 2020-12), for programs without torch.

What the draft has no word for is in keys of our own: of a property `x-unit`, `x-group` ("local", "main", "advanced"),
of the whole `x-rules`, the rules that span two settings: {"field", "at_most" or "needs": another field, "message"}.
`at_most`: where both are numbers, the field's must not exceed the other's. `needs`: where the field is set (neither
null, false nor empty), the other one must be set.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from rlhf import extensions, trainers
from rlhf.base_models import PrepareConfig
from rlhf.config import Doc, Ge, Gt, InputError, Le, Lt, Settings, parse_config, run_cli
from rlhf.evaluate_policy import EvaluatePolicyConfig
from rlhf.evaluate_reward import EvaluateRewardConfig, ScoreConfig
from rlhf.sample_settings import SampleConfig
from rlhf.settings import MOST, Rule, Setting, settings_of

COMMANDS: dict[str, type[Settings]] = {
    **{training.name: training.settings for training in trainers.trainings()},
    "sample": SampleConfig,
    "score": ScoreConfig,
    "evaluate_reward": EvaluateRewardConfig,
    "evaluate_policy": EvaluatePolicyConfig,
    "prepare": PrepareConfig,
}

_BOUNDS = ((Ge, "ge", "minimum"), (Gt, "gt", "exclusiveMinimum"), (Le, "le", "maximum"), (Lt, "lt", "exclusiveMaximum"))


@dataclass(frozen=True, kw_only=True)
class SchemaConfig(Settings):
    """Write the JSON schema of each command's settings to a folder, as <name>.json."""

    output: Annotated[Path, Doc("The folder.", group="local")]
    names: Annotated[
        list[str], Doc("Trainings of extensions to write. Empty: all commands of the library.", group="local")
    ] = field(default_factory=list)
    check: Annotated[bool, Doc("Write nothing; fail where a file is not as it would be written.", group="local")] = (
        False
    )


def schema(cls: type[Settings]) -> dict[str, Any]:
    """The JSON schema of a settings dataclass. Required settings have no default."""
    settings = settings_of(cls)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": cls.__doc__,
        "type": "object",
        "properties": {setting.name: _property(setting) for setting in settings},
        "required": [setting.name for setting in settings if setting.required],
        "additionalProperties": False,
        "x-rules": [_rule(rule) for rule in cls.rules],
    }


def _property(setting: Setting) -> dict[str, Any]:
    found: dict[str, Any] = {"title": setting.title, "description": setting.doc.help}
    found["type"] = [setting.kind, "null"] if setting.optional else setting.kind
    if setting.kind == "array":
        found["items"] = {"type": "string"}
    if setting.choices:
        found["enum"] = [*setting.choices, None] if setting.optional else list(setting.choices)
    if setting.kind in ("integer", "number"):
        for bound in setting.bounds:
            found |= {word: getattr(bound, name) for kind, name, word in _BOUNDS if isinstance(bound, kind)}
        if not found.keys() & {"minimum", "exclusiveMinimum"}:
            found["minimum"] = -MOST
        if not found.keys() & {"maximum", "exclusiveMaximum"}:
            found["maximum"] = MOST
    if not setting.required:
        found["default"] = str(setting.default) if isinstance(setting.default, Path) else setting.default
    if setting.doc.choices:
        found["x-choices"] = list(setting.doc.choices)
    if setting.doc.unit:
        found["x-unit"] = setting.doc.unit
    found["x-group"] = setting.doc.group
    return found


def _rule(rule: Rule) -> dict[str, str]:
    other = {"at_most": rule.at_most, "needs": rule.needs}
    return {"field": rule.field} | {k: v for k, v in other.items() if v is not None} | {"message": rule.message}


def main(argv: list[str]) -> None:
    config = parse_config(SchemaConfig, argv, prog="python -m rlhf.schema")
    wanted = COMMANDS
    if config.names:
        extensions.load()
        wanted = {name: trainers.find(name).settings for name in config.names}
    texts = {
        config.output / f"{name}.json": json.dumps(schema(cls), indent=2, ensure_ascii=False) + "\n"
        for name, cls in wanted.items()
    }
    if config.check:
        there = {path: path.read_text(encoding="utf-8") for path in config.output.glob("*.json")}
        looked_at = texts.keys() if config.names else texts.keys() | there.keys()
        odd = sorted(path.name for path in looked_at if texts.get(path) != there.get(path))
        if odd:
            raise InputError(f"not as the settings say: {', '.join(odd)}; write them anew with `make schemas`")
        return
    config.output.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_cli(main)
