"""The list of prompts: what it shows, and what is done to many of them."""

from sqlalchemy import func

from app.models import Prompt
from app.web.tables import Action, Column, Filter, Table

SPLITS = [("train", "Train"), ("holdout", "Holdout")]
STATUSES = [("active", "Active"), ("review", "To review"), ("refused", "Rejected"), ("withdrawn", "Withdrawn")]
SOURCES = [("starter", "Starter set"), ("import", "Import"), ("api", "API"), ("chat", "Chat")]

PROMPTS = Table(
    name="prompts",
    one="prompt",
    many="prompts",
    mark="prompt",
    key=Prompt.id,
    columns=(
        Column("prompt", "Prompt", look="text", always=True),
        Column("number", "Number", look="number", shown=False),
        Column("turns", "Turns", func.jsonb_array_length(Prompt.messages), look="number"),
        Column("split", "Split"),
        Column("source", "Source"),
        Column("status", "Status"),
        Column("flags", "Personal data", shown=False),
        Column("added", "Added", Prompt.id, look="nowrap"),
    ),
    filters=(
        Filter("search", "Containing", look="search"),
        Filter("status", "Status", STATUSES),
        Filter("split", "Split", SPLITS),
        Filter("source", "Source", SOURCES),
    ),
    order="-added",
    actions=(
        Action("withdraw", "Withdraw", "Withdraw {rows}?", "Their pairs leave the queue; labels stay.", danger=True),
        Action("restore", "Restore", "Restore {rows}?", "They are sampled again; their pairs stay withdrawn."),
        Action("admit", "Add to the loop", "Add {rows} to the loop?", "Those from chat that wait, or were rejected."),
        Action("reject", "Reject", "Reject {rows}?", "Those from chat that wait for a review."),
    ),
)
