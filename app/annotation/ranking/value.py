"""An order of responses: in the form's words, and as it is stored."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Literal, cast

from app.annotation.kind import RawLabel
from app.annotation.ranking.settings import RankingSettings
from app.models.project_settings import LabelSettings
from app.models.values import LabelValue, Said
from app.web.errors import Invalid

MOST = 8
_NUMBER = re.compile(f"[1-{MOST}]")
_ORDER = re.compile("[1-9][0-9]?([>=][1-9][0-9]?)*")

Tiers = tuple[tuple[int, ...], ...]


class RankingValue(LabelValue):
    """The places at which the responses were shown, from 0 on, from the best tier to the worst. Those of one tier are
    equal. `questions` has the order by each further question: nobody is asked those, but imported labels have it."""

    kind: Literal["ranking"] = "ranking"
    tiers: Tiers
    questions: Mapping[str, Tiers] = {}

    @property
    def shown(self) -> int:
        """How many responses have a place."""
        return sum(map(len, self.tiers))

    @property
    def places(self) -> dict[str, str]:
        """Number of a response, from 1 on -> its place, as the form has them: 1, 2, 2, 4."""
        found: dict[str, str] = {}
        before = 0
        for tier in self.tiers:
            found |= {str(response + 1): str(before + 1) for response in tier}
            before += len(tier)
        return dict(sorted(found.items()))

    def said(self, name: Callable[[int], str]) -> Sequence[Said]:
        orders = {"": self.tiers, **self.questions}
        return [
            Said(question, " > ".join(" = ".join(map(name, tier)) for tier in tiers))
            for question, tiers in orders.items()
        ]


def settings_in(settings: LabelSettings) -> RankingSettings:
    """What the project set for rankings."""
    return cast(RankingSettings, settings.kinds["ranking"])


def read(settings: LabelSettings, raw: RawLabel) -> RankingValue:
    """From a text such as 2>1=3>4, or from fields: the number of each response with its place. Equal ones share a
    place; the next is counted on from it with or without a gap (1, 2, 2, 3 or 1, 2, 2, 4). Raises Invalid where a
    response has no place, or two; where a place is left out; or where the project takes no ties."""
    if raw.questions:
        raise Invalid("A ranking takes no further questions. Load the page again.", "questions")
    tiers = _from_text(raw.text) if raw.text else _from_places(raw.fields)
    tied = next((tier for tier in tiers if len(tier) > 1), None)
    if tied and not settings_in(settings).ties:
        raise Invalid(f"This project takes no ties: put {_names(tied)} one after the other.", "fields")
    return RankingValue(tiers=tiers)


def _from_text(text: str) -> Tiers:
    if not _ORDER.fullmatch(text):
        raise Invalid("Write the ranking as the numbers of the answers, best first, such as 2>1=3>4.", "answer")
    tiers = tuple(tuple(sorted(int(number) - 1 for number in tier.split("="))) for tier in text.split(">"))
    ranked = sorted(chain(*tiers))
    twice = next((each for each in ranked if ranked.count(each) > 1), None)
    if twice is not None:
        raise Invalid(f"Answer {twice + 1} is there twice. Give each answer one place.", "answer")
    _require_numbers(ranked, "answer")
    return tiers


def _from_places(fields: Mapping[str, str]) -> Tiers:
    if unknown := next((name for name in fields if not _NUMBER.fullmatch(name)), None):
        raise Invalid(f"There is no answer {unknown[:20]!r} to rank.", "fields")
    ranked = sorted(fields)
    for number in ranked:
        if not fields[number]:
            raise Invalid(f"Answer {number} has no place yet. Give each answer one.", "fields")
        if not _NUMBER.fullmatch(fields[number]) or int(fields[number]) > len(ranked):
            raise Invalid(f"Give answer {number} a place from 1 to {len(ranked)}.", "fields")
    _require_numbers([int(number) - 1 for number in ranked], "fields")
    at: dict[int, list[int]] = {}
    for number in ranked:
        at.setdefault(int(fields[number]), []).append(int(number) - 1)
    before = 0
    for follows, place in enumerate(sorted(at), start=1):
        if place not in (follows, before + 1):
            raise Invalid(f"No answer has place {follows}. Leave no place out.", "fields")
        before += len(at[place])
    return tuple(tuple(at[place]) for place in sorted(at))


def _require_numbers(ranked: Sequence[int], field: str) -> None:
    """Responses are numbered from the first on, without a gap, and not too few or too many."""
    for expected, found in enumerate(ranked):
        if expected != found:
            raise Invalid(f"Answer {expected + 1} has no place yet. Give each answer one.", field)
    if not 3 <= len(ranked) <= MOST:
        raise Invalid(f"A ranking has 3 to {MOST} answers, not {len(ranked)}.", field)


def _names(tier: Sequence[int]) -> str:
    numbers = [str(response + 1) for response in tier]
    return f"answers {', '.join(numbers[:-1])} and {numbers[-1]}"
