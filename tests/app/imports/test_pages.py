"""Imports by page and API: what a preview shows is what is stored, to the byte; what is typed stays; nothing by
halves."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import models as m
from app.imports import storing
from app.runs import work as runs
from app.web.errors import Refused
from tests.app.conftest import Browser, Cast
from tests.bad_files import ROWS, WHOLE

As = Callable[[str], Browser]
CODE = "    def f():\n        return 1\n"
TABLE = f'\ufeffprompt;chosen;rejected\r\n"{CODE}";So.;No.\r\nWie groß?;So.;No.\r\n'.encode()
LABELS = b"".join(
    json.dumps({"prompt": f"Q{n}?", "response_a": "x", "response_b": "y", "choice": "a", "annotator": "ann"}).encode()
    + b"\n"
    for n in range(3)
)


def work_on(session: Session, run_id: int) -> m.Run:
    """Do what a worker does, within the test's transaction."""
    run = runs.claim(session, run_id, "here", "CPU")
    assert run is not None
    assert run.claim is not None

    @contextmanager
    def writing() -> Iterator[tuple[Session, m.Run]]:
        yield session, run
        session.flush()

    try:
        counts = storing.bring_in(writing, lambda done, total, unit: None)
    except Refused as error:
        runs.finish(session, run.id, run.claim, m.RunState.FAILED, error=error.message)
    else:
        runs.finish(session, run.id, run.claim, m.RunState.SUCCEEDED, summary=counts)  # type: ignore[arg-type]
    return run


def hidden(text: str) -> dict[str, str]:
    page = HTMLParser(text)
    return {name: page.css_first(f"input[name={name}]").attributes["value"] or "" for name in ("file", "name")}


def count(session: Session, kind: Any) -> int:
    return session.scalar(select(func.count()).select_from(kind)) or 0


@pytest.fixture
def address(cast: Cast) -> str:
    return f"/projects/{cast.project.id}/imports"


def test_what_was_previewed_is_what_is_imported_to_the_byte(
    session: Session, cast: Cast, as_: As, address: str
) -> None:
    browser = as_("manager")
    assert browser.get(address).status_code == 200
    preview = browser.submit(address, files={"file": ("excel.csv", TABLE)}, what="prompts", action="preview")
    assert preview.status_code == 200, preview.text
    assert "4 responses and 2 labels of this file are left out" in preview.text
    assert hidden(preview.text)["name"] == "excel.csv"
    assert [node.text() for node in HTMLParser(preview.text).css("ol .as-written")] == [CODE, "Wie groß?"]
    assert count(session, m.Prompt) == 0
    done = browser.submit(address, **hidden(preview.text), what="prompts", action="import")
    assert done.status_code == 303
    run = work_on(session, int(done.headers["location"].rsplit("/", 1)[1]))
    assert run.state is m.RunState.SUCCEEDED
    stored = session.scalars(select(m.Prompt).order_by(m.Prompt.id)).all()
    assert sorted(prompt.messages[0]["content"] for prompt in stored) == sorted([CODE, "Wie groß?"])
    shown = browser.get(f"{address}/{run.id}")
    assert shown.status_code == 200
    assert "Undo import" in shown.text
    assert browser.get(address).text.count("excel.csv") == 1


def test_refused_rows_are_shown_downloaded_and_left_out_by_word(
    session: Session, cast: Cast, as_: As, address: str
) -> None:
    browser = as_("manager")
    content = LABELS + b"nonsense \xff\n"
    preview = browser.submit(address, files={"file": ("a.jsonl", content)}, action="preview")
    assert preview.status_code == 200
    assert "nonsense" in preview.text
    done = browser.submit(address, **hidden(preview.text), action="import")
    here = done.headers["location"]
    run = work_on(session, int(here.rsplit("/", 1)[1]))
    assert run.state is m.RunState.FAILED
    assert count(session, m.Label) == 0
    shown = browser.get(here)
    assert "1 row of 4 cannot be used, so nothing was imported." in shown.text
    assert "Import the rest" in shown.text
    lines = [json.loads(line) for line in browser.get(f"{here}/refused").text.splitlines()]
    assert [(line["line"], line["row"][:8]) for line in lines] == [(4, "nonsense")]
    assert browser.submit(f"{here}/rest").status_code == 303
    assert work_on(session, run.id).state is m.RunState.SUCCEEDED
    assert count(session, m.Label) == 3
    assert browser.submit(f"{here}/rest").status_code == 409
    labels = browser.get(f"/projects/{cast.project.id}/labels")
    assert labels.status_code == 200
    assert "Imported (ann)" in labels.text
    assert browser.submit(f"{here}/undo").status_code == 303
    assert browser.submit(f"{here}/undo").status_code == 409


