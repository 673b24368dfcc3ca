"""The forms' settings are those of the learning library, which the platform may not import: a test may."""

import pytest

from app import extensions
from app.methods import METHODS, Method
from app.methods.schema import schema
from rlhf import trainers
from rlhf.config import from_mapping, to_dict

extensions.load()


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_the_library_takes_what_the_form_gives(method: Method) -> None:
    config = trainers.find(method.name).settings
    files = dict.fromkeys(schema(method.name)["required"], "x")
    settings = method.form().config().settings
    taken = to_dict(from_mapping(config, files | settings))
    assert {name: taken[name] for name in settings} == settings


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_every_field_has_a_title_and_help(method: Method) -> None:
    assert [name for name, field in method.form.model_fields.items() if not (field.title and field.description)] == []
