"""Reads what people have: prompts, responses, judgements, out of files of any common kind and layout.

    reading = formats.read("pairs.csv")
    for found in reading:
        ...  # a PromptRecord, ComparisonRecord or DemonstrationRecord, or a Refusal with its line and reason
    print(reading.layout, reading.report)

It knows no database, no web page and no model, and holds one row at a time.
"""

from formats.containers.opening import HUB, Container, Opened, open_rows
from formats.layouts import LAYOUTS, Match, detect, register
from formats.layouts.base import Layout
from formats.mapping import TARGETS, guess, with_map
from formats.reading import As, Reading, Report, UnknownLayout, read
from formats.records import (
    BadRow,
    ComparisonRecord,
    DemonstrationRecord,
    Judgement,
    Message,
    Messages,
    PromptRecord,
    Record,
    Refusal,
    Response,
    Row,
    Unreadable,
)

__all__ = [
    "HUB", "LAYOUTS", "TARGETS", "As", "BadRow", "ComparisonRecord", "Container", "DemonstrationRecord", "Judgement",
    "Layout", "Match", "Message", "Messages", "Opened", "PromptRecord", "Reading", "Record", "Refusal", "Report",
    "Response", "Row", "UnknownLayout", "Unreadable", "detect", "guess", "open_rows", "read", "register", "with_map",
]  # fmt: skip
