"""`hone` from a shell: it does what the pages do, says what is wrong in a sentence, ends with the right status."""

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.annotation.demonstration import DemonstrationValue
from app.db import task_session
from app.labels import leases
from app.labels import service as labels
from app.labels.new_label import NewLabel
from app.methods import METHODS, register
from app.models import AssignmentState, Project, Prompt, Run, RunState, SignInLink, TrainingConfig, User, WebSession
from rlhf.data import load_pairs
from rlhf.demonstrations import load_demonstrations
from tests import factories
from tests.asking import asking
from tests.stirring import Stirring
from workers.cli.main import main

HONE = [sys.executable, "-c", "from workers.cli.main import main; main()"]


@dataclass
class Done:
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


def hone(*arguments: str | Path) -> Done:
    """Run a command beside this test's own database, in this process: starting one takes a second each."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before, sys.argv = sys.argv, ["hone", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            main()
    finally:
        sys.argv = before
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return Done(int(left.value.code or 0), *said)


def from_a_shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    return subprocess.run([*HONE, *arguments], capture_output=True, text=True, timeout=120)


def refused(*arguments: str | Path, run: Callable[..., Any] = hone) -> str:
    """The sentence with which a command refuses."""
    done = run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    assert lines[-1].startswith("error: ")
    return lines[-1]


def test_people_projects_and_links(project: int) -> None:
    assert "boss@example.org" in hone("users").stdout
    assert f"{project}" in hone("projects").stdout
    told = hone("status", "-p", str(project)).stdout
    assert "prompts 0, open pairs 0, labels 0" in told
    assert "next: " in told
    link = hone("sign-in-link").stdout.strip()
    assert "/sign-in/" in link
    with task_session() as session:
        assert session.scalar(select(func.count()).select_from(SignInLink)) == 1
        kept = session.scalar(select(SignInLink.token_hash))
    assert link.rsplit("/", 1)[1] != kept  # a digest
    assert "nobody" in refused("sign-in-link", "who@example.org")


def test_skips_are_counted_by_reason_and_listed(project: int) -> None:
    with task_session() as session:
        owner = session.get_one(Project, project)
        owner.answer = asking(skip_reasons=["I cannot [judge] this"])
        prompt = factories.prompt(session, owner)
        item = factories.item(session, prompt, owner.base_model)
        person = factories.user(session, name="Ada")
        said = {"state": AssignmentState.SKIPPED, "skip_reason": owner.answer.skip_reasons[0].id}
        factories.assignment(session, item, person, skip_note="Latin.", **said)
        factories.assignment(session, item, factories.user(session), state=AssignmentState.SKIPPED)
    told = hone("skips", str(project))
    assert told.returncode == 0
    assert "I cannot [judge] this" in told.stdout
    assert "no reason given" in told.stdout
    assert "Latin." in told.stdout
    without = hone("skips", str(project), "--reason", "none")
    assert "Latin." not in without.stdout
    assert "no project 999" in refused("skips", "999")


def test_a_link_for_somebody_who_forgot_ends_the_password_and_the_sessions(project: int) -> None:
    with task_session() as session:
        boss = session.scalars(select(User)).one()
        boss.password_hash = "known to somebody"
        factories.web_session(session, boss)
    hone("sign-in-link", "boss@example.org")
    with task_session() as session:
        assert session.scalars(select(User)).one().password_hash
    assert "/sign-in/" in hone("sign-in-link", "boss@example.org", "--forgotten").stdout
    with task_session() as session:
        assert session.scalars(select(User)).one().password_hash is None
        assert session.scalar(select(func.count()).select_from(WebSession)) == 0


def test_import_names_bad_lines_and_imports_all_or_what_it_may(project: int, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "What is a hone?"}\n{"prompt": \n{"prompt": "Why?"}\n')
    done = hone("import", file, "-p", str(project))
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "--skip-invalid" in done.stderr
    with task_session() as session:
        assert session.scalar(select(func.count()).select_from(Prompt)) == 0
    assert hone("import", file, "-p", str(project), "--skip-invalid").stdout.startswith("2 prompts; 0 were there")
    assert hone("import", file, "-p", str(project), "--skip-invalid").stdout.startswith("0 prompts; 2 were there")


def test_import_takes_a_spreadsheet_s_table_and_tells_what_it_leaves_out(project: int, tmp_path: Path) -> None:
    file = tmp_path / "from a spreadsheet"
    file.write_bytes(gzip.compress("prompt;chosen;rejected\r\nWie groß?;So.;No.\r\n".encode("utf-8-sig")))
    done = hone("import", file, "-p", str(project), "--as", "prompts")
    assert done.stdout.startswith("1 prompts")
    assert "2 responses of the file are left out" in done.stderr
    with task_session() as session:
        assert [prompt.messages[0]["content"] for prompt in session.scalars(select(Prompt))] == ["Wie groß?"]


def test_export_writes_whole_files(project: int, tmp_path: Path) -> None:
    with task_session() as session:
        row = session.get_one(factories.m.Project, project)
        person = factories.user(session)
        factories.member(session, row, person)
        factories.label(session, factories.item(session, factories.prompt(session, row), row.base_model), person)
    out = tmp_path / "labels.jsonl"
    done = hone("export", "-p", str(project), "-o", out, "--json")
    assert json.loads(done.stderr) == {"rows": 1, "file": str(out)}
    assert [json.loads(line)["kind"] for line in out.read_text().splitlines()] == ["comparison"]
    shown = hone("export", "-p", str(project), "--layout", "trl", "--rows", "pairs").stdout
    assert json.loads(shown)["raters"] == 1
    unknown = ("--layout", "trl", "--question", "Which is kinder?")
    assert "asks no such question" in refused("export", "-p", str(project), *unknown)
    assert "rows is of TRL's layouts" in refused("export", "-p", str(project), "--rows", "pairs")
    assert "cannot be written" in refused("export", "-p", str(project), "-o", tmp_path / "no" / "such")
    old = hone("export-labels", "-p", str(project))
    assert (old.returncode, "No such command 'export-labels'" in old.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == [out] or {path.name for path in tmp_path.iterdir()} == {"labels.jsonl", "hone"}


def test_what_people_wrote_is_what_the_learning_library_reads(project: int, tmp_path: Path) -> None:
    texts = {"train": "A **tall** plant.\n\n- Leaves", "holdout": "Measures only."}
    with task_session() as session:
        row = session.get_one(factories.m.Project, project)
        person = factories.user(session)
        factories.member(session, row, person)
        for split, text in texts.items():
            prompt = factories.prompt(session, row, "What is a tree?", split=split)
            shown = [factories.response(session, prompt, row.base_model, text="A plant.")]
            factories.item(session, prompt, row.base_model, kind="demonstration", responses=shown)
            task = leases.claim_item(session, row, person)
            assert task is not None
            labels.submit(session, row, person, None, task.id, NewLabel(DemonstrationValue(text=text)))
    written, preferred = tmp_path / "written.jsonl", tmp_path / "preferred.jsonl"
    assert hone("export", "-p", str(project), "--layout", "sft", "-o", written).returncode == 0
    assert hone("export", "-p", str(project), "--layout", "trl-conversational", "-o", preferred).returncode == 0
    (demonstration,), report = load_demonstrations(written)
    assert report.bad == []
    assert [turn["content"] for turn in demonstration.messages] == ["What is a tree?", texts["train"]]
    assert demonstration.first == 1  # what is asked is not learned
    pairs, _ = load_pairs(preferred)
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [(text, "A plant.") for text in texts.values()]


def test_runs_are_listed_cancelled_resumed_and_refused(project: int) -> None:
    with task_session() as session:
        run_id = factories.run(session, session.get_one(factories.m.Project, project)).id
    assert json.loads(hone("runs", "list", "--json").stdout)["id"] == run_id
    assert json.loads(hone("runs", "show", str(run_id)).stdout)["state"] == "queued"
    assert "is cancelled" in hone("runs", "cancel", str(run_id)).stdout
    with task_session() as session:
        assert session.get_one(Run, run_id).state is RunState.CANCELLED
    assert "cannot be cancelled" in refused("runs", "cancel", str(run_id))
    assert "queued again" in hone("runs", "resume", str(run_id)).stdout
    assert "no run 999" in refused("runs", "show", "999")
    assert "are gone from the store" in refused("runs", "start", "reward", "-p", str(project))
    assert "name=value" in refused("runs", "start", "reward", "-p", str(project), "--set", "epochs")
    assert "num_train_epochs" in refused(
        "runs", "start", "reward", "-p", str(project), "--set", "num_train_epochs=many"
    )
    assert "unknown_setting" in refused("runs", "start", "reward", "-p", str(project), "--set", "unknown_setting=1")


def test_an_added_method_is_started_with_settings_of_a_file(project: int, tmp_path: Path) -> None:
    register(Stirring())
    try:
        assert "stir: Stir a policy" in hone("runs", "methods").stdout
        assert "rounds=2" in hone("runs", "settings", "stir").stdout
        given = tmp_path / "settings.yaml"
        given.write_text("rounds: 6\nrest: 4\n")
        start = ("runs", "start", "stir", "-p", str(project), "--settings", given)
        assert "is queued" in hone(*start, "--set", "rest=5").stdout
        with task_session() as session:
            run = session.scalars(select(Run)).one()
            assert run.asked(TrainingConfig).settings == {"rounds": 6, "rest": 5}
        given.write_text("round: 6\n")
        assert refused(*start) == "error: Stirring has no setting 'round'. Did you mean rounds?"
        given.write_text("rounds: 2\nrest: 5\n")
        assert "It cannot rest longer than it stirs." in refused(*start)
        given.write_text("- 1\n")
        assert "must hold settings as name: value" in refused(*start)
    finally:
        del METHODS["stir"]


def test_doctor_settings_and_help(project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    done = hone("doctor")
    assert "PostgreSQL" in done.stdout
    assert "WRONG" not in done.stdout, done.stdout
    assert done.returncode == 0
    told = {row["variable"]: row["value"] for row in json.loads(hone("settings", "--json").stdout)}
    assert told["DATABASE_URL"] == "(set)"
    assert "HONE_PORT" in told
    looked_at = [json.loads(line) for line in hone("doctor", "--json").stdout.splitlines()]
    assert {each["well"] for each in looked_at} == {True}
    assert "database" in {each["subject"] for each in looked_at}
    defaults = {
        row["name"]: row for row in map(json.loads, hone("runs", "settings", "ppo", "--json").stdout.splitlines())
    }
    assert isinstance(defaults["beta"]["default"], float)
    assert all(row["about"] for row in defaults.values())
    assert "sign-in-link" in hone("--help").stdout
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x")
    wrong = from_a_shell("doctor")
    assert wrong.returncode == 1
    assert "WRONG database" in wrong.stdout
    assert "secret" not in wrong.stdout + wrong.stderr
    assert "no PostgreSQL server answers" in refused("users", run=from_a_shell)
    monkeypatch.setenv("HONE_PORT", "70000")
    assert "HONE_PORT" in refused("users", run=from_a_shell)


def test_a_new_database_is_made_ready_by_init(database: str) -> None:
    first = hone("init")
    assert "/sign-in/" in first.stdout, first.stderr
    assert "/sign-in/" in json.loads(hone("init", "--json").stdout)["sign_in"]
    assert json.loads(hone("migrate", "--json").stdout) == {"migrated": False}
    [link] = map(json.loads, hone("sign-in-link", "--json").stdout.splitlines())
    assert "/sign-in/" in link["url"]
    assert "There is no process nonsense" in refused("process", "nonsense")


@pytest.mark.parametrize("redis", ["redis://127.0.0.1:1/0", "redis://nowhere.invalid:6379/0"])
def test_commands_work_while_the_queue_is_away_and_say_so_in_a_line(
    project: int, monkeypatch: pytest.MonkeyPatch, redis: str
) -> None:
    with task_session() as session:
        run_id = factories.run(session, session.get_one(factories.m.Project, project)).id
    monkeypatch.setenv("REDIS_URL", redis)
    for command in (("runs", "list"), ("users",), ("runs", "cancel", str(run_id)), ("runs", "resume", str(run_id))):
        done = from_a_shell(*command)
        assert done.returncode == 0, done.stderr
        [line] = [line for line in done.stderr.splitlines() if "queue" in line or "REDIS" in line]
        assert "Traceback" not in done.stderr
        assert line.startswith("note: REDIS_URL (")
        assert line.endswith("What is queued now is sent once it answers.")
    with task_session() as session:
        assert session.get_one(Run, run_id).state is RunState.QUEUED
    wrong = from_a_shell("doctor")
    assert wrong.returncode == 1
    assert "WRONG queue" in wrong.stdout


def test_import_brings_labels_and_tells_as_json_what_became_of_the_rows(project: int, tmp_path: Path) -> None:
    pair = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}
    rows = [pair | {"prompt": f"Why {n}?"} for n in range(3)]
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = hone("import", file, "-p", str(project), "--as", "labels", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"labels": 3, "duplicates": 0, "refused": []}
    again = json.loads(hone("import", file, "-p", str(project), "--json").stdout)
    assert again == {"labels": 0, "duplicates": 3, "refused": []}

    file.write_text('{"prompt": "How?", "chosen": "So.", "rejected": "No."}\n{"prompt": 7}\n')
    dry = hone("import", file, "-p", str(project), "--as", "labels", "--dry-run", "--json")
    assert (dry.returncode, json.loads(dry.stdout)["labels"]) == (2, 1)
    done = hone("import", file, "-p", str(project), "--as", "labels", "--json")
    assert done.returncode == 2
    (bad,) = json.loads(done.stdout)["refused"]
    assert json.loads(done.stdout) == {"labels": 0, "duplicates": 0, "refused": [bad]}
    assert (bad["line"], bad["row"]) == (2, '{"prompt": 7}')
    assert bad["reason"] == 'The field "chosen" is missing.'
    done = hone("import", file, "-p", str(project), "--as", "labels", "--json", "--skip-invalid")
    assert (done.returncode, json.loads(done.stdout)["labels"]) == (0, 1)


def test_import_reads_older_encodings_and_any_delimiter(project: int, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_bytes("prompt~id\nWie groß?~1\n".encode("cp1252"))
    done = hone("import", file, "-p", str(project), "--encoding", "cp1252", "--delimiter", "~", "--json")
    assert json.loads(done.stdout) == {"prompts": 1, "duplicates": 0, "refused": []}
    with task_session() as session:
        assert [prompt.messages[0]["content"] for prompt in session.scalars(select(Prompt))] == ["Wie groß?"]
    assert "one character" in refused("import", file, "-p", str(project), "--delimiter", "~~")
    assert "no text encoding" in refused("import", file, "-p", str(project), "--encoding", "cp0")


def test_import_maps_columns_and_names_what_does_not_fit(project: int, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("alpha,beta\n1,2\n")
    assert "no known layout: alpha, beta" in refused("import", file, "-p", str(project))
    assert "There is no column" in refused("import", file, "-p", str(project), "--map", "prompt=gamma")
    assert "cannot be mapped to 'x'" in refused("import", file, "-p", str(project), "--map", "x=alpha")
    assert "not as things" in refused("import", file, "-p", str(project), "--as", "things")
    assert "no such file" in refused("import", tmp_path / "none", "-p", str(project))
    assert "no project 999" in refused("import", file, "-p", "999", "--map", "prompt=alpha", "--as", "prompts")
    done = hone("import", file, "-p", str(project), "--map", "prompt=alpha", "--as", "prompts")
    assert done.stdout.startswith("1 prompts; 0 were there already."), done


def test_a_project_and_a_person_are_deleted_for_good_once_that_is_said(database: str) -> None:
    with task_session() as session:
        factories.user(session, is_admin=True)
        project = factories.project(session, name="Old")
        number, email = project.id, factories.user(session, name="Ana").email
    told = hone("erase", "project", str(number))
    assert told.stdout == (
        f"This would delete project {number}, “Old”: 0 prompts, 0 items, 0 labels, 0 snapshots, 0 conversations, "
        "0 runs, 0 models. Stays: 0 accounts of its people.\n"
        f"Not now: Project {number} is in use. Archive it first; then it can be deleted.\n"
    )
    refused = hone("erase", "project", str(number), "--yes")
    assert (refused.returncode, "Archive it first" in refused.stderr) == (2, True)
    with task_session() as session:
        session.get_one(Project, number).archived_at = func.now()
    assert hone("erase", "going").stdout == "Nothing is being deleted.\n"
    assert hone("erase", "project", str(number), "--yes").returncode == 0
    going = hone("erase", "going").stdout
    assert going.startswith(f"project {number}, since ")
    assert going.endswith(": almost gone\n")
    [told] = json.loads(hone("erase", "going", "--json").stdout)
    assert (told["kind"], told["number"], told["left"]["labels"]) == ("project", number, 0)
    assert "0 conversations" in hone("erase", "person", email, "--labels").stdout
    assert hone("erase", "person", email, "--yes").returncode == 0
    with task_session() as session:
        assert session.get_one(Project, number).goes_since is not None  # a worker deletes what it held
        assert session.scalar(select(User.id).where(User.email == email)) is None
    assert hone("erase", "project", str(number)).stderr.startswith(f"error: There is no project {number}")
    assert hone("erase", "person", email).stderr == f"error: Nobody has the e-mail {email}.\n"
