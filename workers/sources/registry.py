"""Which sources there are. An extension adds its own with `register`."""

from app.models import ENDPOINT, FOLDER, Model
from app.web.errors import Conflict
from workers.sources.endpoint import Endpoint
from workers.sources.folder import Folder
from workers.sources.source import Source

_SOURCES: dict[str, Source] = {FOLDER: Folder(), ENDPOINT: Endpoint()}


def register(name: str, source: Source) -> None:
    """Have models whose `answers_from` is `name` answer from this source."""
    _SOURCES[name] = source


def source_of(model: Model) -> Source:
    """Where this model answers from; Conflict where it answers from nowhere."""
    try:
        return _SOURCES[model.answers_from]
    except KeyError:
        raise Conflict(f"{model.name} is only a name and answers nothing. Choose another model.") from None
