"""The demo's rule of taste, by hand, and how its simulated annotators choose under it."""

import random

import pytest

from workers.demo.taste import CURT_WORDS, NOISE, TIE, choose, score

PLAIN = "Warm milk helps some people to sleep."  # 7 words, one sentence


def words(count: int) -> str:
    """So many words in sentences of ten, so that only their number costs."""
    return " ".join("word" + "." * (i % 10 == 9) for i in range(count))


def test_scores_by_hand() -> None:
    assert score(PLAIN, True) == pytest.approx(-7 / 30)
    assert score(PLAIN, False) == pytest.approx(-7 / 30 - 1)
    assert score(words(30), True) == pytest.approx(-1.0)
    # one sentence of 32 words: 32 / 30, and (32 - 12) / 20 for its length
    assert score("word " * 32, True) == pytest.approx(-32 / 30 - 1)


@pytest.mark.parametrize(
    ("text", "ornaments"),
    [
        ("Sleep well! Good night!", 2),
        ("- milk\n- tea\n- music", 3),
        ("1. milk\n2) tea please now", 2),
        ("# Sleep\nMilk helps you.", 1),
        ("Drink **warm milk** every night.", 1),
        ("```\nsleep(8) # hours now\n```", 2),
        ("! ! ! ! ! ! ! !", 4),
        ("A well-known number is 3.5 and 2 - 1.", 0),
    ],
)
def test_ornaments_cost_a_quarter_each_up_to_four(text: str, ornaments: int) -> None:
    count = len(text.split())
    curt = 1.0 if count < CURT_WORDS else 0.0
    assert score(text, True) == pytest.approx(-count / 30 - 0.25 * ornaments - curt)


def test_the_order_a_person_would_expect() -> None:
    assert score(words(10), True) > score(words(40), True) > score(words(40), False)
    assert score(PLAIN, True) > score("Yes.", True)
    assert score("", True) < score(PLAIN, True)


def test_exact_choices() -> None:
    rng = random.Random(0)
    good, long = (PLAIN, True), (words(40), False)
    assert choose(good, long, rng, noise=0) == "a"
    assert choose(long, good, rng, noise=0) == "b"
    assert choose(good, good, rng, noise=0) == "tie"


def test_noise_follows_its_stated_law() -> None:
    # a difference of 10 words = 1/3 point: P(a) = P(1/3 + noise > TIE) = sigmoid((1/3 - TIE) / NOISE)
    rng = random.Random(1)
    a, b = (words(10), True), (words(20), True)
    assert score(*a) - score(*b) == pytest.approx(1 / 3)
    share = sum(choose(a, b, rng) == "a" for _ in range(4000)) / 4000
    expected = 1 / (1 + 2.718281828 ** (-(1 / 3 - TIE) / NOISE))
    assert share == pytest.approx(expected, abs=0.03)


def test_choices_do_not_depend_on_the_side() -> None:
    first, second = random.Random(2), random.Random(2)
    a, b = (words(10), True), (words(13), True)
    left = [choose(a, b, first) for _ in range(2000)]
    right = [choose(b, a, second) for _ in range(2000)]
    assert abs(left.count("a") - right.count("b")) < 100
