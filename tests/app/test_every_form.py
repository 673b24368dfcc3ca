"""Every form of every page, as found in the pages themselves, against what people send by accident and on purpose.

Nothing, nonsense, 200 kB, emoji and right-to-left text; a page that is out of date, a session that has ended. None is a
fault of ours; what is refused says so beside the form, and what was typed is in the page that comes back.
"""

import re
from collections import Counter
from html import unescape

import pytest
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy.orm import Session

from app.web.csrf import FIELD, SESSION_COOKIE
from tests.app.conftest import Browser
from tests.app.page_forms import KEPT, forms, sent, state, undone
from tests.browser.filled import Filled, fill

NONSENSE = "<i>%00 ' \" ; drop"
RIGHT_TO_LEFT = "مرحبا \u202e עולם"
EMOJI = "\U0001f469\u200d\U0001f469\u200d\U0001f466 \U0001f600"
HELD = 'name="file" value="'  # of an import: what was pasted is on the server, under its digest
WORDS = "Words that somebody wrote"
LONG = "x" * 200_000


@pytest.fixture
def filled(session: Session, client: Browser) -> Filled:
    return fill(session)


@pytest.mark.parametrize("who", ["manager", "annotator"])
def test_no_form_breaks_and_what_was_typed_is_kept(session: Session, client: Browser, filled: Filled, who: str) -> None:
    browser = client.sign_in(getattr(filled, who))
    found = forms(session, browser, filled.places[who])
    assert len(found) > (40 if who == "manager" else 3)
    faults = []
    for form in found:
        for case, typed in (("nothing", None), ("nonsense", NONSENSE), ("200 kB", LONG), ("emoji", EMOJI),
                            ("right to left", RIGHT_TO_LEFT)):  # fmt: skip
            with undone(session):
                answer = browser.submit(form.action, **sent(form, typed))
            where = f"{case} to {form.action} on {form.page}"
            if answer.status_code >= 500:
                faults.append(f"{where}: {answer.status_code}")
            kept = [name for name, (kind, _) in form.fields.items() if kind in KEPT]
            held = typed in unescape(answer.text) or HELD in answer.text if typed else True
            if answer.status_code == 422 and kept and not held:
                faults.append(f"{where}: what was typed is gone")
            if answer.status_code == 422 and not re.search(
                'class="error"|role="alert"|class="notice|Error 422', answer.text
            ):
                faults.append(f"{where}: nothing says why")
    assert not faults, "\n".join(faults)


def test_a_stale_page_and_an_ended_session_change_nothing(session: Session, client: Browser, filled: Filled) -> None:
    browser = client.sign_in(filled.manager)
    found = forms(session, browser, filled.places["manager"])
    before, cookie, faults = state(session), browser.cookies[SESSION_COOKIE], []
    for form in found:
        fields = sent(form, WORDS)
        stale = browser.post(form.action, data={**fields, FIELD: "0" * 64})
        browser.cookies.clear()
        ended = browser.submit(form.action, **fields)
        browser.cookies.set(SESSION_COOKIE, cookie, domain="localhost.local", path="/")
        prose = [name for name, (kind, _) in form.fields.items() if kind in KEPT and name != FIELD]
        if stale.status_code != 403 or "out of date" not in stale.text or (prose and WORDS not in stale.text):
            faults.append(f"a stale page to {form.action}: {stale.status_code}")
        if ended.status_code != 401:
            faults.append(f"an ended session to {form.action}: {ended.status_code}")
    assert not faults, "\n".join(faults)
    assert state(session) == before


@pytest.mark.parametrize("who", ["manager", "annotator"])
def test_no_two_elements_of_a_page_have_one_id(session: Session, client: Browser, filled: Filled, who: str) -> None:
    browser = client.sign_in(getattr(filled, who))
    faults = []
    for place in filled.places[who]:
        with undone(session):
            page = LexborHTMLParser(browser.get(place).text)
        ids = Counter(node.attributes["id"] for node in page.css("[id]"))
        faults += [f"{place}: {id_} {count} times" for id_, count in ids.items() if count > 1]
        named = {node.attributes["for"] for node in page.css("label[for]")}
        faults += [f"{place}: a label of {id_}, which is not there" for id_ in named - set(ids)]
    assert not faults, "\n".join(faults)
