"""Where a project's loop stands, in the JSON API."""

from datetime import datetime

from pydantic import Field

from app.accounts.dependencies import SignedIn
from app.home import service
from app.home.automation import automations
from app.home.first_round import first_round
from app.home.overview import Sort, Urgency, overview
from app.models import HeadReport, Role
from app.projects.dependencies import Manager
from app.quotas import service as quotas
from app.rewards import head_views
from app.statistics.agreement import Agreement
from app.web.dependencies import Db
from app.web.routing import Router
from app.web.views import View

router = Router(tags=["overview"])


class LastView(View):
    """The last thing that an automation did."""

    at: datetime
    what: str
    run_id: int | None


class AutomationView(View):
    """An automation: the rule, its budget, what it did last, and what it waits for."""

    name: str
    on: bool
    rule: str
    budget: str
    last: LastView | None
    now: str


class StepView(View):
    """The next sensible step: what, why, and on which page; null where there is nothing to do but wait. `time` says how
    long it takes where that was measured."""

    title: str
    reason: str
    href: str | None
    time: str | None


class FirstStepView(View):
    """A step of a project's first round: what it is, what to do meanwhile, how far it is."""

    name: str
    title: str
    about: str
    meanwhile: str
    state: str
    done: bool


class LoopView(View):
    """A number for each stage, and the next sensible step with its reason."""

    prompts: int
    prompts_in_review: int
    open_items: int
    open_evaluation_items: int
    labels: int
    new_labels: int
    labels_last_hour: int
    labels_last_day: int
    active_annotators: int
    reward_models: int
    policies: int
    conversations: int
    in_use_id: int
    in_use_name: str
    active_runs: dict[str, int]
    next_step: StepView
    first_round: list[FirstStepView]
    first_round_hidden: bool
    automations: list[AutomationView]
    quotas: list[str] = Field(description="Quotas of which four fifths or more are used, each in a sentence")


class LearningView(View):
    """What the live head learned and tells. `order` says how the queue is ordered, `choice` which of several
    sampled answers new pairs show (null: any), `next` what the next labels are
    expected to bring; `choosing` what choosing brought beside the random share. report.measuring: preferences on
    holdout prompts; accuracies are shares, log-losses in nats."""

    order: str
    choice: str | None
    next: str
    choosing: list[str]
    report: HeadReport


@router.get("/projects/{project_id}/learning")
def show_learning(session: Db, access: Manager) -> LearningView:
    """What labels teach, as they come."""
    return LearningView.model_validate(head_views.learning(session, access.project))


class AttentionView(View):
    """What a project needs, in a sentence, and the page where that is done. `urgency`: now, soon or none."""

    urgency: Urgency
    sentence: str
    href: str


class LimitView(View):
    """A quota that has a limit. `used` is null where it was not measured yet; storage in bytes; `share` is of the
    limit. `notice`: from four fifths on, in a sentence."""

    name: str
    title: str
    used: int | None
    limit: int
    share: float
    notice: str | None


class GlanceView(View):
    """A project among others. `today` and `week` are labels since midnight and since Monday (UTC), `queue` pairs that
    wait; `agreement` is that on the pairs of the newest labels."""

    id: int
    name: str
    role: Role | None
    members: int
    labels: int
    today: int
    week: int
    last_at: datetime | None
    queue: int
    active_runs: int
    agreement: Agreement
    attention: AttentionView
    quotas: list[LimitView]


class OverviewView(View):
    """All projects that one manages, or sees as an administrator."""

    projects: list[GlanceView]


@router.get("/overview")
def show_overview(session: Db, user: SignedIn, sort: Sort = Sort.ATTENTION) -> OverviewView:
    """The projects that one manages at a glance, with what each needs. Archived ones are not among them."""
    plain = [name for name in GlanceView.model_fields if name not in ("id", "name", "attention", "quotas")]
    return OverviewView(
        projects=[
            GlanceView(
                id=one.project.id,
                name=one.project.name,
                attention=AttentionView.model_validate(one.attention),
                quotas=[LimitView.model_validate(use) for use in one.quotas],
                **{name: getattr(one, name) for name in plain},
            )
            for one in overview(session, user, sort)
        ]
    )


@router.get("/projects/{project_id}/loop")
def show_loop(session: Db, access: Manager) -> LoopView:
    """The overview in numbers."""
    now = service.situation(session, access.project)
    step, first = service.next_step(now), first_round(session, access.project, now)
    return LoopView(
        in_use_id=now.current_policy.id,
        in_use_name=now.current_policy.name,
        active_runs={run.method or run.kind.value: run.id for run in now.active},
        automations=[
            AutomationView.model_validate(each) for each in automations(session, access.project, now.new_labels)
        ],
        quotas=[use.sentence for use in quotas.notices(session, access.project.id)],
        next_step=StepView.model_validate(step),
        first_round=[FirstStepView.model_validate(each) for each in first.steps],
        first_round_hidden=first.hidden,
        **{name: getattr(now, name) for name in LoopView.model_fields if hasattr(now, name)},
    )
