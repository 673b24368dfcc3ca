"""When a worker's silence means nothing: after a time in which nobody could be heard, or could be timed."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rlhf.lease import clock
from workers.runs.deadlines import LEASE_SECONDS, STALE


class Patience:
    """Says whether silent runs may be taken from their workers now.

    While the database is away no worker can beat, and once its clock is set each beat is of another time: then
    everybody is given `STALE` to be heard again.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._last: tuple[float, float] | None = None  # our clock, and the database's

    def begin(self) -> None:
        """The database has been away."""
        self._until = clock() + STALE.total_seconds()

    def over(self, session: Session) -> bool:
        """Whether silence means something. Looks whether the database's clock has gone as ours has since last time."""
        ours = clock()
        theirs = float(session.scalars(select(func.extract("epoch", func.clock_timestamp()))).one())
        if self._last is not None and abs((theirs - self._last[1]) - (ours - self._last[0])) > LEASE_SECONDS / 2:
            self.begin()
        self._last = (ours, theirs)
        return ours >= self._until
