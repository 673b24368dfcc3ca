"""A project with labels of every kind, and exports of it as files."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Self
from zipfile import ZipFile

from sqlalchemy.orm import Session

from app import models as m
from app.annotation.comparison import ComparisonValue
from app.annotation.demonstration import DemonstrationValue
from app.annotation.ranking import RankingValue
from app.exports.export import Export
from app.items import written
from app.labels import saving
from app.labels.new_label import NewLabel
from app.models.export_settings import ExportSettings
from app.models.values import LabelValue
from app.prompts.reading import content_hash, split_key, split_of
from tests import factories
from tests.asking import asking

A, B, TIE, BAD = m.Outcome.FIRST, m.Outcome.SECOND, m.Outcome.TIE, m.Outcome.BOTH_BAD
SYSTEM = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "List\n- two things"},
    {"role": "assistant", "content": "- one"},
    {"role": "user", "content": "And?"},
]


def give(
    session: Session, item: m.Item, person: m.User, value: LabelValue, order: Sequence[int] | None = None, **more: Any
) -> m.Label:
    """A label as the screen saves it, preferences and written response with it."""
    own = {name: more.pop(name) for name in ("reasons", "comment", "seconds") if name in more}
    answer = NewLabel(value, tuple(own.get("reasons", ())), own.get("comment"), own.get("seconds"))
    shown = list(order if order is not None else range(len(item.item_responses)))
    text = answer.kind.writes(value)
    place = written.next_position(session, item) if text is not None else None
    label = m.Label(
        project_id=item.project_id, item_id=item.id, annotator_id=person.id, value=value,
        order=shown if place is None else [*shown, place], reasons=list(answer.reasons), comment=answer.comment,
        seconds=answer.seconds, surplus=True, **more,
    )  # fmt: skip
    supersedes = saving.current_label(session, person.id, item.id)
    if text is not None and place is not None:
        if supersedes is not None:
            supersedes.superseded_at = datetime.now(UTC)
            session.flush()
        session.add(label)
        session.flush()
        written.add(session, person, item, text, label, place)
    return saving.add(session, label, answer, supersedes)


class All:
    """A project in which everything was labelled."""

    def __init__(self, session: Session, project: m.Project, one: m.User, two: m.User) -> None:
        self.session, self.project, self.one, self.two = session, project, one, two
        self._asked = 0
        project.answer = asking(levels=2, questions=["Kinder?"], reasons=["Short"])
        session.flush()
        self.model = project.base_model
        self._compare()
        self._rank()
        self._write()

    @classmethod
    def again(cls, session: Session, project: m.Project) -> Self:
        """More of the same project, in another session."""
        found = cls.__new__(cls)
        found.session, found.project, found.model, found._asked = session, project, project.base_model, 10_000
        return found

    def item(self, texts: Sequence[str], kind: str = "comparison", messages: Any = None, **over: Any) -> m.Item:
        prompt = self._prompt(messages or [{"role": "user", "content": "Why?"}], over.pop("split", m.Split.TRAIN))
        shown = [
            factories.response(self.session, prompt, self.model, text=text, seed=n, top_p=0.9, top_k=5)
            for n, text in enumerate(texts)
        ]
        return factories.item(self.session, prompt, self.model, kind=kind, responses=shown, **over)

    def _prompt(self, messages: Any, split: m.Split) -> m.Prompt:
        """A prompt that is of this split by its content, wherever it is imported."""
        first = next(place for place, each in enumerate(messages) if each["role"] == "user")
        for _ in range(200):
            self._asked += 1
            asked = [*messages]
            asked[first] = {**asked[first], "content": f"{asked[first]['content']} ({self._asked})"}
            if split_of(key := split_key(asked)) is split:
                break
        side = {"split": split, "split_key": key}
        return factories.prompt(self.session, self.project, messages=asked, content_hash=content_hash(asked), **side)

    def _compare(self) -> None:
        give_ = partial(give, self.session)
        both = self.item(["- one\n- two", "=1+1"], messages=SYSTEM)
        give_(both, self.one, ComparisonValue(choice=A, strength=1), seconds=1.0)
        give_(
            both, self.one, ComparisonValue(choice=A, strength=2, questions={"Kinder?": B}), [1, 0],
            reasons=["Short"], comment="-1 for\nboth", seconds=2.5, late=True,
        )  # fmt: skip
        give_(both, self.two, ComparisonValue(choice=A, strength=1, questions={"Kinder?": TIE}))
        equal = self.item(["So.", "Or so."])
        give_(equal, self.one, ComparisonValue(choice=TIE))
        bad = self.item(["No.", "Nope."])
        give_(bad, self.one, ComparisonValue(choice=BAD))
        self.held = self.item(["Good.", "Poor."], split=m.Split.HOLDOUT)
        give_(self.held, self.one, ComparisonValue(choice=A, strength=2))
        check = self.item(["Right.", "Wrong."], purpose=m.Purpose.CHECK, expected={"best": 0})
        give_(check, self.one, ComparisonValue(choice=A, strength=1), passed=True)
        blind = self.item(["New.", "Old."], purpose=m.Purpose.EVALUATION)
        give_(blind, self.two, ComparisonValue(choice=B, strength=1))

    def _rank(self) -> None:
        three = self.item(["First.", "Second.", "Third."], kind="ranking")
        give(self.session, three, self.one, RankingValue(tiers=((2,), (0, 1))), [1, 2, 0])
        give(self.session, three, self.two, RankingValue(tiers=((0,), (1,), (2,))))

    def _write(self) -> None:
        improve = self.item(["A plant."], kind="demonstration")
        give(self.session, improve, self.one, DemonstrationValue(text="A tall plant.", improves=True))
        give(self.session, improve, self.two, DemonstrationValue(text="A woody plant.", improves=True))
        write = self.item([], kind="demonstration")
        give(self.session, write, self.one, DemonstrationValue(text="An essay."))
        held = self.item([], kind="demonstration", split=m.Split.HOLDOUT)
        give(self.session, held, self.one, DemonstrationValue(text="A held-out essay."))

    def file(self, **wanted: Any) -> bytes:
        """The bytes of an export."""
        return b"".join(Export(self.project, ExportSettings(**wanted)).pieces(self.session))

    def folder(self, path: Path, **wanted: Any) -> Path:
        """An export's archive, unpacked."""
        with ZipFile(BytesIO(self.file(**wanted))) as archive:
            archive.extractall(path)
        return path


def exported(session: Session, project: m.Project, **wanted: Any) -> list[dict[str, Any]]:
    """The rows of an export, read from its JSON lines."""
    content = b"".join(Export(project, ExportSettings(**wanted)).pieces(session))
    return [json.loads(line) for line in content.splitlines()]
