"""The sampling plan of a project: by page and API, with a sentence for what cannot be."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import models as m
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.registry import answering
from tests import factories
from tests.app.conftest import Browser, Cast

DEFAULT = SamplingPlan(sources=[PlannedSource(responses=2)])


def fields(*rows: tuple[Any, Any], **more: Any) -> dict[str, str]:
    """The form's fields of (model, responses) rows."""
    given = {f"source[{number}]": str(model or "") for number, (model, _) in enumerate(rows)}
    given |= {f"responses[{number}]": str(count) for number, (_, count) in enumerate(rows)}
    return given | {name: str(value) for name, value in more.items()}


def test_a_new_project_compares_its_model_with_itself(cast: Cast):
    assert cast.project.plan == DEFAULT


def test_the_page_saves_what_it_shows(client: Browser, cast: Cast, session: Session):
    theirs = factories.endpoint(session, name="Rival")
    client.sign_in(cast.manager)
    url = f"/projects/{cast.project.id}/settings"
    page = client.get(url).text
    assert "Rival (endpoint)" in page
    given = fields(("", 1), (theirs.id, 3), ("", ""), compare="any", chat_model_id=theirs.id)
    given |= {"temperature[1]": "0.4", "strategy[1]": "greedy"}
    assert client.submit(f"{url}/plan", **given).status_code == 303
    session.refresh(cast.project)
    second = PlannedSource(model_id=theirs.id, responses=3, strategy="greedy", temperature=0.4)
    assert cast.project.plan == SamplingPlan(
        sources=[PlannedSource(responses=1), second], compare="any", chat_model_id=theirs.id
    )
    page = client.get(url).text
    assert page.count(f'<option value="{theirs.id}" selected>Rival (endpoint)</option>') == 2
    assert 'value="0.4"' in page


@pytest.mark.parametrize(
    ("rows", "field", "says"),
    [
        ([("", 1)], "responses[0]", "between 2 and 16 responses"),
        ([("", "")], "responses[0]", "how many responses at least one model gives"),
        ([("", 9)], "responses[0]", "at most 8"),
        ([("", 2), ("", "x")], "responses[1]", "whole number"),
        ([("", 8), ("", 8), ("", 8)], "responses[0]", "not 24"),
        ([("", 2), (999_999, 1)], "source[1]", "cannot be chosen here"),
        ([("", 2), ("; drop", 1)], "source[1]", "whole number"),
    ],
)
def test_what_cannot_be_is_told_beside_its_row(
    client: Browser, cast: Cast, session: Session, rows: list[tuple[Any, Any]], field: str, says: str
):
    answer = client.sign_in(cast.manager).submit(f"/projects/{cast.project.id}/settings/plan", **fields(*rows))
    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text
    assert says in answer.text
    session.refresh(cast.project)
    assert cast.project.plan == DEFAULT


def test_models_of_others_cannot_be_chosen(client: Browser, cast: Cast, session: Session):
    bad = [
        factories.model(session, cast.other),
        factories.base_model(session),
        factories.model(session, cast.project, kind=m.ModelKind.REWARD),
        factories.model(session, cast.project, state=m.ModelState.ARCHIVED),
        factories.endpoint(session, offered=False, state=m.ModelState.ARCHIVED),
        factories.base_model(session, answers_from="nowhere", offered=True),
    ]
    good = [cast.project.base_model, factories.model(session, cast.project), factories.endpoint(session)]
    assert answering.choices(session, cast.project) == good
    headers = client.bearer(cast.manager)
    url = f"/api/v1/projects/{cast.project.id}"
    listed = client.get(f"{url}/models?answering=true", headers=headers).json()["items"]
    newest = sorted(good, key=lambda model: -model.id)
    assert [(each["id"], each["answers_from"]) for each in listed] == [(each.id, each.answers_from) for each in newest]
    for model in bad:
        for plan in ({"sources": [{"model_id": model.id}]}, {"chat_model_id": model.id}):
            refused = client.patch(url, json={"plan": plan}, headers=headers)
            assert refused.status_code == 422
            assert "cannot be chosen here" in refused.text
    for model in good:
        changed = client.patch(url, json={"plan": {"sources": [{"model_id": model.id}]}}, headers=headers)
        assert changed.json()["plan"]["sources"][0]["model_id"] == model.id


def test_a_plan_stays_where_its_endpoint_was_retired(client: Browser, cast: Cast, session: Session):
    theirs = factories.endpoint(session)
    cast.project.plan = SamplingPlan(sources=[PlannedSource(model_id=theirs.id)])
    theirs.offered, theirs.state = False, m.ModelState.ARCHIVED
    session.flush()
    client.sign_in(cast.manager)
    url = f"/projects/{cast.project.id}/settings"
    assert "No longer available" in client.get(url).text
    assert client.submit(f"{url}/plan", **fields((theirs.id, 4))).status_code == 303


def test_annotators_do_not_read_the_plan(client: Browser, cast: Cast):
    url = f"/api/v1/projects/{cast.project.id}"
    assert client.get(url, headers=client.bearer(cast.annotator)).json()["plan"] is None
    assert client.get(url, headers=client.bearer(cast.manager)).json()["plan"] == DEFAULT.model_dump()
