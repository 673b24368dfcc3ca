"""Choices between two answers of a chat as labels: only with consent, taken back with it, and whoever comes first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.chat import choices, service
from app.db import task_session
from app.items import service as items
from app.labels import history, lease_queries, leases, progress, quality
from app.models import (
    AuditEvent,
    Conversation,
    Item,
    Label,
    Outcome,
    Preference,
    Project,
    Prompt,
    PromptStatus,
    Purpose,
    Response,
    Snapshot,
    SnapshotLabel,
    Split,
    Turn,
    TurnChoice,
    TurnComparison,
    TurnRole,
    User,
)
from app.prompts import service as prompts
from app.prompts.reading import split_key, split_of
from app.rewards import queries as reward_queries
from app.rewards import service as rewards
from app.rewards import snapshot_queries, snapshots
from app.web.errors import Conflict
from app.web.markdown import to_html
from tests import factories
from tests.app.chat.conftest import Chat
from tests.app.conftest import Browser
from tests.exporting import exported

T = TypeVar("T")
FIRST, SECOND, TIE = TurnChoice.FIRST, TurnChoice.SECOND, TurnChoice.TIE


@dataclass
class Talk:
    """A conversation of one message whose answer was written twice, and its rows by id."""

    project_id: int
    person_id: int
    conversation_id: int
    second_id: int

    def inside(self, session: Session) -> tuple[Project, User, Conversation]:
        project, person = session.get_one(Project, self.project_id), session.get_one(User, self.person_id)
        return project, person, service.get(session, project, person, self.conversation_id, lock=True)

    def choose(self, choice: TurnChoice) -> None:
        with task_session() as session:
            service.choose(session, *self.inside(session), self.second_id, choice)

    def consent(self, given: bool) -> None:
        with task_session() as session:
            service.set_consent(session, *self.inside(session), given)

    def delete(self) -> None:
        with task_session() as session:
            service.delete(session, *self.inside(session))


Begin = Callable[..., Talk]


@pytest.fixture
def place(database: str) -> tuple[int, int]:
    """A project and one person in it."""
    with task_session() as session:
        project = factories.project(session)
        person = factories.user(session)
        factories.member(session, project, person)
        return project.id, person.id


@pytest.fixture
def begin(place: tuple[int, int]) -> Begin:
    def make(
        asked: str = "What is a tree?",
        answers: tuple[str, str] = ("A plant.", "A tall plant."),
        consent: bool = True,
        person_id: int | None = None,
    ) -> Talk:
        with task_session() as session:
            project = session.get_one(Project, place[0])
            person = session.get_one(User, person_id or place[1])
            conversation = factories.conversation(session, project, person, consent=consent)
            turn = factories.turn(session, conversation, 0, content=asked)
            one, two = (
                factories.turn(
                    session, conversation, 1, variant=variant, kept=variant == 1, role=TurnRole.ASSISTANT,
                    content=content, model_id=project.base_model_id, finish_reason="stop",
                )
                for variant, content in enumerate(answers)
            )  # fmt: skip
            session.add(TurnComparison(conversation_id=conversation.id, first_id=one.id, second_id=two.id))
            if consent:
                choices.collect(session, project, person, turn, [{"role": "user", "content": asked}])
            return Talk(project.id, person.id, conversation.id, two.id)

    return make


@pytest.fixture
def talk(begin: Begin) -> Talk:
    return begin()


def rows(kind: type[T]) -> list[T]:
    with task_session() as session:
        return list(session.scalars(select(kind)))


def counts() -> tuple[int, ...]:
    """Prompts, items, responses, labels, preferences."""
    return tuple(len(rows(kind)) for kind in (Prompt, Item, Response, Label, Preference))


def enough(session: Session, project_id: int) -> None:
    """As many other labels as a snapshot needs."""
    project = session.get_one(Project, project_id)
    other = factories.user(session)
    for split in [Split.TRAIN] * 4 + [Split.HOLDOUT]:
        item = factories.item(session, factories.prompt(session, project, split=split), project.base_model)
        factories.label(session, item, other)


def snapshot_rows(snapshot_id: int) -> list[dict[str, object]]:
    with task_session() as session:
        train, holdout = snapshots.training_rows(session, session.get_one(Snapshot, snapshot_id))
        return train + holdout


def take(project_id: int) -> int:
    with task_session() as session:
        return snapshots.take(session, session.get_one(Project, project_id)).id


def test_a_choice_is_a_label_on_the_conversation_before_it(talk: Talk) -> None:
    talk.choose(SECOND)
    with task_session() as session:
        (label,) = session.scalars(select(Label))
        item = label.item
        assert item.prompt.messages == [{"role": "user", "content": "What is a tree?"}]
        assert item.prompt.split is split_of(split_key(item.prompt.messages))
        assert (item.purpose, item.kind, item.overlap_target, item.slots_left) == (Purpose.CHAT, "comparison", 0, 0)
        assert [response.text for response in item.responses] == ["A plant.", "A tall plant."]  # as they were seen
        assert {(each.model_id, each.finish_reason) for each in item.responses} == {
            (session.get_one(Project, talk.project_id).base_model_id, "stop")
        }
        assert {each.html for each in item.responses} == {str(to_html(each.text)) for each in item.responses}
        assert (label.annotator_id, label.assignment_id, label.order, label.surplus) == (
            talk.person_id, None, [0, 1], True,
        )  # fmt: skip
        (stated,) = label.preferences
        assert (stated.first, stated.second, stated.outcome, stated.probability) == (0, 1, Outcome.SECOND, 0.0)
        (turn,) = session.scalars(select(Turn).where(Turn.role == TurnRole.USER))
        assert turn.prompt_id == item.prompt_id


@pytest.mark.parametrize(("choice", "probability"), [(FIRST, 1.0), (TIE, 0.5)])
def test_the_other_choices(talk: Talk, choice: TurnChoice, probability: float) -> None:
    talk.choose(choice)
    (stated,) = rows(Preference)
    assert (stated.outcome.value, stated.probability) == (choice.value, probability)


def test_the_pages_share_choices_made_with_consent(anne: Browser, mary: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="Hello", consent="true").headers["location"].split("#")[0]
    anne.submit(f"{url}/messages", content="And now?")
    anne.submit(f"{url}/turns/{chat.turns()[-1].id}/regenerate")
    one, two = chat.turns()[-2:]
    anne.submit(f"{url}/turns/{two.id}/choose", choice="first")
    with task_session() as session:
        (item,) = session.scalars(select(Item))
        assert [message["role"] for message in item.prompt.messages] == ["user", "assistant", "user"]
        assert item.prompt.messages[-1]["content"] == "And now?"
        assert [response.text for response in item.responses] == [one.content, two.content]
        item_id = item.id
    base = f"/projects/{chat.project_id}"
    page = mary.get(f"{base}/items/{item_id}").text
    assert "Two answers of a chat" in page
    assert "Ask for one more answer" not in page
    assert f"/items/{item_id}" in mary.get(f"{base}/labels?purpose=chat").text
    assert f"/items/{item_id}" in mary.get(f"{base}/items?purpose=chat").text
    assert "None of these pairs" in mary.submit(f"{base}/items/again", item=str(item_id)).text
    assert "No label fits this filter" in mary.get(f"{base}/labels?purpose=train").text
    anne.submit(f"{url}/consent")
    assert mary.get(f"{base}/items/{item_id}").status_code == 404


def test_without_consent_nothing_leaves_the_chat(begin: Begin) -> None:
    talk = begin(consent=False)
    for choice in (FIRST, SECOND, TIE):
        talk.choose(choice)
    assert counts() == (0, 0, 0, 0, 0)


def test_consent_holds_from_then_on(begin: Begin) -> None:
    talk = begin(consent=False)
    talk.choose(FIRST)
    talk.consent(True)
    assert counts() == (0, 0, 0, 0, 0)
    talk.choose(FIRST)  # said once more, knowing that it is shared
    assert counts() == (1, 1, 2, 1, 1)
    talk.consent(False)  # the message was sent before there was consent, and goes as well
    assert counts() == (0, 0, 0, 0, 0)


def test_a_changed_choice_is_a_revision(talk: Talk) -> None:
    for choice in (FIRST, FIRST, SECOND, SECOND):
        talk.choose(choice)
    first, second = sorted(rows(Label), key=lambda label: label.id)
    assert (first.superseded_at is None, second.superseded_at is None) == (False, True)
    assert {(each.label_id, each.outcome) for each in rows(Preference)} == {
        (first.id, Outcome.FIRST),
        (second.id, Outcome.SECOND),
    }
    assert len(rows(Item)) == 1


@pytest.mark.parametrize("answers", [("Same.", " Same.\n"), ("Something.", " ")])
def test_answers_that_cannot_be_told_apart_are_no_item(begin: Begin, answers: tuple[str, str]) -> None:
    begin(answers=answers).choose(FIRST)
    assert counts()[1:] == (0, 0, 0, 0)


def test_nobody_is_ever_asked_about_it(talk: Talk) -> None:
    talk.choose(FIRST)
    with task_session() as session:
        project, (item,) = session.get_one(Project, talk.project_id), session.scalars(select(Item))
        other = factories.user(session)
        factories.member(session, project, other)
        assert leases.claim_item(session, project, other) is None
        assert not lease_queries.anything_left(session, project.id, other.id)
        for ask in (
            lambda: items.ask_again(session, project, other, [item.id]),
            lambda: items.ask_soon(session, project, other, item),
        ):
            with pytest.raises(Conflict, match="None of these pairs can be asked for again"):
                ask()
        item.prompt.status = PromptStatus.ACTIVE
        for response in item.responses:  # as long as those that attention checks are made of
            response.text = "word " * 40
        second = factories.prompt(session, project)
        factories.response(session, second, project.base_model, text="other " * 40)
        session.flush()
        with pytest.raises(Conflict, match="not enough finished answers"):
            items.add_checks(session, project, other, 5)
        with pytest.raises(IntegrityError, match="ck_item_chat"), session.begin_nested():
            session.execute(text("update item set overlap_target = 1, slots_left = 1 where purpose = 'chat'"))


def test_it_is_in_no_figure_about_annotators(talk: Talk, begin: Begin) -> None:
    with task_session() as session:
        project = session.get_one(Project, talk.project_id)
        item = factories.item(session, factories.prompt(session, project), project.base_model)
        for _ in range(2):
            factories.label(session, item, factories.user(session))

    def figures() -> tuple[object, ...]:
        progress._totals.clear()
        progress._today.clear()
        with task_session() as session:
            project, person, _ = talk.inside(session)
            found = quality._count(session, project.id)
            own = history.listing(session, project.id, person.id, history.OwnFilter()).items
            return found, progress.count(session, project, person), len(own)

    before = figures()
    talk.choose(FIRST)
    begin(asked="Another?").choose(SECOND)
    assert figures() == before


def test_exports_tell_it_apart(talk: Talk) -> None:
    talk.choose(SECOND)
    with task_session() as session:
        project = session.get_one(Project, talk.project_id)
        (row,) = exported(session, project)
    assert (row["purpose"], row["usable"], row["responses"][1]["text"]) == ("chat", True, "A tall plant.")
    assert [stated["outcome"] for stated in row["preferences"]] == ["second"]


def test_a_reward_model_learns_from_it_and_measures_on_held_out_ones(talk: Talk, begin: Begin) -> None:
    asked = [f"Question {n}?" for n in range(40)]
    for each in asked:
        begin(asked=each).choose(FIRST)
    snapshot_id = take(talk.project_id)
    with task_session() as session:
        train, holdout = snapshots.training_rows(session, session.get_one(Snapshot, snapshot_id))
        split = {prompt.messages[0]["content"]: prompt.split for prompt in session.scalars(select(Prompt))}
    assert {row["prompt"][0]["content"] for row in train} == {each for each in asked if split[each] is Split.TRAIN}
    assert {row["prompt"][0]["content"] for row in holdout} == {each for each in asked if split[each] is Split.HOLDOUT}
    assert len(train) > len(holdout) > 0
    with task_session() as session:
        assert rewards.new_labels(session, session.get_one(Project, talk.project_id)) == 0


def test_a_refused_prompt_takes_its_choice_along(talk: Talk) -> None:
    talk.choose(FIRST)
    with task_session() as session:
        project, (prompt,) = session.get_one(Project, talk.project_id), session.scalars(select(Prompt))
        assert len(snapshot_queries.preferences(session, snapshot_queries.usable_in(project.id))) == 1
        prompts.review(
            session, project, prompt_ids=[prompt.id], admit=False, actor=session.get_one(User, talk.person_id)
        )
        assert snapshot_queries.preferences(session, snapshot_queries.usable_in(project.id)) == []
        assert rewards.new_labels(session, project) == 0
        prompts.review(
            session, project, prompt_ids=[prompt.id], admit=True, actor=session.get_one(User, talk.person_id)
        )
        assert len(snapshot_queries.preferences(session, snapshot_queries.usable_in(project.id))) == 1


@pytest.mark.parametrize("how", ["consent", "delete"])
def test_taking_back_deletes_what_no_snapshot_holds(talk: Talk, how: str) -> None:
    talk.choose(FIRST)
    talk.choose(SECOND)
    assert counts() == (1, 1, 2, 2, 2)
    if how == "consent":
        talk.consent(False)
        assert [comparison.choice for comparison in rows(TurnComparison)] == [SECOND]  # it stays in the chat
    else:
        talk.delete()
    assert counts() == (0, 0, 0, 0, 0)
    assert "chat.labels_withdrawn" in {event.action for event in rows(AuditEvent)}


@pytest.mark.parametrize("how", ["consent", "delete"])
def test_what_a_snapshot_holds_stays_in_it_and_counts_nowhere_else(talk: Talk, how: str) -> None:
    with task_session() as session:
        enough(session, talk.project_id)
    talk.choose(FIRST)
    held = take(talk.project_id)
    before = snapshot_rows(held)
    assert len(before) == 6
    if how == "consent":
        talk.consent(False)
    else:
        talk.delete()
    assert snapshot_rows(held) == before
    after = take(talk.project_id)
    assert after != held
    assert len(snapshot_rows(after)) == 5
    with task_session() as session:
        label = session.scalars(select(Label).where(Label.assignment_id.is_(None))).one()
        assert label.superseded_at is not None
        assert label.item.withdrawn_at is not None
        assert label.item.prompt.status is PromptStatus.WITHDRAWN
    if how == "consent":  # given anew, the choice counts anew
        talk.consent(True)
        talk.choose(SECOND)
        assert len(snapshot_rows(take(talk.project_id))) == 6
        assert snapshot_rows(held) == before


def test_a_prompt_that_was_admitted_is_asked_no_more(talk: Talk) -> None:
    talk.choose(FIRST)
    with task_session() as session:
        (prompt,) = session.scalars(select(Prompt))
        prompt.status = PromptStatus.ACTIVE
        sampled = factories.item(session, prompt, session.get_one(Project, talk.project_id).base_model)
    talk.consent(False)
    with task_session() as session:
        (prompt,) = session.scalars(select(Prompt))
        assert prompt.status is PromptStatus.WITHDRAWN
        (left,) = session.scalars(select(Item))
        assert (left.id, left.withdrawn_at is None) == (sampled.id, False)


def test_who_shares_the_same_prompt_keeps_it(talk: Talk, begin: Begin) -> None:
    with task_session() as session:
        other_id = factories.user(session).id
    other = begin(person_id=other_id)
    talk.choose(FIRST)
    other.choose(SECOND)
    talk.consent(False)
    assert [label.annotator_id for label in rows(Label)] == [other_id]
    assert [prompt.status for prompt in rows(Prompt)] == [PromptStatus.REVIEW]
    other.delete()
    assert counts() == (0, 0, 0, 0, 0)


def test_scores_of_what_was_taken_back_are_dropped(talk: Talk) -> None:
    talk.choose(FIRST)
    with task_session() as session:
        project = session.get_one(Project, talk.project_id)
        kept = factories.response(session, factories.prompt(session, project), project.base_model)
        model = factories.model(session, project)
        ids = [found.id for found in reward_queries.responses_to_score(session, project.id, model.id, 10)]
    assert len(ids) == 2
    talk.consent(False)
    with task_session() as session:
        scores = [{"response_id": id_, "score": 1.0, "spread": None} for id_ in (*ids, kept.id)]
        reward_queries.add_scores(session, model.id, scores)
        reward_queries.add_scores(session, model.id, scores[:2])
        found = session.execute(text("select response_id from response_score")).scalars().all()
    assert found == [kept.id]


def together(*work: Callable[[], object]) -> list[object]:
    """What each gives, or how it failed, begun at the same moment."""
    barrier = Barrier(len(work))

    def one(each: Callable[[], object]) -> object:
        barrier.wait()
        return each()

    with ThreadPoolExecutor(len(work)) as pool:
        futures = [pool.submit(one, each) for each in work]
    return [future.exception() or future.result() for future in futures]


@pytest.mark.parametrize("attempt", range(5))
def test_two_choices_at_once_leave_one_label(talk: Talk, attempt: int) -> None:
    assert together(*(partial(talk.choose, choice) for choice in (FIRST, SECOND, FIRST, TIE))) == [None] * 4
    standing = [label for label in rows(Label) if label.superseded_at is None]
    assert len(standing) == 1
    (comparison,) = rows(TurnComparison)
    assert comparison.choice is not None
    assert standing[0].value.model_dump(mode="json")["choice"] == comparison.choice.value
    assert (len(rows(Item)), len(rows(Prompt))) == (1, 1)


@pytest.mark.parametrize("attempt", range(5))
def test_a_choice_beside_the_withdrawal_leaves_nothing_behind(talk: Talk, attempt: int) -> None:
    assert together(lambda: talk.choose(FIRST), lambda: talk.consent(False), lambda: talk.choose(TIE)) == [None] * 3
    assert counts() == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("attempt", range(8))
def test_a_snapshot_taken_beside_the_withdrawal_is_whole(talk: Talk, attempt: int) -> None:
    with task_session() as session:
        enough(session, talk.project_id)
    talk.choose(FIRST)
    _, snapshot_id = together(lambda: talk.consent(False), lambda: take(talk.project_id))
    assert isinstance(snapshot_id, int), snapshot_id
    (snapshot,) = rows(Snapshot)
    with task_session() as session:
        members = session.scalar(select(func.count()).select_from(SnapshotLabel))
    assert members == snapshot.label_count == len(snapshot_rows(snapshot_id))
    (held,) = [label for label in rows(Label) if label.assignment_id is None] or [None]
    assert (held is None) == (snapshot.label_count == 5)
    assert held is None or held.superseded_at is not None


@pytest.mark.parametrize("attempt", range(5))
def test_two_that_share_a_prompt_and_withdraw_at_once_leave_nothing(talk: Talk, begin: Begin, attempt: int) -> None:
    with task_session() as session:
        other = factories.user(session)
    second = begin(person_id=other.id)
    talk.choose(FIRST)
    second.choose(SECOND)
    assert together(lambda: talk.consent(False), lambda: second.delete()) == [None] * 2
    assert counts() == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("attempt", range(5))
def test_one_shares_a_prompt_while_another_takes_it_back(talk: Talk, begin: Begin, attempt: int) -> None:
    with task_session() as session:
        other = factories.user(session)
    second = begin(consent=False, person_id=other.id)
    second.consent(True)
    talk.choose(FIRST)
    assert together(lambda: talk.consent(False), lambda: second.choose(SECOND)) == [None] * 2
    assert [(label.annotator_id, label.superseded_at) for label in rows(Label)] == [(other.id, None)]
    assert [prompt.status for prompt in rows(Prompt)] == [PromptStatus.REVIEW]
