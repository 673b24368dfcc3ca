"""What can be done to many people of a project at once, each as if they were alone."""

from functools import partial
from typing import Literal

from app.models import Role
from app.projects import people, queries
from app.projects.bulk import Bulk, BulkBody, one_by_one
from app.projects.forms import MemberConditions
from app.projects.table import PEOPLE


class MembersBulk(BulkBody, MemberConditions):
    """What is to be done to which members."""

    action: Literal["pause", "resume", "annotator", "manager", "remove"]


BULK_PEOPLE = Bulk(
    PEOPLE,
    MemberConditions,
    lambda project, wanted: queries.found(project.id, wanted),
    {
        "pause": one_by_one(people.pause),
        "resume": one_by_one(people.resume),
        "annotator": one_by_one(partial(people.change_role, role=Role.ANNOTATOR)),
        "manager": one_by_one(partial(people.change_role, role=Role.MANAGER)),
        "remove": one_by_one(people.remove),
    },
    batch=200,
)
