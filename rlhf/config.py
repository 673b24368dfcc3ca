"""The command line: settings (`rlhf.settings`) filled from flags, from a YAML file, or from both; exit codes.

    config = parse_config(TrainConfig, argv)

It imports no torch, so `--help` answers at once.
"""

import argparse
import dataclasses
import difflib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import TypeAdapter, ValidationError

from rlhf import lease, log_lines
from rlhf.settings import MOST, Doc, Rule, Setting, Settings, settings_of

__all__ = [
    "Busy", "Doc", "Ge", "Gt", "InputError", "Interrupted", "Le", "Lt", "Rule", "RunFailed", "Settings",
    "from_mapping", "parse_config", "run_cli", "to_dict",
]  # fmt: skip

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_BUSY, EXIT_INTERRUPTED = 1, 2, 73, 75

GROUPS = {"local": "files, device and this start", "main": "main settings", "advanced": "further settings"}

T = TypeVar("T")


class InputError(Exception):
    """What was given cannot be used; the message is one sentence that says why and what to do. Exit code 2."""


class Busy(Exception):
    """Another process is at work on the same output: later it may go. Exit code 73."""


class RunFailed(Exception):
    """The work itself failed in a foreseen way; the message is one sentence. Exit code 1."""


class Interrupted(Exception):
    """Stopped by a signal after saving: starting again with --resume goes on from there. Exit code 75."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see --help)")


def parse_config(cls: type[T], argv: Sequence[str], *, prog: str | None = None, description: str | None = None) -> T:
    """Build `cls` from command-line flags; flags win over the file named by `--config`, that over the defaults.

    Flags are spelled as the fields (`--learning_rate`; hyphens are read as underscores), a bare boolean flag means
    true, "none" means None, and list fields take several values. Raises InputError for an unknown name, a missing
    field, or a value outside its type or bounds.
    """
    parser = _Parser(
        prog=prog,
        description=description or cls.__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of these settings; flags win over it.")
    settings = settings_of(cls)
    for group, title in GROUPS.items():
        section = parser.add_argument_group(title)
        for setting in settings:
            if setting.doc.group == group:
                _add_flag(section, setting)
    found, unknown = parser.parse_known_args([_underscored(argument) for argument in argv])
    if unknown:
        name = unknown[0].partition("=")[0]
        if not name.startswith("--"):
            raise InputError(f"{unknown[0]!r} belongs to no setting (see --help)")
        raise InputError(_unknown(name.removeprefix("--"), [setting.name for setting in settings], "--"))
    given = vars(found)
    path = given.pop("config")
    return from_mapping(cls, (_read_yaml(Path(path)) if path else {}) | given)


def from_mapping(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build the dataclass `cls` from a mapping, with the same checks as on the command line."""
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise InputError(_unknown(name, names))
    try:
        config = TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        raise InputError("; ".join(_sentence(detail) for detail in error.errors())) from None
    for name, value in vars(config).items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if isinstance(values.get(name), bool):
                raise InputError(f"{name}: takes a number, not true or false")
            if not -MOST <= value <= MOST:  # NaN is not either
                raise InputError(f"{name}: {value} is no number to compute with")
    return config


def to_dict(config: Any) -> dict[str, Any]:
    """The settings as plain values, ready for JSON or YAML."""
    return dataclasses.asdict(config)


def run_cli(main: Callable[[list[str]], None]) -> NoReturn:
    """Run `main(argv)` and leave with the exit code that its outcome has; errors are one last line on stderr."""
    lease.hold()
    log_lines.begin()
    try:
        main(sys.argv[1:])
    except InputError as error:
        _leave(EXIT_BAD_INPUT, str(error))
    except Busy as error:
        _leave(EXIT_BUSY, str(error))
    except RunFailed as error:
        _leave(EXIT_FAILED, str(error))
    except Interrupted as error:
        _leave(EXIT_INTERRUPTED, str(error) or "interrupted; start again with --resume to go on")
    except KeyboardInterrupt:
        _leave(130, "interrupted")
    except OSError as error:  # a full disk, a folder without permission: the system's words name the file
        _leave(EXIT_FAILED, str(error))
    _end(0)


def _leave(code: int, message: str) -> NoReturn:
    # In a file the line before may be a progress bar, which ends without a line break.
    line_break = "" if sys.stderr.isatty() else "\n"
    print(f"{line_break}error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    _end(code)


def _end(code: int) -> NoReturn:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # A thread of gloo's that frees its last tensor while the interpreter is taken down ends the process with
        # SIGABRT, after all was saved (pytorch/pytorch#179291); so it is not taken down.
        sys.stdout.close()
        sys.stderr.close()
        os._exit(code)
    sys.exit(code)


def _unknown(name: str, known: Sequence[str], dashes: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        advice = f"did you mean {' or '.join(dashes + each for each in near)}?"
    else:
        advice = f"the known ones are {', '.join(dashes + each for each in sorted(known))}"
    return f"unknown setting {dashes + name!r}; {advice}"


def _add_flag(parser: Any, setting: Setting) -> None:
    notes = [setting.doc.unit] if setting.doc.unit else []
    default = "none" if setting.default is None else setting.default
    notes.append("required" if setting.required else f"default: {default}")
    text = f"{setting.doc.help} ({'; '.join(notes)})"
    options: dict[str, Any] = {"default": argparse.SUPPRESS, "help": text.replace("%", "%%")}
    if setting.kind == "boolean":
        options |= {"nargs": "?", "const": "true", "metavar": "true|false"}
    elif setting.choices:
        options["metavar"] = "|".join(setting.choices)
    elif setting.kind == "array":
        options |= {"nargs": "*", "metavar": "TEXT"}
    else:
        options["metavar"] = {"integer": "INT", "number": "FLOAT", "string": "TEXT"}[setting.kind]
    if setting.optional:
        options["type"] = _none_or_text
    parser.add_argument(f"--{setting.name}", **options)


def _none_or_text(text: str) -> str | None:
    return None if text.lower() in ("none", "null") else text


def _underscored(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the config file {path}: {error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"the config file {path} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"the config file {path} must hold 'name: value' lines")
    # YAML reads 1e-5 as text (it wants 1.0e-5); the validation turns such text into the field's number.
    return {str(name): value for name, value in values.items()}


def _sentence(detail: Any) -> str:
    name = "_".join(str(part) for part in detail["loc"][:1])
    if detail["type"] == "missing":
        return f"--{name} is required"
    message: str = detail["msg"].removeprefix("Value error, ")
    if not name:
        return message
    return f"--{name}: {message[0].lower()}{message[1:]} (given: {detail['input']!r})"
