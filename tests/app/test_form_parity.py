"""Whatever can be said in a form of a page, a call of the API and a command can say too: field by field, as found in
the pages themselves."""

import re
from typing import Any

from sqlalchemy.orm import Session

from app.annotation.registry import KINDS
from app.main import app as pages
from app.methods import METHODS
from app.web.csrf import FIELD
from app.web.guard import access_by_route
from tests.app.conftest import Browser
from tests.app.page_forms import Form, Forms, undone
from tests.app.test_every_form import filled
from tests.browser.filled import Filled
from tests.workers.cli.test_parity import ACTIONS, SHOWN, short
from workers.cli.calls import commands
from workers.cli.main import app as hone
from workers.reference.document import Operation, operations, resolved

__all__ = ["filled"]
DOCUMENT = pages.openapi()
# What only a page needs: what it showed, that a form goes once, whose password it is, which columns are seen.
OF_PAGES = {FIELD, "page_key", "seen_values", "seen", "once", "username", "columns", "before"}
# What a page calls an argument of the operation.
IN_CALLS = {
    "ask_items_again": {"item": "items"},
    "change_project": {
        "check_percent": "check_share", "control_percent": "control_share", "hidden": "first_round_hidden",
        "source": "sources",
    },
    "change_quotas": {"storage_gb": "storage_bytes"},
    "review_prompts": {"decision": "admit", "prompt": "prompts"},
    "withdraw_items": {"item": "items"},
    "withdraw_prompts": {"prompt": "prompts"},
}  # fmt: skip
# Fields for which there is an operation of its own, or a file.
ELSEWHERE = {
    "start_import": {"action": "preview_import", "text": "start_import"}, "show_run": {"step": "list_run_samples"},
}  # fmt: skip
# What a command calls an argument, or the words that stand for it.
IN_COMMANDS = {
    "change_user": {"disabled": "disable", "is_admin": "make-admin"},
    "delete_project": {"name": "yes"},
    "import_from_hub": {"container": "format_", "hub": "file", "layout": "format_", "mapping": "map_"},
    "list_all_events": {"q": "search"},
    "list_events": {"q": "search"},
    "list_users": {"q": "search"},
    "register_endpoint": {"served_name": "model"},
    "review_prompts": {"admit": "admit"},
    "start_evaluation": {"baseline_id": "against", "other_ids": "against"},
    "start_import": {"container": "format_", "layout": "format_", "mapping": "map_"},
    "start_training": {"method": "what", "settings": "setting"},
}
READ_ON = {"before", "limit"}  # commands that list everything go from page to page


def named(node: Any, seen: frozenset[str] = frozenset()) -> set[str]:
    """The names of all properties in a schema, in those within it too."""
    if isinstance(node, list):
        return set().union(*(named(each, seen) for each in node))
    if not isinstance(node, dict):
        return set()
    if isinstance(reference := node.get("$ref"), str):
        return set() if reference in seen else named(resolved(DOCUMENT, node), seen | {reference})
    own = node.get("properties", {})
    inner = [*own.values(), *(value for name, value in node.items() if name != "properties")]
    return set(own) | named(inner, seen)


def sayable(operation: Operation) -> set[str]:
    """What a call can say."""
    found = {"file"} if operation.takes_file else set()
    for argument in operation.arguments:
        found |= {argument.name} | named(argument.schema)
    # What methods and kinds are told is theirs to say: the document has an object there.
    if operation.name == "start_training":
        found |= {name for method in METHODS.values() for name in method.form.model_fields}
    if operation.name == "change_project":
        found |= {name for kind in KINDS.values() for name in kind.settings.model_fields}
    return found


def place_of(form: Form) -> str | None:
    """The operation that does what a form does, or shows what it asks for: of the route with the fewest blanks."""
    path = form.action.partition("?")[0]
    fitting = [
        route
        for method, route in access_by_route(pages)
        if method == form.method.upper() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path)
    ]
    known = ACTIONS | SHOWN
    return known.get(short(form.method.upper(), min(fitting, key=lambda each: each.count("{")))) if fitting else None


def test_every_field_of_a_form_is_an_argument_of_its_call(session: Session, client: Browser, filled: Filled) -> None:
    calls = {each.name: each for each in operations(DOCUMENT)}
    fields: dict[str, set[str]] = {}
    for who in ("manager", "annotator"):
        browser = client.sign_in(getattr(filled, who))
        for place in filled.places[who]:
            reader = Forms(place)
            with undone(session):
                reader.feed(browser.get(place).text)
            for form in reader.found:
                if operation := place_of(form):
                    fields.setdefault(operation, set()).update(name.partition("[")[0] for name in form.fields)
    assert len(fields) > 60
    faults = {}
    for operation, there in fields.items():
        names, elsewhere = IN_CALLS.get(operation, {}), ELSEWHERE.get(operation, {})
        assert set(elsewhere.values()) <= calls.keys()
        said = {names.get(each, each) for each in there - OF_PAGES - elsewhere.keys()}
        if missing := said - sayable(calls[operation]):
            faults[operation] = missing
    assert not faults


def test_every_argument_of_a_call_is_an_option_of_its_command() -> None:
    options: dict[str, set[str]] = {}
    for words, command, done in commands(hone):
        there = {each.name or "" for each in command.params} | set(words.split())
        for operation in done:
            options.setdefault(operation, set()).update(there)
    faults = {}
    for each in operations(DOCUMENT):
        names = IN_COMMANDS.get(each.name, {})
        asked = {names.get(one.name, one.name) for one in each.arguments if one.where != "path"} - READ_ON
        if missing := asked - options[each.name]:
            faults[each.name] = missing
    assert not faults
