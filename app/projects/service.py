"""The rules of projects: making one, and changing how its loop is set up."""

from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from app.accounts.audit import record
from app.annotation import KINDS
from app.models import Member, Model, Project, Role, User
from app.models.project_settings import Asked, AutomationSettings, LabelSettings, Reason, SamplingSettings
from app.models.sampling_plan import SamplingPlan
from app.projects import instructions, queries
from app.projects.forms import QueueSettings
from app.quotas import service as quotas
from app.registry import answering
from app.settings import get_settings
from app.web import rate_limits
from app.web.errors import Conflict, Invalid, NotAllowed
from app.web.forms import invalid

PER_HOUR = "20/hour"  # projects that one person makes
DEFAULT_GUIDELINES = """\
Read the conversation, then both answers to the end. Choose the answer you would rather have been given.

1. **Correct** comes first: an answer that is wrong loses to one that is right, however well it is written.
2. Then **helpful**: it does what was asked, all of it, and no more than is useful.
3. Then **clear and brief**.

Choose *Equal* when you cannot tell them apart, and *Both bad* when neither is of any use.
"""
DEFAULT_SKIP_REASONS = ("I cannot judge this", "The prompt makes no sense", "It is harmful", "It shows personal data")

SECTIONS: dict[str, type[BaseModel]] = {
    "answer": LabelSettings,
    "sampling": SamplingSettings,
    "plan": SamplingPlan,
    "automation": AutomationSettings,
    "queue": QueueSettings,
}


def may_create(session: Session, user: User) -> bool:
    """Administrators, and whoever runs a project already. An invited annotator starts no training."""
    return user.is_admin or queries.manages_any(session, user.id)


def require_creator(session: Session, user: User) -> None:
    """Raise NotAllowed for people who run no project."""
    if not may_create(session, user):
        raise NotAllowed(
            "Only administrators and managers may create a project. An administrator's API token needs the scope "
            "“admin” for it."
        )


def create_project(
    session: Session,
    creator: User,
    name: str,
    base_model: Model,
    *,
    guidelines: str = "",
    answer: LabelSettings | None = None,
    sampling: SamplingSettings | None = None,
    automation: AutomationSettings | None = None,
    queue: QueueSettings | None = None,
) -> Project:
    """A new project whose manager is its creator. Raises NotAllowed for people who run none."""
    require_creator(session, creator)
    reached = "You have made 20 projects in the last hour, as many as one person may."
    rate_limits.hit(PER_HOUR, "projects", str(creator.id), reached=reached)
    queries.lock_creator(session, creator.id)
    most = get_settings().projects_per_person
    if not creator.is_admin and queries.created_by(session, creator.id) >= most:
        raise Conflict(f"You have made {most} projects, as many as you may. Archive one that is done with first.")
    asked = answer or LabelSettings()
    if "skip_reasons" not in asked.model_fields_set:
        reasons = [Reason(id=text, text=text) for text in DEFAULT_SKIP_REASONS]
        asked = asked.model_copy(update={"skip_reasons": reasons})
    project = Project(
        name=name,
        guidelines=guidelines,
        base_model_id=base_model.id,
        answer=_with_ids(LabelSettings(), asked),
        sampling=sampling or SamplingSettings(),
        plan=SamplingPlan(),
        automation=automation or AutomationSettings(),
        **(queue or QueueSettings()).model_dump(),
    )
    session.add(project)
    session.flush()
    quotas.begin(session, project)
    instructions.publish(session, project)
    session.add(Member(project_id=project.id, user_id=creator.id, role=Role.MANAGER))
    record(session, creator, queries.CREATED, project_id=project.id, subject=project, name=name)
    session.flush()
    return project


def clone_project(
    session: Session,
    source: Project,
    creator: User,
    name: str,
    *,
    settings: bool = True,
    guidelines: bool = True,
    questions: bool = True,
) -> Project:
    """A new project with the base model of `source`: with `settings` it asks, samples and starts things as that does.
    Questions and reasons get ids of their own, as the answers to them are another project's. The sampling plan stays
    behind where it names a model that may not answer there, such as a policy of the source's."""
    asked: dict[str, Any] = {}
    for each in ("questions", "reasons", "skip_reasons") if questions else ():
        asked[each] = [one.model_copy(update={"id": one.text}) for one in getattr(source.answer, each)]
    kept = source.answer.model_dump(exclude={"questions", "reasons", "skip_reasons", "former"}) if settings else {}
    project = create_project(
        session,
        creator,
        name,
        source.base_model,
        guidelines=source.guidelines if guidelines else DEFAULT_GUIDELINES,
        answer=LabelSettings(**kept | asked),
        sampling=source.sampling if settings else None,
        automation=source.automation if settings else None,
        queue=QueueSettings.model_validate(settings_of(source, "queue").model_dump()) if settings else None,
    )
    if settings:
        with suppress(Invalid):
            _require_answering(session, project, source.plan)
            project.plan = source.plan
    record(session, creator, "project.cloned", project_id=project.id, subject=project, source=source.name)
    return project


def rename(session: Session, project: Project, actor: User, name: str) -> None:
    """Change the project's name."""
    if name != project.name:
        record(session, actor, "project.renamed", project_id=project.id, subject=project, before=project.name, now=name)
        project.name = name


