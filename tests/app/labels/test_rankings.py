"""Rankings through the whole platform: the queue, the screen, labels, preferences, exports, quality, training rows."""

import json
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from sqlalchemy import select

from app import models as m
from app.items import service as items
from app.labels import blocks, leases, quality
from app.rewards import snapshots
from app.statistics.shares import wilson
from app.web.errors import Conflict
from tests import factories
from tests.app.items.test_sampling import drawn
from tests.asking import asking
from tests.exporting import exported

RANKING = {"ranking": {"share": 100}}


@pytest.fixture
def add(session, cast) -> Callable[..., m.Item]:
    """`add(4)`: a ranking of so many; the project asks for them alone."""
    cast.project.answer = asking(RANKING, share=0)

    def make(count: int = 4, **over) -> m.Item:
        prompt = factories.prompt(session, cast.project, split=over.pop("split", m.Split.TRAIN))
        model = cast.project.base_model
        shown = [factories.response(session, prompt, model, text=f"Text {n} of {prompt.id}") for n in range(count)]
        return factories.item(session, prompt, model, kind="ranking", responses=shown, **over)

    return make


def opened(browser, cast):
    page = browser.get(f"/projects/{cast.project.id}/label").text
    return page, re.search(r'name="assignment_id" value="(\d+)"', page)[1]


def send(browser, cast, places, htmx=False, **over):
    """Send places, by the number of the answer on the screen."""
    assignment = over.pop("assignment_id", None) or opened(browser, cast)[1]
    fields = {f"fields[{number}]": str(place) for number, place in places.items()}
    sent = {"assignment_id": assignment, "kind": "ranking"} | fields | over
    return browser.submit(f"/projects/{cast.project.id}/label", htmx=htmx, **sent)


def labels(session, cast):
    return list(session.scalars(select(m.Label).where(m.Label.project_id == cast.project.id).order_by(m.Label.id)))


def better(label):
    """(better, worse) by position."""
    found = set()
    for stated in label.preferences:
        if stated.outcome is m.Outcome.FIRST:
            found.add((stated.first, stated.second))
        elif stated.outcome is m.Outcome.SECOND:
            found.add((stated.second, stated.first))
    return found


def test_a_ranking_by_the_form_says_six_preferences(session, cast, as_, add):
    item = add(4)
    page, _ = opened(as_("annotator"), cast)
    assert page.count("<select") == 4
    assert 'data-kind="ranking"' in page
    assert "Rank the answers, best first" in page
    assert send(as_("annotator"), cast, {1: 2, 2: 1, 3: 4, 4: 3}).status_code == 303
    (label,) = labels(session, cast)
    assert label.value.tiers == ((1,), (0,), (3,), (2,))
    best_first = [label.order[place] for place in (1, 0, 3, 2)]
    assert better(label) == {(best_first[a], best_first[b]) for a in range(4) for b in range(a + 1, 4)}
    session.refresh(item)
    assert item.slots_left == 0


def test_without_a_script_what_was_chosen_is_kept_with_a_sentence(session, cast, as_, add):
    add(4)
    browser = as_("annotator")
    refused = send(browser, cast, {1: 1, 2: 4, 3: "", 4: 2}, comment="so far")
    assert refused.status_code == 422
    assert "Answer 3 has no place yet" in refused.text
    kept = re.findall(r'name="fields\[(\d)\]" required>(.*?)</select>', refused.text, re.S)
    assert {n: re.findall(r'selected value="(\d)"', body) for n, body in kept} == {
        "1": ["1"], "2": ["4"], "3": [], "4": ["2"],
    }  # fmt: skip
    assert "so far</textarea>" in refused.text
    for places, sentence in (({1: 1, 2: 2, 3: 3}, "shows 4 answers, and 3"), ({1: 1, 2: 1, 3: 4, 4: 4}, "place 2")):
        assert sentence in send(browser, cast, places).text
    assert labels(session, cast) == []
    assert session.scalar(select(m.Assignment.state)) is m.AssignmentState.OPEN


