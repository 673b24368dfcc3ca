"""Axes of any values: ticks that are apart, within the axis, and tell each other apart in words."""

from hypothesis import given
from hypothesis import strategies as st

from app.models import Model
from app.policies.tree import reward_against_kl
from app.web.filters import decimal, figure
from app.web.plots import digits, reach, steps

values = st.floats(-1e100, 1e100)


@given(st.lists(values, min_size=1))
def test_ticks_of_any_values(given: list[float]) -> None:
    low, high = reach(given)
    assert low <= min(given)
    assert max(given) <= high
    ticks = steps(low, high)
    assert 2 <= len(ticks) <= 11
    assert all(low - 1e-6 * (high - low) <= tick <= high + 1e-6 * (high - low) for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert digits(ticks) >= 0


def test_ticks_are_round_numbers() -> None:
    assert steps(0, 10) == [0, 2, 4, 6, 8, 10]
    assert steps(-0.22, 0.98) == [-0.2, 0.0, 0.2, 0.4, 0.6, 0.8]  # not the two of 0 and 0.5
    ticks = steps(-0.13, 0.32)
    assert [decimal(tick, digits(ticks)) for tick in ticks] == ["-0.1", "0.0", "0.1", "0.2", "0.3"]


def _policy(kl: float | None, before: float, after: float) -> Model:
    return Model(name="Policy 1", metrics={"kl": kl, "reward_before": before, "reward_after": after})


@given(values, values, values)
def test_any_policy_has_its_place(kl: float, before: float, after: float) -> None:
    """An estimate of a small KL can be below zero, or of the size of rounding."""
    plot = reward_against_kl([_policy(kl, before, after)])
    assert plot
    assert plot.left <= plot.points[0].x <= plot.right


def test_the_smallest_and_negative_kl() -> None:
    for kl in (-1e-9, 0.0, 1e-300, 1e-13):
        assert reward_against_kl([_policy(kl, 0.1, 0.1 + 1e-17)])


def test_without_a_kl_there_is_no_picture() -> None:
    assert reward_against_kl([_policy(None, 0.1, 0.2)]) is None


def test_what_was_counted_has_no_decimals_and_what_was_measured_has_four() -> None:
    found = [figure(number) for number in (1280.0, 12_800.0, 1.0, 0.87641, 4.8, 0.0, 1e-7, -3.0, None)]
    assert found == ["1\u202f280", "12\u202f800", "1.0000", "0.8764", "4.8000", "0.0000", "1.0e-07", "-3", "–"]
