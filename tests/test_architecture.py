"""The house's own rules: who imports whom, what is loaded, and that every route says who may call it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import APIRouter, Depends, FastAPI

from app.web import guard

ROOT = Path(__file__).parents[1]


def test_the_web_application_loads_no_torch():
    code = "import app.main, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_importing_the_application_leaves_the_disk_alone(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import app.main"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={"PATH": "/usr/bin:/bin"})
    assert list(tmp_path.iterdir()) == []


def test_import_contracts():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_waived_security_rule_says_why():
    waived = re.compile(r"# (?:noqa: (?:[A-Z]+\d+, )*(?:S|BLE)\d+(?:, [A-Z]+\d+)*|nosec)(.*)")
    folders = ("app", "formats", "hone_client", "rlhf", "workers", "examples", "migrations")
    found = [
        (path, said)
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for said in waived.findall(path.read_text("utf-8"))
    ]
    assert len(found) > 30
    assert [path for path, said in found if not said.strip(" -")] == []


def test_a_route_that_declares_nobody_stops_the_application():
    app, router = FastAPI(), APIRouter()
    router.add_api_route("/declared", lambda: None, dependencies=[Depends(guard.public)])
    app.include_router(router)
    guard.refuse_open_routes(app)
    router.add_api_route("/open", lambda: None, methods=["POST"])
    with pytest.raises(RuntimeError, match="POST /open"):
        guard.refuse_open_routes(app)


def test_every_route_is_guarded_and_project_routes_by_their_members():
    from app.main import app

    found = guard.access_by_route(app)
    assert len(found) > 50
    for (method, path), access in found.items():
        assert access, f"{method} {path}"
        if "{project_id}" in path:
            assert access & {"annotator", "manager"}, f"{method} {path} asks for no membership"
        if method != "GET" and path.startswith("/api/"):
            assert access - {"public"}, f"{method} {path} is open to everybody"


def _place(argument: ast.arg) -> int:
    kind = ast.unparse(argument.annotation) if argument.annotation else ""
    if kind in ("Session", "Db"):
        return 0
    if argument.arg in ("project", "project_id", "access") or kind in ("Project", "Project | None"):
        return 1
    return 2 if argument.arg in ("user", "user_id", "actor", "person") or kind in ("User", "User | None") else 3


def test_arguments_stand_in_one_order():
    """The request where there is one, session, project, person, what is acted on, the rest: docs/decisions/0027."""
    wrong, looked_at = [], 0
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                needed = node.args.args[: len(node.args.args) - len(node.args.defaults)]
                places = [_place(argument) for argument in needed if argument.arg != "request"]
                if 0 in places:
                    looked_at += 1
                    late = "request" in [argument.arg for argument in needed[1:]]
                    if late or places != sorted(places):
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert looked_at > 500
    assert not wrong


def test_each_decision_has_a_number_of_its_own():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert len({path.name[:4] for path in decisions}) == len(decisions) > 40
    for path in decisions:
        title = path.read_text().partition("\n")[0]
        assert re.match(rf"# 0*{int(path.name[:4])}[.:] \S", title), f"{path.name}: {title}"
