"""README and docs/ show the screenshots that `make screenshots` writes, all of them and no others."""

import re
from pathlib import Path

from tests.browser.screenshots import IMAGES, MOST_BYTES, names

ROOT = Path(__file__).parents[1]


def test_the_documents_show_what_the_command_makes() -> None:
    assert sorted(each.name for each in IMAGES.iterdir()) == names()
    shown = re.compile(r"images/([\w-]+\.webp)")
    assert set(shown.findall((ROOT / "README.md").read_text())) <= set(names())
    assert sorted(set(shown.findall((ROOT / "docs/screens.md").read_text()))) == names()


def test_they_are_pictures_and_small() -> None:
    for name in names():
        content = (IMAGES / name).read_bytes()
        assert (content[:4], content[8:12]) == (b"RIFF", b"WEBP"), name
        assert len(content) < MOST_BYTES, name
