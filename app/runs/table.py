"""The list of runs: what it shows, and what is done to many of them."""

from sqlalchemy import Float, cast, func

from app.models import Run, RunKind, RunState
from app.web.tables import Action, Column, Filter, Table

KINDS = {
    RunKind.PREPARATION: "Preparation",
    RunKind.SAMPLING: "Sampling",
    RunKind.SCORING: "Scoring",
    RunKind.EVALUATION: "Evaluation",
    RunKind.IMPORT: "Import",
    RunKind.UNDO: "Undo import",
    RunKind.EXPORT: "Export",
}
TOOK = func.coalesce(cast(func.extract("epoch", Run.ended_at - Run.started_at), Float), 0.0)

RUNS = Table(
    name="runs",
    one="run",
    many="runs",
    mark="run",
    key=Run.id,
    columns=(
        Column("run", "Run", always=True, look="nowrap"),
        Column("tags", "Tags", look="text", shown=False),
        Column("state", "State", Run.state),
        Column("about", "About", look="about-cell"),
        Column("progress", "Progress", look="progress-cell"),
        Column("took", "Took", TOOK, look="number", shown=False),
        Column("device", "Device", shown=False),
        Column("queued", "Queued", Run.id, look="nowrap"),
    ),
    filters=(
        Filter("search", "Name or note", look="search"),
        Filter("tag", "Tag"),
        Filter("kind", "Kind", [*((kind.value, text) for kind, text in KINDS.items()), ("training", "Training")]),
        Filter("method", "Method"),
        Filter("state", "State", [(state.value, state.value.capitalize()) for state in RunState]),
    ),
    order="-queued",
    actions=(
        Action("cancel", "Cancel", "Cancel {rows}?", "Those that run stop at their next step; checkpoints are kept."),
        Action("resume", "Resume", "Resume {rows}?", "They go on from their last checkpoints."),
        Action("delete", "Delete", "Delete {rows}?", "With their files. This cannot be undone.", danger=True),
    ),
)
