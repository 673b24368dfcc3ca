"""How rows of a file become records: checked from the first to the last, then stored, a batch a transaction.

Nothing is stored before the whole file has been read: until then it is only a file, which no queue, count or training
sees. The row that comes next is written down together with what was stored, so that whatever interrupts this, the next
attempt goes on there.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.imports import files, queries
from app.imports.batches import BATCH, Row, batches
from app.imports.reading import File, Ready, opened
from app.items import imported as items
from app.labels import imported as labels
from app.models import ImportConfig, Project, PromptStatus, Run
from app.models.documents import ImportCounts
from app.prompts import imported as prompts
from app.prompts import queries as prompt_queries
from app.web.errors import Invalid
from app.web.filters import plural
from formats import Refusal, Unreadable

# A plan that is kept was made for the few rows that there were when the import began.
_PLAN_ANEW = text("set local plan_cache_mode = force_custom_plan")
_GROWN = text("analyze prompt, response, item, item_response, assignment, label, preference")
MANY = 5_000  # rows; PostgreSQL's own analysis comes a minute later, and until then plans are those of empty tables
MOST_REFUSED = 2**29  # characters of refused rows that are kept, to be given back
Writing = Callable[[], AbstractContextManager[tuple[Session, Run]]]


class Watching(Protocol):
    """Is told how far the work is, now and then; raises where it is to stop."""

    def __call__(self, done: int, total: int | None, unit: str) -> None:
        """`done` of `total` of these units; where the unit changes, another part of the work begins."""


def bring_in(writing: Writing, tell: Watching) -> ImportCounts:
    """Read the run's file into its project; what was made of it. Goes on where an earlier attempt has come to.

    Raises Invalid with a sentence where the file cannot be read, or has refused rows that are not to be skipped: then
    nothing has been stored.
    """
    with writing() as (session, run):
        config, project = run.asked(ImportConfig), session.get_one(Project, run.project_id)
        done = queries.progress(session, run.id)
        read, whole, stored, counts = done.read, done.whole, done.stored, done.counts
        asked = project.answer
    try:
        file = opened(files.path(config.file), config, asked)
        if not whole:
            read = _check(writing, file, read, tell)
            with writing() as (session, run):
                counts = queries.counts(session, run.id)
        if (refused := counts.get("refused", 0)) and not config.skip_invalid:
            raise Invalid(
                f"{plural(refused, 'row')} of {read:,} cannot be used, so nothing was imported. "
                "Correct the file, or import the rest."
            )
        for batch in batches(file.rows(stored), BATCH):
            _keep(writing, batch)
            tell(batch[-1][0], read, "rows stored")
    except Unreadable as error:
        raise Invalid(str(error)) from None
    with writing() as (session, run):
        if read - stored >= MANY:
            session.execute(_GROWN)
        return queries.counts(session, run.id)


def _check(writing: Writing, file: File, after: int, tell: Watching) -> int:
    """Read the whole file and write down what is refused; how many rows it has."""
    kept = 0
    number = after
    for batch in batches(file.rows(after), 10 * BATCH):
        refused = [(place, each) for place, each in batch if isinstance(each, Refusal)]
        kept += sum(len(each.raw) for _, each in refused)
        if kept > MOST_REFUSED:
            raise Invalid("Nearly nothing of this file can be used. Look at its first rows and say how to read it.")
        number = batch[-1][0]
        with writing() as (session, run):
            done = queries.progress(session, run.id)
            queries.refuse(session, run.id, refused)
            done.read = number
            done.counts = _plus(done.counts, refused=len(refused))
        share = file.reading.share
        tell(number, max(number, round(number / share)) if share else None, "rows checked")
    with writing() as (session, run):
        done = queries.progress(session, run.id)
        done.whole = True
        done.counts = _plus(done.counts, **{f"{what}_left_out": count for what, count in file.left_out.items()})
    return number


def _keep(writing: Writing, batch: Sequence[Row]) -> None:
    """Store a batch of rows, those that are refused passed over."""
    with writing() as (session, run):
        session.execute(_PLAN_ANEW)
        done = queries.progress(session, run.id)
        if done.stored >= batch[0][0]:
            raise RuntimeError("these rows are stored already")
        made = store(session, run, [each for _, each in batch if isinstance(each, Ready)])
        done.stored = batch[-1][0]
        done.counts = _plus(done.counts, **made)


def store(session: Session, run: Run, rows: Sequence[Ready]) -> Counter[str]:
    """Make prompts, items and labels of rows; how many of each are new, and how many rows' own things were there."""
    project, config = session.get_one(Project, run.project_id), run.asked(ImportConfig)
    alone = config.what == "prompts"
    brought = {row.digest: prompts.Brought(row.messages, row.extra if alone else None) for row in reversed(rows)}
    new = prompts.add(session, run, brought)
    if alone:
        return Counter(prompts=len(new), duplicates=len(rows) - len(new))
    ids = prompt_queries.with_hashes(session, project.id, list(brought))
    asked = config.what == "pairs"
    stored = items.add(session, project, run, [_item(row, *ids[row.digest], asked) for row in rows], asked=asked)
    made = Counter(prompts=len(new), pairs=sum(each.new for each in stored.values()))
    if asked:
        made["duplicates"] = len(rows) - made["pairs"]
        return made
    said = [label for row in rows for label in _labels(row, stored[row.key or ""])]
    made["labels"] = labels.add(session, run, said)
    made["duplicates"] = len(said) - made["labels"]
    return made


def _item(row: Ready, prompt_id: int, status: PromptStatus, asked: bool) -> items.Brought:
    return items.Brought(
        key=row.key or "",
        kind=row.kind or "",
        prompt_id=prompt_id,
        ordinal=row.number,
        responses=_texts(row),
        extra=row.extra if asked else None,  # else the label has it
        withdrawn=status is not PromptStatus.ACTIVE,
    )


def _labels(row: Ready, item: items.Stored) -> Iterator[labels.Brought]:
    places = item.places(_texts(row))
    for said in row.opinions:
        order = [places[place] for place in said.order] if said.order else places
        yield labels.Brought(
            item.id, said.key, said.annotator, said.value, order, said.preferences, said.comment, said.extra,
            said.written, said.given,
        )  # fmt: skip


def _texts(row: Ready) -> list[items.Text]:
    sampled: Sequence[Mapping[str, Any]] = row.sampled or [{}] * len(row.responses)
    return [
        items.Text(each.text, each.author, each.metadata, how) for each, how in zip(row.responses, sampled, strict=True)
    ]


def _plus(counts: ImportCounts, **more: int) -> ImportCounts:
    """The counts with more of some; another object, since what a column holds is never changed in place."""
    return {**counts, **{name: counts.get(name, 0) + count for name, count in more.items()}}
