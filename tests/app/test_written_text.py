"""What a model wrote is kept, whatever it wrote."""

from sqlalchemy.orm import Session

from tests import factories


def test_a_nul_character_is_replaced_and_the_rest_kept(session: Session) -> None:
    project = factories.project(session)
    prompt = factories.prompt(session, project)
    run = factories.run(session, project, error="Killed.\x00")
    chat = factories.conversation(session, project, factories.user(session))
    written = [
        (factories.response(session, prompt, project.base_model, text="a\x00b"), "text"),
        (factories.run_sample(session, run, response="a\x00b"), "response"),
        (factories.turn(session, chat, content="a\x00b"), "content"),
    ]
    session.flush()
    for row, column in written:
        session.refresh(row)
        assert getattr(row, column) == "a\ufffdb"
    session.refresh(run)
    assert run.error == "Killed.\ufffd"