def test_columns_that_nobody_knows_are_mapped_on_the_page(session: Session, cast: Cast, as_: As, address: str) -> None:
    browser = as_("manager")
    table = b"Frage,gut,schlecht\nWarum ist das so?,Darum.,Nein.\n"
    asked = browser.submit(address, files={"file": ("a.csv", table)}, action="preview")
    assert asked.status_code == 200
    assert "no known layout" in asked.text
    assert [node.text() for node in HTMLParser(asked.text).css("thead th")][-3:] == ["Frage", "gut", "schlecht"]
    given = hidden(asked.text) | {
        "mapping[prompt]": "Frage", "mapping[chosen]": "gut", "mapping[rejected]": "schlecht", "mapping[system]": "",
    }  # fmt: skip
    preview = browser.submit(address, **given, action="preview")
    assert preview.status_code == 200
    assert "Warum ist das so?" in preview.text
    assert "nobody named" in preview.text
    nowhere = browser.submit(address, **(given | {"mapping[chosen]": "besser"}), action="preview")
    assert nowhere.status_code == 422
    assert "There is no column" in nowhere.text
    assert hidden(nowhere.text) == hidden(asked.text)
    kept = HTMLParser(nowhere.text).css_first("select[name='mapping[prompt]'] option[selected]")
    assert kept is not None
    assert kept.text() == "Frage"
    done = browser.submit(address, **given, action="import")
    run = work_on(session, int(done.headers["location"].rsplit("/", 1)[1]))
    assert (run.state, count(session, m.Label)) == (m.RunState.SUCCEEDED, 1)


def test_a_table_of_prompts_with_two_more_texts_is_asked_about_before_it_is_taken_for_prompts(
    cast: Cast, as_: As, client: Browser, address: str
) -> None:
    table = b"Question;Better;Worse\nWhy is that so?;It is.;It is not.\n"
    asked = as_("manager").submit(address, files={"file": ("a.csv", table)}, action="preview")
    assert "Beside prompts it has columns that may be responses: Better, Worse." in asked.text
    assert "A proposal is filled in below." in asked.text
    assert "prompt=Question" not in asked.text  # as the command line says it
    page = HTMLParser(asked.text)
    chosen = {
        target: page.css_first(f"select[name='mapping[{target}]'] option[selected]").text()
        for target in ("prompt", "chosen", "rejected")
    }
    assert chosen == {"prompt": "Question", "chosen": "Better", "rejected": "Worse"}
    mapped = {f"mapping[{target}]": column for target, column in chosen.items()}
    assert "new label" in as_("manager").submit(address, **hidden(asked.text), **mapped, action="preview").text
    alone = as_("manager").submit(address, **hidden(asked.text), what="prompts", action="preview")
    assert "Kept beside it: Better, Worse" in alone.text
    headers = client.bearer(cast.manager, "manage")
    sent = client.post(f"/api/v1{address}", files={"file": ("a.csv", table)}, headers=headers)
    assert sent.status_code == 422
    assert "It may be prompt=Question,chosen=Better,rejected=Worse." in sent.text


def test_how_cells_are_parted_can_be_said_on_the_page(as_: As, address: str) -> None:
    table = b"prompt\ta, b, c\nOne, two, three?\tx, y, z\n"
    seen = as_("manager").submit(address, files={"file": ("a.txt", table)}, delimiter="\t", action="preview")
    assert "One, two, three?" in seen.text
    assert "Kept beside it: a, b, c" in seen.text
    kept = HTMLParser(seen.text).css_first("select[name=delimiter] option[selected]")
    assert kept is not None
    assert (kept.text(), kept.attributes["value"]) == ("Tabs", "\t")


BROKEN = {
    **{name: content for name, (content, _) in (WHOLE | ROWS).items()},
    "zstd, no more": b"\x28\xb5\x2f\xfd\x00", "half UTF-16": b"\xff\xfe\x00", "brackets": b"[" * 200_000,
    "digits alone": b'{"a": ' + b"9" * 5_000 + b"}", "zeros": b"\x00" * 100,
}  # fmt: skip


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_files_that_cannot_be_read_are_refused_in_a_sentence(
    session: Session, cast: Cast, as_: As, client: Browser, address: str, content: bytes
) -> None:
    browser = as_("manager")
    for action in ("preview", "import"):
        answer = browser.submit(address, files={"file": ("x", content)}, action=action)
        if answer.status_code == 303:  # rows that are refused each with a reason
            run = work_on(session, int(answer.headers["location"].rsplit("/", 1)[1]))
            assert run.state is m.RunState.FAILED
            assert run.error
            assert "unexpected" not in run.error
        else:
            assert answer.status_code in (200, 422)
            assert "Traceback" not in answer.text
    sent = {"files": {"file": ("x", content)}, "headers": client.bearer(cast.manager)}
    previewed = client.post(f"/api/v1{address}/preview", **sent)
    assert previewed.status_code in (200, 422)
    said = [sentence for bad, sentence in (WHOLE | ROWS).values() if bad == content]
    assert all(sentence in json.dumps(previewed.json(), ensure_ascii=False).replace('\\"', '"') for sentence in said)
    assert (count(session, m.Prompt), count(session, m.Label)) == (0, 0)


