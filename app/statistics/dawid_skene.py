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
    said = person * classes + label
    # A row for each class, since what lies side by side is added up fastest.
    belief = np.stack([np.bincount(item[label == true], minlength=items) for true in range(classes)]).astype(float)
    belief /= belief.sum(axis=0)
    shares, errors = belief.mean(axis=1), np.zeros((classes, people, classes))
    for turn in range(rounds):
        errors = np.stack([np.bincount(said, row[item], people * classes) for row in belief])
        errors = errors.reshape(classes, people, classes) + prior * np.eye(classes)[:, None]
        errors /= np.maximum(errors.sum(axis=2, keepdims=True), 1e-300)
        shares, before = belief.mean(axis=1), shares
        each = np.log(np.maximum(errors, 1e-300)).reshape(classes, -1)
        log = np.stack([np.bincount(item, row[said], items) for row in each])
        log += np.log(np.maximum(shares, 1e-300))[:, None]
        belief = np.exp(log - log.max(axis=0))
        belief /= belief.sum(axis=0)
        if turn and float(np.abs(shares - before).max()) < tolerance:
            break
    return Fit(belief.T, shares, errors.transpose(1, 0, 2))
