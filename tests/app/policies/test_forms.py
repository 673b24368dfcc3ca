"""The forms' settings are those of the learning library, which the platform may not import: a test may."""

from typing import Any

import pytest
from pydantic import BaseModel

from app.policies.forms import PolicyForm
from app.rewards.forms import RewardForm
from rlhf.config import from_mapping, to_dict
from rlhf.policy_settings import PolicyConfig
from rlhf.reward_config import RewardConfig

PATHS = {"model": "m", "output": "o"}
FORMS: list[tuple[type[BaseModel], type[Any], dict[str, str]]] = [
    (RewardForm, RewardConfig, PATHS | {"data": "d"}),
    (PolicyForm, PolicyConfig, PATHS | {"reward": "r", "prompts": "p"}),
]


@pytest.mark.parametrize(("form", "config", "paths"), FORMS)
def test_the_library_takes_what_the_form_gives(
    form: type[RewardForm] | type[PolicyForm], config: type[Any], paths: dict[str, str]
) -> None:
    settings = form().settings()
    taken = to_dict(from_mapping(config, paths | settings))
    assert {name: taken[name] for name in settings} == settings


@pytest.mark.parametrize(("form", "config", "paths"), FORMS)
def test_every_field_has_a_title(form: type[BaseModel], config: type[Any], paths: dict[str, str]) -> None:
    assert [name for name, field in form.model_fields.items() if not field.title] == []
