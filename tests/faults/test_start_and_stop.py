"""`hone up` starts once, says why it does not, restarts what dies, and leaves no process."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.alerts import firing, scrape
from tests.faults.platform import Platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("with a space") / "data")
    try:
        yield platform.start()
    finally:
        platform.stop()


def _refusal(platform: Platform) -> str:
    """What a start says that must fail."""
    process = platform.start(ready=False).process
    assert process is not None
    assert process.wait(60) == 2, platform.output
    platform.wait_for(lambda: "error: " in platform.output, 5)
    assert "Traceback" not in platform.output
    return platform.output


def test_it_says_in_a_word_that_it_is_well_and_the_doctor_of_every_part(platform: Platform, tmp_path: Path) -> None:
    for path, word in (("/livez", "alive"), ("/readyz", "ready"), ("/healthz", "ok")):
        answer = httpx.get(f"{platform.url}{path}")
        assert (answer.status_code, answer.json()) == (200, {"status": word})
    command = [sys.executable, "-c", "from workers.cli.main import main; main()", "doctor"]
    said = subprocess.run(command, env=platform.env, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stdout
    assert firing([scrape(platform.url)], tmp_path) == set()
    subjects = {line.split()[1] for line in said.stdout.splitlines()}
    assert {"services", "schema", "workers", "scheduling"} <= subjects
    assert f"{platform.url}/sign-in/" in platform.sign_in_link()


def test_commands_know_where_it_answers_without_its_environment(platform: Platform) -> None:
    assert platform.process is not None
    note = platform.folder / "run" / "address.json"
    noted, elsewhere = note.read_text(), {name: each for name, each in platform.env.items() if name != "HONE_PORT"}

    def link(*command: str) -> str:
        done = subprocess.run(
            [*platform.command, *command], env=elsewhere, capture_output=True, text=True, timeout=120, check=True
        )
        found = re.search(r"http://\S+/sign-in/", done.stdout)
        assert found, done.stdout
        return found.group()

    assert link("sign-in-link") == f"{platform.url}/sign-in/"
    made = subprocess.run(
        [*platform.command, "project", "create", "Addresses", "--json"], env=elsewhere, capture_output=True, timeout=120
    )
    assert json.loads(made.stdout)["url"].startswith(f"{platform.url}/projects/")
    code = "from workers.demo.platform import addressed; print(addressed().base_url)"
    demo = subprocess.run([sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, timeout=60)
    assert demo.stdout.strip() == platform.url
    try:
        note.write_text(noted.replace(str(platform.process.pid), "1"))  # of one that was killed
        assert link("sign-in-link") == "http://127.0.0.1:8000/sign-in/"
    finally:
        note.write_text(noted)


def test_a_folder_in_use_is_refused(platform: Platform) -> None:
    assert platform.process is not None
    second = Platform(platform.folder)
    assert f"in use by process {platform.process.pid}" in _refusal(second)


def test_a_taken_port_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for offset, variable in ((0, "HONE_PORT"), (1, "HONE_INFERENCE_PORT")):
        refused = Platform(tmp_path / "data")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", refused.port + offset))
            taken.listen()
            said = _refusal(refused)
        assert str(refused.port + offset) in said
        assert variable in said
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_process_that_dies_is_started_again(platform: Platform) -> None:
    [web] = [each for each in platform.tree() if "uvicorn" in each.cmdline()]
    web.kill()

    def back() -> bool:
        try:
            return httpx.get(f"{platform.url}/healthz").status_code < 500
        except httpx.TransportError:
            return False

    platform.wait_for(lambda: not web.is_running(), 5)
    platform.wait_for(back, 30)
    assert any("starts again in 1 s" in line for line in platform.lines)


def test_the_servers_are_started_again(platform: Platform) -> None:
    for name in ("valkey-server", "postgres"):
        server = next(each for each in platform.tree() if name in each.name() and each.ppid() == platform.process.pid)  # type: ignore[union-attr]
        server.kill()
        platform.wait_for(lambda name=name: any(f"{name.split('-')[0]} ended" in line for line in platform.lines), 10)
        platform.wait_for(lambda: httpx.get(f"{platform.url}/healthz").status_code == 200, 60)


def test_ctrl_c_leaves_no_process_and_the_next_start_is_quick(platform: Platform) -> None:
    began = time.monotonic()
    assert platform.stop() == []
    assert time.monotonic() - began < 20
    assert not (platform.folder / "run" / "address.json").exists()
    began = time.monotonic()
    platform.start()
    assert time.monotonic() - began < 80  # 4 s on two idle cores; the other tests are using them
    assert len(_processes_of(platform)) >= 7
    assert platform.stop() == []
    assert _processes_of(platform) == []


def _processes_of(platform: Platform) -> list[str]:
    """Every process of the machine that was started for this folder, whoever its parent is now."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.environ().get("HONE_DATA_DIR") == str(platform.folder):
                found.append(" ".join(each.cmdline()))
        except psutil.Error:
            continue
    return found


def test_a_supervisor_that_is_killed_takes_everything_with_it(platform: Platform) -> None:
    platform.start()
    children = platform.tree()[1:]
    assert platform.process is not None
    platform.process.send_signal(signal.SIGKILL)
    platform.forget()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    platform.start()
