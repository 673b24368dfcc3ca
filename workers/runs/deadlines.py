"""How long a claim on a run holds without a word. The sums that keep two trainers from one run stand here alone.

A worker beats every second and notes when it *sent* the last beat that the database acknowledged. Its child may work
until LEASE_SECONDS after that moment: the worker kills it then, and the child, which is told that time with each good
beat, ends itself, whichever of the two is awake (`workers.runs.lease`, `rlhf.lease`). The run is given to another
worker STALE after the same beat *arrived*, which is later than it was sent. So between the end of one child and the
begin of the next lie at least STALE - LEASE_SECONDS = 5 seconds, for a machine so busy that a signal or a thread comes
late.

Lease and beats are timed by clocks that nobody sets and that go on while a process is stopped. What must hold even if
all of this fails (a machine that was frozen as a whole, say) does not depend on time: each attempt writes into a folder
of its own (`workers.runs.workspace`), and into the database under its claim.
"""

from datetime import timedelta

BEAT_SECONDS = 1.0
LEASE_SECONDS = 10.0
STALE = timedelta(seconds=15)
