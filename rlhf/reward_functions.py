"""Rewards from a function of your own, `module:function`, in a process of its own.

The function gets a list of prompts, each a list of messages, and the list of their responses, as texts, and returns a
list of numbers, one for each. In a process of its own it can be ended when it takes too long, and what it does to
random generators, threads or the standard output is nothing to a training. The process imports from the folder that
the command was started in.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from rlhf.config import InputError
from rlhf.types import Messages

START_SECONDS = 120.0  # to import the function's module, which may load a model


class RewardFunction:
    """A function at work. Raises InputError, naming it, wherever it does not give a finite number for each response.

    timeout: seconds that it may take for a batch.
    """

    def __init__(self, source: str, timeout: float) -> None:
        self.source, self.timeout = source, timeout
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rlhf.reward_worker", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._rest = b""
        self._reply(max(timeout, START_SECONDS), "to be imported")

    def __call__(self, prompts: Sequence[Messages], responses: Sequence[str]) -> list[float]:
        """One number for each response."""
        if not responses:
            return []
        assert self._process.stdin is not None  # noqa: S101 - a pipe, as it was started
        line = json.dumps({"prompts": list(prompts), "responses": list(responses)}) + "\n"
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError:
            raise self._failed("its process has ended") from None
        found = self._reply(self.timeout, f"for {len(responses)} responses; make it faster, or raise --reward_timeout")
        scores = found["scores"]
        if len(scores) != len(responses):
            raise self._failed(f"it gave {len(scores)} numbers for {len(responses)} responses")
        for place, score in enumerate(scores):
            if not math.isfinite(score):
                raise self._failed(f"it gave {score} for the response {responses[place][:60]!r}")
        return [float(score) for score in scores]

    def close(self) -> None:
        """End its process."""
        self._process.kill()
        self._process.wait()

    def _reply(self, seconds: float, what: str) -> dict[str, Any]:
        """Its next line, within so many seconds."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as it was started
        deadline, file = time.monotonic() + seconds, self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(file, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.close()
                    raise self._failed(f"it took longer than {seconds:g} seconds {what}")
                read = os.read(file.fileno(), 1 << 16)
                if not read:
                    raise self._failed(f"its process ended with code {self._process.wait()}")
                self._rest += read
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise self._failed(found["error"])
        return found

    def _failed(self, why: str) -> InputError:
        return InputError(f"the reward function {self.source} cannot be used: {why}")
