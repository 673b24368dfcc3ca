"""People of one name are told apart wherever they are listed or chosen, and have numbers that exports know them by."""

from app.accounts.audit import record
from app.labels import queries
from app.models import AssignmentState, FlagMessage
from tests import factories


def test_namesakes_are_told_apart_by_their_e_mail(session, cast, as_):
    people = [
        factories.user(session, name=name, email=f"{n}@example.org") for n, name in enumerate(["Bob", "Bob", "Ada"])
    ]
    prompt = factories.prompt(session, cast.project)
    item = factories.item(session, prompt, cast.project.base_model, overlap_target=3)
    for person in people:
        factories.member(session, cast.project, person)
        factories.label(session, item, person)
    found = dict(queries.annotators(session, cast.project.id))
    assert [found[person.id] for person in people] == ["Bob, 0@example.org", "Bob, 1@example.org", "Ada"]
    listed = as_("manager").get(f"/projects/{cast.project.id}/labels").text
    assert "Bob, 1@example.org" in listed
    members = as_("manager").get(f"/projects/{cast.project.id}/people").text
    assert all(f'data-label="Number">{person.id}</td>' in members for person in people)


def test_every_page_that_names_people_tells_them_apart_to_managers_alone(session, cast, as_, client):
    people = [factories.user(session, name="Bob", email=f"bob{n}@example.org") for n in range(2)]
    items = [
        factories.item(session, factories.prompt(session, cast.project), cast.project.base_model, overlap_target=3)
        for _ in range(3)
    ]
    for person in people:
        factories.member(session, cast.project, person)
        for item in items[:2]:
            factories.label(session, item, person)
        factories.assignment(session, items[2], person, state=AssignmentState.SKIPPED)
        flag = factories.flag(session, items[0], person, "Which one?")
        session.add(FlagMessage(flag_id=flag.id, author_id=person.id, text="I mean B."))
        record(session, person, "flag.raised", project_id=cast.project.id, subject=flag)
    session.flush()
    base = f"/projects/{cast.project.id}"
    pages = [
        "labels",
        "labels/quality",
        "labels/over-time",
        "labels/skips",
        f"items/{items[0].id}",
        f"items/{items[2].id}",
        "flags",
        "audit",
        "people",
        "exports",
    ]
    for page in pages:
        text = as_("manager").get(f"{base}/{page}").text
        assert [f"bob{n}@example.org" in text for n in range(2)] == [True, True], page
    session.add(FlagMessage(flag_id=flag.id, author_id=people[0].id, text="So do I."))
    session.flush()
    session.expire_all()
    client.sign_in(people[1])
    for page in ("flags", f"flags/{flag.id}"):
        text = client.get(f"{base}/{page}").text
        assert "So do I." in text
        assert "bob0@example.org" not in text