def test_a_label_of_another_kind_is_refused(session, cast, as_, add):
    add(3)
    _, assignment = opened(as_("annotator"), cast)
    sent = as_("annotator").submit(
        f"/projects/{cast.project.id}/label", htmx=True, assignment_id=assignment, kind="comparison", answer="left"
    )
    assert sent.status_code == 409
    assert "That answer is to a comparison, and this is a ranking" in sent.text
    assert labels(session, cast) == []


def test_undo_shows_it_and_another_order_replaces_it(session, cast, as_, add):
    add(3)
    browser = as_("annotator")
    send(browser, cast, {1: 1, 2: 2, 3: 2}, htmx=True)
    (first,) = labels(session, cast)
    again = browser.get(f"/projects/{cast.project.id}/label?assignment={first.assignment_id}").text
    assert re.findall(r'selected value="(\d)"', again) == ["1", "2", "2"]
    same = send(browser, cast, {1: 1, 2: 2, 3: 2}, htmx=True, assignment_id=first.assignment_id)
    assert same.status_code == 200
    assert len(labels(session, cast)) == 1
    send(browser, cast, {1: 3, 2: 2, 3: 1}, htmx=True, assignment_id=first.assignment_id)
    session.expire_all()
    old, new = labels(session, cast)
    assert (old.superseded_at is None, new.superseded_at) == (False, None)
    assert better(old) <= {(a, b) for b, a in better(new)}
    history = browser.get(f"/projects/{cast.project.id}/labels/mine/{first.item_id}").text
    assert "Answer 3 &gt; answer 2 &gt; answer 1" in history
    assert "Answer 1 &gt; answer 2 = answer 3" in history
    shown = as_("manager").get(f"/projects/{cast.project.id}/items/{first.item_id}").text
    assert " &gt; ".join("ABC"[new.order[place]] for place in (2, 1, 0)) in shown
    assert as_("manager").get(f"/projects/{cast.project.id}/labels").status_code == 200
    assert as_("manager").get(f"/projects/{cast.project.id}/items").status_code == 200


def test_the_api_takes_a_ranking_as_text(session, cast, client, add):
    add(5)
    headers, base = client.bearer(cast.annotator), f"/api/v1/projects/{cast.project.id}"
    task = client.post(f"{base}/label/next", headers=headers).json()["task"]
    assert (task["kind"], len(task["responses"])) == ("ranking", 5)
    body = {"assignment_id": task["assignment_id"], "kind": "ranking", "answer": "5>4>3=2>2"}
    refused = client.post(f"{base}/label", json=body, headers=headers)
    assert (refused.status_code, refused.json()["errors"]["answer"][:24]) == (422, "Answer 2 is there twice.")
    assert client.post(f"{base}/label", json=body | {"answer": "5>4>3=2>1"}, headers=headers).status_code == 200
    (mine,) = client.get(f"{base}/labels/mine", headers=headers).json()["items"]
    assert mine["value"] == {"kind": "ranking", "tiers": [[4], [3], [1, 2], [0]], "questions": {}}
    assert len(mine["preferences"]) == 10


