"""Policies paid by several reward models and functions: what is read, refused, told, kept and handed to the library."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.models import Model, ModelKind, Run, TrainingConfig
from app.policies import mixes
from app.policies.ppo import PPO
from app.policies.rloo import RLOO
from app.runs import training
from app.settings import get_settings
from app.web.errors import Conflict, Invalid
from rlhf.reward_mix import parse_mix
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def models(session: Session, cast: Cast, stored: Any) -> list[Model]:
    stored(cast.project.base_model)
    found = [
        factories.model(session, cast.project, kind=ModelKind.REWARD, name=f"Reward model {number}")
        for number in (1, 2, 3)
    ]
    for model in found:
        stored(model)
    return found


@pytest.fixture
def function(stored: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HONE_REWARD_FUNCTIONS", "judges.polite:score, other:one")
    get_settings.cache_clear()
    yield "judges.polite:score"
    get_settings.cache_clear()


def start(session: Session, cast: Cast, mix: str) -> Run:
    return training.start(session, cast.project, cast.manager, PPO, training.checked(PPO, {"reward_mix": mix}))


def test_a_mix_is_told_kept_and_read_by_the_library_as_it_was_meant(
    session: Session, cast: Cast, models: list[Model], function: str
) -> None:
    one, two, three = models
    text = f"#{one.id} + .5*#{two.id},#{three.id} - 0.01*length - 2*repetition + {function}"
    run = start(session, cast, text)
    config = run.asked(TrainingConfig)
    assert config.mix == (
        "Reward model 1 + 0.5*Reward model 2, Reward model 3 - 0.01*length - 2*repetition + judges.polite:score"
    )
    assert run.reward_model_id == one.id
    assert config.options["reward_mix"] == text
    assert "reward_mix" not in config.settings
    assert PPO.about(run) == f"{cast.project.base_model.name} against {config.mix}"
    data = PPO.data(session, run)
    terms = parse_mix(str(data.settings["reward"]))
    folders = {model.id: str((get_settings().store / str(model.artifact)).resolve()) for model in models}
    assert [(term.weight, term.sources) for term in terms] == [
        (1.0, (folders[one.id],)),
        (0.5, (folders[two.id], folders[three.id])),
        (-0.01, ("length",)),
        (-2.0, ("repetition",)),
        (1.0, (function,)),
    ]


def test_without_a_mix_the_reward_model_pays_alone(session: Session, cast: Cast, models: list[Model]) -> None:
    run = start(session, cast, "  ")
    assert (run.reward_model_id, run.asked(TrainingConfig).rewards) == (models[-1].id, [])
    assert PPO.data(session, run).settings["reward"].endswith(str(models[-1].artifact))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("#1 +", "sign without a term"),
        ("+ + length", "sign without a term"),
        ("-", "sign without a term"),
        ("0*length", "A weight is not 0"),
        ("1e9*length", "at most 1,000,000"),
        ("1e999*length", "at most 1,000,000"),
        ("#999999", "999999 is none"),
        ("Reward model 1", "is no term"),
        ("/etc/passwd", "is no term"),
        ("../../store/models/run-1", "is no term"),
        ("os:system", "Only an operator can permit it, by HONE_REWARD_FUNCTIONS"),
        ("length + 0.5*os.path:exists", "Only an operator can permit it"),
        ("length*2", "is no term"),
        ("#1,#2 #3", "is no term"),
        ("#1;rm", "is no term"),
        (" + ".join(["length"] * 9), "at most 8 terms"),
        ("x" * 501, "at most 500 characters"),
    ],
)
def test_what_is_no_mix_is_refused_before_it_is_queued(
    session: Session, cast: Cast, models: list[Model], text: str, sentence: str
) -> None:
    text = text.replace("#1", f"#{models[0].id}").replace("#2", f"#{models[1].id}")
    with pytest.raises(Invalid) as refusal:
        start(session, cast, text)
    assert sentence in refusal.value.message
    assert list(refusal.value.errors or {}) == ["reward_mix"]
    assert session.query(Run).all() == []


def test_models_of_others_and_of_other_kinds_are_refused(session: Session, cast: Cast, models: list[Model]) -> None:
    foreign = factories.model(session, cast.other, kind=ModelKind.REWARD)
    policy = factories.model(session, cast.project)
    for model in (foreign, policy):
        with pytest.raises(Invalid, match="Choose a reward model of this project"):
            start(session, cast, f"#{models[0].id} + #{model.id}")
    catalog.retire(session, cast.manager, models[1])
    with pytest.raises(Conflict, match="was retired"):
        start(session, cast, f"#{models[0].id} + #{models[1].id}")


def test_a_model_of_a_mix_that_waits_is_not_retired_and_a_function_that_was_withdrawn_ends_the_run(
    session: Session, cast: Cast, models: list[Model], function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(session, cast, f"#{models[0].id} + #{models[2].id} + {function}")
    with pytest.raises(Conflict, match="A run needs Reward model 3"):
        catalog.retire(session, cast.manager, models[2])
    catalog.retire(session, cast.manager, models[1])
    monkeypatch.setenv("HONE_REWARD_FUNCTIONS", "")
    get_settings.cache_clear()
    with pytest.raises(Conflict, match="cannot be used here"):
        PPO.data(session, run)


def test_functions_alone_need_no_reward_model(session: Session, cast: Cast, stored: Any, function: str) -> None:
    stored(cast.project.base_model)
    wanted = training.checked(RLOO, {"reward_mix": f"{function} - 0.1*length"})
    run = training.start(session, cast.project, cast.manager, RLOO, wanted)
    assert run.reward_model_id is None
    assert RLOO.data(session, run).settings["reward"] == "judges.polite:score - 0.1*length"


def test_from_the_page_and_by_the_api(
    as_: As, client: Browser, cast: Cast, session: Session, models: list[Model]
) -> None:
    one, two, _ = models
    page = as_("manager").get(f"/projects/{cast.project.id}/train/ppo").text
    assert f"#{one.id} Reward model 1" in page
    wrong = as_("manager").submit(f"/projects/{cast.project.id}/train/ppo", reward_mix=f"#{one.id} + os:system")
    assert wrong.status_code == 422
    assert "HONE_REWARD_FUNCTIONS" in wrong.text
    assert f'value="#{one.id} + os:system"' in wrong.text
    mix = f"#{one.id} - 0.5*#{two.id}"
    started = as_("manager").submit(f"/projects/{cast.project.id}/train/ppo", reward_mix=mix)
    assert started.status_code == 303
    assert "Reward model 1 - 0.5*Reward model 2" in as_("manager").get(started.headers["location"]).text
    headers = client.bearer(cast.manager, "manage", "read")
    url = f"/api/v1/projects/{cast.project.id}/runs"
    body = {"method": "grpo", "settings": {"reward_mix": mix}}
    made = client.post(url, json=body, headers=headers)
    assert made.status_code == 201
    assert [term["weight"] for term in made.json()["config"]["rewards"]] == [1.0, -0.5]
    refused = client.post(url, json=body | {"settings": {"reward_mix": "/etc"}}, headers=headers)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["reward_mix"])


@given(st.text(max_size=60) | st.from_regex(r"[#0-9+*., a-z:-]{0,30}", fullmatch=True))
def test_no_text_is_anything_but_terms_or_a_sentence(text: str) -> None:
    class Nothing:
        def get(self, *_: Any) -> None:
            return None

    project: Any = type("P", (), {"id": 1})
    found = []
    with suppress(Invalid):
        found = mixes.read(Nothing(), project, text)  # type: ignore[arg-type]
        assert found
    assert all(term.function in mixes.MEASURES for term in found)