def test_a_preview_looks_at_no_more_than_its_share(
    cast: Cast, as_: As, client: Browser, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.imports.reading.LOOKED_AT", 100_000)
    monkeypatch.setattr("app.imports.preview.LOOKED_AT", 100_000)
    headers = client.bearer(cast.manager)
    for long in (b'{"prompt": "' + b"x" * 1_000_000 + b'"}\n{"prompt": "Why?"}\n', b"prompt,id\n" + b"x" * 1_000_000):
        file = {"file": ("long.gz", gzip.compress(long))}
        on_page = as_("manager").submit(address, files=file, action="preview")
        by_call = client.post(f"/api/v1{address}/preview", files=file, headers=headers)
        for answer in (on_page, by_call):
            assert answer.status_code == 422
            assert "at most 50 million characters: put each on a line of its own" in answer.text
    many = {"file": ("many.gz", gzip.compress(LABELS * 1000))}
    seen = client.post(f"/api/v1{address}/preview", files=many, headers=headers).json()
    assert (seen["whole"], seen["counts"]["refused"], seen["counts"]["labels"]) == (False, 0, 3)
    assert 0 < seen["rows"] < 10_000


def test_nothing_is_imported_without_a_file_and_what_was_pasted_stays(cast: Cast, as_: As, address: str) -> None:
    browser = as_("manager")
    assert browser.submit(address, action="preview").status_code == 422
    pasted = browser.submit(address, text="Why?\nHow?\n", action="preview")
    assert [node.text() for node in HTMLParser(pasted.text).css("ol .as-written")] == ["Why?", "How?"]
    unknown = browser.submit(address, text="Why is it?", layout="nonsense", action="preview")
    assert unknown.status_code == 422
    assert "Why is it?" in unknown.text
    assert browser.submit(address, file="0" * 64, action="import").status_code == 404
    assert browser.submit(address, file="../../x", action="import").status_code == 422


def test_another_project_s_file_is_none_of_ours(cast: Cast, as_: As) -> None:
    theirs = as_("colleague").submit(
        f"/projects/{cast.other.id}/imports", files={"file": ("a.jsonl", LABELS)}, action="preview"
    )
    given = hidden(theirs.text)
    ours = as_("manager").submit(f"/projects/{cast.project.id}/imports", **given, action="preview")
    assert ours.status_code == 404
    assert "Choose it again" in ours.text


def test_the_api_previews_imports_tells_and_takes_back(session: Session, cast: Cast, client: Browser) -> None:
    headers, address = client.bearer(cast.manager), f"/api/v1/projects/{cast.project.id}/imports"
    sent = {"file": ("labels.jsonl", LABELS + b"no\n")}
    seen = client.post(f"{address}/preview", files=sent, headers=headers)
    assert seen.status_code == 200, seen.text
    body = seen.json()
    assert (body["what"], body["counts"]["labels"], body["counts"]["refused"], body["whole"]) == ("labels", 3, 1, True)
    assert body["first"][0]["labels"] == ["A"]
    assert count(session, m.Label) == 0
    made = client.post(address, files=sent, data={"skip_invalid": "true"}, headers=headers)
    assert made.status_code == 201, made.text
    run_id = made.json()["run"]["id"]
    work_on(session, run_id)
    told = client.get(f"{address}/{run_id}", headers=headers).json()
    assert (told["run"]["state"], told["counts"]["labels"]) == ("succeeded", 3)
    assert [(row["line"], row["raw"]) for row in told["refused"]] == [(4, "no")]
    assert client.get(f"{address}/{run_id}/refused", headers=headers).text.count("\n") == 1
    labels = client.get(f"/api/v1/projects/{cast.project.id}/labels", headers=headers).json()["items"]
    assert [(row["annotator_id"], row["imported_annotator"], row["run_id"]) for row in labels] == [
        (None, "ann", run_id)
    ] * 3
    assert [run["id"] for run in client.get(address, headers=headers).json()["items"]] == [run_id]
    undone = client.post(f"{address}/{run_id}/undo", headers=headers)
    assert (undone.status_code, undone.json()["kind"]) == (201, "undo")
    assert client.get(f"{address}/{run_id}", headers=headers).json()["undone_by"] == undone.json()["id"]


def test_the_api_refuses_in_sentences(cast: Cast, client: Browser) -> None:
    headers, address = client.bearer(cast.manager), f"/api/v1/projects/{cast.project.id}/imports"
    sent = {"file": ("a.csv", b"alpha,beta\n1,2\n")}
    unknown = client.post(f"{address}/preview", files=sent, headers=headers).json()
    assert (unknown["columns"], unknown["counts"]) == (["alpha", "beta"], {})
    assert "no known layout" in unknown["sentence"]
    for fields, word in (
        ({}, "no known layout"), ({"layout": "x"}, "no such layout"), ({"mapping": "x"}, "as JSON"),
        ({"mapping": '{"x": "alpha"}'}, "cannot be"), ({"encoding": "x"}, "no text encoding"), ({"what": "x"}, ""),
    ):  # fmt: skip
        answer = client.post(address, files=sent, data=fields, headers=headers)
        assert answer.status_code == 422, fields
        assert word in answer.text, fields
    assert client.post(address, headers=headers).status_code == 422
    assert client.get(f"{address}/999", headers=headers).status_code == 404
