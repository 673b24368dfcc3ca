"""Which of the scheduling processes leads: a lease in the database, by the database's clock.

Each change is one statement that stands alone, so that a leader that is cut off in the middle holds no lock on it.
"""

import os
import secrets
import time

from sqlalchemy import Connection, func, or_, update

from app.db import get_engine
from app.models import Scheduler

LEASE = 10.0  # seconds that it lasts; another process takes over after that


class Lease:
    """This process's part in it."""

    def __init__(self) -> None:
        self.name = f"{os.uname().nodename}:{os.getpid()}:{secrets.token_hex(4)}"
        self._taken = 0.0

    def take(self) -> bool:
        """Begin to lead, or go on; False where another process does."""
        asked = time.monotonic()
        until = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, LEASE)
        free = or_(Scheduler.leads_until.is_(None), Scheduler.leads_until < func.clock_timestamp())
        statement = update(Scheduler).where(or_(Scheduler.leader == self.name, free))
        with _alone() as connection:
            mine = connection.execute(statement.values(leader=self.name, leads_until=until)).rowcount == 1
        self._taken = asked if mine else 0.0
        return mine

    def holds(self) -> bool:
        """Whether it still leads, renewed in time; one that was stopped for a while finds that it does not."""
        return time.monotonic() - self._taken < LEASE / 3 or self.take()

    @property
    def held(self) -> bool:
        """Whether it led when that was last looked at, not longer ago than a lease lasts."""
        return time.monotonic() - self._taken < LEASE

    def note_sweep(self) -> None:
        """Everything was done once more."""
        with _alone() as connection:
            connection.execute(
                update(Scheduler).where(Scheduler.leader == self.name).values(swept_at=func.clock_timestamp())
            )

    def give_back(self) -> None:
        """Let another process lead at once."""
        with _alone() as connection:
            connection.execute(
                update(Scheduler).where(Scheduler.leader == self.name).values(leads_until=func.clock_timestamp())
            )


def _alone() -> Connection:
    return get_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
