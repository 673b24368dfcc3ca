"""Documents that name tests name some that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_fault_of_the_labelling_screen_has_tests_that_are_there() -> None:
    lines = [line for line in (ROOT / "docs/labelling-tests.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 25
    named = [NAMED.findall(line) for line in lines]
    assert all(named)
    missing = [each for line in named for each in line if each[1] not in functions(each[0])]
    assert missing == []


def functions(file: str) -> set[str]:
    """The functions of a module of tests in a browser."""
    body = ast.parse((ROOT / "tests/browser" / file).read_text()).body
    return {each.name for each in body if isinstance(each, ast.FunctionDef)}
