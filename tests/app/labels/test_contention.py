"""Many people at one queue at the same moment, each with connections of their own: nothing is handed out twice."""

import threading
from collections import Counter

import pytest
from sqlalchemy import select, text

from app import models as m
from app.db import new_session, task_session
from app.labels import lease_queries, leases
from app.labels import service as labels
from tests import factories
from tests.app.labels.conftest import at_once, said

PEOPLE, ITEMS, OVERLAP = 6, 30, 2


@pytest.mark.parametrize("in_one", [False, True], ids=["answer, then claim", "in one statement"])
def test_many_at_once(database: str, in_one: bool) -> None:
    with task_session() as session:
        project = factories.project(session, overlap=OVERLAP)
        people = [factories.user(session) for _ in range(PEOPLE)]
        for person in people:
            factories.member(session, project, person)
        for _ in range(ITEMS):
            prompt = factories.prompt(session, project)
            factories.item(session, prompt, project.base_model, overlap_target=OVERLAP, slots_left=OVERLAP)
    faults: list[BaseException] = []
    start = threading.Barrier(2 * PEOPLE)

    def work(person: m.User) -> None:
        """One of a person's two tabs: claims, answers in the same transaction as the next claim, sends each twice."""
        try:
            start.wait()
            answered, task = None, None
            while True:
                with new_session() as session, session.begin():
                    if answered is not None:
                        shown = at_once(session, person, project, answered, said("left")) if in_one else None
                        first, again = (
                            labels.submit(session, project, person, None, answered, said("left")) for _ in range(2)
                        )
                        assert first.label_id == again.label_id
                        task = shown.task if shown else None
                    task = task or leases.claim_item(session, project, person)
                    done = task is None and not lease_queries.anything_left(session, project.id, person.id)
                if done:
                    return
                answered = task.id if task else None
        except BaseException as error:  # noqa: BLE001  told by the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=work, args=(person,)) for person in people for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert faults == []
    with task_session() as session:
        found = session.scalars(select(m.Label)).all()
        assert len(found) == ITEMS * OVERLAP
        assert set(Counter(label.item_id for label in found).values()) == {OVERLAP}
        assert len({(label.item_id, label.annotator_id) for label in found}) == len(found)
        assert session.scalar(text("select count(*) from item where slots_left <> 0")) == 0
        assert session.scalar(text("select count(*) from assignment where state <> 'labelled'")) == 0
