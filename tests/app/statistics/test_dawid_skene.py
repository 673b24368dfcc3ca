"""Dawid and Skene's own example, and planted people."""

import numpy as np
import pytest

from app.statistics.dawid_skene import fit

# Table 1 of the paper: 45 patients by five anaesthetists, the first of whom saw each three times.
SEEN = """
111-1-1-1-1 333-4-3-3-4 112-2-1-2-2 222-3-1-2-1 222-3-2-2-2 222-3-3-2-2 122-2-1-1-1 333-3-4-3-3 222-2-2-2-3
232-2-2-2-3 444-4-4-4-4 222-3-3-4-3 111-1-1-1-1 222-3-2-1-2 121-1-1-1-1 111-2-1-1-1 111-1-1-1-1 111-1-1-1-1
222-2-2-2-1 222-1-3-2-2 222-2-2-2-2 222-2-2-2-1 222-3-2-2-2 221-2-2-2-2 111-1-1-1-1 111-1-1-1-1 232-2-2-2-2
111-1-1-1-1 111-1-1-1-1 112-1-1-2-1 111-1-1-1-1 333-3-2-3-3 111-1-1-1-1 222-2-2-2-2 222-3-2-3-2 433-4-3-4-3
221-2-2-3-2 232-3-2-3-3 333-3-4-3-2 111-1-1-1-1 111-1-1-1-1 121-2-1-1-1 232-2-2-2-2 121-1-1-1-1 222-2-2-2-2
"""


def test_as_published() -> None:
    votes = [
        (patient, observer, int(grade) - 1)
        for patient, given in enumerate(SEEN.split())
        for observer, grades in enumerate(given.split("-"))
        for grade in grades
    ]
    found = fit(*np.array(votes).T, 4, rounds=1000, tolerance=1e-10)
    # Table 2 of the paper: how common each class is, and the first observer's errors.
    assert found.shares == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    assert found.errors[0][0] == pytest.approx([0.89, 0.11, 0.0, 0.0], abs=0.006)
    assert found.errors[0][1] == pytest.approx([0.07, 0.88, 0.05, 0.0], abs=0.006)
    assert found.errors[0][2] == pytest.approx([0.0, 0.34, 0.66, 0.0], abs=0.04)
    assert found.classes[0] == pytest.approx([1, 0, 0, 0], abs=1e-4)
    assert found.classes.sum(axis=1) == pytest.approx(np.ones(45))


def test_planted_people_are_found() -> None:
    random = np.random.default_rng(0)
    truth, care = random.integers(0, 3, 600), [0.9, 0.8, 0.6, 0.34]
    votes = [
        (item, who, true if random.random() < care[who] else (true + random.integers(1, 3)) % 3)
        for item, true in enumerate(truth)
        for who in range(4)
    ]
    found = fit(*np.array(votes).T, 3)
    assert [found.right(who) for who in range(4)] == pytest.approx(care, abs=0.06)
    assert (found.classes.argmax(axis=1) == truth).mean() > 0.9
