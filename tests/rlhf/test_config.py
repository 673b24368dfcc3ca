"""Settings from flags and YAML, and the exit codes of every command."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest

from rlhf.config import (
    Busy,
    Doc,
    Ge,
    Gt,
    InputError,
    Interrupted,
    RunFailed,
    from_mapping,
    parse_config,
    run_cli,
    to_dict,
)
from rlhf.settings import Rule
from rlhf.settings import Settings as Base


@dataclass(frozen=True)
class Settings(Base):
    """Train something."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("warmup", at_most="steps", message="The warm-up cannot be longer than the training."),
        Rule("stop", needs="resume", message="Only a resumed run can stop."),
    )

    model: Annotated[str, Doc("Base model.", group="local")]
    learning_rate: Annotated[float, Gt(0), Doc("Peak learning rate, 100%.")] = 2e-5
    steps: Annotated[int | None, Ge(1), Doc("How long.", unit="steps", group="main")] = None
    warmup: Annotated[int, Ge(0), Doc("How long the rate rises.", unit="steps")] = 0
    stop: Annotated[list[str], Doc("Texts.")] = field(default_factory=list)
    kind: Annotated[Literal["a", "b"], Doc("Kind.")] = "a"
    resume: Annotated[bool, Doc("Go on.")] = False


def test_flags_become_typed_values() -> None:
    argv = ["--model", "m", "--learning-rate=3e-4", "--steps", "none", "--stop", "x", "y z", "--resume", "--kind", "b"]
    assert parse_config(Settings, argv) == Settings("m", 3e-4, None, 0, ["x", "y z"], "b", True)
    assert parse_config(Settings, ["--model", "m", "--resume", "false"]).resume is False


def test_flags_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("model: from-file\nlearning_rate: 1e-3\nstop: [x]\nsteps: 5\nresume: true\n")
    config = parse_config(Settings, ["--config", str(path), "--steps", "9"])
    assert config == Settings("from-file", 1e-3, 9, 0, ["x"], resume=True)
    assert from_mapping(Settings, to_dict(config)) == config


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "--model is required"),
        (["--model", "m", "--learning_rate", "0"], "--learning_rate: input should be greater than 0 (given: '0')"),
        (["--model", "m", "--learning_rate", "nan"], "--learning_rate: input should be greater than 0 (given: 'nan')"),
        (["--model", "m", "--steps", "1.5"], "--steps: input should be a valid integer"),
        (["--model", "m", "--kind", "c"], "--kind: input should be 'a' or 'b'"),
        (["--model", "m", "--stesp", "3"], "unknown setting '--stesp'; did you mean --steps or --stop?"),
        (["--model", "m", "3"], "'3' belongs to no setting"),
        (
            ["--model", "m", "--steps", "7", "--warmup", "8"],
            "--warmup: The warm-up cannot be longer than the training.",
        ),
        (["--model", "m", "--stop", "x"], "--stop: Only a resumed run can stop."),
        (["--config", "/nowhere.yaml"], "cannot read the config file /nowhere.yaml"),
    ],
)
def test_bad_settings_are_named(argv: list[str], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        parse_config(Settings, argv)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modell: x", "unknown setting 'modell'; did you mean model\\?"),
        ("xyz: 1", "'xyz'; the known ones are kind, "),
        ("a: [", "not valid YAML"),
        ("- a", "must hold 'name: value' lines"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        parse_config(Settings, ["--config", str(path)])


def test_help_documents_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        parse_config(Settings, ["--help"])
    assert leave.value.code == 0
    text = capsys.readouterr().out
    for part in (
        "Train something.",
        "--learning_rate FLOAT",
        "100%. (default: 2e-05)",
        "a|b",
        "(required)",
        "(steps; default: none)",
        "main settings",
    ):
        assert part in text


def _raise(error: BaseException) -> Callable[[list[str]], None]:
    def main(argv: list[str]) -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("the file\nis bad"), 2, "error: the file is bad"),
        (RunFailed("it diverged"), 1, "error: it diverged"),
        (Busy("somebody is at it"), 73, "error: somebody is at it"),
        (Interrupted(), 75, "error: interrupted; start again with --resume to go on"),
        (OSError(28, "No space left on device", "/x/y"), 1, "error: [Errno 28] No space left on device: '/x/y'"),
    ],
)
def test_outcomes_have_exit_codes(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leave:
        run_cli(_raise(error))
    assert leave.value.code == code
    assert capsys.readouterr().err.splitlines()[-1] == line


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("raise config.RunFailed('it diverged')", 1)])
@pytest.mark.parametrize(("count", "taken_down"), [("1", True), ("2", False)])
def test_one_of_several_processes_ends_without_taking_its_interpreter_down(
    outcome: str, code: int, count: str, taken_down: bool
) -> None:
    """What still runs in a thread of gloo's would end it with SIGABRT. Everything said is written nevertheless."""
    script = (
        "import atexit; from rlhf import config\n"
        "def main(argv):\n"
        "    atexit.register(print, 'taken down'); print('said', end='')\n"
        f"    {outcome}\n"
        "config.run_cli(main)"
    )
    environment = {**os.environ, "WORLD_SIZE": count}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert done.stdout == "said" + "taken down\n" * taken_down
    assert ("it diverged" in done.stderr) == (code == 1)


def test_programming_errors_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_cli(_raise(ZeroDivisionError()))


def test_help_of_a_command_loads_no_torch() -> None:
    code = (
        "import sys, rlhf.sample\n"
        "try: rlhf.sample.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--strategy" in done.stdout


@dataclass(frozen=True)
class Numbers:
    """Numbers without bounds of their own."""

    rate: float = 1.0
    count: int | None = 1
    flag: bool = False


@pytest.mark.parametrize(
    "given",
    [{"rate": "inf"}, {"rate": "1e400"}, {"rate": "nan"}, {"rate": float("-inf")}, {"count": 10**30}, {"count": True},
     {"rate": False}, {"count": -(10**400)}],
)  # fmt: skip
def test_what_is_no_number_to_compute_with_is_refused(given):
    with pytest.raises(InputError, match=next(iter(given))):
        from_mapping(Numbers, given)
    assert from_mapping(Numbers, {"flag": True, "count": None}).flag
