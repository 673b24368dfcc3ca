"""The Celery tasks: each takes ids, calls one function, and holds no rules."""

from celery import shared_task

from workers.runs.celery_app import stopping, worker_name
from workers.runs.presence import device


@shared_task(name="hone.execute_run")
def execute_run(run_id: int) -> None:
    """Execute a run unless another worker holds it."""
    from workers.runs.execution import execute

    execute(run_id, worker_name(), device(), stopping)


@shared_task(name="hone.measure_storage")
def measure_storage() -> None:
    """Add up the files of the projects for which that is due."""
    from app.db import task_session
    from app.erasing import storage

    with task_session() as session:
        projects = storage.due(session)
    for project_id in projects:
        with task_session() as session:
            storage.measure(session, project_id)


@shared_task(name="hone.erase_labels")
def erase_labels() -> None:
    """Delete what goes in parts: what people had who were deleted, and projects."""
    from app.db import task_session
    from app.erasing import going

    going.go_on(task_session)


@shared_task(name="hone.sweep")
def sweep() -> None:
    """Everything that must happen by itself, every few seconds."""
    from workers.runs.scheduling import sweep

    sweep()
