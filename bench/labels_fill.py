"""A project of ours with pairs and signed-in annotators, made by the application's own tables."""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import combinations
from math import comb
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app import models as m
from app.db import get_engine, task_session
from app.models.project_settings import AutomationSettings, LabelSettings, SamplingSettings
from app.web.markdown import rendering, to_html
from app.web.signing import digest

ANSWERS = 4  # of each prompt; any two of them are a pair
PAIRS_A_PROMPT = comb(ANSWERS, 2)


def fill(texts: list[tuple[str, str, str]], people: int, answers: int = ANSWERS) -> list[str]:
    """Project 1 with the pairs of so many answers for each of `texts`, wanting one answer each; the session tokens of
    its annotators. The answers to a prompt are its own two and those of the prompts behind it."""
    with task_session() as session:
        base = m.Model(kind=m.ModelKind.BASE, name="bench", source="bench", state=m.ModelState.READY, artifact="none")
        session.add(base)
        session.flush()
        project = m.Project(
            name="bench",
            base_model_id=base.id,
            answer=LabelSettings(),
            sampling=SamplingSettings(),
            automation=AutomationSettings(keep_queue_filled=False),
        )
        session.add(project)
        session.flush()
        if project.id != 1:
            raise RuntimeError("the bench wants an installation of its own")
        _items(session, project.id, base.id, texts, answers)
        tokens = [secrets.token_urlsafe(32) for _ in range(people)]
        users = [m.User(email=f"person{n}@example.org", name=f"Person {n}") for n in range(people)]
        session.add_all(users)
        session.flush()
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        for user, token in zip(users, tokens, strict=True):
            session.add(m.Member(project_id=project.id, user_id=user.id, role=m.Role.ANNOTATOR))
            session.add(m.WebSession(token_hash=digest(token), user_id=user.id, expires_at=tomorrow))
    with get_engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        # As in an installation that has been there for a while; else autovacuum would do it in the middle of a row. Not
        # those that are empty: PostgreSQL would plan for tables that stay so, and read them whole as they fill.
        connection.execute(
            text('vacuum (analyze) model, project, prompt, response, item, item_response, "user", member, web_session')
        )
    return tokens


def _items(session: Session, project: int, model: int, texts: list[tuple[str, str, str]], count: int) -> None:
    prompts = session.scalars(
        insert(m.Prompt).returning(m.Prompt.id, sort_by_parameter_order=True),
        [
            {
                "project_id": project,
                "messages": [{"role": "user", "content": prompt}],
                "html": [to_html(prompt, "message")],
                "html_by": rendering(),
                "content_hash": sha256(str(number).encode()).hexdigest(),
                "source": m.PromptSource.IMPORT,
                "status": m.PromptStatus.ACTIVE,
                "split": m.Split.TRAIN,
            }
            for number, (prompt, _, _) in enumerate(texts)
        ],
    ).all()

    html = {answer: to_html(answer) for _, *answers in texts for answer in answers}
    own = [answer for _, *answers in texts for answer in answers]
    answers = [(own + own)[2 * number : 2 * number + count] for number in range(len(texts))]

    def responses(place: int) -> list[int]:
        rows: list[dict[str, Any]] = [
            {
                "prompt_id": prompt,
                "model_id": model,
                "text": given[place],
                "html": html[given[place]],
                "html_by": rendering(),
                "finish_reason": "stop",
                "token_count": 150,
                "strategy": m.Strategy.STOCHASTIC,
                "temperature": 1.0,
            }
            for prompt, given in zip(prompts, answers, strict=True)
        ]
        found = session.scalars(insert(m.Response).returning(m.Response.id, sort_by_parameter_order=True), rows)
        return list(found)

    shown = [
        (prompt, both)
        for prompt, *sampled in zip(prompts, *map(responses, range(count)), strict=True)
        for both in combinations(sampled, 2)
    ]
    items = session.scalars(
        insert(m.Item).returning(m.Item.id, sort_by_parameter_order=True),
        [
            {"project_id": project, "prompt_id": prompt, "kind": "comparison", "purpose": m.Purpose.TRAIN}
            for prompt, _ in shown
        ],
    ).all()
    session.execute(
        insert(m.ItemResponse),
        [
            {"item_id": item, "position": position, "response_id": response}
            for item, (_, both) in zip(items, shown, strict=True)
            for position, response in enumerate(both)
        ],
    )
