"""What annotators and managers read of a choice is what its button says."""

import re

from app.annotation.comparison.buttons import buttons_of
from app.annotation.comparison.settings import ComparisonSettings
from app.projects.service import DEFAULT_GUIDELINES


def test_the_guidelines_that_a_project_begins_with_name_the_buttons() -> None:
    words = {button.words for button in buttons_of(ComparisonSettings())}
    named = set(re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", DEFAULT_GUIDELINES))
    assert named == {"Equal", "Both bad"} <= words


def test_the_scale_is_called_by_its_strengths() -> None:
    field = ComparisonSettings.model_fields["levels"]
    called = dict(zip((0, 2, 3, 4), field.json_schema_extra["words"], strict=True))  # type: ignore[index, arg-type]
    for levels in (2, 3):
        shown = {button.words for button in buttons_of(ComparisonSettings(levels=levels)) if button.of}
        assert all(word.removesuffix(" better") in called[levels].lower() for word in shown)
