"""People of one name are told apart where one of them is chosen, and have numbers that exports know them by."""

from app.labels import queries
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
