"""A trainer's output as JSON lines, where the environment asks for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from rlhf import log_lines
from workers.runs.follow import last_error

CODE = """
import sys
from rlhf import config
def main(argv):
    print("one")
    sys.stderr.write("\\r 10%|#  \\r 50%|## \\n")
    print("b" * 2**20)
    raise config.InputError("no “room” left")
config.run_cli(main)
"""


def run(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", CODE], env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=60,
    )  # fmt: skip


def test_each_line_has_the_fields_and_is_not_too_long(tmp_path: Path) -> None:
    done = run(**{log_lines.VARIABLE: '{"run": 5, "request": "click-1"}'})
    assert done.returncode == 2
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all((line["run"], line["request"]) == (5, "click-1") and line["time"] for line in lines)
    said = {line["message"].strip() for line in lines}
    assert {"one", "10%|#", "50%|##", "error: no “room” left"} <= said
    [long] = [text for text in said if text.startswith("bbb")]
    assert long == "b" * log_lines.LONGEST + " … (cut: 1,048,576 characters)"
    (tmp_path / "log.txt").write_text(done.stdout)
    assert last_error(tmp_path / "log.txt") == "no “room” left"


def test_without_it_output_is_as_it_was() -> None:
    done = run()
    assert "\nerror: no “room” left\n" in done.stdout
    assert "{" not in done.stdout
