"""A project with more pairs than anybody gets through, and people with API tokens who label it."""

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.models import Item, ItemResponse, Project
from app.models.project_settings import AutomationSettings
from tests import factories
from tests.asking import asking

QUESTION = "Which is kinder?"


def crowd(
    session: Session, people: int, overlap: int = 2, questions: tuple[str, ...] = (QUESTION,)
) -> tuple[Project, list[str]]:
    """The project, with 3,540 items, and the people's tokens."""
    project = factories.project(
        session,
        overlap=overlap,
        answer=asking(questions=list(questions)),
        automation=AutomationSettings(keep_queue_filled=False),
    )
    prompt = factories.prompt(session, project)
    answers = [factories.response(session, prompt, project.base_model) for _ in range(60)]
    session.add_all(
        Item(
            project_id=project.id,
            prompt_id=prompt.id,
            kind="comparison",
            item_responses=[ItemResponse(position=0, response=a), ItemResponse(position=1, response=b)],
            purpose="train",
            overlap_target=overlap,
            slots_left=overlap,
        )
        for a in answers
        for b in answers
        if a is not b
    )
    tokens = []
    for _ in range(people):
        person = factories.user(session)
        factories.member(session, project, person)
        tokens.append(accounts.create_token(session, person, "test", [Scope.LABEL])[1])
    return project, tokens
