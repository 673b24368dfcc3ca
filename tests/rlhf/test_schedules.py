import pytest

from rlhf.schedules import cosine_decay, linear_decay


def test_linear_decay_by_hand() -> None:
    assert [linear_decay(done, 4) for done in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_cosine_decay_by_hand() -> None:
    assert [cosine_decay(done, 4) for done in range(5)] == pytest.approx([1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)
    assert [cosine_decay(done, 6, warmup=2) for done in (0, 1, 2, 4)] == pytest.approx([1 / 3, 2 / 3, 1, 0.5])