def test_exports_training_rows_and_quality(session, cast, as_, add):
    train = [add(3, overlap_target=2, slots_left=2) for _ in range(4)]
    held = add(3, split=m.Split.HOLDOUT, overlap_target=2, slots_left=2)
    for who in ("annotator", "manager"):
        for _ in range(5):
            page, _ = opened(as_(who), cast)
            text = re.findall(r"hidden>\n(Text \d) of", page)  # everybody agrees: Text 0, then 1, then 2
            send(as_(who), cast, {n: int(each[-1]) + 1 for n, each in enumerate(text, start=1)})
    assert len(labels(session, cast)) == 10
    for layout, count in (("everything", 10), ("trl", 30), ("trl-conversational", 30), ("sft", 0)):
        assert len(exported(session, cast.project, layout=layout)) == count
    assert [row["raters"] for row in exported(session, cast.project, layout="trl", rows="pairs")] == [2] * 15
    whole = exported(session, cast.project)[0]
    assert (whole["kind"], len(whole["responses"]), len(whole["preferences"])) == ("ranking", 3, 3)
    assert json.loads(whole["value"])["kind"] == "ranking"
    snapshot = snapshots.take(session, cast.project)
    training, holdout = snapshots.training_rows(session, snapshot)
    assert {row["pair_id"] for row in training} == {item.id for item in train}
    assert [row["pair_id"] for row in holdout] == [held.id] * 3
    assert len(training) == 12
    assert all(row["chosen"][5] < row["rejected"][5] and row["preference"] == 1.0 for row in training)
    found = quality._count(session, cast.project.id)
    (kind,) = found.kinds
    assert (kind.kind, kind.labels, kind.agreement.percent, kind.figures[0].value) == ("ranking", 10, 1.0, 1.0)
    for person in found.annotators:  # 15 pairs of 5 labels: their order was drawn five times
        assert (person.left_low, person.left_high) == pytest.approx(wilson((person.left_share or 0) * 5, 5))
    page = as_("manager").get(f"/projects/{cast.project.id}/labels/quality").text
    assert "Kendall’s W 1.00" in page


def test_sampling_draws_as_many_as_are_ranked_and_drops_what_is_the_same(session, cast):
    cast.project.answer = asking({"ranking": {"share": 100, "responses": 5}}, share=0)
    for _ in range(3):
        factories.prompt(session, cast.project)
    run = items.plan_sampling(session, cast.project, automatic=False, count=3)
    assert (run.asked(m.SamplingConfig).settings.n, run.asked(m.SamplingConfig).item_kind) == (5, "ranking")
    texts = (["a", "b", "c", "d", "e"], ["a", "b ", " b", "c", "a"], ["a", "a", "b", "b", "a"])
    made = [
        items.add_sampled(session, run, id_, [[drawn(text) for text in said]])
        for id_, said in zip(run.asked(m.SamplingConfig).prompt_ids, texts, strict=True)
    ]
    assert [each and sorted(response.text.strip() for response in each.responses) for each in made] == [
        ["a", "b", "c", "d", "e"], ["a", "b", "c"], None,
    ]  # fmt: skip


def test_an_attention_check_has_one_foreign_answer_that_must_be_last(session, cast, as_, add):
    for n in range(2):
        prompt = factories.prompt(session, cast.project)
        for k in range(4):
            factories.response(session, prompt, cast.project.base_model, text=f"{n}{k} " + "long enough " * 6)
    add(3)
    cast.project.check_share = 0.5
    assert items.add_checks(session, cast.project, cast.manager, 1) == 1
    check = session.scalars(select(m.Item).where(m.Item.purpose == m.Purpose.CHECK)).one()
    (foreign,) = [n for n, response in enumerate(check.responses) if response.prompt_id != check.prompt_id]
    assert (check.kind, check.expected, len(check.responses)) == ("ranking", {"worst": foreign}, 4)
    order = [3, 1, 0, 2]
    for name, last in (("annotator", foreign), ("manager", (foreign + 1) % 4)):
        lease = factories.assignment(session, check, getattr(cast, name), order=order)
        places = dict(zip((n for n in range(1, 5) if order[n - 1] != last), (1, 2, 3), strict=True))
        places[order.index(last) + 1] = 4
        sent = send(as_(name), cast, places, htmx=True, assignment_id=lease.id)
        assert sent.status_code == 200
        assert ("you missed it" in sent.text) is (last != foreign)
    assert {label.annotator_id: label.passed for label in labels(session, cast)} == {
        cast.annotator.id: True, cast.manager.id: False,
    }  # fmt: skip
    cast.project.answer = asking({"demonstration": {"share": 1}}, share=0)
    with pytest.raises(Conflict, match="no attention checks of what"):
        items.add_checks(session, cast.project, cast.manager, 1)


