"""The SQL around the queue: what sampling needs to know, and the lists that a manager browses."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select, text
from sqlalchemy.orm import Session, joinedload, selectinload

from app.items.forms import ItemConditions
from app.items.queue import OFF_OVERLAP
from app.models import (
    Assignment,
    AssignmentState,
    Item,
    ItemResponse,
    Label,
    Project,
    Prompt,
    PromptStatus,
    Purpose,
    Response,
    Run,
    RunKind,
    RunState,
    Split,
    User,
)
from app.web.tables import Found


def open_items(session: Session, project_id: int, limit: int, model_id: int | None = None) -> int:
    """How many items wait for a label, counted to `limit`; if a model is given, training items of its responses only,
    and those that show no response."""
    waiting = select(Item.id).where(
        Item.project_id == project_id,
        Item.slots_left > 0,
        Item.withdrawn_at.is_(None),
        Item.purpose != Purpose.CHECK,
    )
    if model_id is not None:
        theirs = exists().where(
            ItemResponse.item_id == Item.id, Response.id == ItemResponse.response_id, Response.model_id == model_id
        )
        none = ~exists().where(ItemResponse.item_id == Item.id, ItemResponse.label_id.is_(None))
        waiting = waiting.where(Item.purpose == Purpose.TRAIN, or_(theirs, none))
    return session.scalar(select(func.count()).select_from(waiting.limit(limit).subquery())) or 0


def open_by_kind(session: Session, project_id: int) -> dict[str, int]:
    """How many training items of each kind wait for a label."""
    waiting = select(Item.kind, func.count().label("waiting")).where(
        Item.project_id == project_id,
        Item.slots_left > 0,
        Item.withdrawn_at.is_(None),
        Item.purpose == Purpose.TRAIN,
    )
    return {row.kind: row.waiting for row in session.execute(waiting.group_by(Item.kind))}


def last_sampling(session: Session, project_id: int) -> Run | None:
    """The newest sampling run of this project."""
    found = select(Run).where(Run.project_id == project_id, Run.kind == RunKind.SAMPLING)
    return session.scalar(found.order_by(Run.id.desc()).limit(1))


def sampled_by_itself(session: Session, project_id: int, since: datetime) -> int:
    """Prompts of the sampling runs that the platform has started itself since a moment."""
    sampled = func.sum(func.jsonb_array_length(Run.config["prompt_ids"]))
    found = select(sampled).where(
        Run.project_id == project_id, Run.kind == RunKind.SAMPLING, Run.automatic, Run.created_at > since
    )
    return int(session.scalar(found) or 0)


def has_prompts(session: Session, project_id: int) -> bool:
    """Whether there is a prompt that may be sampled."""
    found = select(Prompt.id).where(Prompt.project_id == project_id, Prompt.status == PromptStatus.ACTIVE)
    return session.scalar(found.limit(1)) is not None


def sampling_is_active(session: Session, project_id: int) -> bool:
    """Whether a sampling run of this project waits or works."""
    active = (RunState.QUEUED, RunState.RUNNING, RunState.CANCELLING)
    found = select(Run.id).where(Run.project_id == project_id, Run.kind == RunKind.SAMPLING, Run.state.in_(active))
    return session.scalar(found.limit(1)) is not None


def prompts_to_sample(session: Session, project_id: int, model_id: int, count: int) -> list[int]:
    """Active prompts that this model was compared on least often, picked at random among equals. A prompt whose
    responses came out the same counts as tried, so that it does not come up again and again."""
    rows = session.execute(
        text(
            """
            select q.id from prompt q
            left join (
                select r.prompt_id, count(*) as n from response r
                where r.model_id = :model group by r.prompt_id
            ) done on done.prompt_id = q.id
            where q.project_id = :project and q.status = 'active'
            order by coalesce(done.n, 0), random() limit :count
            """
        ),
        {"project": project_id, "model": model_id, "count": count},
    )
    return [row.id for row in rows]


def prompts_without(session: Session, project_id: int, kind: str, count: int) -> Sequence[Prompt]:
    """Active prompts of which no item of a kind was made yet, picked at random. None is held out: what people write to
    those from nothing neither teaches nor measures anything."""
    made = exists().where(Item.prompt_id == Prompt.id, Item.kind == kind)
    fitting = (Prompt.status == PromptStatus.ACTIVE, Prompt.split == Split.TRAIN)
    found = select(Prompt).where(Prompt.project_id == project_id, *fitting, ~made)
    return session.scalars(found.order_by(func.random()).limit(count)).all()


def prompts_in_order(session: Session, project_id: int, ids: Sequence[int]) -> list[Prompt]:
    """Active prompts with these ids, in this order."""
    found = {
        prompt.id: prompt
        for prompt in session.scalars(
            select(Prompt).where(
                Prompt.project_id == project_id, Prompt.id.in_(ids), Prompt.status == PromptStatus.ACTIVE
            )
        )
    }
    return [found[id_] for id_ in ids if id_ in found]


def sampled_item(session: Session, run_id: int, prompt_id: int) -> Item | None:
    """The training item that this run made for this prompt."""
    return session.scalar(
        select(Item).where(Item.run_id == run_id, Item.prompt_id == prompt_id, Item.purpose == Purpose.TRAIN)
    )


def sampled_responses(session: Session, run_id: int, prompt_id: int) -> list[int]:
    """What this run sampled to this prompt, in the order in which it was kept."""
    found = select(Response.id).where(Response.run_id == run_id, Response.prompt_id == prompt_id).order_by(Response.id)
    return list(session.scalars(found))


def lock_project(session: Session, project_id: int) -> None:
    """Let one transaction at a time plan for this project."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('hone.plan'), :project)"), {"project": project_id})


