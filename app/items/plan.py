"""From a project's sampling plan to what a run asks of each model, and which of their responses an item shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from sqlalchemy.orm import Session

from app.annotation import KINDS
from app.models import Model, ModelState, Project, Run, SampledModel, SamplerSettings, SamplingConfig


@dataclass(frozen=True)
class Part:
    """What one model is asked: `settings` are those of the sampler, `n` responses to each prompt."""

    model: Model
    settings: SamplerSettings


def wanted(project: Project, kind: str) -> int:
    """How many responses an item of this kind shows in this project."""
    return KINDS[kind].wanted(project.answer.kinds.get(kind) or KINDS[kind].settings())


def parts(session: Session, project: Project, seed: int, least: int = 2) -> list[Part]:
    """What a run of this project asks now: as planned, and of each source in turn one more where that makes fewer than
    the `least` responses that an item needs. Where it needs one, one source is picked at random, by its responses."""
    common = project.sampling.model_dump()
    sources, counts = project.plan.sources, [source.responses for source in project.plan.sources]
    if least == 1:
        sources, counts = Random(seed).choices(sources, counts), [1]  # noqa: S311  the same each time
    for number in range(least - sum(counts)):
        counts[number % len(counts)] += 1
    found = []
    for number, source in enumerate(sources):
        model_id = source.model_id or project.policy_id or project.base_model_id
        own = {"strategy": source.strategy, "temperature": source.temperature}
        own = {name: value for name, value in own.items() if value is not None}
        settings = common | own | {"n": counts[number], "seed": (seed + number) % 2**31}
        if least == 1 and settings["strategy"] == "mixed":
            settings["strategy"] = "stochastic"  # alone, the most probable one would come each time
        found.append(Part(session.get_one(Model, model_id), SamplerSettings(**settings)))
    return found


def unready(session: Session, project: Project) -> Model | None:
    """The first model of the plan that cannot be asked now."""
    return next((part.model for part in parts(session, project, 0) if part.model.state is not ModelState.READY), None)


def newest(session: Session, project: Project) -> int | None:
    """The current policy, where the plan asks it; else None, since a promotion then makes no responses old."""
    current = project.policy_id or project.base_model_id
    return current if any(part.model.id == current for part in parts(session, project, 0)) else None


def config(parts: Sequence[Part], across: bool, kind: str, prompt_ids: list[int]) -> SamplingConfig:
    """The parts as a run keeps them: the first is the run's own model and settings."""
    return SamplingConfig(
        settings=parts[0].settings,
        others=[SampledModel(model_id=part.model.id, settings=part.settings) for part in parts[1:]],
        across=across,
        item_kind=kind,
        prompt_ids=prompt_ids,
    )


def parts_of(session: Session, run: Run) -> list[Part]:
    """What a run asks, in order."""
    asked = run.asked(SamplingConfig)
    found = [Part(run.model, asked.settings)]
    for number, other in enumerate(asked.others, start=1):
        settings = other.settings.model_copy(update={"seed": (asked.settings.seed + number) % 2**31})
        found.append(Part(session.get_one(Model, other.model_id), settings))
    return found


Place = tuple[int, int]
"""A source and which of its responses."""


def pairs(texts: Sequence[Sequence[str]], across: bool) -> list[tuple[Place, Place]]:
    """Every two responses that one item may show: no two alike, none empty, and with `across` of different sources."""
    places = [(source, place) for source, group in enumerate(texts) for place in range(len(group))]
    said = {each: texts[each[0]][each[1]].strip() for each in places}
    return [
        (one, other)
        for one, other in combinations(places, 2)
        if said[one] and said[other] and said[one] != said[other] and (one[0] != other[0] or not across)
    ]


def choose(
    texts: Sequence[Sequence[str]], shown: int, across: bool, draw: Random, least: int | None = None
) -> list[tuple[int, int]] | None:
    """(source, place) of the `shown` responses that one item shows, no two alike, picked at random; None where there
    are fewer, or fewer than `least` where that is given. `across`: from as many sources as there are, so none where one
    of those has nothing of its own to show."""
    left = [draw.sample(range(len(group)), len(group)) for group in texts]
    order = draw.sample(range(len(texts)), len(texts))
    picked: list[tuple[int, int]] = []
    seen: set[str] = set()
    wanted = min(shown, len(texts)) if across else 0

    def take(source: int) -> bool:
        while left[source]:
            place = left[source].pop()
            if (text := texts[source][place].strip()) and text not in seen:
                seen.add(text)
                picked.append((source, place))
                return True
        return False

    if across:
        going = True
        while going and len(picked) < shown:
            going = False
            for source in order:
                if len(picked) < shown:
                    going |= take(source)
    else:
        pool = draw.sample([source for source in order for _ in texts[source]], sum(map(len, texts)))
        for source in pool:
            if len(picked) < shown:
                take(source)
    enough = shown if least is None else max(least, 1)
    whole = len(picked) >= enough and len({source for source, _ in picked}) >= wanted
    return picked if whole else None
