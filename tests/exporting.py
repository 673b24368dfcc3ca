"""The rows of an export, read from its JSON lines."""

import json
from typing import Any

from sqlalchemy.orm import Session

from app.exports.export import Export
from app.models import Project
from app.models.export_settings import ExportSettings


def exported(session: Session, project: Project, **wanted: Any) -> list[dict[str, Any]]:
    """The rows of an export, read from its JSON lines."""
    content = b"".join(Export(project, ExportSettings(**wanted)).pieces(session))
    return [json.loads(line) for line in content.splitlines()]
