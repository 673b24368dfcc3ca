"""What a client may say about a file to import."""

import json
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

import formats
from app.input import Input
from app.models import ImportConfig, Imported
from formats.containers import hub

Container = Literal["", "jsonl", "json", "csv", "lines", "blocks"]
LONGEST = 200


class Choice(Input):
    """How a file is read: what it is imported as, its layout, and which column is what."""

    what: Imported | None = None
    layout: str = Field("", max_length=60)
    container: Container = ""
    encoding: str = Field("", max_length=40)
    delimiter: str = Field("", max_length=1)
    mapping: dict[str, str] = Field(default_factory=dict)
    skip_invalid: bool = False

    @field_validator("layout")
    @classmethod
    def _known(cls, layout: str) -> str:
        if layout and layout not in formats.LAYOUTS:
            raise ValueError(f"There is no such layout. There are: {', '.join(sorted(formats.LAYOUTS))}.")
        return layout

    @model_validator(mode="after")
    def _mapped(self) -> Self:
        named = {target: column for target, column in self.mapping.items() if column}
        if unknown := next((target for target in named if target not in formats.TARGETS), None):
            raise ValueError(f"A column cannot be {unknown[:40]!r}. It can be: {', '.join(formats.TARGETS)}.")
        self.mapping = named
        return self

    def config(self, file: str, name: str, what: Imported) -> ImportConfig:
        """What the run is asked to do."""
        return ImportConfig(
            file=file,
            name=name,
            what=self.what or what,
            layout=self.layout or None,
            mapping=self.mapping,
            container=self.container or None,
            encoding=self.encoding or None,
            delimiter=self.delimiter or None,
            skip_invalid=self.skip_invalid,
        )


class ImportForm(Choice):
    """The page's form. A file, where there is one, comes beside it; one that was sent before is named by its digest."""

    file: str = Field("", pattern="^([0-9a-f]{64})?$")
    name: str = Field("", max_length=LONGEST)
    text: str = ""
    action: Literal["preview", "import"] = "preview"


class HubImport(Choice):
    """A data set of the hub, which nobody has seen yet: so what it is imported as has to be said."""

    model_config = ConfigDict(extra="forbid")

    hub: str = Field(max_length=LONGEST, description="Its name there: owner/name")
    what: Imported

    @field_validator("hub")
    @classmethod
    def _named(cls, name: str) -> str:
        if not hub.NAME.fullmatch(name := name.strip()) or ".." in name:
            raise ValueError("Name a data set as the hub does: owner/name.")
        return name


class ImportFields(Choice):
    """The fields beside the file in a call. `mapping` is a JSON object: {"prompt": "Question"}."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("mapping", mode="before")
    @classmethod
    def _from_json(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        try:
            found = json.loads(given) if given else {}
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(isinstance(column, str) for column in found.values()):
            raise ValueError('Give the map as JSON, such as {"prompt": "Question"}.')
        return found
