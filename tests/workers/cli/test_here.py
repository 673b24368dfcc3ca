"""`hone` on the machine itself: as whom it acts, what it leaves behind, and what only it may do."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.accounts import passwords
from app.db import task_session
from app.models import ApiToken, AuditEvent, Project, User, WebSession
from tests import factories
from tests.workers.cli.test_cli import hone, refused


@pytest.fixture
def project(database: str) -> int:
    with task_session() as session:
        project = factories.project(session)
        factories.user(session, email="boss@example.org", is_admin=True)
        factories.user(session, email="ada@example.org", name="Ada")
        return int(project.id)


def test_the_version_is_told() -> None:
    done = hone("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("hone 0.")


def test_a_command_acts_as_the_person_named_and_leaves_no_session(project: int) -> None:
    made = hone("project", "create", "Mine", "--no-starter-prompts")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("Project ")
    with task_session() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "project.created")).one()
        boss = session.scalars(select(User.id).where(User.email == "boss@example.org")).one()
        assert event.actor_id == boss
        assert session.scalar(select(func.count()).select_from(WebSession)) == 0
        assert not session.scalars(select(AuditEvent).where(AuditEvent.action == "session.started")).all()
    assert "Only administrators and managers" in refused("project", "create", "Hers", "--as", "ada@example.org")
    assert "nobody with the e-mail" in refused("project", "list", "--as", "who@example.org")
    assert json.loads(hone("account", "show", "--json", "--as", "ada@example.org").stdout)["name"] == "Ada"
    with task_session() as session:
        assert session.scalar(select(func.count()).select_from(WebSession)) == 0


def test_tokens_are_made_listed_and_revoked(project: int) -> None:
    made = hone("token", "create", "bench", "--scope", "read", "--scope", "manage", "--days", "7")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("hone_")
    assert len(made.stdout.splitlines()) == 1
    [listed] = [json.loads(line) for line in hone("token", "list", "--json").stdout.splitlines()]
    assert (listed["name"], listed["scopes"]) == ("bench", ["read", "manage"])
    lasting = json.loads(hone("token", "create", "ops", "--scope", "admin", "--days", "none", "--json").stdout)
    assert lasting["expires_at"] is None
    assert hone("token", "revoke", str(listed["id"])).stdout == "The token is revoked.\n"
    with task_session() as session:
        assert session.get_one(ApiToken, listed["id"]).revoked_at
    assert "no such token" in refused("token", "revoke", str(listed["id"]))
    unknown = hone("token", "create", "x", "--scope", "everything")
    assert unknown.returncode == 2


def test_people_are_shut_out_let_in_and_given_a_way_in(project: int) -> None:
    people = {(row := json.loads(line))["email"]: row["id"] for line in hone("users", "--json").stdout.splitlines()}
    ada = str(people["ada@example.org"])
    assert hone("users", "disable", ada).stdout == "Ada can no longer sign in.\n"
    assert hone("users", "enable", ada).stdout == "Ada can sign in again.\n"
    assert hone("users", "make-admin", ada).stdout == "Ada is an administrator.\n"
    assert hone("users", "remove-admin", ada).stdout == "Ada is no administrator.\n"
    assert "/sign-in/" in hone("users", "reset", ada).stdout
    invited = hone("invitations", "create", "-p", str(project), "--note", "for Bob")
    assert "/invitations/" in invited.stdout, invited.stderr
    done = hone("account", "password", "--current", "", "--new", "correct horse battery", "--as", "ada@example.org")
    assert done.returncode == 0, done.stderr
    with task_session() as session:
        stored = session.scalars(select(User.password_hash).where(User.email == "ada@example.org")).one()
        assert passwords.matches(stored, "correct horse battery")


def test_lists_have_tables_lines_of_json_and_say_where_they_go_on(project: int, tmp_path: Path) -> None:
    with task_session() as session:
        owner = session.get_one(Project, project)
        numbers = [factories.prompt(session, owner, f"[bold]Why {n}?").id for n in range(3)]
    here = ("-p", str(project))
    table = hone("prompts", "list", *here)
    assert "[bold]Why 2?" in table.stdout
    assert table.stderr == ""
    some = hone("prompts", "list", *here, "--limit", "2", "--json")
    assert [json.loads(line)["id"] for line in some.stdout.splitlines()] == numbers[:0:-1]
    assert some.stderr == f"Further back: --before {numbers[1]}\n"
    rest = hone("prompts", "list", *here, "--before", str(numbers[1]), "--json")
    assert json.loads(rest.stdout)["id"] == numbers[0]
    assert hone("prompts", "withdraw", str(numbers[0]), str(numbers[1]), *here).stdout.endswith("withdrawn.\n")
    assert hone("prompts", "list", *here, "--status", "withdrawn", "--json").stdout.count("\n") == 2
    assert hone("prompts", "restore", str(numbers[0]), *here).stdout == "The prompt is back in the loop.\n"
    assert hone("members", "list", *here).stdout == "No members.\n"
    given = tmp_path / "prompts.json"
    given.write_text('["A?", {"prompt": "B?"}]')
    assert hone("prompts", "add", f"@{given}", *here).stdout == "2 prompts imported; 0 refused.\n"
    assert "cannot be read" in refused("prompts", "add", "@nowhere", *here)
