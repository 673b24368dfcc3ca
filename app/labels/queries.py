"""The SQL of lists of labels."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, exists, select, text
from sqlalchemy.orm import Session, joinedload, selectinload

from app import bulk
from app.models import ImportedAnnotator, Item, Label, Preference, User
from app.models.export_settings import LabelConditions
from app.web.tables import Found


def revisions(session: Session, user_id: int, item_id: int) -> list[Label]:
    """All revisions of one person's label of an item of the queue, the standing one first."""
    return list(
        session.scalars(
            select(Label)
            .where(Label.item_id == item_id, Label.annotator_id == user_id, Label.assignment_id.is_not(None))
            .order_by(Label.id.desc())
            .options(joinedload(Label.instructions))
        )
    )


FEW = 20_000  # labels, that are counted within some tenths of a second
_ARE_FEW = text("select count(*) <= :few from (select from label where project_id = :project limit :few + 1) labels")


def few(session: Session, project_id: int) -> bool:
    """Whether a project has so few labels that a page counts them while somebody waits."""
    return bool(session.scalar(_ARE_FEW, {"project": project_id, "few": FEW}))


_NAMED = 200  # imported annotators in a list to choose from


def conditions(project_id: int, wanted: LabelConditions) -> list[ColumnElement[bool]]:
    """What labels of the project these are, whether they stand or not."""
    found: list[ColumnElement[bool]] = [Label.project_id == project_id]
    if wanted.outcome:
        said = (Preference.label_id == Label.id, Preference.question == "", Preference.outcome == wanted.outcome)
        found.append(exists().where(*said).correlate(Label))
    if wanted.annotator:
        person, imported = Label.annotator_id == wanted.annotator, Label.imported_annotator_id == -wanted.annotator
        found.append(person if wanted.annotator > 0 else imported)
    if wanted.purpose:
        of = (Item.id == Label.item_id, Item.purpose == wanted.purpose)
        found.append(exists().where(*of).correlate(Label))  # also where items are joined to labels
    if wanted.late:
        found.append(Label.late.is_(True))
    if wanted.commented:
        found.append(Label.comment.is_not(None))
    return found


def found(project_id: int, wanted: LabelConditions) -> Found[Label]:
    """The project's standing labels that are meant, with what a list shows of them."""
    standing = select(Label).where(Label.project_id == project_id, Label.superseded_at.is_(None))
    return Found(standing, conditions(project_id, wanted)[1:], _SHOWN)


_SHOWN = (
    joinedload(Label.annotator).undefer(User.shown),
    joinedload(Label.imported_annotator),
    joinedload(Label.instructions),
    joinedload(Label.item).joinedload(Item.prompt),
    selectinload(Label.preferences),
)


def items_of(session: Session, label_ids: Sequence[int]) -> list[int]:
    """The items that these labels are on."""
    return list(session.scalars(select(Label.item_id).where(bulk.among(Label.id, label_ids)).distinct()))


def annotators(session: Session, project_id: int) -> list[tuple[int, str]]:
    """(number, name) of everybody who has labelled in this project; of people with one name the e-mail address too.
    Those whom imports name have numbers below zero, as `Label.rater`; the first of them are named."""
    rows = session.execute(
        select(User.id, User.shown)
        .where(exists().where(Label.annotator_id == User.id, Label.project_id == project_id))
        .order_by(User.name, User.id)
    )
    imported = session.scalars(
        select(ImportedAnnotator)
        .where(
            ImportedAnnotator.project_id == project_id,
            exists().where(Label.imported_annotator_id == ImportedAnnotator.id),
        )
        .order_by(ImportedAnnotator.aggregate, ImportedAnnotator.name, ImportedAnnotator.id)
        .limit(_NAMED)
    )
    return [(row.id, row.shown) for row in rows] + [(-each.id, each.shown) for each in imported]
