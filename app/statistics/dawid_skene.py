"""Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm": what each of
several people says, given what is true, where nobody knows what is true."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """`classes` (items, classes): how likely each class is the item's; `shares` (classes,): how common each is;
    `errors` (people, classes, labels): how often a person gives each label, by what is true."""

    classes: Floats
    shares: Floats
    errors: Floats

    def right(self, person: int) -> float:
        """How often a person's label is what is true."""
        return float(self.shares @ np.diag(self.errors[person]))


def fit(
    item: NDArray[np.int64], person: NDArray[np.int64], label: NDArray[np.int64], classes: int,
    *, prior: float = 0.0, rounds: int = 100, tolerance: float = 1e-6,
) -> Fit:  # fmt: skip
    """EM from the mean of an item's labels, until shares move by less than `tolerance`.

    item, person, label: (labels,), each from 0 on. prior: so many labels on the diagonal that each person is taken
    to have given beforehand; without it a person of few labels is never or always right.
    """
    items, people = int(item.max()) + 1, int(person.max()) + 1
    belief = _sums(item * classes + label, None, items * classes).reshape(items, classes)
    belief /= belief.sum(axis=1, keepdims=True)
    shares, errors = belief.mean(axis=0), np.zeros((people, classes, classes))
    for turn in range(rounds):
        found = [_sums(person * classes + label, belief[item, true], people * classes) for true in range(classes)]
        errors = np.stack(found).reshape(classes, people, classes).transpose(1, 0, 2) + prior * np.eye(classes)
        errors /= np.maximum(errors.sum(axis=2, keepdims=True), 1e-300)
        shares, before = belief.mean(axis=0), shares
        each = np.log(np.maximum(errors, 1e-300))[person, :, label]
        log = np.log(np.maximum(shares, 1e-300)) + np.stack([_sums(item, column, items) for column in each.T], axis=1)
        belief = np.exp(log - log.max(axis=1, keepdims=True))
        belief /= belief.sum(axis=1, keepdims=True)
        if turn and float(np.abs(shares - before).max()) < tolerance:
            break
    return Fit(belief, shares, errors)


def _sums(place: NDArray[np.int64], values: Floats | None, places: int) -> Floats:
    """The sum of the values at each place; of ones without them."""
    return np.bincount(place, values, places).astype(float)
