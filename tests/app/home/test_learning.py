"""What the overview says of the live head: every state in a sentence, the curve, and what the next labels bring."""

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from app.models import HeadReport, HeadState, ModelKind, PairChoice, QueueOrder
from app.models.head import CurvePoint, Gain, Measured
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.rewards import head_views
from tests import factories
from tests.app.conftest import Browser, Cast

CURVE = [
    CurvePoint(labels=0, accuracy=0.5, low=0.5, high=0.5, loss=0.693),
    CurvePoint(labels=120, accuracy=0.7, low=0.62, high=0.78, loss=0.61),
]


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"state": HeadState.ORDERS}, "asks first what the live head is least sure about"),
        ({"state": HeadState.OFF}, "random, as the project's settings say"),
        ({"state": HeadState.NO_MODEL}, "no reward model yet"),
        ({"state": HeadState.FEW_LABELS, "labels": 10}, "10 of the 50 labels"),
        ({"state": HeadState.FEW_LABELS, "labels": 0, "unread": 1}, "1 more is on answers without features"),
        ({"state": HeadState.ONE_RATER}, "by one person"),
        ({"state": HeadState.NO_BETTER}, "no better than a coin"),
        ({"state": HeadState.NO_FEATURES}, "have no features of the newest reward model"),
        ({"state": HeadState.NO_FEATURES, "foreign_features": 4}, "features of an older reward model"),
        ({"state": HeadState.NO_FEATURES, "unusable_features": 4}, "the features of 4 answers are not finite"),
    ],
)
def test_the_order_in_a_sentence(report: dict[str, object], said: str) -> None:
    sentence = head_views.order_sentence(HeadReport.model_validate(report))
    assert said in sentence
    assert sentence.endswith(".")
    assert ("is random" in sentence) is (report["state"] is not HeadState.ORDERS)


def test_which_answers_new_pairs_show(session: Session) -> None:
    project = factories.project(session)
    able = HeadReport(state=HeadState.OFF, able=True)
    assert head_views.choice_sentence(project, able) is None
    project.pair_choice = PairChoice.INFORMATIVE
    assert "no more than a pair shows" in str(head_views.choice_sentence(project, able))
    project.plan = SamplingPlan(sources=[PlannedSource(responses=8)])
    assert "tell the live head most" in str(head_views.choice_sentence(project, able))
    assert "does not know enough" in str(head_views.choice_sentence(project, HeadReport(state=HeadState.OFF)))


def test_what_the_next_labels_bring() -> None:
    def said(expected: float, low: float, high: float) -> str:
        gain = Gain(labels=100, measured=80, expected=expected, low=low, high=high)
        return head_views.next_sentence(gain)

    assert said(0.004, -0.01, 0.03) == (
        "The next 100 labels are expected to bring 0.4 points of accuracy (between -1.0 and 3.0)."
    )
    assert said(0.02, 0.005, 0.03).endswith("They are worth giving.")
    assert "these labels are enough" in said(0.001, -0.004, 0.009)
    assert "not known yet" in head_views.next_sentence(None)


def test_what_choosing_brought() -> None:
    found = Measured(labels=90, accuracy=0.012, low=-0.01, high=0.034, loss=-0.01, loss_low=-0.03, loss_high=0.01)
    assert head_views.choosing_sentence("Most uncertain first", found) == (
        "Most uncertain first: +1.2 points of accuracy beside chance (between -1.0 and +3.4), by 90 preferences of "
        "either kind; log-loss -0.010 (between -0.030 and +0.010)."
    )


def test_the_curve_is_drawn_from_the_first_point_on() -> None:
    assert head_views.plot([]) is None
    assert head_views.plot(CURVE[:1]) is None
    drawn = head_views.plot(CURVE)
    assert drawn is not None
    assert [point.x for point in drawn.points] == [70, 620]
    assert drawn.way.split()[0] == f"70.0,{drawn.points[0].y}"
    assert "70.0% after 120 labels" in drawn.label


def test_the_page_and_the_api_say_the_same(session: Session, cast: Cast, as_: Callable[[str], Browser]) -> None:
    project = cast.project
    address = f"/projects/{project.id}"
    project.queue_order = QueueOrder.UNCERTAIN
    session.flush()
    api = f"/api/v1{address}/learning"
    assert as_("manager").get(api).json()["report"]["state"] == "no_model"
    assert "no reward model yet" in as_("manager").get(address).text
    model = factories.model(session, project, kind=ModelKind.REWARD)
    report = HeadReport(state=HeadState.ORDERS, labels=120, measuring=40, curve=CURVE, waiting=50, usable=30)
    factories.project_head(session, project, model_id=model.id, report=report)
    told = as_("manager").get(api).json()
    assert told["report"] == report.model_dump(mode="json")
    page = as_("manager").get(address).text
    assert "accuracy 70.0% (62% to 78%), log-loss 0.610" in page
    assert "30 pairs of 50 can be chosen" in page
    for sentence in (told["order"], told["next"]):
        assert sentence in page


def test_the_switches_are_set_on_the_page_and_by_the_api(
    session: Session, cast: Cast, as_: Callable[[str], Browser]
) -> None:
    project = cast.project
    address = f"/api/v1/projects/{project.id}"
    queue = as_("manager").get(address).json()["queue"]
    assert (queue["queue_order"], queue["pair_choice"]) == ("random", "random")
    token = as_("manager").bearer(cast.manager)
    changed = {"queue": queue | {"queue_order": "uncertain", "pair_choice": "informative"}}
    assert as_("anonymous").patch(address, json=changed, headers=token).status_code == 200
    session.refresh(project)
    assert (project.queue_order, project.pair_choice) == ("uncertain", "informative")
    wrong = {"queue": queue | {"queue_order": "alphabetical"}}
    assert as_("anonymous").patch(address, json=wrong, headers=token).status_code == 422
    page = as_("manager").get(f"/projects/{project.id}/settings").text
    assert "Most uncertain first" in page
    assert "Most informative" in page
