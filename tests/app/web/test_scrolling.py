"""What scrolls in itself is reached by the keyboard: templates give each such box a tab stop and a name."""

import re
from pathlib import Path

TEMPLATES = Path(__file__).parents[3] / "templates"
SCROLLS = re.compile(
    r'<(?:div|p|pre) class="(?:[^"]* )?(?:scroll|log|said|answer-text|prompt)(?: [^"]*)?"[^>]*>|<pre class="code"[^>]*>'
)
"""Tags whose class scrolls; `code wrap` wraps. What one says in a chat is an article, and as tall as it is."""
OWN_STYLE = {"demo/report.html"}
"""Files of one page with a style of their own, in which nothing of that name scrolls."""


def test_every_box_that_scrolls_has_a_tab_stop_and_a_name() -> None:
    found = [
        (str(file.relative_to(TEMPLATES)), tag)
        for file in sorted(TEMPLATES.rglob("*.html"))
        for tag in SCROLLS.findall(file.read_text())
        if str(file.relative_to(TEMPLATES)) not in OWN_STYLE
    ]
    assert len(found) > 40
    assert [each for each in found if 'tabindex="0"' not in each[1]] == []
    boxes = [each for each in found if not each[1].startswith("<pre")]
    assert [each for each in boxes if "role=" not in each[1] or "aria-label" not in each[1]] == []
