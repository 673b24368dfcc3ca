"""Which holdout rows choose a checkpoint, and which report on it."""

from collections.abc import Iterable
from typing import Any


def parts(rows: Iterable[dict[str, Any]], *, report: str, choose: str) -> dict[str, list[dict[str, Any]]]:
    """The rows under the names of the settings that are to report on a checkpoint and to choose it, by each row's
    "chooses". Where all are on one side, as may be of very few, they report, and choose what they can."""
    given = list(rows)
    found = {report: [row for row in given if not row["chooses"]], choose: [row for row in given if row["chooses"]]}
    return found if all(found.values()) else ({report: given} if given else {})
