"""What a project's head learns from: labels and features, read from the database. Knows nothing of when.

What a running head holds is what a start would read: at once for new labels, and by `check` whatever came or went.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.items import queue
from app.rewards import head_queries
from app.rewards.head_queries import Features
from rlhf.feature_space import FEWEST, FeatureSpace, usable
from workers.heads.head import MOST_LABELS, Head
from workers.heads.measure import Floats
from workers.heads.rows import Stated

MOST_WAITING = 2000
MOST_READ = 4000  # responses that a space of features is made of, and preferences that they are looked for in
LATE = 200  # labels before the newest among which one may still appear: transactions end in any order


@dataclass
class Kept:
    """A head with where its labels and features come from."""

    project_id: int
    model_id: int
    scored: int  # the scoring run after which features were last read
    deleted: datetime | None  # when labels had last been deleted: what was learned from them must not stay
    most: int = MOST_LABELS
    head: Head | None = None
    space: FeatureSpace | None = None
    last: int = 0  # its newest label
    behind: bool = False  # there are newer ones
    due: float = 0.0
    check_due: float = 0.0
    checked: int = 0  # its newest label when what it holds was last compared
    written: float = 0.0  # when it was
    fresh: bool = True  # there is something to write
    vectors: dict[int, Floats | None] = field(default_factory=dict)  # of responses that wait
    unusable: set[int] = field(default_factory=set)  # responses whose features are not finite


def begin(session: Session, kept: Kept) -> None:
    """A space of features: the one that is written down, or a new one of the responses that wait or were labelled."""
    written = head_queries.head(session, kept.project_id)
    if written is not None and written.model_id == kept.model_id and written.space is not None:
        kept.space = FeatureSpace.from_bytes(written.space)
    else:
        rows = head_queries.preferences_after(session, kept.project_id, 0, MOST_READ)  # anew while there are too few
        ids = {each for row in rows for each in (row.first, row.second)}
        ids |= {each for item in queue.waiting(session, kept.project_id, MOST_WAITING) for each in item.responses}
        found = list(head_queries.features(session, kept.model_id, sorted(ids)[-MOST_READ:]))
        states, tokens, good = _states(kept, found)
        if good.sum() < FEWEST:
            return
        try:
            fitted = FeatureSpace.fit(states[good], tokens[good])
        except ValueError:  # they are all the same
            return
        kept.space = FeatureSpace.from_bytes(fitted.to_bytes())  # to the bit what a restart will read
    kept.head = Head(kept.space.size, kept.most)


def _states(kept: Kept, found: Sequence[Features]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """States (n, width) of responses, their lengths (n,) and which can be used. Those of another width than most are
    left out: they are of another trunk."""
    widths = Counter(len(each.states) for each in found)
    found = [each for each in found if len(each.states) == widths.most_common(1)[0][0]]
    states = np.frombuffer(b"".join(each.states for each in found), dtype="<f2").astype(np.float64)
    states = states.reshape(len(found), -1) if found else np.zeros((0, 1))
    tokens = np.array([float(each.tokens) for each in found])
    good = usable(states, tokens)
    kept.unusable |= {each.response_id for each, fine in zip(found, good, strict=True) if not fine}
    return states, tokens, good


def vectors(session: Session, kept: Kept, response_ids: Sequence[int]) -> dict[int, Floats]:
    """The head's features of responses that have some it can use."""
    if kept.space is None:
        return {}
    read: dict[int, Floats] = {}
    width = 2 * len(kept.space.centre)
    for start in range(0, len(response_ids), head_queries.AT_ONCE):
        found = head_queries.features(session, kept.model_id, response_ids[start : start + head_queries.AT_ONCE])
        own = [each for each in found if len(each.states) == width]
        if not own:
            continue
        states, tokens, good = _states(kept, own)
        ids = [each.response_id for each, fine in zip(own, good, strict=True) if fine]
        read |= zip(ids, kept.space(states[good], tokens[good]), strict=True)
    return read


def learn(session: Session, kept: Kept, head: Head) -> None:
    """Learn the labels that are new."""
    since = max(kept.last - LATE, head.oldest, 0)
    known = [id_ for id_ in range(since + 1, kept.last + 1) if id_ in head.labels]
    rows = head_queries.preferences_after(session, kept.project_id, since, kept.most + 1, known)
    checked = head_queries.checks_after(session, kept.project_id, max(kept.last - LATE, 0))
    kept.last = max([kept.last, *(row.label_id for row in (*rows[-1:], *checked[-1:]))])
    if len(rows) > kept.most:  # the first label is too old, and may not be here whole
        head.oldest = rows[0].label_id
        rows = [row for row in rows if row.label_id > head.oldest]
    head.take(rows, _shown(session, kept, rows), checked)
    kept.fresh = kept.fresh or bool(rows)


def check(session: Session, kept: Kept, head: Head) -> None:
    """Hold the labels that a start would read now, and fit them exactly.

    Some go without a new one (an import is taken out, a chat's choice withdrawn), and of a long transaction some come
    long after others that are newer.
    """
    standing = head_queries.standing(session, kept.project_id, kept.most + 1)
    whole = set(standing) - ({standing[-1]} if len(standing) > kept.most else set())
    head.keep(whole)
    rows = head_queries.preferences_of(session, kept.project_id, sorted(whole - head.labels))
    checked = head_queries.checks_after(session, kept.project_id, max(kept.checked - LATE, 0))
    head.take(rows, _shown(session, kept, rows), checked)
    kept.checked = kept.last
    if not head.exact:
        head.refit()
        kept.fresh = True


def _shown(session: Session, kept: Kept, rows: Sequence[Stated]) -> dict[int, Floats]:
    """The head's features of what these compare; those that wait, or did just now, need not be read again."""
    shown = {each for row in rows for each in (row.first, row.second)}
    waited = {id_: vector for id_ in shown if (vector := kept.vectors.get(id_)) is not None}
    return waited | vectors(session, kept, sorted(shown - waited.keys()))
