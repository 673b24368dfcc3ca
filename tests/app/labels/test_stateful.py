"""The invariants of labels under every order of claims, answers, repeats, revisions, skips, expiries, withdrawals and
cut connections, from several sessions against a real PostgreSQL.

HONE_QUEUE_STEPS=100000 makes it a longer run.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import models as m
from app.annotation.demonstration import DemonstrationValue
from app.annotation.ranking import RankingValue
from app.db import get_engine
from app.items import service as items
from app.labels import leases
from app.labels import service as labels
from app.labels.new_label import NewLabel
from app.labels.task import Task
from app.web.errors import Conflict
from tests import factories
from tests.app.labels.conftest import at_once, outcome_of
from tests.app.labels.conftest import said as answer_of
from tests.asking import asking

STEPS = int(os.environ.get("HONE_QUEUE_STEPS", "2000"))
PEOPLE = 4

SHOWN = {"comparison": (2,), "ranking": (3, 4, 8), "demonstration": (0, 1)}  # how many responses an item shows

person = st.integers(0, PEOPLE - 1)
kind = st.sampled_from([*SHOWN])
picked = st.integers(0, 11)
ending = st.sampled_from(["answered", "answered", "cut before commit", "cut after commit"])

_BROKEN = text(
    """
    select p.id, p.slots_left, p.overlap_target, coalesce(o.n, 0) as open, coalesce(l.n, 0) as labelled
    from item p
    left join (select item_id, count(*) n from assignment where state = 'open' group by item_id) o on o.item_id = p.id
    left join (select item_id, count(*) n from label where superseded_at is null and not surplus group by item_id) l
        on l.item_id = p.id
    where p.project_id = :project
      and p.slots_left is distinct from p.overlap_target - coalesce(o.n, 0) - coalesce(l.n, 0)
    """
)
_LABELS = text(
    """
    select l.id, l.assignment_id, l.value, l."order", a."order" as drawn, l.superseded_at is null as stands, a.state,
           (select coalesce(json_agg(json_build_array(question, first, second, outcome)), '[]') from preference
            where label_id = l.id) as stated,
           (select max(position) from item_response where label_id = l.id) as written
    from label l join assignment a on a.id = l.assignment_id where l.project_id = :project order by l.id
    """
)


def decide(task: Task, picked: int) -> tuple[NewLabel, Any]:
    """A decision on an item, and who prefers what by it: (question, position, position) -> outcome. Worked out here by
    the positions, not by the kind's own code; of a text that improves a response, the text stands for its position."""
    if task.kind == "comparison":
        choice, kinder = ("left", "right", "tie", "both_bad")[picked % 4], ("left", "right", "tie")[picked % 3]
        said = {("", 0, 1): outcome_of(choice, task.order), ("Kinder?", 0, 1): outcome_of(kinder, task.order)}
        return answer_of(choice, questions={"Kinder?": kinder}), said
    if task.kind == "ranking":
        places = [(picked * 5 + place * 3) % len(task.order) for place in range(len(task.order))]
        if picked % 2:
            places = [place // 2 for place in places]
        tiers = [tuple(n for n, each in enumerate(places) if each == tier) for tier in sorted(set(places))]
        rank = {position: places[place] for place, position in enumerate(task.order)}
        said = {}
        for one, other in combinations(sorted(task.order), 2):
            better = "first" if rank[one] < rank[other] else "second" if rank[one] > rank[other] else "tie"
            said["", one, other] = better
        return NewLabel(RankingValue(tiers=tuple(tiers))), said
    text = f"Ideal, or nearly so: {picked % 3}."
    return (
        NewLabel(DemonstrationValue(text=text, improves=bool(task.responses))),
        {("", 0, text): "second"} if task.responses else {("", None, text): "alone"},
    )


class Queue(RuleBasedStateMachine):
    """Annotators at one project. `given` is what the world must remember: assignment -> answers in their order."""

    steps = 0
    changed = False

    @initialize(overlap=st.integers(1, 3), kinds=st.lists(kind, min_size=1, max_size=5), mixed=st.booleans())
    def open_project(self, overlap: int, kinds: list[str], mixed: bool) -> None:
        """A project that asks comparisons alone may have other items all the same, from when it asked those too."""
        self.mixed = mixed
        with Session(get_engine(), expire_on_commit=False) as session, session.begin():
            answer = asking({"ranking": {"share": 50}, "demonstration": {"share": 50}} if mixed else {})
            self.project = factories.project(session, overlap=overlap, answer=answer)
            self.people = [factories.user(session) for _ in range(PEOPLE)]
            for one in self.people:
                factories.member(session, self.project, one)
            for each in kinds:
                self._item(session, each)
        self.tasks: dict[int, dict[int, Task]] = {n: {} for n in range(PEOPLE)}
        self.given: dict[int, list[Any]] = {}
        self.ids: dict[int, int] = {}
        self.hanging: Session | None = None

    def _item(self, session: Session, kind: str) -> None:
        prompt = factories.prompt(session, self.project)
        shown = SHOWN[kind][prompt.id % len(SHOWN[kind])]
        factories.item(
            session,
            prompt,
            self.project.base_model,
            kind=kind,
            responses=[factories.response(session, prompt, self.project.base_model) for _ in range(shown)],
            overlap_target=self.project.overlap,
            slots_left=self.project.overlap,
        )

    def _act(self, act: Callable[[Session], Any], end: str = "labelled") -> Any:
        """One request: a session of its own, ended as asked. Waiting for the request that hangs is given up, as a
        server does for a client that is gone: nothing of it may remain."""
        Queue.steps += 1
        self.changed = True
        with Session(get_engine(), expire_on_commit=False) as session:
            session.execute(text("set local lock_timeout = '15ms'"))
            try:
                result = act(session)
            except OperationalError:
                session.rollback()
                return None
            if end == "cut before commit":
                session.connection().invalidate()
                return None
            session.commit()
            return result

    @rule(who=person)
    def claim(self, who: int) -> None:
        self._see(who, self._act(lambda session: leases.claim_item(session, self.project, self.people[who])))

    def _see(self, who: int, task: Task | None) -> None:
        if task is not None:
            known = self.tasks[who].get(task.id)
            assert known is None or known.order == task.order, "the display order changed"
            assert all(seen.item_id != task.item_id or seen.id == task.id for seen in self.tasks[who].values())
            self.tasks[who][task.id] = task

    @rule(who=person)
    def claim_and_lose_the_connection(self, who: int) -> None:
        self._act(lambda session: leases.claim_item(session, self.project, self.people[who]), "cut before commit")

    @rule(who=person)
    def claim_in_a_transaction_that_hangs(self, who: int) -> None:
        """Its locks stay while others go on, until `let_go`."""
        if self.hanging is None:
            self.hanging = Session(get_engine(), expire_on_commit=False)
            self.hanging.execute(text("set local lock_timeout = '15ms'"))
            self.holder = who
            try:
                self.held = leases.claim_item(self.hanging, self.project, self.people[who])
            except OperationalError:
                self.let_go(False)

    @rule(commits=st.booleans())
    def let_go(self, commits: bool) -> None:
        if self.hanging is not None:
            if commits:
                self.hanging.commit()
                self.changed = True
                if self.held is not None:
                    self.tasks[self.holder][self.held.id] = self.held
            else:
                self.hanging.rollback()
            self.hanging.close()
            self.hanging = None

    @rule(who=person, place=st.integers(0, 50), picked=picked, end=ending, goes_on=st.booleans())
    def answer(self, who: int, place: int, picked: int, end: str, goes_on: bool) -> None:
        """Any of one's own comparisons: open, answered before (then it is a repeat or a revision), skipped, expired.
        Who goes on claims the next item with it; what became of that answer is what the same answer sent again says."""
        if not self.tasks[who]:
            return
        task = list(self.tasks[who].values())[place % len(self.tasks[who])]
        given, said = decide(task, picked)

        def send(session: Session) -> labels.Submitted:
            shown = (
                at_once(session, self.people[who], self.project, task.id, given) if goes_on and not self.mixed else None
            )
            done = labels.submit(session, self.project, self.people[who], None, task.id, given)
            return replace(done, task=shown.task) if shown else done

        done = self._act(send, end)
        if end == "cut before commit" or done is None:
            return
        self._see(who, done.task)
        history = self.given.setdefault(task.id, [])
        if done.label_id is None:
            assert done.status == 409
            return
        if history and history[-1] == said:
            assert done.label_id == self.ids[task.id], "the same answer again must be the same label"
        else:
            history.append(said)
        self.ids[task.id] = done.label_id
        if end == "cut after commit":  # nobody heard the answer, so it is sent again
            again = self._act(send)
            assert again is None or again.label_id in (done.label_id, None)

    @rule(who=person, place=st.integers(0, 50))
    def skip(self, who: int, place: int) -> None:
        if self.tasks[who]:
            number = list(self.tasks[who])[place % len(self.tasks[who])]
            self._act(lambda session: leases.skip(session, self.project, self.people[who], number))

    @rule(who=person)
    def take_skipped_again(self, who: int) -> None:
        task = self._act(lambda session: leases.take_skipped_again(session, self.project, self.people[who]))
        assert task is None or self.tasks[who].get(task.id, task).order == task.order

    @rule(who=person, place=st.integers(0, 50))
    def renew(self, who: int, place: int) -> None:
        if self.tasks[who]:
            number = list(self.tasks[who])[place % len(self.tasks[who])]
            self._act(lambda session: leases.renew(session, self.project, self.people[who], number))

    @rule(share=st.floats(0, 1))
    def time_passes(self, share: float) -> None:
        def pass_by(session: Session) -> None:
            session.execute(
                text(
                    "update assignment set expires_at = now() - interval '1 second' where state = 'open' and "
                    "project_id = :project and id % 100 < :share"
                ),
                {"project": self.project.id, "share": share * 100},
            )
            leases.expire_leases(session)

        self._act(pass_by)

    @rule(place=st.integers(0, 50), whole_prompt=st.booleans())
    def withdraw(self, place: int, whole_prompt: bool) -> None:
        def take(session: Session) -> None:
            rows = session.execute(
                select(m.Item.id, m.Item.prompt_id).where(m.Item.project_id == self.project.id).order_by(m.Item.id)
            ).all()
            item_id, prompt_id = rows[place % len(rows)]
            if whole_prompt:
                items.withdraw_prompts(session, self.project, self.people[0], [prompt_id])
            else:
                items.withdraw_items(session, self.project, self.people[0], [item_id])

        self._act(take)

    @rule(kind=kind)
    def add_an_item(self, kind: str) -> None:
        self._act(lambda session: self._item(session, kind))

    @rule(place=st.integers(0, 50))
    def ask_again(self, place: int) -> None:
        def ask(session: Session) -> None:
            ids = session.scalars(
                select(m.Item.id).where(m.Item.project_id == self.project.id).order_by(m.Item.id)
            ).all()
            try:
                items.ask_again(session, self.project, self.people[0], [ids[place % len(ids)]])
            except Conflict:
                return

        self._act(ask)

    @invariant()
    def slots_add_up_and_every_answer_is_there_once(self) -> None:
        if not self.changed:
            return
        self.changed = False
        with get_engine().connect() as connection:
            assert connection.execute(_BROKEN, {"project": self.project.id}).all() == []
            rows = connection.execute(_LABELS, {"project": self.project.id}).all()
        found: dict[int, list[Any]] = {}
        for row in rows:
            assert row.order == row.drawn + ([] if row.written is None else [row.written])
            assert row.state == "labelled"
            stated = {(question, one, other): outcome for question, one, other, outcome in row.stated}
            if row.written is not None:  # by which name is no matter, if it is the one that was written for this label
                text = row.value["text"]
                stated = {(question, one, text): outcome for (question, one, other), outcome in stated.items()}
                assert all(other == row.written for _, _, other, _ in row.stated)
                stated = stated or {("", None, text): "alone"}
            found.setdefault(row.assignment_id, []).append(stated)
        assert found == {number: said for number, said in self.given.items() if said}
        for number in found:
            standing = [row.id for row in rows if row.assignment_id == number and row.stands]
            assert standing == [self.ids[number]]

    def teardown(self) -> None:
        if getattr(self, "hanging", None) is not None:
            self.hanging.rollback()
            self.hanging.close()


@pytest.mark.timeout(3600)
def test_the_invariants_hold_in_every_order(database: str) -> None:
    Queue.steps = 0
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.scalar(text("select current_database()"))
        connection.execute(
            text(f'alter database "{name}" set synchronous_commit = off')
        )  # it is clients that crash here
    get_engine().dispose()
    while Queue.steps < STEPS:
        run_state_machine_as_test(
            Queue,
            settings=settings(
                max_examples=20,
                stateful_step_count=50,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
