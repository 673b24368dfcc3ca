"""What responses are paid, as a manager writes it: `#12 + 0.5*#14 - 0.01*length - 2*repetition`.

Terms are added or taken away, with spaces around the sign, each with a weight before `*` or without one. A term is a
reward model of the project by its number, or several with commas between them, which are one ensemble; `length`, a
response's tokens; `repetition`, the share of it that repeats itself; or a function that the operator has named.
"""

import re

from sqlalchemy.orm import Session

from app.models import Model, ModelKind, Project
from app.models.run_config import NamedModel, RewardTerm
from app.registry import service as registry
from app.settings import get_settings
from app.web.errors import Conflict, Invalid

FIELD = "reward_mix"
MOST_TERMS, HEAVIEST = 8, 1e6
MEASURES = ("length", "repetition")
_SIGNS = re.compile(r"\s+([+-])\s+")
_TERM = re.compile(r"([+-]?)\s*(?:([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)\s*\*)?\s*(\S.*)", re.DOTALL)
_MODELS = re.compile(r"#[0-9]{1,9}(?:\s*,\s*#[0-9]{1,9})*")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_LIKE = "Write it like #12 + 0.5*#14 - 0.01*length, with the numbers of reward models."


def read(session: Session, project: Project, text: str) -> list[RewardTerm]:
    """The terms of a mix. Raises Invalid with a sentence, or Conflict where a model has no files."""
    first, *rest = _SIGNS.split(text.strip())
    signed = [("+", first), *zip(rest[::2], rest[1::2], strict=True)]
    if len(signed) > MOST_TERMS:
        raise Invalid(f"A mix has at most {MOST_TERMS} terms.", FIELD)
    return [_term(session, project, sign, part) for sign, part in signed]


def _term(session: Session, project: Project, sign: str, part: str) -> RewardTerm:
    found = _TERM.fullmatch(part.strip())
    if found is None or found[3] in "+-" or found[3].endswith((" +", " -")):
        raise Invalid(f"There is a sign without a term. {_LIKE}", FIELD)
    own, number, source = found.groups()
    weight = float(number or 1.0) * (-1 if own == "-" else 1) * (-1 if sign == "-" else 1)
    if not 0 < abs(weight) <= HEAVIEST:
        raise Invalid(f"A weight is not 0 and at most {HEAVIEST:,.0f}.", FIELD)
    source = source.strip()
    if _MODELS.fullmatch(source):
        ids = [int(each.strip()[1:]) for each in source.split(",")]
        models = [reward_model(session, project, model_id, FIELD) for model_id in ids]
        return RewardTerm(weight=weight, models=[NamedModel(id=model.id, name=model.name) for model in models])
    if source not in MEASURES and not (_FUNCTION.fullmatch(source) and _is_allowed(source)):
        raise Invalid(_unknown(source), FIELD)
    return RewardTerm(weight=weight, function=source)


def _is_allowed(function: str) -> bool:
    return function in get_settings().allowed_reward_functions


def _unknown(source: str) -> str:
    if _FUNCTION.fullmatch(source):
        return (
            f"The function {source[:80]} cannot be used here. Only an operator can permit it, by HONE_REWARD_FUNCTIONS."
        )
    named = ", ".join([*MEASURES, *sorted(get_settings().allowed_reward_functions)])
    return f"“{source[:40]}” is no term: it is the number of a reward model, or one of {named}. {_LIKE}"


def reward_model(session: Session, project: Project, model_id: int, field: str) -> Model:
    """A reward model of the project that can score now. Raises Invalid where it is none, Conflict where it cannot."""
    model = session.get(Model, model_id)
    if model is None or model.project_id != project.id or model.kind is not ModelKind.REWARD:
        raise Invalid(f"Choose a reward model of this project; {model_id} is none.", field=field)
    registry.require_ready(model)
    return model


def command(session: Session, terms: list[RewardTerm]) -> str:
    """The mix as the learning library reads it, models by their folders. Raises Conflict where one cannot be used any
    more."""
    said = []
    for term in terms:
        if term.function is not None and term.function not in MEASURES and not _is_allowed(term.function):
            raise Conflict(_unknown(term.function))
        folders = [registry.address(session.get_one(Model, each.id)) for each in term.models]
        if any(re.search(r"[,*]|\s[+-]\s", folder) for folder in folders):
            raise Conflict(
                "The path of the store has a comma, a star or a sign in it, so that no mix can name its models."
            )
        weight = "" if abs(term.weight) == 1 else f"{abs(term.weight)!r}*"
        said.append(f"{'-' if term.weight < 0 else '+'} {weight}{','.join(folders) or term.function}")
    return " ".join(said).removeprefix("+ ")
