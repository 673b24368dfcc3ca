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


def added() -> list[str]:
    """The names of those that extensions have added."""
    return [name for name in _SOURCES if name not in (FOLDER, ENDPOINT)]


def source_of(model: Model) -> Source:
    """Where this model answers from; Conflict where that is not known here."""
    try:
        return _SOURCES[model.answers_from]
    except KeyError:
        raise Conflict(
            f"{model.name} answers from “{model.answers_from}”, which is not installed here. Choose another model."
        ) from None
