"""The SQL of policies: the family tree, evaluation items and what people said about them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, case, cast, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from app.models import (
    AuditEvent,
    Item,
    ItemResponse,
    Label,
    Model,
    ModelKind,
    Outcome,
    Preference,
    Prompt,
    PromptStatus,
    Response,
    Run,
    RunKind,
    RunState,
    Snapshot,
    SnapshotLabel,
    Split,
)
from app.web.pages import Page, page

LEAST_PROMPTS = 8  # to compare policies on


def count_policies(session: Session, project_id: int) -> int:
    """How many policies the project has made."""
    return (
        session.scalar(select(func.count()).where(Model.project_id == project_id, Model.kind == ModelKind.POLICY)) or 0
    )


def holdout_prompt_ids(session: Session, project_id: int, limit: int) -> list[int]:
    """Active holdout prompts in the order of their content hash: a fixed choice that nobody made by hand.

    Those that choose checkpoints are left out, unless too few others remain.
    """
    held_out = (
        select(Prompt.id)
        .where(Prompt.project_id == project_id, Prompt.split == Split.HOLDOUT, Prompt.status == PromptStatus.ACTIVE)
        .order_by(Prompt.content_hash)
        .limit(limit)
    )
    found = list(session.scalars(held_out.where(~Prompt.chooses)))
    return found if len(found) >= min(limit, LEAST_PROMPTS) else list(session.scalars(held_out))


def prompts(session: Session, ids: Sequence[int]) -> Sequence[Prompt]:
    """These prompts, in order of id."""
    return session.scalars(select(Prompt).where(Prompt.id.in_(ids)).order_by(Prompt.id)).all()


def items_by_prompt(session: Session, run_id: int) -> dict[int, int]:
    """Prompt -> the items that a run has made of it."""
    counted = select(Item.prompt_id, func.count().label("items")).where(Item.run_id == run_id).group_by(Item.prompt_id)
    return {row.prompt_id: row.items for row in session.execute(counted)}


def evaluation_votes(session: Session, run_id: int, model_id: int, other_id: int) -> list[Any]:
    """One row per labelled item of an evaluation, in the order in which they were put before people: (prompt_id,
    labels, wanted, wins, losses, ties, both_bad) of a model against another one, from the first one's side. Two equal
    responses are a tie, whatever people said of them."""
    places, responses = (aliased(ItemResponse), aliased(ItemResponse)), (aliased(Response), aliased(Response))
    sides = [response.model_id for response in responses]
    texts = [func.btrim(response.text, " \t\r\n") for response in responses]
    outcome = case((texts[0] == texts[1], Outcome.TIE.value), else_=cast(Preference.outcome, String))
    favoured = case((sides[0] == model_id, Outcome.FIRST.value), else_=Outcome.SECOND.value)
    clear = outcome.in_([Outcome.FIRST.value, Outcome.SECOND.value])

    def how_many(condition: Any) -> Any:
        return func.count().filter(condition)

    return list(
        session.execute(
            select(
                Item.prompt_id,
                func.count().label("labels"),
                Item.overlap_target.label("wanted"),
                how_many(outcome == favoured).label("wins"),
                how_many(clear & (outcome != favoured)).label("losses"),
                how_many(outcome == Outcome.TIE.value).label("ties"),
                how_many(outcome == Outcome.BOTH_BAD.value).label("both_bad"),
            )
            .select_from(Label)
            .join(Preference, (Preference.label_id == Label.id) & (Preference.question == ""))
            .join(Item, Item.id == Label.item_id)
            .join(places[0], (places[0].item_id == Item.id) & (places[0].position == Preference.first))
            .join(responses[0], responses[0].id == places[0].response_id)
            .join(places[1], (places[1].item_id == Item.id) & (places[1].position == Preference.second))
            .join(responses[1], responses[1].id == places[1].response_id)
            .where(
                Item.run_id == run_id,
                Label.superseded_at.is_(None),
                tuple_(*sides).in_([(model_id, other_id), (other_id, model_id)]),
            )
            .group_by(Item.id)
            .order_by(Item.rank, Item.id)
        )
    )


def comparisons(session: Session, project_id: int, model_id: int | None = None, limit: int = 50) -> list[Run]:
    """Evaluations that compare policies, the newest first; those about one policy where it is given."""
    statement = select(Run).where(
        Run.project_id == project_id,
        Run.kind == RunKind.EVALUATION,
        Run.state != RunState.CANCELLED,
    )
    if model_id is not None:
        statement = statement.where(_compares(model_id))
    return list(session.scalars(statement.order_by(Run.id.desc()).limit(limit)))


def comparison(session: Session, project_id: int, model_id: int, baseline_id: int) -> Run | None:
    """The newest evaluation that compares these two and has made its items."""
    return session.scalar(
        select(Run)
        .where(
            Run.project_id == project_id,
            Run.kind == RunKind.EVALUATION,
            Run.state == RunState.SUCCEEDED,
            _compares(model_id),
            _compares(baseline_id),
        )
        .order_by(Run.id.desc())
        .limit(1)
    )


def policies_with_labels(session: Session, project_id: int, limit: int = 200) -> list[tuple[Model, Run, Snapshot]]:
    """The newest policies, the oldest first, each with the training that made it and the snapshot of labels that it has
    learned from, itself or by its reward model."""
    judge, judged = aliased(Model), aliased(Run)
    found = session.execute(
        select(Model, Run, Snapshot)
        .join(Run, Run.id == Model.run_id)
        .outerjoin(judge, judge.id == Run.reward_model_id)
        .outerjoin(judged, judged.id == judge.run_id)
        .join(Snapshot, Snapshot.id == func.coalesce(Run.snapshot_id, judged.snapshot_id))
        .where(Model.project_id == project_id, Model.kind == ModelKind.POLICY)
        .order_by(Model.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in found][::-1]


def last_measuring(session: Session, project_id: int, model_ids: Sequence[int]) -> Run | None:
    """The newest run that has measured any of these policies."""
    measured = or_(*(Run.summary["measures"].has_key(str(model_id)) for model_id in model_ids))
    done = (Run.project_id == project_id, Run.kind == RunKind.SCORING, Run.state == RunState.SUCCEEDED)
    return session.scalar(select(Run).where(*done, measured).order_by(Run.id.desc()).limit(1))


def _compares(model_id: int) -> ColumnElement[bool]:
    """Evaluations that this model is one of."""
    other = func.jsonb_path_exists(Run.config, cast(f"$.other_ids[*] ? (@ == {model_id:d})", JSONPATH))
    return or_(Run.model_id == model_id, Run.baseline_id == model_id, other)


def has_trained(session: Session, project_id: int, **made_by: Any) -> bool:
    """Whether a training of these columns has succeeded."""
    statement = select(Run.id).filter_by(project_id=project_id, kind=RunKind.TRAINING, state=RunState.SUCCEEDED)
    return session.scalar(statement.filter_by(**made_by).limit(1)) is not None


def last_label_learned(session: Session, project_id: int, method: str) -> int:
    """The newest label in the snapshots of trainings of a method that succeeded; 0 where there is none."""
    newest = (
        select(func.max(Run.snapshot_id))
        .where(Run.project_id == project_id, Run.method == method, Run.state == RunState.SUCCEEDED)
        .scalar_subquery()
    )
    return session.scalar(select(func.max(SnapshotLabel.label_id)).where(SnapshotLabel.snapshot_id == newest)) or 0


def last_change_to(session: Session, project_id: int, policy_id: int) -> AuditEvent | None:
    """The latest promotion (no roll-back) that made this policy the current one."""
    return session.scalar(
        select(AuditEvent)
        .where(
            AuditEvent.project_id == project_id,
            AuditEvent.action == "policy.promoted",
            AuditEvent.subject_type == Model.__tablename__,
            AuditEvent.subject_id == policy_id,
            ~AuditEvent.details.has_key("rolled_back"),
        )
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )


def last_event(session: Session, project_id: int, action: str) -> AuditEvent | None:
    """The latest event of the audit trail with this action."""
    found = select(AuditEvent).where(AuditEvent.project_id == project_id, AuditEvent.action == action)
    return session.scalar(found.order_by(AuditEvent.id.desc()).limit(1))


def has_used(session: Session, project_id: int, model_id: int) -> bool:
    """Whether a run of the project has used a model, or one of its models was made from it."""
    runs = select(Run.id).where(
        Run.project_id == project_id, or_(Run.model_id == model_id, Run.baseline_id == model_id)
    )
    made = select(Model.id).where(Model.project_id == project_id, Model.parent_id == model_id)
    return bool(session.scalar(select(or_(runs.exists(), made.exists()))))


def uses_of(session: Session, model_id: int) -> int:
    """Active runs that need the model's files."""
    return (
        session.scalar(
            select(func.count()).where(
                Run.state.in_([RunState.QUEUED, RunState.RUNNING, RunState.CANCELLING]),
                _compares(model_id)
                | func.jsonb_path_exists(Run.config, cast(f"$.policy_ids[*] ? (@ == {model_id:d})", JSONPATH))
                | (Run.reward_model_id == model_id)
                | func.jsonb_path_exists(Run.config, cast(f"$.rewards[*].models[*] ? (@.id == {model_id:d})", JSONPATH))
                | func.jsonb_path_exists(Run.config, cast(f"$.others[*] ? (@.model_id == {model_id:d})", JSONPATH)),
            )
        )
        or 0
    )


def evaluation_items(session: Session, run_id: int, before: int | None, limit: int) -> Page[Item]:
    """The items of an evaluation with their prompt and answers, the newest first."""
    statement = (
        select(Item)
        .where(Item.run_id == run_id)
        .options(joinedload(Item.prompt), selectinload(Item.item_responses).joinedload(ItemResponse.response))
    )
    return page(session, statement, Item.id, before, limit)


def preferences_of(session: Session, item_ids: Sequence[int]) -> list[Any]:
    """(item_id, label_id, first, second, outcome) of what the current labels of these items say."""
    return list(
        session.execute(
            select(Label.item_id, Preference.label_id, Preference.first, Preference.second, Preference.outcome)
            .join(Preference, (Preference.label_id == Label.id) & (Preference.question == ""))
            .where(Label.item_id.in_(item_ids), Label.superseded_at.is_(None))
            .order_by(Label.id)
        )
    )
