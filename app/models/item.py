"""What is put before one person: a prompt with the responses to judge, and the leases under which people look at it.

Rows of both tables change with every claim, so that dead entries gather where the queue is read: they are vacuumed
after a few thousand changes, not after a share of a table that may hold a million rows.
"""

from datetime import datetime
from enum import IntEnum, StrEnum

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    desc,
    text,
)
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.account import User
from app.models.base import Base, CreatedAt, Id, Typed, enum_column
from app.models.documents import Expected, Extra
from app.models.prompt import Prompt
from app.models.response import Response


class Purpose(StrEnum):
    """Why an item is shown; hidden from the annotator."""

    TRAIN = "train"
    CHECK = "check"
    EVALUATION = "evaluation"
    CHAT = "chat"  # chosen between in a chat: a label was all it was made for, and nobody is asked


LEARNT_FROM = (Purpose.TRAIN, Purpose.CHAT)
"""Purposes whose labels reward models learn from, and are measured on where the prompt is held out."""


class Level(IntEnum):
    """What is asked first; among items of one level their rank decides."""

    EVALUATION = 0
    AGAIN = 1  # somebody wants one more opinion soon
    TRAIN = 2


EAGER_VACUUM = {
    "autovacuum_vacuum_scale_factor": "0.002",
    "autovacuum_vacuum_threshold": "2000",
    "autovacuum_analyze_scale_factor": "0.02",
}


class AssignmentState(StrEnum):
    """What became of a lease."""

    OPEN = "open"
    LABELLED = "labelled"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Item(Base):
    """`slots_left` = overlap target - open leases - current labels that are not surplus; kept by the statements of
    `app.items.queue`, `app.labels.turn`, `app.labels.lease_queries` and `app.labels.saving`, each together with the
    change that it counts.

    The responses that an item shows are fixed before its first lease."""

    __tablename__ = "item"
    __table_args__ = (
        CheckConstraint("slots_left >= 0 and slots_left <= overlap_target", name="slots"),
        CheckConstraint(f"level between 0 and {max(Level)}", name="level"),
        CheckConstraint("purpose <> 'chat' or overlap_target = 0", name="chat"),
        Index(
            "ix_item_queue",
            "project_id",
            "level",
            "rank",
            "id",
            postgresql_where=text("slots_left > 0 and withdrawn_at is null and purpose <> 'check'"),
        ),
        Index(
            "ix_item_checks",
            "project_id",
            "id",
            postgresql_where=text("purpose = 'check' and withdrawn_at is null"),
        ),
        Index(
            "ix_item_withdrawn", "project_id", "id", postgresql_where=text("withdrawn_at is not null")
        ),  # few, and no label touches it
        # A run that is worked on again adds no second item.
        Index("uq_item_made", "run_id", "prompt_id", "ordinal", unique=True),
        Index("ix_item_project_recent", "project_id", "id"),
        Index(
            "uq_item_import_key",
            "project_id",
            "import_key",
            unique=True,
            postgresql_where=text("import_key is not null"),
        ),
        {"postgresql_with": EAGER_VACUUM},
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(32))  # one of `app.annotation`
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))  # of sampling, evaluation or import, that made it
    ordinal: Mapped[int] = mapped_column(default=0, server_default="0")  # among those of its run and prompt
    purpose: Mapped[Purpose] = mapped_column(enum_column(Purpose))
    # What a right label of an attention check says of the items' responses, as its kind reads it: {"best": position}.
    expected: Mapped[Expected | None] = mapped_column(Typed(Expected))
    level: Mapped[int] = mapped_column(SmallInteger, default=Level.TRAIN, server_default=str(int(Level.TRAIN)))
    # Drawn between 0 and 1; what the live head has placed before all others is below 0, see `app.items.queue`.
    rank: Mapped[float] = mapped_column(default=0.0, server_default="0")
    # Drawn when the item is made: one of the random share, whose place says nothing of what the live head thinks of it.
    control: Mapped[bool] = mapped_column(default=False, server_default="false")
    # The live head chose which of several responses it shows.
    chosen: Mapped[bool] = mapped_column(default=False, server_default="false")
    overlap_target: Mapped[int] = mapped_column(default=1, server_default="1")
    slots_left: Mapped[int] = mapped_column(default=1, server_default="1")
    withdrawn_at: Mapped[datetime | None]
    # Of an imported item: hash of its prompt and responses, by which a file that comes again is known.
    import_key: Mapped[str | None] = mapped_column(String(64))
    extra: Mapped[Extra | None] = mapped_column(Typed(Extra))
    created_at: Mapped[CreatedAt]

    prompt: Mapped[Prompt] = relationship()
    item_responses: Mapped[list["ItemResponse"]] = relationship(
        order_by="ItemResponse.position", passive_deletes=True, cascade="all, delete-orphan"
    )
    responses: AssociationProxy[list[Response]] = association_proxy("item_responses", "response")

    def response_at(self, position: int) -> Response:
        """One of its responses by position."""
        return next(each.response for each in self.item_responses if each.position == position)


MOST_SHOWN = 8  # responses that an item can show; positions from here on are of responses that its labels brought


class ItemResponse(Base):
    """One of the responses that an item shows, or one that a person wrote as their label on it, which nobody is shown.
    `position` is how everything stored names it, from 0 on; where it is displayed is drawn for each person, see
    `Assignment.order`."""

    __tablename__ = "item_response"
    __table_args__ = (
        CheckConstraint(f"position >= 0 and (label_id is not null) = (position >= {MOST_SHOWN})", name="position"),
        # Written ones alone: before a large table's first analysis the planner went through all others in an index of
        # everything, for each item that it showed.
        Index("ix_item_response_label_id", "label_id", unique=True, postgresql_where=text("label_id is not null")),
    )

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    response_id: Mapped[int] = mapped_column(ForeignKey("response.id", ondelete="CASCADE"), index=True)
    # The label that it was written as.
    label_id: Mapped[int | None] = mapped_column(ForeignKey("label.id", ondelete="CASCADE"))

    response: Mapped[Response] = relationship()


class Assignment(Base):
    """One person's lease on one item. Unique: nobody sees the same item twice."""

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("item_id", "annotator_id"),
        CheckConstraint("state = 'skipped' or (skip_reason is null and skip_note is null)", name="skip"),
        # One open lease a person and project, however many tabs ask at once.
        Index("uq_assignment_open", "annotator_id", "project_id", unique=True, postgresql_where=text("state = 'open'")),
        Index(
            "ix_assignment_ended",
            "annotator_id",
            "project_id",
            postgresql_where=text("state in ('expired', 'skipped')"),
        ),
        Index("ix_assignment_expiry", "expires_at", postgresql_where=text("state = 'open'")),
        Index("ix_assignment_annotator_recent", "annotator_id", "project_id", desc("id")),
        {"postgresql_with": EAGER_VACUUM},
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"))
    annotator_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    # The positions of the item's responses in the order in which they are displayed to this person.
    order: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    state: Mapped[AssignmentState] = mapped_column(enum_column(AssignmentState))
    # Why it was skipped, where its person says so: the id of one of the project's reasons, and their own words.
    skip_reason: Mapped[str | None] = mapped_column(String(80))
    skip_note: Mapped[str | None] = mapped_column(Text)
    leased_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]

    item: Mapped[Item] = relationship()
    annotator: Mapped[User] = relationship()
