"""The platform's forms and the learning library take the same settings: both are made of the same words."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.methods.method import MethodForm
from app.methods.schema import form, schema
from rlhf import trainers
from rlhf.config import InputError, from_mapping

NAMES = ("dpo", "grpo", "ppo", "reward", "rloo", "sft")
FORMS = {name: form(MethodForm, schema(name), {}) for name in NAMES}


def drawn(words: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values on either side of the bounds, of the setting's type."""
    if "enum" in words:
        return st.sampled_from([*words["enum"], "other"])
    kinds = [words["type"]] if isinstance(words["type"], str) else words["type"]
    nothing = [None] if "null" in kinds else []
    if "boolean" in kinds:
        return st.booleans()
    near = [words[key] + step for key in words if "inimum" in key or "aximum" in key for step in (-1, 0, 1)]
    values = st.sampled_from([*near, words.get("default"), *nothing]) | st.integers(-2, 100)
    return values | st.floats(-2, 100) if "number" in kinds else values.filter(lambda x: not isinstance(x, float))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150)
@given(data=st.data())
def test_a_form_takes_what_the_library_takes(name: str, data: st.DataObject) -> None:
    about = schema(name)
    shown = [key for key, words in about["properties"].items() if words["x-group"] != "local"]
    chosen = data.draw(st.lists(st.sampled_from(shown), min_size=1, max_size=4, unique=True))
    values = {key: data.draw(drawn(about["properties"][key]), label=key) for key in chosen}
    try:
        FORMS[name].model_validate(values)
        by_form = True
    except ValidationError:
        by_form = False
    try:
        from_mapping(trainers.find(name).settings, dict.fromkeys(about["required"], "x") | values)
        by_library = True
    except InputError:
        by_library = False
    assert by_form is by_library
