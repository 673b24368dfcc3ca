"""The list of a project's people: what it shows, and what is done to many of them."""

from sqlalchemy import func

from app.models import Member, User
from app.web.tables import Action, Column, Filter, Table

ROLES = [("annotator", "Annotator"), ("manager", "Manager")]
STATES = [("active", "Active"), ("paused", "Paused"), ("disabled", "Account disabled")]

PEOPLE = Table(
    name="people",
    one="person",
    many="people",
    mark="person",
    key=Member.user_id,
    columns=(
        Column("name", "Name", func.lower(User.name), always=True),
        Column("number", "Number", Member.user_id, look="number"),
        Column("role", "Role", Member.role),
        Column("state", "State"),
        Column("joined", "Joined", Member.created_at, look="nowrap"),
        Column("actions", "", look="actions", always=True),
    ),
    filters=(
        Filter("search", "Name or e-mail", look="search"),
        Filter("role", "Role", ROLES),
        Filter("state", "State", STATES),
    ),
    order="name",
    actions=(
        Action("pause", "Pause", "Pause {rows}?", "They get no more pairs until you resume them."),
        Action("resume", "Resume", "Resume {rows}?", "They get pairs again."),
        Action(
            "annotator",
            "Make annotator",
            "Give {rows} the role of annotator?",
            "They compare answers, and manage nothing.",
        ),
        Action(
            "manager",
            "Make manager",
            "Give {rows} the role of manager?",
            "They may do all that you may in this project.",
        ),
        Action("remove", "Remove", "Remove {rows} from this project?", "Their labels stay.", danger=True),
    ),
)