def hide_first_round(session: Session, project: Project, actor: User, hidden: bool) -> None:
    """Hide the checklist of the first round from the project's managers, or show it again."""
    if hidden != project.first_round_hidden:
        project.first_round_hidden = hidden
        action = "project.first_round_hidden" if hidden else "project.first_round_shown"
        record(session, actor, action, project_id=project.id, subject=project)


def change_guidelines(session: Session, project: Project, actor: User, guidelines: str) -> None:
    """Change what annotators are told. The earlier text stays in the audit trail."""
    text = guidelines.replace("\r\n", "\n")
    if text != project.guidelines:
        record(
            session, actor, "project.guidelines_changed", project_id=project.id, subject=project,
            before=project.guidelines,
        )  # fmt: skip
        project.guidelines = text
        instructions.publish(session, project)


def settings_of(project: Project, section: str) -> BaseModel:
    """One section of a project's settings, e.g. `answer`, or those of one kind of items by its name."""
    if section in KINDS:
        return project.answer.kinds[section]
    if section == "queue":
        return QueueSettings(**{name: getattr(project, name) for name in QueueSettings.model_fields})
    settings: BaseModel = getattr(project, section)
    return settings


def change_settings(session: Session, project: Project, actor: User, section: str, settings: BaseModel) -> list[str]:
    """Set one section; the names of what changed. A higher or lower overlap holds for pairs made from now on."""
    if isinstance(settings, SamplingPlan):
        _require_answering(session, project, settings)
    if isinstance(settings, LabelSettings):
        settings = _with_ids(project.answer, settings)
    before, now = settings_of(project, section).model_dump(), settings.model_dump()
    changed: dict[str, Any] = {name: [before[name], now[name]] for name in now if before[name] != now[name]}
    if not changed:
        return []
    asked = instructions.asked_of(project.answer)
    if section in KINDS:
        _change_kinds(project, section, settings)
    elif section == "queue":
        for name, value in now.items():
            setattr(project, name, value)
    else:
        setattr(project, section, settings)
    if instructions.asked_of(project.answer) != asked:
        instructions.publish(session, project)
    record(
        session, actor, "project.settings_changed", project_id=project.id, subject=project, section=section, **changed
    )
    return list(changed)


def _with_ids(before: LabelSettings, now: LabelSettings) -> LabelSettings:
    """New questions and reasons get ids; one whose text is there already, or was once, is that one again. The last
    texts of those that are not asked any more are kept, for the labels that name them."""
    was = before.former | {each.id: each.text for each in before.named}
    by_text = {text: id_ for id_, text in was.items()}
    used: set[str] = set()  # by another list: the same words may be a reason to choose so, and one to skip

    def settled(given: list[Asked]) -> list[Asked]:
        ids: dict[str, str] = {}  # by text; first what is named by its id, then texts that are nobody's id
        for each in sorted(given, key=lambda one: (one.id == one.text, one.id in was)):
            if each.id not in was and each.id != each.text:
                raise Invalid(f"There is no question or reason with the id {each.id[:40]!r}.", "questions")
            id_ = each.id if each.id in was else by_text.get(each.text)
            ids[each.text] = id_ if id_ is not None and id_ not in used else token_hex(4)
            used.add(ids[each.text])
        return [each.model_copy(update={"id": ids[each.text]}) for each in given]

    lists = ("questions", "reasons", "skip_reasons")
    now = now.model_copy(update={name: settled(getattr(now, name)) for name in lists})
    asked = {each.id for each in now.named}
    return now.model_copy(update={"former": {id_: text for id_, text in was.items() if id_ not in asked}})


def _change_kinds(project: Project, name: str, settings: BaseModel) -> None:
    changed = project.answer.model_dump()
    changed["kinds"] |= {name: settings.model_dump()}
    try:
        project.answer = LabelSettings.model_validate(changed)
    except ValidationError as error:
        raise Invalid(invalid(error).errors["kinds"], "share") from None


def _require_answering(session: Session, project: Project, plan: SamplingPlan) -> None:
    """Refuse models that may not answer here, unless they were chosen before: what has gone since is told later."""
    known = {source.model_id for source in project.plan.sources}
    for row, source in enumerate(plan.sources):
        if source.model_id is not None and source.model_id not in known:
            answering.chosen(session, project, source.model_id, f"source[{row}]")
    if plan.chat_model_id is not None and plan.chat_model_id != project.plan.chat_model_id:
        answering.chosen(session, project, plan.chat_model_id, "chat_model_id")


def change_base_model(session: Session, project: Project, actor: User, model: Model) -> None:
    """Set what the project starts from. Where its sampling plan or chat names the former base model, it is the new one
    from now on."""
    before = project.base_model
    project.plan = project.plan.renamed(before.id, model.id)
    project.base_model = model
    session.flush()
    record(session, actor, "project.base_model_changed", project_id=project.id, subject=model, previous=before.id)


def set_archived(session: Session, project: Project, actor: User, archived: bool) -> None:
    """Set a project aside: it can be read but not changed, nothing starts in it, and lists leave it out."""
    project.archived_at = datetime.now(UTC) if archived else None
    action = "project.archived" if archived else "project.unarchived"
    record(session, actor, action, project_id=project.id, subject=project)
