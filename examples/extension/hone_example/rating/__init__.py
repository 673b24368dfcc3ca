"""A kind of items: two responses, each rated from 1 to 5. The higher rating is the preference."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, cast

from pydantic import Field

from app.annotation import Kind, RawLabel, Stated, register
from app.models import Outcome
from app.models.kind_settings import KindSettings
from app.models.project_settings import LabelSettings
from app.models.values import LabelValue, Said
from app.web.errors import Invalid

Rating = Annotated[int, Field(ge=1, le=5)]


class RatingValue(LabelValue):
    """The rating of each response, in the order in which they were shown."""

    kind: Literal["rating"] = "rating"
    ratings: tuple[Rating, Rating]

    def said(self, name: Callable[[int], str]) -> Sequence[Said]:
        return [Said("", ", ".join(f"{name(place)}: {rating}" for place, rating in enumerate(self.ratings)))]


class RatingSettings(KindSettings):
    """Nothing but the share that every kind has."""


class RatingKind(Kind):
    """Two ratings."""

    name = "rating"
    title = "Rating"
    singular, plural = "rating", "ratings"
    summary = "Two answers, each rated from 1 to 5."
    heading = "How good is each answer?"
    template = "hone_example/screen.html"
    keys = "hone_example/keys.html"
    value = RatingValue
    settings = RatingSettings
    responses = range(2, 3)

    def read(self, settings: LabelSettings, raw: RawLabel) -> LabelValue:
        if sorted(raw.fields) != ["1", "2"] or not all(rating in set("12345") for rating in raw.fields.values()):
            raise Invalid("Rate both answers from 1 to 5.", "fields")
        return RatingValue(ratings=(int(raw.fields["1"]), int(raw.fields["2"])))

    def raw(self, value: LabelValue) -> RawLabel:
        first, second = cast(RatingValue, value).ratings
        return RawLabel("", {"1": str(first), "2": str(second)})

    def to_preferences(self, value: LabelValue) -> Sequence[Stated]:
        first, second = cast(RatingValue, value).ratings
        outcome = Outcome.TIE if first == second else Outcome.FIRST if first > second else Outcome.SECOND
        return [Stated("", 0, 1, outcome)]


register(RatingKind())
