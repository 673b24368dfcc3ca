"""Ports for the servers that tests and benches start.

Not those that the system gives away: a port that a connection of anybody leaves from cannot be listened on until that
connection ends, and a server takes its port seconds after it was chosen."""

import random
import socket
from contextlib import ExitStack

_OURS = range(10_000, 32_000)  # below net.ipv4.ip_local_port_range
_draw = random.SystemRandom()  # Hypothesis and tests seed the common one, and two processes would choose alike


def free_port() -> int:
    """A port that is free, and whose successor is: `hone up` takes both."""
    while True:
        port = _draw.choice(_OURS)
        try:
            with ExitStack() as held:
                for each in (port, port + 1):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", each))
        except OSError:
            continue
        return port
