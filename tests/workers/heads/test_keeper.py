"""Heads on a real database: labels in, ranks and reports out, and all that may be wrong with features and labels."""

import time
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, select, text

from app import models as m
from app.db import task_session
from app.rewards.head_views import order_sentence
from rlhf.live_head import LiveHead
from tests import factories
from tests.workers.heads.world import WIDTH, World, begin, by_taste
from workers.heads.head import Head
from workers.heads.keeper import AGAIN_SECONDS, WRITE_SECONDS, Keeper
from workers.heads.labels import LATE


@pytest.fixture
def world(database: str) -> World:
    return begin()


def test_it_learns_orders_and_tells(world: World) -> None:
    world.items(200, by_taste)
    waiting = world.items(60)
    before = world.ranks()
    keeper = Keeper()
    keeper.look()
    report = world.report()
    assert (report.state, report.labels, report.measuring) == (m.HeadState.ORDERS, 160, 40)
    assert (report.waiting, report.usable, report.raters) == (60, 36, 3)
    assert report.curve[-1].accuracy > 0.7
    after = world.ranks()
    assert list(after) == sorted(after, key=lambda id_: after[id_])
    assert set(after) == set(waiting)
    assert all(rank < 0 for rank in after.values())  # all of 60 are in front
    # Those of the random share and of holdout prompts come in their own order, two of five all along.
    own = [place for place, id_ in enumerate(waiting) if place % 5 in (0, 1)]
    random = [id_ for id_ in after if waiting.index(id_) in own]
    assert random == sorted(random, key=lambda id_: before[id_])
    for count in range(5, 60, 5):
        assert abs(sum(id_ in random for id_ in list(after)[:count]) - 0.4 * count) <= 1


def test_a_label_is_learned_and_the_queue_follows(world: World) -> None:
    world.items(100, by_taste)
    world.items(40)
    keeper = Keeper()
    keeper.look()
    first = world.report()
    world.items(10, by_taste, split=m.Split.TRAIN)
    time.sleep(1.05)
    keeper.look()
    second = world.report()
    assert second.labels == first.labels + 10
    assert second.curve[-1].loss != first.curve[-1].loss


def test_the_first_label_after_a_quiet_second_is_told_at_once_and_the_next_a_second_later(world: World) -> None:
    world.items(100, by_taste)
    keeper = Keeper()
    keeper.look()
    before = world.report().labels
    kept = keeper._kept[world.project]
    kept.written, kept.due = kept.written - WRITE_SECONDS, time.monotonic() + AGAIN_SECONDS
    world.items(1, by_taste, split=m.Split.TRAIN)
    keeper.look()
    assert world.report().labels == before + 1
    kept.written = kept.due = time.monotonic() + 60  # just written, however slow this machine is
    world.items(1, by_taste, split=m.Split.TRAIN)
    keeper.look()
    assert world.report().labels == before + 1


def test_a_restart_knows_the_same(world: World) -> None:
    world.items(120, by_taste)
    world.items(10)
    first, second = Keeper(), Keeper()
    first.look()
    one = world.row()
    second.look()
    other = world.row()
    assert one is not None
    assert other is not None
    assert one.report == other.report
    assert one.space == other.space
    a, b = (LiveHead.from_bytes(row.knowledge or b"") for row in (one, other))
    assert np.abs(a.mean - b.mean).max() < 1e-6
    # Made anew without what was written down, it is another space and as good a head.
    with task_session() as session:
        session.delete(session.get_one(m.ProjectHead, world.project))
    Keeper().look()
    assert world.report().labels == one.report.labels
    assert world.report().curve[-1].accuracy == pytest.approx(one.report.curve[-1].accuracy, abs=0.1)


def checked(keeper: Keeper, world: World) -> Head:
    """The head after another look, in which it is compared with what stands."""
    kept = keeper._kept[world.project]
    kept.due = kept.check_due = 0.0
    keeper.look()
    assert kept.head is not None
    return kept.head


def assert_as_after_a_restart(keeper: Keeper, world: World) -> None:
    head = checked(keeper, world)
    again = Keeper(keeper._most)
    again.look()
    other = again._kept[world.project].head
    assert other is not None
    assert head.labels == other.labels
    assert (len(head.learned), len(head.measuring), head.unread) == (
        len(other.learned),
        len(other.measuring),
        other.unread,
    )
    assert head.shares == pytest.approx(other.shares)
    assert np.abs(head.live.mean - other.live.mean).max() < 1e-6
    assert np.abs(head.live.covariance - other.live.covariance).max() < 1e-6


