"""Following a child's files while it writes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from workers.runs.follow import JsonLines, Rate, last_error, write_lines


def test_lines_come_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = JsonLines(path)
    assert lines.new() == []
    path.write_bytes(b'{"step": 1}\n{"step"')
    assert lines.new() == [{"step": 1}]
    assert lines.new() == []
    with path.open("ab") as file:
        file.write(b': 2}\nbroken\n[3]\n{"step": 4}\n')
    assert lines.new() == [{"step": 2}, {"step": 4}]


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write_lines(path, [{"step": 1}, {"step": 2}])
    lines = JsonLines(path)
    assert len(lines.new()) == 2
    write_lines(path, [{"step": 1}])  # a resumed trainer cuts what came after its checkpoint
    assert lines.new() == [{"step": 1}]


def test_rate_is_of_the_recent_past_and_survives_a_step_back() -> None:
    rate = Rate(keep=3)
    assert rate.at(0.0, 0) is None
    assert rate.at(10.0, 10) == pytest.approx(1.0)
    rate.at(11.0, 20)
    assert rate.at(12.0, 30) == pytest.approx(10.0)
    assert rate.at(13.0, 5) is None


def test_the_last_error_is_found_in_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert last_error(log) is None
    log.write_text("error: the first attempt's\n" + "noise\n" * 50_000 + "error: no room left\nbye\n")
    assert last_error(log) == "no room left"


def test_an_error_of_an_earlier_attempt_is_none_of_this_one(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("error: another training is writing here\n")
    began = log.stat().st_size
    with log.open("a") as file:
        file.write("begun\r 10%|#   | 1/10\r 20%|##  | 2/10")
    assert last_error(log, began) is None
    with log.open("a") as file:
        file.write("\rerror: no room left\r")
    assert last_error(log, began) == "no room left"


@pytest.mark.parametrize("before", ["", " 10%|#    | 1/10 [00:01<00:09]", "\r 10%|#    \r", "half a word", "é\u2028"])
def test_the_words_of_a_command_are_found_whatever_stands_before_them(tmp_path: Path, before: str) -> None:
    code = (
        "import sys; from rlhf.config import InputError, run_cli\n"
        "def main(argv):\n    sys.stderr.write(argv[0]); sys.stderr.flush(); raise InputError('it is\\nbad\\x85now')\n"
        "run_cli(main)"
    )
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        subprocess.run([sys.executable, "-c", code, before], stderr=output, check=False)
    assert last_error(log) == "it is bad now"
