"""The queue's rules, one at a time; tests/app/labels/test_stateful.py drives them together."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import models as m
from app.items import queries, service
from app.items import queue as queue_sql
from app.labels import leases
from app.web.errors import Conflict, NotFound
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.app.items.conftest import MakeQueue


def expire_all(session: Session) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    for row in session.scalars(select(m.Assignment).where(m.Assignment.state == m.AssignmentState.OPEN)):
        row.expires_at = past
    session.flush()


def slots(session: Session, item: m.Item) -> int:
    session.refresh(item)
    return item.slots_left


def test_items_come_by_priority_and_a_lease_is_kept_until_it_is_used(session: Session, queue: MakeQueue) -> None:
    project, items = queue(3)
    ann, bob = factories.user(session), factories.user(session)
    first = leases.claim_item(session, project, ann)
    assert first is not None
    assert first.item_id == items[0].id
    again = leases.claim_item(session, project, ann)
    assert again is not None
    assert (again.id, again.order) == (first.id, first.order)
    other = leases.claim_item(session, project, bob)
    assert other is not None
    assert other.item_id == items[1].id
    assert slots(session, items[0]) == slots(session, items[1]) == 0


def test_no_item_goes_to_more_people_than_its_overlap(session: Session, queue: MakeQueue) -> None:
    project, items = queue(1, overlap=2)
    people = [factories.user(session) for _ in range(3)]
    tasks = [leases.claim_item(session, project, person) for person in people]
    assert [task is not None for task in tasks] == [True, True, False]
    assert slots(session, items[0]) == 0


def test_a_skipped_item_goes_to_somebody_else_and_back_only_when_asked_for(session: Session, queue: MakeQueue) -> None:
    project, (item,) = queue(1)
    ann, bob = factories.user(session), factories.user(session)
    task = leases.claim_item(session, project, ann)
    assert task is not None
    assert leases.skip(session, project, ann, task.id)
    assert not leases.skip(session, project, ann, task.id)
    assert slots(session, item) == 1
    assert leases.claim_item(session, project, ann) is None
    again = leases.take_skipped_again(session, project, ann)
    assert again is not None
    assert (again.id, again.order) == (task.id, task.order)
    leases.skip(session, project, ann, task.id)
    other = leases.claim_item(session, project, bob)
    assert other is not None
    assert leases.take_skipped_again(session, project, ann) is None


def test_an_expired_lease_gives_its_slot_back_and_comes_back_last(session: Session, queue: MakeQueue) -> None:
    project, items = queue(2)
    ann = factories.user(session)
    task = leases.claim_item(session, project, ann)
    assert task is not None
    expire_all(session)
    assert leases.expire_leases(session) == 1
    assert leases.expire_leases(session) == 0
    assert slots(session, items[0]) == 1
    following = leases.claim_item(session, project, ann)
    assert following is not None
    assert following.item_id == items[1].id
    expire_all(session)
    leases.expire_leases(session)
    back = leases.claim_item(session, project, ann)
    assert back is not None
    assert back.item_id in {item.id for item in items}


def test_a_lease_is_renewed_while_it_is_open_and_only_for_its_holder(session: Session, queue: MakeQueue) -> None:
    project, _ = queue(1, lease_minutes=30)
    ann, bob = factories.user(session), factories.user(session)
    task = leases.claim_item(session, project, ann)
    assert task is not None
    expire_all(session)
    assert not leases.renew(session, project, bob, task.id)
    assert leases.renew(session, project, ann, task.id)
    assert leases.expire_leases(session) == 0
    leases.skip(session, project, ann, task.id)
    assert not leases.renew(session, project, ann, task.id)


def test_somebody_elses_assignment_is_not_found(session: Session, queue: MakeQueue) -> None:
    project, _ = queue(1)
    ann, bob = factories.user(session), factories.user(session)
    task = leases.claim_item(session, project, ann)
    assert task is not None
    for act in (leases.task_of, leases.skip):
        with pytest.raises(NotFound):
            act(session, bob, project, task.id)
    other, _ = queue(1)
    with pytest.raises(NotFound):
        leases.task_of(session, other, ann, task.id)


def test_a_withdrawn_prompt_takes_its_items_and_leases_along(session: Session, queue: MakeQueue) -> None:
    project, items = queue(2)
    ann, boss = factories.user(session), factories.user(session)
    task = leases.claim_item(session, project, ann)
    assert task is not None
    assert service.withdraw_prompts(session, project, boss, [items[0].prompt_id]) == 1
    assert service.withdraw_prompts(session, project, boss, [items[0].prompt_id]) == 0
    assert slots(session, items[0]) == 1
    following = leases.claim_item(session, project, ann)
    assert following is not None
    assert following.item_id == items[1].id


def test_an_item_before_the_remembered_place_is_not_lost(session: Session, queue: MakeQueue) -> None:
    project, items = queue(3)
    ann = factories.user(session)
    for _ in range(3):
        task = leases.claim_item(session, project, ann)
        assert task is not None
        session.get_one(m.Assignment, task.id).state = m.AssignmentState.LABELLED
        session.flush()
    new = factories.item(session, factories.prompt(session, project), project.base_model, level=m.Level.AGAIN)
    found = leases.claim_item(session, project, ann)
    assert found is not None
    assert found.item_id == new.id
    assert [slots(session, item) for item in items] == [0, 0, 0]


def test_attention_checks_come_at_the_projects_rate_and_fill_no_slot_of_others(
    session: Session, queue: MakeQueue
) -> None:
    project, _ = queue(60, check_share=0.5)
    for _ in range(60):
        prompt = factories.prompt(session, project)
        factories.item(
            session,
            prompt,
            project.base_model,
            purpose=m.Purpose.CHECK,
            expected={"best": 0},
            overlap_target=1000,
            slots_left=1000,
        )
    ann = factories.user(session)
    purposes = []
    for _ in range(60):
        task = leases.claim_item(session, project, ann)
        assert task is not None
        purposes.append(session.get_one(m.Item, task.item_id).purpose)
        session.get_one(m.Assignment, task.id).state = m.AssignmentState.LABELLED
        session.flush()
    assert 15 <= purposes.count(m.Purpose.CHECK) <= 45  # 60 draws of one half: outside this one time in 10^4
    project.check_share = 0.0
    bob = factories.user(session)
    task = leases.claim_item(session, project, bob)
    assert task is not None
    assert session.get_one(m.Item, task.item_id).purpose is m.Purpose.TRAIN


def test_checks_are_made_of_an_own_answer_and_a_foreign_one(session: Session, queue: MakeQueue) -> None:
    project, _ = queue(0)
    boss = factories.user(session)
    with pytest.raises(Conflict):
        service.add_checks(session, project, boss, 5)
    for number in range(4):
        prompt = factories.prompt(session, project)
        text = f"A whole answer of some length, number {number}. " * 3
        factories.response(session, prompt, project.base_model, text=text)
    assert service.add_checks(session, project, boss, 3) == 3
    for check in session.scalars(select(m.Item).where(m.Item.project_id == project.id)):
        assert check.expected is not None
        right = check.responses[check.expected["best"]]
        wrong = check.responses[1 - check.expected["best"]]
        assert right.prompt_id == check.prompt_id != wrong.prompt_id


def test_placing_moves_waiting_training_items_alone(session: Session, queue: MakeQueue) -> None:
    project, items = queue(4)
    items[1].slots_left, items[2].level = 0, m.Level.AGAIN
    session.flush()
    before = [item.rank for item in items]
    places = {item.id: -1.0 - n for n, item in enumerate(items)}
    queue_sql.place(session, project.id, places)
    queue_sql.place(session, factories.project(session).id, dict.fromkeys(places, 7.0))
    session.expire_all()
    assert [item.rank for item in items] == [-1.0, before[1], before[2], -4.0]
    waiting = queue_sql.waiting(session, project.id, 10)
    assert [item.id for item in waiting] == [items[3].id, items[0].id]
    assert waiting[0].responses == [each.id for each in items[3].responses]


def test_asking_again_opens_a_slot_for_somebody_who_has_not_seen_the_item(session: Session, queue: MakeQueue) -> None:
    project, (item,) = queue(1)
    ann, bob, boss = (factories.user(session) for _ in range(3))
    assert leases.claim_item(session, project, ann) is not None
    assert leases.claim_item(session, project, bob) is None
    assert service.ask_again(session, project, boss, [item.id]) == 1
    assert leases.claim_item(session, project, bob) is not None
    with pytest.raises(Conflict):
        service.ask_again(session, project, boss, [10**9])


def test_display_order_is_a_fair_coin_that_is_tossed_once(session: Session, queue: MakeQueue) -> None:
    project, _ = queue(50, overlap=40)
    for _ in range(40):
        person = factories.user(session)
        for _ in range(50):
            task = leases.claim_item(session, project, person)
            assert task is not None
            assert leases.claim_item(session, project, person) == task  # a reload
            session.get_one(m.Assignment, task.id).state = m.AssignmentState.LABELLED
            session.flush()
    total, left = session.execute(
        select(func.count(), func.count().filter(m.Assignment.order == [0, 1])).where(
            m.Assignment.project_id == project.id
        )
    ).one()
    assert total == 2000
    # Binomial(2000, 1/2): within 4.5 standard deviations of 1000 but for 7 in a million runs.
    assert abs(left - 1000) < 4.5 * (2000 * 0.25) ** 0.5


def test_few_answers_make_few_checks_or_a_reason_every_time(session: Session, queue: MakeQueue) -> None:
    project, _ = queue(0)
    boss = factories.user(session)
    first, second = (factories.prompt(session, project) for _ in range(2))
    text = "A whole answer of some length, one that says what it says, and then no more. "
    for prompt, said in (
        (first, text),
        (first, text + " "),
        (first, text + "!"),
        (second, "No: " + text),
        (second, "No"),
    ):
        factories.response(session, prompt, project.base_model, text=said)
    assert service.add_checks(session, project, boss, 10) == 2
    for _ in range(4):
        with pytest.raises(Conflict, match="not enough finished answers"):
            service.add_checks(session, project, boss, 10)
    assert session.scalar(select(func.count()).where(m.Item.project_id == project.id)) == 2


def test_two_prompts_with_the_same_answer_make_no_check(session: Session, queue: MakeQueue) -> None:
    """Neither of two equal answers is the right one."""
    project, _ = queue(0)
    for _ in range(2):
        text = "The same answer, of some length, to whatever it is that was asked of the model. "
        factories.response(session, factories.prompt(session, project), project.base_model, text=text)
    with pytest.raises(Conflict, match="not enough finished answers"):
        service.add_checks(session, project, factories.user(session), 10)


def test_a_new_number_of_labels_is_offered_for_the_items_that_wait(session: Session, queue: MakeQueue) -> None:
    project, (open_, held, done, gone) = queue(4, overlap=1)
    ann, bob, boss = (factories.user(session) for _ in range(3))
    check = factories.item(session, open_.prompt, project.base_model, purpose=m.Purpose.CHECK)
    assert leases.claim_item(session, project, ann) is not None  # open_, of which no slot is left now
    held.slots_left = done.slots_left = 0
    factories.assignment(session, held, bob)
    expire_all(session)
    leases.expire_leases(session)  # both wait again
    service.withdraw_items(session, project, boss, [gone.id])
    session.expire_all()

    def asked() -> list[tuple[int, int]]:
        session.expire_all()
        return [(item.overlap_target, item.slots_left) for item in (open_, held, done, gone, check)]

    assert queries.counts(session, project)["off_overlap"] == 0
    assert service.adopt_overlap(session, project, boss) == 0
    project.overlap = 3
    session.flush()
    assert queries.counts(session, project)["off_overlap"] == 2
    assert service.adopt_overlap(session, project, boss) == 2
    assert asked() == [(3, 3), (3, 3), (1, 0), (1, 1), (1, 1)]
    assert queries.counts(session, project)["off_overlap"] == 0
    task = leases.claim_item(session, project, factories.user(session))
    assert task is not None
    project.overlap = 2
    session.flush()
    assert service.adopt_overlap(session, project, boss) == 1  # not the one that somebody has before them
    assert sorted(asked()[:2]) == [(2, 2), (3, 2)]


def test_the_page_offers_it_and_the_api_does_it(session: Session, cast: Cast, as_: Callable[[str], Browser]) -> None:
    prompt = factories.prompt(session, cast.project)
    factories.item(session, prompt, cast.project.base_model)
    browser, base = as_("manager"), f"/projects/{cast.project.id}"
    assert "another number of labels" not in browser.get(f"{base}/items").text
    form = browser.get(f"{base}/settings").text
    assert 'id="queue-saved"' in form
    fields = {name: getattr(cast.project, name) for name in ("queue_depth", "lease_minutes")}
    given = {**fields, "overlap": 2, "check_percent": 0, "control_percent": 20, "check_window": 10, "check_misses": 3}
    saved = browser.submit(f"{base}/settings/queue", **given)
    assert saved.headers["location"] == f"{base}/settings#queue-saved"
    assert "Pairs that wait keep their number of labels" in browser.get(f"{base}/settings").text
    assert "Ask for 2 labels on it too" in browser.get(f"{base}/items").text
    api = browser.post(f"/api/v1{base}/items/overlap", headers=browser.bearer(cast.manager))
    assert api.json() == {"changed": 1}
    browser.sign_in(cast.manager)
    browser.submit(f"{base}/items/overlap")
    assert "0 pairs changed to 2 labels each." in browser.get(f"{base}/items").text
    assert "asked for 2 labels each on 1 pair that waited" in browser.get(f"{base}/audit").text
