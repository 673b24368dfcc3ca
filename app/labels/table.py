"""The list of labels: what it shows, and what is done to the pairs of many of them."""

from sqlalchemy import func

from app.items.table import PURPOSES
from app.models import Label
from app.web.tables import Action, Column, Filter, Table

CHOICES = [("first", "Answer A"), ("second", "Answer B"), ("tie", "Equal"), ("both_bad", "Both bad")]

LABELS = Table(
    name="labels",
    one="label",
    many="labels",
    mark="label",
    key=Label.id,
    columns=(
        Column("pair", "Pair", look="number", always=True),
        Column("prompt", "Prompt", look="text"),
        Column("by", "By"),
        Column("choice", "Choice"),
        Column("why", "Reasons and comment", look="text"),
        Column("version", "Guidelines", look="number", shown=False),
        Column("time", "Time", func.coalesce(Label.seconds, -1.0), look="number"),
        Column("when", "When", Label.id, look="nowrap"),
    ),
    filters=(
        Filter("outcome", "Choice", CHOICES),
        Filter("annotator", "Annotator"),
        Filter("purpose", "Purpose", PURPOSES),
        Filter("commented", "With a comment", look="tick"),
        Filter("late", "Late", look="tick"),
    ),
    order="-when",
    actions=(
        Action(
            "again",
            "Ask for another label",
            "Ask for one more label on the pairs of {rows}?",
            "People who have not seen these pairs are asked.",
        ),
    ),
)