def test_beyond_its_limit_a_running_head_knows_what_a_restart_does(world: World) -> None:
    keeper = Keeper(60)
    for count in (50, 7, 40, 3, 90, 1):
        world.items(count, by_taste)
        kept = keeper._kept.get(world.project)
        if kept is not None:
            kept.due = 0.0
        keeper.look()
        assert len(keeper._kept[world.project].head.labels) <= 60  # type: ignore[union-attr]
    assert_as_after_a_restart(keeper, world)


def test_labels_that_go_and_labels_that_come_late_are_as_after_a_restart(world: World) -> None:
    """An import that is taken out sends no label after those that go; one that is stored may take long, and its labels
    have their numbers before others that stand sooner."""
    keeper = Keeper()
    items = world.items(120, by_taste)
    keeper.look()
    with task_session() as session:
        session.execute(delete(m.Label).where(m.Label.item_id.in_(items[:30])))
    (asked,) = world.items(1, split=m.Split.TRAIN)
    with task_session() as slow:
        person = slow.scalars(select(m.User)).first()
        assert person is not None
        late = factories.label(slow, slow.get_one(m.Item, asked), person, m.Outcome.FIRST).id
        with task_session() as session:
            session.execute(text("select setval('label_id_seq', :id)"), {"id": late + 3 * LATE})
        world.items(10, by_taste)
        assert late not in checked(keeper, world).labels
    assert_as_after_a_restart(keeper, world)
    assert late in keeper._kept[world.project].head.labels  # type: ignore[union-attr]


def test_attention_checks_say_whose_labels_weigh_less_after_a_restart_too(world: World) -> None:
    """Checks come between labels, in an item of their own; another process finds the same weights."""
    keeper = Keeper()
    world.items(60, by_taste)
    keeper.look()
    with task_session() as session:
        model = session.get_one(m.Model, world.model)
        project = session.get_one(m.Project, world.project)
        people = session.scalars(select(m.User).order_by(m.User.id)).all()
        for number in range(36):
            check = factories.item(session, factories.prompt(session, project), model, purpose=m.Purpose.CHECK)
            factories.label(session, check, people[number % 3], passed=number % 3 != 2 or number % 2 == 0)
    kept = keeper._kept[world.project]
    kept.written -= WRITE_SECONDS
    keeper.look()
    world.items(60, by_taste)
    kept.written -= WRITE_SECONDS
    keeper.look()
    again = Keeper()
    again.look()
    one, other = (each._kept[world.project].head for each in (keeper, again))
    assert one is not None
    assert other is not None
    for head in (one, other):
        head.refit()
        *fine, careless = (head.shares[who] for who in sorted(head.raters))
        assert careless < 0.6 < min(fine)
    assert one.shares == other.shares
    assert np.abs(one.live.mean - other.live.mean).max() < 1e-6


def test_switched_off_the_order_is_random_again_and_the_curve_goes_on(world: World) -> None:
    world.items(100, by_taste)
    world.items(20)
    Keeper().look()
    assert min(world.ranks().values()) < 0
    with task_session() as session:
        session.get_one(m.Project, world.project).queue_order = m.QueueOrder.RANDOM
    Keeper().look()
    assert world.report().state is m.HeadState.OFF
    assert world.report().curve
    assert min(world.ranks().values()) >= 0


@pytest.mark.parametrize(
    ("state", "labels", "over", "said"),
    [
        (m.HeadState.FEW_LABELS, 10, {}, "there are 8 of the 50 labels"),
        (m.HeadState.ONE_RATER, 80, {"rater": 1}, "all labels are by one person"),
        (m.HeadState.NO_FEATURES, 80, {"states": [np.nan] * WIDTH}, "the features of 20 answers are not finite"),
        (m.HeadState.NO_FEATURES, 80, {"states": [1.0] * WIDTH}, "the answers that wait have no features of the"),
    ],
)
def test_what_is_too_little_leaves_the_order_to_chance_and_its_sentence_says_so(
    world: World, state: m.HeadState, labels: int, over: dict[str, Any], said: str
) -> None:
    world.items(labels, by_taste, **over)
    world.items(10, **{name: value for name, value in over.items() if name == "states"})
    before = world.ranks()
    Keeper().look()
    assert world.report().state is state
    assert f"The order of the queue is random: {said}" in order_sentence(world.report())
    assert world.ranks() == before


