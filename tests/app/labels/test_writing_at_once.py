"""Texts that are sent at the same moment: each is kept once, at a position of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import select

from app import models as m
from app.annotation.demonstration import DemonstrationValue
from app.db import task_session
from app.items import queue
from app.labels import leases, service
from app.labels.new_label import NewLabel
from tests import factories


def together(*work: Callable[[], int]) -> list[int]:
    """What each gives, begun at the same moment."""
    barrier = Barrier(len(work))

    def one(each: Callable[[], int]) -> int:
        barrier.wait()
        return each()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(one, work))


class Desk:
    """A project with one text to improve, and people who hold it."""

    def __init__(self, people: int) -> None:
        with task_session() as session:
            project = factories.project(session)
            prompt = factories.prompt(session, project)
            shown = [factories.response(session, prompt, project.base_model, text="A plant.")]
            values = {"kind": "demonstration", "responses": shown, "overlap_target": people, "slots_left": people}
            item = factories.item(session, prompt, project.base_model, **values)
            users = [factories.user(session) for _ in range(people)]
            tasks = []
            for user in users:
                factories.member(session, project, user)
                task = leases.claim_item(session, project, user)
                assert task is not None
                tasks.append(task.id)
        self.project_id, self.item_id, self.leases = project.id, item.id, dict(zip(tasks, users, strict=True))

    def write(self, assignment_id: int, text: str) -> int:
        """The status of the answer."""
        with task_session() as session:
            project = session.get_one(m.Project, self.project_id)
            user = session.get_one(m.User, self.leases[assignment_id].id)
            answer = NewLabel(DemonstrationValue(text=text))
            return service.submit(session, project, user, None, assignment_id, answer).status

    def withdraw(self) -> int:
        with task_session() as session:
            return 200 if queue.withdraw(session, self.project_id, item_ids=[self.item_id]) else 409

    def check(self) -> list[m.Label]:
        """The labels that stand, after a look at what always holds."""
        with task_session() as session:
            labels = list(session.scalars(select(m.Label).order_by(m.Label.id)))
            written = {each.label_id: each for each in session.scalars(select(m.ItemResponse)) if each.label_id}
            assert {label.id for label in labels} == set(written)  # each label has its text, and each text its label
            for label in labels:
                assert isinstance(label.value, DemonstrationValue)
                response = written[label.id].response
                assert (response.text, response.author_id) == (label.value.text, label.annotator_id)
                position = written[label.id].position
                assert label.order == [0, position]
                assert [(each.first, each.second) for each in label.preferences] == [(0, position)]
            item = session.get_one(m.Item, self.item_id)
            standing = [label for label in labels if label.superseded_at is None]
            open_leases = session.scalars(
                select(m.Assignment).where(m.Assignment.state == m.AssignmentState.OPEN)
            ).all()
            filling = [label for label in standing if not label.surplus]
            assert item.slots_left == item.overlap_target - len(filling) - len(open_leases)
            return standing


@pytest.mark.parametrize("attempt", range(5))
def test_several_people_write_at_once(database: str, attempt: int) -> None:
    desk = Desk(4)
    assert together(*(partial(desk.write, lease, f"Text of {lease}.") for lease in desk.leases)) == [200] * 4
    assert len(desk.check()) == 4


@pytest.mark.parametrize("attempt", range(5))
def test_one_text_sent_several_times_is_one_label(database: str, attempt: int) -> None:
    desk = Desk(1)
    (lease,) = desk.leases
    assert together(*[partial(desk.write, lease, "The same.")] * 4) == [200] * 4
    assert len(desk.check()) == 1
    with task_session() as session:
        assert len(session.scalars(select(m.Label)).all()) == 1


@pytest.mark.parametrize("attempt", range(5))
def test_several_texts_of_one_person_are_revisions(database: str, attempt: int) -> None:
    desk = Desk(1)
    (lease,) = desk.leases
    assert together(*(partial(desk.write, lease, f"Text {number}.") for number in range(4))) == [200] * 4
    assert len(desk.check()) == 1
    with task_session() as session:
        assert len(session.scalars(select(m.Label)).all()) == 4


@pytest.mark.parametrize("attempt", range(5))
def test_a_text_beside_the_withdrawal_of_its_item(database: str, attempt: int) -> None:
    desk = Desk(2)
    first, second = desk.leases
    wrote, also, withdrew = together(
        partial(desk.write, first, "One."), partial(desk.write, second, "Two."), desk.withdraw
    )
    assert withdrew == 200
    assert {wrote, also} <= {200, 409}
    assert len(desk.check()) == [wrote, also].count(200)
