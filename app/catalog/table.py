"""The list of a project's models: what it shows, and what is done to many of them."""

from sqlalchemy import func

from app.models import Model
from app.web.tables import Action, Column, Filter, Table

KINDS = [("base", "Base model"), ("policy", "Policy"), ("reward", "Reward model")]
STATES = [("ready", "Ready"), ("preparing", "Being fetched"), ("failed", "Not fetched"), ("archived", "Retired")]

MODELS = Table(
    name="models",
    one="model",
    many="models",
    mark="model",
    key=Model.id,
    columns=(
        Column("name", "Model", func.lower(Model.name), always=True),
        Column("kind", "Kind", look="nowrap"),
        Column("from", "From"),
        Column("made", "Made", Model.id, look="nowrap"),
        Column("state", "State"),
        Column("number", "Number", look="number", shown=False),
        Column("actions", "", look="actions", always=True),
    ),
    filters=(
        Filter("search", "Name", look="search"),
        Filter("kind", "Kind", KINDS),
        Filter("state", "State", STATES),
    ),
    order="-made",
    actions=(
        Action(
            "retire",
            "Retire",
            "Retire {rows}?",
            "Their records and what was made by them stay; their files are deleted.",
            danger=True,
        ),
    ),
)
