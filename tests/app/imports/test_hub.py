"""Data sets of the hub by page and API: who may name one, and what a name is."""

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.runs import work
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


def place(cast: Cast) -> str:
    return f"/projects/{cast.project.id}/imports"


def imports(session: Session) -> list[m.Run]:
    return list(session.scalars(select(m.Run).where(m.Run.kind == m.RunKind.IMPORT).order_by(m.Run.id)))


def test_an_administrator_names_a_data_set_and_a_run_fetches_it(
    as_: As, client: Browser, cast: Cast, session: Session
) -> None:
    assert "A data set of the Hugging Face hub" in as_("admin").get(place(cast)).text
    sent = as_("admin").submit(f"{place(cast)}/hub", hub=" org/some.set ", what="pairs", skip_invalid="true")
    [run] = imports(session)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{place(cast)}/{run.id}")
    config = run.asked(m.ImportConfig)
    assert (config.hub, config.file, config.what, config.skip_invalid) == ("org/some.set", "", "pairs", True)
    assert "pairs from hub:org/some.set" in as_("manager").get(f"{place(cast)}/{run.id}").text
    body = {"hub": "org/other", "what": "labels", "mapping": {"prompt": "Q"}}
    made = client.post(f"/api/v1{place(cast)}/hub", json=body, headers=client.bearer(cast.admin, "admin"))
    assert made.status_code == 201
    assert made.json()["run"]["config"]["hub"] == "org/other"
    assert imports(session)[1].asked(m.ImportConfig).mapping == {"prompt": "Q"}


def test_only_an_administrator_does(as_: As, client: Browser, cast: Cast, session: Session) -> None:
    assert "Hugging Face hub" not in as_("manager").get(place(cast)).text
    assert as_("manager").submit(f"{place(cast)}/hub", hub="org/x", what="prompts").status_code == 403
    lesser = client.bearer(cast.admin, "read", "manage")
    body = {"hub": "org/x", "what": "prompts"}
    assert client.post(f"/api/v1{place(cast)}/hub", json=body, headers=lesser).status_code == 403
    assert imports(session) == []


def test_what_is_no_name_is_refused_and_stays_as_it_was_typed(
    as_: As, client: Browser, cast: Cast, session: Session
) -> None:
    for name in (
        "", "x", "../etc/passwd", "a/b/c", "/etc", "http://127.0.0.1/a", "127.0.0.1:80/a", "org/..", "org/x?y",
        "hub:a/b", "org/\u0430", "o" * 300,
    ):  # fmt: skip
        answer = as_("admin").submit(f"{place(cast)}/hub", hub=name, what="labels")
        assert answer.status_code == 422, name
        assert 'id="error-hub"' in answer.text
        assert f'value="{name}"' in answer.text
        assert '<option value="labels" selected>' in answer.text
        sent = {"hub": name, "what": "labels"}
        headers = client.bearer(cast.admin, "admin")
        assert client.post(f"/api/v1{place(cast)}/hub", json=sent, headers=headers).status_code == 422, name
    for wrong in ({"hub": "org/x"}, {"hub": "org/x", "what": "answers"}, {"hub": "org/x", "what": "labels", "to": "x"}):
        headers = client.bearer(cast.admin, "admin")
        assert client.post(f"/api/v1{place(cast)}/hub", json=wrong, headers=headers).status_code == 422, wrong
    assert imports(session) == []


def test_one_that_was_fetched_and_cannot_be_read_is_looked_at_as_a_file_is(
    as_: As, cast: Cast, session: Session
) -> None:
    as_("admin").submit(f"{place(cast)}/hub", hub="org/odd", what="labels")
    [run] = imports(session)
    page = as_("manager").get(f"{place(cast)}/{run.id}").text
    assert "Choose how it is read" not in page
    claimed = work.claim(session, run.id, "here", "CPU")
    assert claimed is not None
    assert claimed.claim is not None
    run.config = run.asked(m.ImportConfig).model_copy(update={"file": f"imports/{cast.project.id}/{'a' * 64}"})
    work.finish(session, run.id, claimed.claim, m.RunState.FAILED, error="Its columns say nothing.")
    page = as_("manager").get(f"{place(cast)}/{run.id}").text
    assert "Choose how it is read" in page
    assert f'name="file" value="{"a" * 64}"' in page
