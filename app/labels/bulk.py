"""What can be done about many labels at once: they stay as they are; their pairs are asked again."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.items import service as items
from app.labels import queries
from app.labels.table import LABELS
from app.models import Project, User
from app.models.export_settings import LabelConditions
from app.projects.bulk import Bulk, Outcome


def _again(session: Session, project: Project, actor: User, label_ids: Sequence[int]) -> Outcome:
    """One more label for each pair of these labels; counted in pairs, as several labels may be on one."""
    found = queries.items_of(session, label_ids)
    done = items.ask_done_again(session, project, actor, found)
    left = len(found) - done
    pairs = "pair" if left == 1 else "pairs"
    why = f"{pairs} withdrawn, from a chat, or still waiting for a label"
    return Outcome(done, Counter({why: left} if left else {}))


BULK_LABELS = Bulk(
    LABELS, LabelConditions, lambda project, wanted: queries.found(project.id, wanted), {"again": _again}
)
