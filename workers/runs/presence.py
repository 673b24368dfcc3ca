"""Workers say in Redis that they are there, as `app.web.presence` reads it.

For /healthz and the pages' list of workers. Runs do not depend on it: they beat on their rows.
"""

import json
import logging
import os
import shutil
import subprocess
from contextlib import suppress
from functools import lru_cache
from threading import Event, Thread
from typing import Any

import psutil
import redis

from app.settings import get_settings
from app.web.presence import EVERY, KEPT, KEY
from rlhf.runtime import available_cores

log = logging.getLogger(__name__)


@lru_cache
def gpus() -> tuple[str, ...]:
    """Names of the NVIDIA devices."""
    return tuple(_ask_of_gpus("name"))


def _ask_of_gpus(fields: str) -> list[str]:
    """A line for each device, from the driver: importing torch takes seconds and memory."""
    if not (tool := shutil.which("nvidia-smi")):
        return []
    command = [tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def device() -> str:
    """What this machine computes on, for people."""
    cores = available_cores()
    return gpus()[0] if gpus() else f"CPU, {cores} core{'s' if cores > 1 else ''}"


def memory() -> dict[str, int]:
    """Bytes in use and in all: of the NVIDIA devices together, or of a machine that has none."""
    if gpus():
        lines = [line.split(",") for line in _ask_of_gpus("memory.used,memory.total")]
        return {"used": sum(int(used) for used, _ in lines) << 20, "total": sum(int(total) for _, total in lines) << 20}
    machine = psutil.virtual_memory()
    return {"used": machine.total - machine.available, "total": machine.total}


def announce(name: str, queues: list[str], stopping: Event) -> None:
    """Keep this worker's key fresh until it stops."""
    Thread(target=_announce, args=(name, queues, stopping), name="presence", daemon=True).start()


def _announce(name: str, queues: list[str], stopping: Event) -> None:
    key = f"{KEY}{name}"
    about: dict[str, Any] = {"queues": queues, "device": device(), "pid": os.getpid()}
    with redis.Redis.from_url(str(get_settings().redis_url), socket_timeout=5) as client:
        while not stopping.is_set():
            try:
                with suppress(subprocess.TimeoutExpired, ValueError):  # a driver that hangs, or does not know
                    about["memory"] = memory()
                client.set(key, json.dumps(about), ex=KEPT)
            except redis.RedisError as error:
                log.warning("could not announce this worker: %s", error)
            stopping.wait(EVERY)
        with suppress(redis.RedisError):  # it expires
            client.delete(key)
