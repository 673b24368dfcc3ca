"""Supervision: logs with their speaker, restarts with growing pauses, an end that is an end."""

import io
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.settings import Settings, get_settings
from workers.platform.children import Child, Children, commands, environment
from workers.platform.output import Console, LogFile, whole_lines
from workers.platform.processes import Ledger


def family(tmp_path: Path, **codes: str) -> tuple[Children, io.StringIO]:
    """Supervised Python snippets by name."""
    said = io.StringIO()
    console = Console(list(codes), said)
    children = [Child(name, [sys.executable, "-u", "-c", code], {}) for name, code in codes.items()]
    return Children(children, console, Ledger(tmp_path / "processes.json"), tmp_path), said


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_lines_say_who_spoke_and_are_kept(tmp_path: Path) -> None:
    group, said = family(tmp_path, web="print('hello')", inference="import time; print('loading'); time.sleep(60)")
    group.start()
    until(lambda: "hello" in said.getvalue() and "loading" in said.getvalue())
    group.stop(5)
    assert "web       | hello\n" in said.getvalue()
    assert "inference | loading\n" in said.getvalue()
    assert "\x1b" not in said.getvalue()  # colours are for terminals
    assert (tmp_path / "web.log").read_text() == "hello\n"


def test_what_dies_comes_back_after_growing_pauses(tmp_path: Path) -> None:
    # it stays up for a moment, in which the test can say how long it had been well
    group, said = family(tmp_path, web="import time; print('up', flush=True); time.sleep(1); raise SystemExit(3)")
    group.start()
    until(lambda: (group.tend(), said.getvalue().count("| up") == 3)[1])
    text = said.getvalue()
    assert text.index("status 3; starts again in 1 s") < text.index("status 3; starts again in 2 s")
    group.children[0].started -= 3600  # it had been well for an hour
    until(lambda: (group.tend(), said.getvalue().count("ended with") == 3)[1])
    group.stop(1)
    assert said.getvalue().count("starts again in 1 s") == 2


def test_stop_ends_the_deaf_and_their_children(tmp_path: Path) -> None:
    deaf = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid); time.sleep(60)"
    )
    group, said = family(tmp_path, web=deaf, beat="import time; time.sleep(60)")
    group.start()
    until(lambda: "web  | " in said.getvalue())
    grandchild = int(said.getvalue().split("web  | ")[1].split()[0])
    group.stop(0.5)
    assert "still busy: web" in said.getvalue()
    until(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE)
    processes = [child.process for child in group.children]
    assert [process.returncode for process in processes if process] == [-signal.SIGKILL, -signal.SIGTERM]
    assert Ledger(tmp_path / "processes.json").end_leftovers() == 0


def test_a_log_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.platform.output._KEEP_BYTES", 100)
    with LogFile(tmp_path / "web.log") as log:
        for number in range(50):
            log.write(b"%03d line\n" % number)
    kept = (tmp_path / "web.log.1").read_text() + (tmp_path / "web.log").read_text()
    assert kept.endswith("049 line\n")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 300


def test_a_line_of_a_megabyte_is_cut_with_a_word() -> None:
    long = b"b" * 2**20 + b"\n"
    lines = list(whole_lines(io.BytesIO(b"one\n" + long + b"two\nno end")))
    assert lines[0] == b"one\n"
    assert lines[2:] == [b"two\n", b"no end"]
    assert len(lines[1]) < 70_000
    assert lines[1].endswith("… (cut: 1,048,577 bytes)\n".encode())


def test_several_web_processes_count_in_files_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PROMETHEUS_MULTIPROC_DIR" not in environment("web")
    monkeypatch.setenv("HONE_WEB_PROCESSES", "2")
    get_settings.cache_clear()
    try:
        folders = [Path(environment("web")["PROMETHEUS_MULTIPROC_DIR"]) for _ in range(2)]
        assert "PROMETHEUS_MULTIPROC_DIR" not in environment("training")
    finally:
        get_settings.cache_clear()
    assert folders[0] != folders[1]
    for folder in folders:
        assert list(folder.iterdir()) == []
        assert folder.stat().st_mode & 0o077 == 0
        folder.rmdir()


def test_no_process_spins_for_long() -> None:
    for name in commands(Settings()):
        assert environment(name).items() >= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}.items()
    assert environment("web")["OMP_NUM_THREADS"] == "1"