def mixed(session, cast, add, comparisons, rankings):
    cast.project.answer = asking({"ranking": {"share": 50}}, share=50)
    for _ in range(rankings):
        add(3)
    cast.project.answer = asking({"ranking": {"share": 50}}, share=50)
    for _ in range(comparisons):
        factories.item(session, factories.prompt(session, cast.project), cast.project.base_model)


def work(session, cast, count):
    """The kinds of the items that a person answers one after the other."""
    kinds = []
    for _ in range(count):
        task = leases.claim_item(session, cast.project, cast.annotator)
        kinds.append(task.kind)
        session.get_one(m.Assignment, task.id).state = m.AssignmentState.LABELLED
        session.flush()
    return kinds


def test_mixed_kinds_come_in_blocks_of_ten(session, cast, add):
    mixed(session, cast, add, comparisons=40, rankings=40)
    kinds = work(session, cast, 60)
    assert set(kinds) == {"comparison", "ranking"} or len(set(kinds[:40])) == 1
    changes = [n for n, (one, other) in enumerate(pairwise(kinds), start=1) if one != other]
    assert all(n % 10 == 0 for n in changes)


def test_a_block_holds_up_nobody(session, cast, add):
    mixed(session, cast, add, comparisons=3, rankings=4)
    assert sorted(work(session, cast, 7)) == ["comparison"] * 3 + ["ranking"] * 4
    assert leases.claim_item(session, cast.project, cast.annotator) is None


def test_what_is_urgent_begins_a_block(session, cast, add):
    mixed(session, cast, add, comparisons=12, rankings=2)
    session.scalars(select(m.Item).where(m.Item.kind == "ranking")).first().level = m.Level.EVALUATION
    session.flush()
    assert work(session, cast, 3) == ["ranking", "ranking", "comparison"]


def test_a_new_block_is_announced_and_stays_so_through_a_reload(session, cast, as_, add):
    mixed(session, cast, add, comparisons=0, rankings=3)
    for _ in range(2):
        page, assignment = opened(as_("annotator"), cast)
        assert "Next: rankings, up to ten in a row" in page
    following = send(as_("annotator"), cast, {1: 1, 2: 2, 3: 3}, htmx=True, assignment_id=assignment).text
    assert 'data-kind="ranking"' in following
    assert "up to ten in a row" not in following
    assert blocks.place(session, cast.project, cast.annotator.id) == 2


def test_the_shares_decide_what_is_sampled(session, cast, add):
    mixed(session, cast, add, comparisons=10, rankings=0)
    cast.project.answer = asking({"ranking": {"share": 25}}, share=75)
    cast.project.queue_depth = 20
    for _ in range(30):
        factories.prompt(session, cast.project)
    run = items.plan_sampling(session, cast.project)
    assert (run.asked(m.SamplingConfig).item_kind, len(run.asked(m.SamplingConfig).prompt_ids)) == ("comparison", 5)
    run.state = m.RunState.SUCCEEDED
    for _ in range(5):
        factories.item(session, factories.prompt(session, cast.project), cast.project.base_model)
    run = items.plan_sampling(session, cast.project)
    assert (run.asked(m.SamplingConfig).item_kind, len(run.asked(m.SamplingConfig).prompt_ids)) == ("ranking", 5)


def test_what_shows_no_answer_is_put_into_the_queue_as_it_is(session, cast):
    cast.project.answer = asking({"demonstration": {"share": 1, "start": "write"}}, share=0)
    prompts = {factories.prompt(session, cast.project).id for _ in range(3)}
    assert items.plan_sampling(session, cast.project) is None
    made = session.scalars(select(m.Item).where(m.Item.project_id == cast.project.id)).all()
    assert {item.prompt_id for item in made} == prompts
    assert {(item.kind, len(item.responses)) for item in made} == {("demonstration", 0)}
