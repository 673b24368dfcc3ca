"""What an export holds and how it is written: one description for page, API, command line and run. Knows no rows."""

from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlencode

from pydantic import ConfigDict, Field, model_validator

from app.input import Chosen, Input, Rater
from app.models.item import Purpose
from app.models.label import Outcome
from app.models.prompt import Split


class ExportLayout(StrEnum):
    """What a row is."""

    EVERYTHING = "everything"
    TRL = "trl"
    TRL_CONVERSATIONAL = "trl-conversational"
    SFT = "sft"
    LABEL_STUDIO = "label-studio"


class ExportFormat(StrEnum):
    """How rows are written. `excel` is CSV for spreadsheets alone: with a byte order mark, and no cell is a formula."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    EXCEL = "excel"
    PARQUET = "parquet"
    DATASET = "dataset"


class ExportRows(StrEnum):
    """Of TRL's layouts: whether each label is a row, or each pair of responses with what all its labels say."""

    LABELS = "labels"
    PAIRS = "pairs"


class ExportFiles(StrEnum):
    """One file, or one for each split in a ZIP archive."""

    ONE = "one"
    SPLITS = "splits"


PREFERENCES = (ExportLayout.TRL, ExportLayout.TRL_CONVERSATIONAL)


class LabelConditions(Input):
    """Which labels are meant."""

    outcome: Chosen[Outcome] = Field(None, description="Only labels with this choice on the main question")
    annotator: Chosen[Rater] = Field(
        None, description="Only labels of the annotator with this number; below zero it is an imported annotator's"
    )
    purpose: Chosen[Purpose] = Field(None, description="Only labels on items of this purpose")
    late: bool = Field(False, description="Only labels given after their lease had ended")
    commented: bool = Field(False, description="Only labels with a comment")

    @property
    def said(self) -> dict[str, Any]:
        """As a form has it, without what is left as it is."""
        given = self.model_dump(mode="json", exclude_defaults=True, exclude={"before", "limit", "sort"})
        return {name: "true" if value is True else value for name, value in given.items()}

    @property
    def query(self) -> str:
        """The same as an address has it."""
        return urlencode(self.said)


class ExportSettings(LabelConditions):
    """An export of a project's labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: ExportLayout = Field(
        ExportLayout.EVERYTHING,
        description="everything: all there is, can be imported again; trl: prompt, chosen, rejected as text; "
        "trl-conversational: the same as messages; sft: prompt and completion, of responses that people wrote; "
        "label-studio: tasks with annotations",
    )
    format: Chosen[ExportFormat] = Field(
        None,
        description="jsonl (the default), json: a list (Label Studio's), csv, excel: CSV for spreadsheets, parquet, "
        "dataset: a DatasetDict folder in a ZIP archive",
    )
    files: ExportFiles = Field(
        ExportFiles.ONE, description="splits: train and test, a file each, with a dataset card, in a ZIP archive"
    )
    rows: ExportRows = Field(
        ExportRows.LABELS,
        description="Of TRL's layouts. labels: a row for each label; pairs: a row for each pair of responses, with the "
        "share of its raters that prefer the chosen one",
    )
    question: str = Field(
        "", max_length=80, description="Of TRL's layouts: the id of the question; empty: the main one"
    )
    ties: bool = Field(False, description="Of TRL's layouts: rows of equal responses too, with the preference 0.5")
    split: Chosen[Split] = Field(None, description="Only labels on prompts of this split")
    revisions: bool = Field(False, description="Of everything: labels that were changed or withdrawn later, too")
    names: bool = Field(False, description="People by name, beside their numbers")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.layout not in PREFERENCES:
            given = {"rows": self.rows is ExportRows.PAIRS, "question": self.question, "ties": self.ties}
            if name := next((name for name, value in given.items() if value), None):
                raise ValueError(f"{name} is of TRL's layouts, and of no other.")
        if self.layout is not ExportLayout.EVERYTHING:
            if self.revisions:
                raise ValueError("Only the layout everything has revisions: the others have what people say now.")
            if self.purpose is Purpose.CHECK:
                raise ValueError("Attention checks are no preferences: only the layout everything has them.")
        if self.layout is ExportLayout.LABEL_STUDIO and self.written_as is not ExportFormat.JSON:
            raise ValueError("Label Studio reads JSON: choose the format json, or none.")
        return self

    @property
    def written_as(self) -> ExportFormat:
        """The format asked for, or the layout's usual one."""
        usual = ExportFormat.JSON if self.layout is ExportLayout.LABEL_STUDIO else ExportFormat.JSONL
        return self.format or usual

    @property
    def apart(self) -> bool:
        """Whether each split has a file of its own."""
        return self.files is ExportFiles.SPLITS or self.written_as is ExportFormat.DATASET

    @property
    def splits(self) -> list[Split]:
        """Which splits it has. Written responses of holdout prompts are never in one file with those to learn from."""
        if self.split is not None:
            return [self.split]
        return [Split.TRAIN] if self.layout is ExportLayout.SFT and not self.apart else list(Split)

    @property
    def by_item(self) -> bool:
        """Whether a row needs all labels of its item."""
        return self.rows is ExportRows.PAIRS or self.layout is ExportLayout.LABEL_STUDIO
