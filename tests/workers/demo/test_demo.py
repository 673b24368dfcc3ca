"""`make demo` in its small form, from nothing: its own platform, its own data folder, every stage."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.children import ended
from tests.inference_server import ROOT
from tests.ports import free_port

pytestmark = pytest.mark.timeout(1500)


def demo(folder: Path, port: int) -> "subprocess.Popen[str]":
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith(("DATABASE_URL", "REDIS_URL"))
    }
    environment |= {"HONE_DEMO": "small", "HONE_DATA_DIR": str(folder), "HONE_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.demo"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell in the background, or nohup, may have left it ignored to the tests, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return ended(process)


def running_over(folder: Path) -> list[psutil.Process]:
    """Processes whose environment or command names this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()) or process.environ().get("HONE_DATA_DIR") == str(folder):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_interrupted_and_run_again_the_loop_closes(tmp_path: Path) -> None:
    folder, port = tmp_path / "data", free_port()
    first = demo(folder, port)
    state = folder / "demo-state.json"
    deadline = time.monotonic() + 600
    while not (state.exists() and "labels" in json.loads(state.read_text())):
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < deadline, "the labels took too long"
        time.sleep(0.2)
    labels = json.loads(state.read_text())["labels"]
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate(timeout=180)
    assert first.returncode == 130, said
    assert "Run it again to go on" in said
    assert running_over(folder) == []

    second = demo(folder, port)
    said, _ = second.communicate(timeout=600)
    assert second.returncode == 0, said
    report = json.loads((folder / "demo-report.json").read_text())
    assert report["ok"] is True
    assert report["problem"] is None
    assert report["labels"] == labels >= 150
    assert report["reward_holdout_accuracy_low"] < report["reward_holdout_accuracy"] <= 1
    assert report["comparisons"] >= 100
    assert 0.5 < report["policy_win_rate_low"] < report["policy_win_rate"] < report["policy_win_rate_high"] <= 1
    assert 0 < report["kl"] < report["kl_budget"]
    assert {answer["model"] for answer in report["before"]} != {answer["model"] for answer in report["after"]}
    assert all(answer["answer"] for answer in report["before"] + report["after"])
    assert set(report["seconds"]) >= {"sampling", "labels", "reward model", "policy", "evaluation", "promotion"}
    page = (folder / "report.html").read_text()
    assert "The loop closed" in page
    assert page.count("<polyline") >= 4
    assert "<script" not in page
    assert not state.exists()
    assert running_over(folder) == []
