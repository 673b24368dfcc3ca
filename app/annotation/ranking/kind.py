"""The kind itself: how a ranking is read, and what follows from it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any, cast

from app.annotation.kind import Figure, Judged, Kind, RawLabel, Stated
from app.annotation.ranking import value as values
from app.annotation.ranking.concordance import kendalls_w, ranks_of
from app.annotation.ranking.settings import RankingSettings
from app.annotation.ranking.value import RankingValue
from app.models import Outcome
from app.models.kind_settings import KindSettings
from app.models.project_settings import LabelSettings
from app.models.values import LabelValue
from app.web.errors import Invalid

_W = "Of whole orders, averaged over rankings: 1 where all give the same order, 0 where there is nothing in common."


class Ranking(Kind):
    """See `app.annotation.kind.Kind`."""

    name = "ranking"
    title = "Ranking"
    singular, plural = "ranking", "rankings"
    summary = "Three to eight answers, from the best to the worst. Each two of them are a preference."
    heading = "Rank the answers, best first"
    template = "annotation/ranking/screen.html"
    keys = "annotation/ranking/keys.html"
    script = "annotation/ranking.js"
    value = RankingValue
    settings = RankingSettings
    responses = range(3, values.MOST + 1)
    checks, evaluates = True, True

    def wanted(self, settings: KindSettings) -> int:
        return cast(RankingSettings, settings).responses

    def read(self, settings: LabelSettings, raw: RawLabel) -> LabelValue:
        return values.read(settings, raw)

    def settle(self, value: LabelValue, responses: Sequence[str]) -> LabelValue:
        if (ranked := _ranking(value).shown) != len(responses):
            raise Invalid(
                f"This shows {len(responses)} answers, and {ranked} have a place. Give each answer one.", "fields"
            )
        return value

    def raw(self, value: LabelValue) -> RawLabel:
        return RawLabel("", _ranking(value).places)

    def to_preferences(self, value: LabelValue) -> Sequence[Stated]:
        ranking = _ranking(value)
        return [
            stated for question, tiers in {"": ranking.tiers, **ranking.questions}.items()
            for stated in _stated(question, tiers)
        ]  # fmt: skip

    def expects(self, foreign: int) -> dict[str, Any]:
        return {"worst": foreign}

    def passes(self, value: LabelValue, order: Sequence[int], expected: Mapping[str, Any]) -> bool:
        tiers = _ranking(value).tiers
        named = {"best": tiers[0], "worst": tiers[-1]}
        return all([order[place] for place in named[which]] == [position] for which, position in expected.items())

    def figures(self, items: Sequence[Judged]) -> Sequence[Figure]:
        found = [kendalls_w([_ranks(value, order) for value, order in people]) for people in items]
        known = [each for each in found if each is not None]
        return [Figure("Kendall’s W", fmean(known) if known else None, _W)]


def _stated(question: str, tiers: values.Tiers) -> Iterator[Stated]:
    tier_of = {place: tier for tier, places in enumerate(tiers) for place in places}
    for first, second in combinations(range(len(tier_of)), 2):
        yield Stated(question, first, second, _outcome(tier_of[first], tier_of[second]))


def _outcome(first: int, second: int) -> Outcome:
    return Outcome.TIE if first == second else Outcome.FIRST if first < second else Outcome.SECOND


def _ranks(value: LabelValue, order: Sequence[int]) -> list[float]:
    """By the item's positions, which are the same for everybody."""
    return ranks_of([[order[place] for place in tier] for tier in _ranking(value).tiers])


def _ranking(value: LabelValue) -> RankingValue:
    if not isinstance(value, RankingValue):
        raise TypeError(f"a ranking's label, not a {value.kind}'s")
    return value


RANKING = Ranking()