def found(project_id: int, wanted: ItemConditions) -> Found[Item]:
    """The project's items that are meant, with what a list shows of them."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.purpose:
        conditions.append(Item.purpose == wanted.purpose)
    if wanted.prompt:
        conditions.append(Item.prompt_id == wanted.prompt)
    if wanted.split:
        conditions.append(exists().where(Prompt.id == Item.prompt_id, Prompt.split == wanted.split))
    if wanted.state == "withdrawn":
        conditions.append(Item.withdrawn_at.is_not(None))
    elif wanted.state:
        waits = Item.slots_left > 0 if wanted.state == "open" else Item.slots_left == 0
        conditions += [Item.withdrawn_at.is_(None), waits]
    return Found(select(Item).where(Item.project_id == project_id), conditions, _SHOWN)


_SHOWN = (
    joinedload(Item.prompt),
    selectinload(Item.item_responses)
    .joinedload(ItemResponse.response)
    .options(joinedload(Response.model), joinedload(Response.author)),
)


def get(session: Session, project_id: int, item_id: int) -> Item | None:
    """An item of this project."""
    return session.scalar(select(Item).where(Item.project_id == project_id, Item.id == item_id))


def standing_labels(session: Session, item_ids: Sequence[int]) -> dict[int, list[Label]]:
    """Item id -> its standing labels, oldest first."""
    found: dict[int, list[Label]] = {}
    statement = select(Label).where(Label.item_id.in_(item_ids), Label.superseded_at.is_(None))
    named = (
        joinedload(Label.annotator).undefer(User.shown),
        joinedload(Label.imported_annotator),
        joinedload(Label.instructions),
    )
    for label in session.scalars(statement.options(*named, selectinload(Label.preferences)).order_by(Label.id)):
        found.setdefault(label.item_id, []).append(label)
    return found


def skips(session: Session, item_id: int) -> Sequence[Assignment]:
    """The leases on an item that ended as skipped, oldest first."""
    found = select(Assignment).where(Assignment.item_id == item_id, Assignment.state == AssignmentState.SKIPPED)
    return session.scalars(
        found.order_by(Assignment.id).options(joinedload(Assignment.annotator).undefer(User.shown))
    ).all()


def counts(session: Session, project: Project) -> dict[str, int]:
    """How many items there are by state: open, done, withdrawn; attention checks; and those of the open ones that were
    made for another number of labels than the project asks for."""
    row = session.execute(
        text(
            f"""
            select count(*) filter (where withdrawn_at is null and slots_left > 0 and purpose <> 'check') as open,
                   count(*) filter (where withdrawn_at is null and slots_left = 0) as done,
                   count(*) filter (where withdrawn_at is not null) as withdrawn,
                   count(*) filter (where purpose = 'check' and withdrawn_at is null) as checks,
                   count(*) filter (where {OFF_OVERLAP}) as off_overlap
            from item where project_id = :project
            """  # noqa: S608  fixed fragments
        ),
        {"project": project.id, "overlap": project.overlap},
    ).one()
    return dict(row._mapping)


def material_for_checks(session: Session, project_id: int, count: int) -> list[tuple[int, list[int], int]]:
    """(prompt, its own different responses, another prompt's response) for new attention checks: whole responses of
    some length, to prompts that have no check yet. None is from a chat: who withdraws theirs must not meet it again."""
    rows = session.execute(
        text(
            """
            with material as (
                select prompt_id, array_agg(id order by greedy desc, id desc) as ids from (
                    select distinct on (r.prompt_id, trim(r.text)) r.prompt_id, r.id,
                           coalesce(r.strategy = 'greedy', false) as greedy
                    from response r
                    join prompt q on q.id = r.prompt_id and q.project_id = :project and q.status = 'active'
                    where r.finish_reason = 'stop' and length(r.text) between 60 and 2000
                      and not exists (select from item_response x join item i on i.id = x.item_id
                                      where x.response_id = r.id and i.purpose = 'chat')
                    order by r.prompt_id, trim(r.text), greedy desc, r.id desc
                ) different group by prompt_id
            ), picked as (
                select *, row_number() over (order by random()) as place, count(*) over () as total from material
            )
            select one.prompt_id, one.ids as own, other.ids[1] as foreign_id
            from picked one
            join picked other on other.place = one.place % one.total + 1 and other.prompt_id <> one.prompt_id
            where not exists (select from item c where c.prompt_id = one.prompt_id and c.purpose = 'check')
            limit :count
            """
        ),
        {"project": project_id, "count": count},
    )
    return [(row.prompt_id, row.own, row.foreign_id) for row in rows]
