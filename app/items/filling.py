"""Whether the platform samples items by itself, and how many: what the queue lacks, within the day's budget."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.items import plan, queries
from app.models import Project, RunState
from app.projects.automation import BUDGET_PERIOD, OFF, Decision
from app.quotas import service as quotas
from app.web.filters import plural

# After a sampling run failed, this long passes before the platform starts the next one by itself.
RETRY_AFTER = timedelta(minutes=5)


def decide(session: Session, project: Project, wanted: int | None = None) -> Decision:
    """How many prompts to sample now. `wanted` asks for so many, whatever the queue holds and whether or not it is
    kept filled; the budget and what is under way are minded all the same."""
    automation = project.automation
    if wanted is None and not automation.keep_queue_filled:
        return Decision(0, OFF)
    now = datetime.now(UTC)
    if (last := queries.last_sampling(session, project.id)) is not None:
        if last.state in (RunState.QUEUED, RunState.RUNNING, RunState.CANCELLING):
            return Decision(0, f"Run {last.id} is {last.state.value}.")
        if last.state is RunState.FAILED and last.ended_at and now - last.ended_at < RETRY_AFTER:
            left = RETRY_AFTER - (now - last.ended_at)
            return Decision(0, f"Run {last.id} failed; tries again within {plural(-(-left.seconds // 60), 'minute')}.")
    if (model := plan.unready(session, project)) is not None:
        return Decision(0, f"Waits for {model.name}, which is {model.state.value}.")
    if wanted is None:
        newest_only = plan.newest(session, project) if automation.refresh_pairs else None
        wanted = project.queue_depth - queries.open_items(session, project.id, project.queue_depth, newest_only)
        if wanted <= 0:
            return Decision(0, f"{plural(project.queue_depth, 'pair')} are ready.")
    left_of_budget = automation.pairs_per_day - spent(session, project)
    if left_of_budget <= 0:
        return Decision(0, f"The budget of {plural(automation.pairs_per_day, 'pair')} in 24 hours is used up.")
    if (refusal := quotas.refusal(session, project.id)) is not None:
        return Decision(0, refusal.message)
    if not queries.has_prompts(session, project.id):
        return Decision(0, "There are no prompts to sample answers for.")
    return Decision(min(wanted, left_of_budget), f"{plural(wanted, 'pair')} short: sampling starts within seconds.")


def spent(session: Session, project: Project) -> int:
    """Prompts sampled by the platform itself in the budget's period."""
    return queries.sampled_by_itself(session, project.id, datetime.now(UTC) - BUDGET_PERIOD)