def test_ties_leave_the_order_to_chance(world: World) -> None:
    world.items(100, lambda number, z: None)
    world.items(10)
    before = world.ranks()
    Keeper().look()
    assert world.report().state is m.HeadState.NO_BETTER
    assert "random: the live head predicts labels no better" in order_sentence(world.report())
    assert world.ranks() == before


def test_an_adversary_leaves_the_order_to_chance_and_its_sentence_says_so(world: World) -> None:
    world.items(240, lambda number, z: by_taste(number, z) if number % 3 else 1 - by_taste(number, z))
    world.items(10)
    before = world.ranks()
    Keeper().look()
    assert world.report().state is m.HeadState.NO_BETTER
    assert "random: the live head predicts labels no better" in order_sentence(world.report())
    assert world.ranks() == before


def test_without_any_features_the_order_is_left_to_chance_and_its_sentence_says_so(world: World) -> None:
    world.items(100, by_taste)
    world.items(10)
    with task_session() as session:
        session.execute(delete(m.ResponseFeatures))
    before = world.ranks()
    Keeper().look()
    assert world.report().state is m.HeadState.NO_FEATURES
    assert "random: the answers that wait have no features" in order_sentence(world.report())
    assert world.ranks() == before


def test_labels_on_answers_without_features_are_counted_and_the_sentence_says_so(
    world: World,
) -> None:
    labelled = world.items(100, by_taste)
    world.items(40)
    with task_session() as session:
        responses = select(m.ItemResponse.response_id).where(m.ItemResponse.item_id.in_(labelled[10:]))
        session.execute(delete(m.ResponseFeatures).where(m.ResponseFeatures.response_id.in_(responses)))
    Keeper().look()
    report = world.report()
    assert (report.state, report.labels, report.measuring, report.unread) == (m.HeadState.FEW_LABELS, 8, 2, 90)
    sentence = order_sentence(report)
    assert "there are 8 of the 50 labels" in sentence
    assert "90 more are on answers without features of the newest reward model" in sentence


def test_features_that_are_not_finite_are_counted_and_left_out(world: World) -> None:
    world.items(100, by_taste)
    world.items(10)
    odd = world.items(5, states=[np.inf] * WIDTH, split=m.Split.TRAIN)
    Keeper().look()
    report = world.report()
    assert (report.state, report.waiting, report.unusable_features) == (m.HeadState.ORDERS, 15, 10)
    assert report.usable == 6
    assert set(odd) <= set(world.ranks())


def test_features_of_another_trunk_are_told(world: World) -> None:
    world.items(100, by_taste)
    with task_session() as session:
        project = session.get_one(m.Project, world.project)
        other = factories.model(session, project, kind=m.ModelKind.REWARD, state=m.ModelState.READY).id
    world.items(10)  # of the first model
    before = world.ranks()
    Keeper().look()
    report = world.report()
    assert (report.state, report.foreign_features) == (m.HeadState.NO_FEATURES, 20)
    assert "random: the answers that wait have features of an older reward model" in order_sentence(report)
    assert world.row().model_id == other  # type: ignore[union-attr]
    assert world.ranks() == before


def test_features_of_another_width_are_left_to_chance(world: World) -> None:
    """They are of another trunk, whatever their model is called."""
    world.items(100, by_taste)
    world.items(20, lambda number, z: 0.5, width=2 * WIDTH)
    own, odd = world.items(10, split=m.Split.TRAIN), world.items(10, split=m.Split.TRAIN, width=WIDTH // 2)
    Keeper().look()
    report = world.report()
    assert (report.state, report.waiting, report.usable, report.unread) == (m.HeadState.ORDERS, 20, 8, 20)
    assert (set(own) | set(odd)) == set(world.ranks())


def test_without_a_reward_model_there_is_no_head(world: World) -> None:
    with task_session() as session:
        session.get_one(m.Model, world.model).state = m.ModelState.FAILED
    world.items(5)
    Keeper().look()
    assert world.row() is None
