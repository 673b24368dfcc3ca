"""Attributes that templates choose: what an expression prints is escaped, its quotes too."""

import re
from pathlib import Path

TEMPLATES = Path(__file__).parents[3] / "templates"
QUOTED = re.compile(r"""\{\{-? *\(?' ?[\w-]+="[^']*'.*?}}""")
"""An expression that begins with an attribute and its value in quotes."""


def test_no_attribute_loses_its_quotes() -> None:
    found = [each for file in TEMPLATES.rglob("*.html") for each in QUOTED.findall(file.read_text())]
    assert len(found) > 5
    assert [each for each in found if "| safe" not in each] == []
