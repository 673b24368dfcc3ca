"""What a project sets for each kind of items. Knows no kind: `app.annotation` registers theirs."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny

from app.input import Input


class KindSettings(Input):
    """What a project may set for one kind; a kind adds its own fields. Forms are drawn from them: their titles,
    descriptions and bounds are what people read."""

    # For the document of the API, which knows what all kinds have; each kind refuses what it does not know.
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"additionalProperties": True})

    share: int = Field(0, ge=0, le=100, title="Share", description="Beside the shares of other kinds; 0 asks none.")


_SETTINGS: dict[str, type[KindSettings]] = {}


def register(kind: str, settings: type[KindSettings]) -> None:
    """Have projects hold these settings for a kind."""
    _SETTINGS[kind] = settings


def _of_kinds(given: Any) -> Any:
    """Each kind's settings as that kind has them; one that is not among them gets its defaults."""
    if not isinstance(given, Mapping):
        raise ValueError("Give the settings of each kind by its name.")
    if unknown := [name for name in given if name not in _SETTINGS]:
        raise ValueError(f"There is no kind of items named {str(unknown[0])[:40]!r}.")
    return {name: settings.model_validate(_plain(given.get(name, {}))) for name, settings in _SETTINGS.items()}


def _plain(settings: Any) -> Any:
    return settings.model_dump() if isinstance(settings, BaseModel) else settings


def _some_are_asked(kinds: dict[str, KindSettings]) -> dict[str, KindSettings]:
    if not any(settings.share for settings in kinds.values()):
        raise ValueError("Ask for at least one kind of items: give one of them a share.")
    return kinds


Kinds = Annotated[dict[str, SerializeAsAny[KindSettings]], BeforeValidator(_of_kinds), AfterValidator(_some_are_asked)]
