"""Rankings: what is read, what follows from it, and how far people agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import models as m
from app.annotation import RawLabel
from app.annotation.ranking import RANKING, RankingValue
from app.annotation.ranking.concordance import kendalls_w, ranks_of
from app.web.errors import Invalid
from tests.asking import asking

FIRST, SECOND, TIE = m.Outcome.FIRST, m.Outcome.SECOND, m.Outcome.TIE


def read(answer="", ties=True, **fields):
    places = {name.removeprefix("p"): place for name, place in fields.items()}
    return RANKING.read(asking({"ranking": {"share": 100, "ties": ties}}), RawLabel(answer, places))


def test_a_text_and_places_say_the_same():
    tiers = ((1,), (0, 2), (3,))
    assert read("2>1=3>4").tiers == read("2>3=1>4").tiers == tiers
    assert read(p1="2", p2="1", p3="2", p4="4").tiers == tiers
    assert read(p1="2", p2="1", p3="2", p4="3").tiers == tiers
    assert read("1=2=3").tiers == ((0, 1, 2),)


@pytest.mark.parametrize(
    ("answer", "places", "sentence"),
    [
        ("2>2>1>3", {}, "Answer 2 is there twice"),
        ("1>2>4", {}, "Answer 3 has no place yet"),
        ("1>2", {}, "3 to 8 answers, not 2"),
        ("best", {}, "such as 2>1=3>4"),
        ("0>1>2>3", {}, "such as 2>1=3>4"),
        ("1>2>" + "3" * 5000, {}, "such as 2>1=3>4"),
        ("1>2>3>4>5>6>7>8>9", {}, "3 to 8 answers, not 9"),
        ("", {"p1": "1", "p2": "", "p3": "2"}, "Answer 2 has no place yet"),
        ("", {"p1": "1", "p3": "2", "p4": "3"}, "Answer 2 has no place yet"),
        ("", {"p1": "1", "p2": "1", "p3": "4", "p4": "4"}, "No answer has place 2"),
        ("", {"p1": "2", "p2": "3", "p3": "3"}, "No answer has place 1"),
        ("", {"p1": "1", "p2": "2", "p3": "9"}, "a place from 1 to 3"),
        ("", {"p1": "1", "p2": "2", "p3": "x"}, "a place from 1 to 3"),
        ("", {"p1": "1", "p2": "2", "p3": "3", "p9": "4"}, "no answer '9'"),
        ("", {}, "3 to 8 answers, not 0"),
    ],
)
def test_a_place_twice_missing_or_odd_is_a_sentence(answer, places, sentence):
    with pytest.raises(Invalid, match=sentence):
        read(answer, **places)


def test_ties_only_where_the_project_takes_them():
    with pytest.raises(Invalid, match="put answers 1 and 3 one after the other"):
        read("2>1=3>4", ties=False)
    assert read("2>1>3>4", ties=False).tiers == ((1,), (0,), (2,), (3,))


def test_another_number_of_answers_than_is_shown():
    with pytest.raises(Invalid, match="shows 4 answers, and 3 have a place"):
        RANKING.settle(read("1>2>3"), ["a", "b", "c", "d"])


def test_each_two_are_a_preference():
    stated = {(each.first, each.second): each.outcome for each in RANKING.to_preferences(read("2>1=3>4"))}
    assert stated == {
        (0, 1): SECOND, (0, 2): TIE, (0, 3): FIRST, (1, 2): FIRST, (1, 3): FIRST, (2, 3): FIRST,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "expected", "passes"),
    [
        ("2>1=3>4", {"worst": 3}, True),
        ("2>1>3=4", {"worst": 3}, False),
        ("4>1>3>2", {"worst": 3}, False),
        ("4>1>3>2", {"best": 3}, True),
        ("4=1>3>2", {"best": 3}, False),
    ],
)
def test_an_attention_check_names_the_best_or_the_worst(answer, expected, passes):
    assert RANKING.passes(read(answer), [0, 1, 2, 3], expected) is passes


def test_a_check_is_read_in_the_order_that_was_shown():
    assert RANKING.passes(read("1>2>3"), [2, 0, 1], {"worst": 1})


orders = st.integers(3, 8).flatmap(
    lambda n: st.tuples(st.permutations(range(n)), st.lists(st.booleans(), min_size=n - 1, max_size=n - 1))
)


@given(orders)
def test_a_ranking_is_itself_again_from_its_form(drawn):
    order, equal = drawn
    tiers = [[order[0]]]
    for place, same in zip(order[1:], equal, strict=True):
        tiers[-1].append(place) if same else tiers.append([place])
    value = RankingValue(tiers=tuple(tuple(sorted(tier)) for tier in tiers))
    settings = asking({"ranking": {"share": 1}})
    assert RANKING.read(settings, RANKING.raw(value)) == value
    words = value.said(lambda place: str(place + 1))[0].words.replace(" ", "")
    assert RANKING.read(settings, RawLabel(words)) == value
    rank = ranks_of(value.tiers)
    assert sum(rank) == pytest.approx(len(rank) * (len(rank) + 1) / 2)
    for each in RANKING.to_preferences(value):
        said = {FIRST: rank[each.first] < rank[each.second], TIE: rank[each.first] == rank[each.second]}
        assert said.get(each.outcome, rank[each.first] > rank[each.second])


def test_kendalls_w_by_hand():
    # Rank sums 4, 6, 8, 12 about 7.5: S = 35; 12 * 35 / (9 * 60).
    assert kendalls_w([[1, 2, 3, 4], [1, 3, 2, 4], [2, 1, 3, 4]]) == pytest.approx(420 / 540)
    # Rank sums 2, 4.5, 5.5 about 4: S = 6.5; one group of two ties: 12 * 6.5 / (4 * 24 - 2 * 6).
    assert kendalls_w([[1, 2.5, 2.5], [1, 2, 3]]) == pytest.approx(78 / 84)
    assert kendalls_w([[1, 2, 3], [1, 2, 3]]) == 1.0
    assert kendalls_w([[1, 2, 3], [3, 2, 1]]) == 0.0
    assert kendalls_w([[2, 2, 2], [2, 2, 2]]) is None
    assert kendalls_w([[1, 2, 3]]) is None


def test_people_who_saw_different_orders_are_compared_by_position():
    both = [(read("1>2>3"), [2, 0, 1]), (read("3>1>2"), [0, 1, 2])]  # both: position 2, then 0, then 1
    (figure,) = RANKING.figures([both])
    assert (figure.name, figure.value) == ("Kendall’s W", 1.0)
