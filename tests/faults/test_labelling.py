"""The database or the web process dies under people who label: each answer that was taken is there once, and nobody
answers anything again."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest
from sqlalchemy import func, select

from app.models import Assignment, AssignmentState, Item, Label
from tests.faults.annotators import Patient
from tests.faults.crowd import QUESTION, crowd
from tests.faults.platform import Platform

PEOPLE, OVERLAP = 4, 2
BEFORE, AFTER = 40, 40  # answers taken before the fault and after it


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("labelling") / "data")
    try:
        yield platform.start()
    finally:
        platform.stop()


@pytest.fixture
def people(platform: Platform) -> Iterator[list[Patient]]:
    """Annotators of a project of their own, with 3,540 items: more than they get through."""
    with platform.session() as session:
        project, tokens = crowd(session, PEOPLE, OVERLAP)
    api = f"{platform.url}/api/v1/projects/{project.id}/label"
    found = [Patient(api, token, QUESTION) for token in tokens]
    yield found
    for each in found:
        each.enough.set()
        each.thread.join(30)


def _taken(people: list[Patient]) -> int:
    assert [each.fault for each in people if each.fault] == []
    return sum(len(each.labels) for each in people)


def _database(platform: Platform) -> psutil.Process:
    assert platform.process is not None
    return next(each for each in platform.tree() if each.name() == "postgres" and each.ppid() == platform.process.pid)


def _web(platform: Platform) -> psutil.Process:
    return next(each for each in platform.tree() if "uvicorn" in each.cmdline())


@pytest.mark.parametrize(
    ("victim", "blow"),
    [(_database, signal.SIGKILL), (_database, signal.SIGINT), (_web, signal.SIGKILL), (_web, signal.SIGTERM)],
    ids=["database killed", "database restarted", "web killed", "web restarted"],
)
def test_no_answer_is_lost_doubled_or_asked_for_again(
    platform: Platform, people: list[Patient], victim: Callable[[Platform], psutil.Process], blow: signal.Signals
) -> None:
    for each in people:
        each.thread.start()
    platform.wait_for(lambda: _taken(people) >= BEFORE)
    struck = victim(platform)
    struck.send_signal(blow)
    struck.wait(30)
    at_the_fault = _taken(people)
    platform.wait_for(lambda: _taken(people) >= at_the_fault + AFTER, 120)
    for each in people:
        each.enough.set()
    for each in people:
        each.thread.join(60)
        assert not each.thread.is_alive()
    assert any(each.sent_again for each in people), "nobody noticed the fault"

    taken = {lease: label for each in people for lease, label in each.labels.items()}
    assert _taken(people) == len(taken)
    with platform.session() as session:
        project = session.get_one(Label, next(iter(taken.values()))).project_id
        stored = session.scalars(select(Label).where(Label.project_id == project)).all()
        assert {label.assignment_id: label.id for label in stored} == taken
        assert len(stored) == len(taken), "an answer was saved twice"
        by_lease = {each: person.answer(each) for person in people for each in person.labels}
        for label in stored:
            said = by_lease[label.assignment_id]
            stated = {each.question: each.outcome for each in label.preferences}
            meant = {"": said["answer"], QUESTION: said["questions"][QUESTION]}
            assert stated == {question: _meant(word, label.order) for question, word in meant.items()}
        open_leases = select(func.count()).where(
            Assignment.item_id == Item.id, Assignment.state == AssignmentState.OPEN
        )
        held = Counter(label.item_id for label in stored)
        slots = select(Item.id, Item.slots_left, open_leases.scalar_subquery().label("open"))
        for item in session.execute(slots.where(Item.project_id == project)):
            assert item.slots_left == OVERLAP - item.open - held[item.id] >= 0
    for each in people:
        with httpx.Client(headers={"Authorization": f"Bearer {each.token}"}, timeout=20) as client:
            for lease, label in list(each.labels.items())[-5:]:
                assert client.post(each.api, json=each.answer(lease)).json()["label"] == label


def _meant(shown: str, order: list[int]) -> str:
    stored = ("first", "second")
    return {"left": stored[order[0]], "right": stored[order[1]]}.get(shown, shown)
