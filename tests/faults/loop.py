"""Makes a small project on a running platform and walks it: items, labels, runs. Real services, a tiny model."""

from sqlalchemy import func, select

from app.annotation import RawLabel
from app.labels import leases
from app.labels import service as labels
from app.labels.new_label import read_label
from app.models import Item, Label, Model, ModelState, Project, PromptSource, Run, RunMetric, RunState, User
from app.models.project_settings import SamplingSettings
from app.projects import service as projects
from app.projects.forms import QueueSettings
from app.prompts import service as prompts
from app.runs import preparation
from tests import factories
from tests.asking import asking
from tests.faults.platform import Platform

PROMPTS = 30


def make_project(
    platform: Platform,
    name: str = "Faults",
    prompt_count: int = PROMPTS,
    overlap: int = 1,
    base_model: str | None = None,
) -> int:
    """A project on a tiny base model, with prompts; the platform then fills its queue."""
    with platform.session() as session:
        admin = session.get(User, session.scalar(select(func.min(User.id))))
        assert admin is not None
        project = projects.create_project(
            session,
            admin,
            name,
            preparation.base_model(session, base_model or platform.env["HONE_BASE_MODEL"]),
            sampling=SamplingSettings(strategy="stochastic", max_new_tokens=8),
            queue=QueueSettings(queue_depth=prompt_count, overlap=overlap),
        )
        rows = [f"Say something about the number {number}." for number in range(prompt_count)]
        prompts.import_prompts(session, project, admin, rows, PromptSource.IMPORT)
        return project.id


def wait_for_items(platform: Platform, project_id: int, count: int = PROMPTS - 4) -> None:
    """Until so many items were sampled."""

    def there() -> bool:
        with platform.session() as session:
            return (session.scalar(select(func.count()).where(Item.project_id == project_id)) or 0) >= count

    platform.wait_for(there, 90)


def label_everything(platform: Platform, project_id: int) -> int:
    """One person answers every open item: the longer answer is better. How many."""
    count = 0
    with platform.session() as session:
        project = session.get_one(Project, project_id)
        person = factories.user(session)
        member = factories.member(session, project, person)
        while task := leases.claim_item(session, project, person):
            left, right = (len(shown.text) for shown in task.responses)
            answer = read_label(asking(), "comparison", RawLabel("left" if left >= right else "right"))
            count += labels.submit(session, project, person, member, task.id, answer).status == 200
    return count


def leases_of_labels(platform: Platform, project_id: int) -> list[int]:
    """The assignments that the labels which count were given under, one entry a label."""
    with platform.session() as session:
        query = select(Label.assignment_id).where(Label.project_id == project_id, Label.superseded_at.is_(None))
        return sorted(session.scalars(query))


def run_of(platform: Platform, run_id: int) -> Run:
    """The run as it is now."""
    with platform.session() as session:
        return session.get_one(Run, run_id)


def wait_for_step(platform: Platform, run_id: int, step: int, seconds: float = 90) -> None:
    """Until the run has come so far; fails at once when it ends before."""

    def there() -> bool:
        run = run_of(platform, run_id)
        assert run.state in (RunState.QUEUED, RunState.RUNNING), f"{run.state}: {run.error}"
        return run.step >= step

    platform.wait_for(there, seconds)


def wait_for_end(platform: Platform, run_id: int, seconds: float = 120) -> Run:
    """Until the run has ended, however."""
    ended = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
    return platform.wait_for(lambda: ((run := run_of(platform, run_id)).state in ended and run) or None, seconds)


def wait_for_model(platform: Platform, model_id: int, seconds: float = 60) -> Model:
    """Until a base model is prepared, or has failed."""

    def there() -> Model | None:
        with platform.session() as session:
            model = session.get_one(Model, model_id)
            return model if model.state is not ModelState.PREPARING else None

    return platform.wait_for(there, seconds)


def steps(platform: Platform, run_id: int, metric: str) -> list[int]:
    """The steps at which the run has told this metric."""
    with platform.session() as session:
        query = select(RunMetric.step).where(RunMetric.run_id == run_id, RunMetric.name == metric)
        return sorted(session.scalars(query))
