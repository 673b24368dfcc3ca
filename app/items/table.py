"""The list of items, on pages called pairs: what it shows, and what is done to many of them."""

from app.models import Item
from app.prompts.table import SPLITS
from app.web.tables import Action, Column, Filter, Table

PURPOSES = [("train", "Training"), ("check", "Attention check"), ("evaluation", "Evaluation"), ("chat", "Chat")]
STATES = [("open", "Open"), ("done", "Done"), ("withdrawn", "Withdrawn")]

ITEMS = Table(
    name="items",
    one="pair",
    many="pairs",
    mark="item",
    key=Item.id,
    columns=(
        Column("pair", "Pair", look="number", always=True),
        Column("prompt", "Prompt", look="text"),
        Column("by", "Answers by"),
        Column("purpose", "Purpose"),
        Column("priority", "Priority", look="number"),
        Column("labels", "Labels"),
        Column("wanted", "Labels wanted", look="number", shown=False),
        Column("made", "Made", Item.id, look="nowrap"),
    ),
    filters=(
        Filter("state", "State", STATES),
        Filter("purpose", "Purpose", PURPOSES),
        Filter("split", "Split", SPLITS),
        Filter("prompt", "Prompt number", look="search"),
    ),
    order="-made",
    actions=(
        Action("first", "Put first", "Put {rows} before the others?", "Those that wait for a label come next."),
        Action("again", "Ask for one more label", "Ask for one more label on {rows}?",
               "People who have not seen them are asked."),
        Action("withdraw", "Withdraw", "Withdraw {rows}?", "They leave the queue; their labels are kept.", danger=True),
    ),
)  # fmt: skip
