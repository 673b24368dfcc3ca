"""Who writes which table: one package each, and no route writes or reads by SQL of its own."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.models import Base

ROOT = Path(__file__).parents[1]
OWNERS = {
    "accounts": {"api_token", "audit_event", "sign_in_link", "user", "web_session"},
    "web": {"idempotency_key"},
    "quotas": {"quota"},
    "registry": {"endpoint", "model"},
    "projects": {"instructions", "invitation", "member", "project"},
    "runs": {"run", "run_metric", "run_sample"},
    "prompts": {"prompt"},
    "items": {"item", "item_response", "response"},
    "labels": {"assignment", "imported_annotator", "label", "preference"},
    "rewards": {"live_head", "response_features", "response_score", "snapshot", "snapshot_label"},
    "flags": {"flag", "flag_message"},
    "imports": {"import_progress", "refused_row"},
    "chat": {"conversation", "turn", "turn_comparison"},
    "workers": {"scheduler"},
}
# A lease and the slot that it takes or gives back change in one statement, so that they cannot come apart.
TOGETHER = {
    "app/labels/turn.py": {"item"},
    "app/labels/lease_queries.py": {"item"},
    "app/labels/saving.py": {"item"},
    "app/labels/forgetting.py": {"item"},
    "app/items/queue.py": {"assignment"},
    # What goes for good goes in one order, which foreign keys between the stages' tables fix.
    "app/erasing/project.py": {"project", "audit_event", "idempotency_key", "invitation", "member"},
    "app/erasing/project_in_parts.py": {"project", "model", "run", "snapshot", "live_head", "audit_event"},
    "app/erasing/their_labels.py": {"run_sample"},
    "app/erasing/person.py": {
        "user",
        "web_session",
        "sign_in_link",
        "api_token",
        "idempotency_key",
        "member",
        "invitation",
        "audit_event",
        "flag",
        "flag_message",
    },
}
_WRITES = {"insert", "update", "delete"}
_WRITTEN = re.compile(r'\b(?:insert into|update|delete from|merge into|truncate) +"?([a-z_]+)"?', re.I)
_TABLES = {mapper.class_.__name__: mapper.local_table.name for mapper in Base.registry.mappers}  # type: ignore[attr-defined]


def _modules() -> list[Path]:
    found = [path for folder in ("app", "workers") for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "models" not in path.relative_to(ROOT).parts)


def _rows(tree: ast.Module) -> Iterator[str]:
    """The tables whose rows a module makes, or writes by a statement of SQLAlchemy or by text."""
    named, modules = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.models"):
            named |= {each.asname or each.name: each.name for each in node.names}
        if isinstance(node, ast.ImportFrom) and node.module == "app":
            modules |= {each.asname or each.name for each in node.names if each.name == "models"}

    def table(node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return _TABLES.get(named.get(node.id, ""))
        own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        return _TABLES.get(node.attr) if own and isinstance(node, ast.Attribute) else None

    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            made = table(node.func) or (table(node.args[0]) if called in _WRITES and node.args else None)
            if made:
                yield made
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (each for each in _WRITTEN.findall(node.value) if each in _TABLES.values())


def test_every_table_has_one_owner() -> None:
    owned = [table for tables in OWNERS.values() for table in tables]
    assert sorted(owned) == sorted(set(owned)) == sorted(set(_TABLES.values()))


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_writes_the_tables_of_its_package_alone(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    package = path.relative_to(ROOT).parts[1] if name.startswith("app/") else "workers"
    mine = OWNERS.get(package, set()) | TOGETHER.get(name, set())
    assert set(_rows(ast.parse(path.read_text()))) <= mine


def test_what_the_test_of_owners_looks_for_is_found() -> None:
    made = """
from app import models as m
from app.models import Label, Prompt as Question
from sqlalchemy import insert, update
rows = [m.Item(id=1), Label(), insert(Question), m.Message(role="user")]
statement = f"with x as (update member set role = {1}) insert into preference (label_id) select 1"
"""
    assert set(_rows(ast.parse(made))) == {"item", "label", "prompt", "member", "preference"}
    turn = ast.parse((ROOT / "app/labels/turn.py").read_text())
    assert set(_rows(turn)) == {"assignment", "item", "label", "preference"}


@pytest.mark.parametrize(
    "path",
    [path for path in _modules() if re.fullmatch(r"(\w+_)?(routes|api)\.py", path.name) or "routes" in path.parts],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_routes_hold_no_sql(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
            assert {each.name for each in node.names} <= {"Session"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "session":
            assert node.attr not in ("add", "add_all", "delete", "execute", "query", "scalar", "scalars")
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_sql(node.value)), path


def _is_sql(words: str) -> bool:
    return (
        re.match(r"\s*(select|insert into|update|delete from|with)\b.*\b(from|set|values)\b", words, re.S) is not None
    )
