"""Following a child's files while it writes them."""

from pathlib import Path

import pytest

from workers.follow import JsonLines, Rate, last_error, write_lines


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
