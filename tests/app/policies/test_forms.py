"""The forms' settings are those of the learning library, which the platform may not import: a test may."""

from typing import Any

import pytest

from app.methods import METHODS, Method
from rlhf.config import from_mapping, to_dict
from rlhf.policy_settings import PolicyConfig
from rlhf.reward_config import RewardConfig

PATHS = {"model": "m", "output": "o"}
CONFIGS: dict[str, tuple[type[Any], dict[str, str]]] = {
    "reward": (RewardConfig, PATHS | {"data": "d"}),
    "ppo": (PolicyConfig, PATHS | {"reward": "r", "prompts": "p"}),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_the_library_takes_what_the_form_gives(method: Method) -> None:
    config, paths = CONFIGS[method.name]
    settings = method.form().config().settings
    taken = to_dict(from_mapping(config, paths | settings))
    assert {name: taken[name] for name in settings} == settings


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_every_field_has_a_title_and_help(method: Method) -> None:
    assert [name for name, field in method.form.model_fields.items() if not (field.title and field.description)] == []
