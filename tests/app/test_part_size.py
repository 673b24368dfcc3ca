"""A part follows how long the last one took; the numbers are worked out by hand."""

import pytest

from app.part_size import PartSize


def test_a_part_that_took_too_long_is_cut_at_once():
    size = PartSize(100)
    size.took(3.0)  # ten times what is aimed at
    assert size.rows == 10
    size.took(0.4)
    assert size.rows == 7
    size.took(300)
    assert size.rows == 5, "a twentieth of the first: what takes time then is something else"
    size.took(300)
    assert size.rows == 5


def test_a_part_is_a_row_at_least():
    size = PartSize(3)
    size.took(300)
    assert size.rows == 1


def test_it_grows_by_twice_at_most_and_stays_within_bounds():
    size, rows = PartSize(100), []
    for _ in range(6):
        size.took(0.0)
        rows.append(size.rows)
    assert rows == [200, 400, 800, 1600, 2000, 2000]
    size.took(0.25)
    assert size.rows == 2000
    size.took(0.6)
    assert size.rows == 1000


def test_one_row_grows_again():
    size = PartSize(1)
    size.took(0.2)
    assert size.rows == 1, "1.5 rows are none too many"
    size.took(0.1)
    assert size.rows == 2


@pytest.mark.parametrize("cost", [0.0001, 0.003, 0.05, 2.0])
def test_it_settles_where_a_part_takes_what_is_aimed_at(cost: float):
    """Rows of one cost each, on a machine that becomes four times slower."""
    size = PartSize(200)
    for slower in (1, 4):
        for _ in range(12):
            size.took(size.rows * cost * slower)
        took = size.rows * cost * slower
        assert took <= 0.3 or size.rows == 10
        assert took > 0.15 or size.rows == 4000
