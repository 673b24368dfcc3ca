"""Addresses of a filled platform, by who looks at them, and the rows that some of their pages need beside `filled`'s.

`tests/browser/test_every_page.py` holds the list to the routes.
"""

from datetime import UTC, datetime
from secrets import token_urlsafe

from sqlalchemy.orm import Session

from app import models as m
from app.projects import instructions
from app.web.signing import digest
from tests import factories

REFUSED = [
    (3, "This line is no JSON: it breaks off after 212 characters.", '{"prompt": "Why is the sky'),
    (8, "The prompt is empty.", '{"prompt": ""}'),
]


def of_stages(
    project: m.Project, empty: m.Project, endpoint: m.Model, items: list[m.Item], rewards: list[m.Model],
    policies: list[m.Model], runs: dict[str, m.Run], chat: m.Conversation,
) -> dict[str, list[str]]:  # fmt: skip
    """What `filled.fill` wrote, stage by stage, and a project that is empty yet."""
    base, bare = f"/projects/{project.id}", f"/projects/{empty.id}"
    own = [
        "", "/prompts", "/prompts/review", "/imports", f"/prompts/{items[0].prompt_id}", "/items",
        f"/items/{items[0].id}", "/labels", "/labels/quality", "/labels/over-time", "/labels/mine",
        "/rewards", f"/rewards/{rewards[2].id}",
        "/policies", f"/policies/{policies[1].id}", f"/policies/evaluations/{runs['evaluation'].id}", "/runs",
        *(f"/runs/{run.id}" for run in runs.values()), f"/runs/compare?run={runs['ppo'].id}", "/train/reward",
        "/train/ppo", "/chat", f"/chat/{chat.id}", f"/chat/{chat.id}/delete", "/people", "/guidelines",
        "/guidelines/edit", "/settings", "/clone", "/audit", "/models",
    ]  # fmt: skip
    unfilled = ["", *(f"/{each}" for each in (
        "prompts", "items", "labels", "labels/quality", "label", "rewards", "policies", "runs", "chat",
    ))]  # fmt: skip
    everybody = [
        "/", "/projects/new", "/account", "/account/keys", "/users", "/endpoints", f"/endpoints/{endpoint.id}",
        "/models", "/system", "/api/docs",
    ]  # fmt: skip
    return {
        "manager": everybody + [base + page for page in own] + [bare + page for page in unfilled],
        "annotator": [f"{base}/{page}" for page in ("label", "labels/mine", "guidelines", "chat")],
        "nobody": ["/sign-in"],
    }


def of_parts(
    session: Session, project: m.Project, manager: m.User, annotator: m.User, item: m.Item
) -> dict[str, list[str]]:
    """Flags, imports, exports, versions of the guidelines, links: rows, and where they are seen."""
    flag = factories.flag(session, item, annotator, "Both answers are about **another** question. Which one counts?")
    session.add(m.FlagMessage(flag_id=flag.id, author_id=manager.id, text="Good catch. Take *both bad*, or skip it."))
    factories.flag(
        session, item, manager, "Is this too long for a phone?", closed_at=datetime.now(UTC), closed_by_id=manager.id
    )
    brought = factories.run(session, project, m.RunKind.IMPORT, state=m.RunState.SUCCEEDED, ended_at=datetime.now(UTC))
    counts = {"prompts": 24, "duplicates": 2, "refused": len(REFUSED)}
    session.add(m.ImportProgress(run_id=brought.id, read=28, whole=True, stored=28, counts=counts))
    for line, reason, raw in REFUSED:
        session.add(m.RefusedRow(run_id=brought.id, number=line, line=line, reason=reason, raw=raw))
    factories.run(session, project, m.RunKind.EXPORT, state=m.RunState.SUCCEEDED, ended_at=datetime.now(UTC))
    for guidelines in (project.guidelines, f"{project.guidelines}\n- Never reward a longer answer for its length.\n"):
        project.guidelines = guidelines
        instructions.publish(session, project)
    now = datetime.now(UTC)
    going = factories.user(
        session, name="Person 9", email="person-9@deleted.invalid", disabled_at=now, labels_go_since=now
    )
    talks = factories.user(
        session, name="Person 10", email="person-10@deleted.invalid", disabled_at=now, chats_go_since=now
    )
    factories.project(session, archived_at=now, goes_since=now)
    link, invited = token_urlsafe(32), token_urlsafe(32)
    factories.sign_in_link(session, annotator, token_hash=digest(link))
    factories.invitation(session, project, manager, token_hash=digest(invited))
    session.flush()
    home = f"/projects/{project.id}"
    both = [f"{home}/flags", f"{home}/flags/{flag.id}", f"{home}/instructions", f"{home}/instructions/2"]
    return {
        "manager": [
            *both, f"{home}/imports/{brought.id}", f"{home}/exports", f"{home}/labels/skips", f"{home}/delete",
            f"{home}/policies/compare", f"/users/{annotator.id}/delete",
            f"/users/{going.id}/delete", f"/users/{talks.id}/delete", "/retention",
            *(f"{home}/{rows}/bulk?all=true&action={action}" for rows, action in (
                ("prompts", "withdraw"), ("items", "withdraw"), ("labels", "again"), ("people", "pause"),
                ("runs", "cancel"), ("models", "retire"),
            )),
        ],
        "annotator": [*both, f"{home}/labels/mine/{item.id}"],
        "nobody": [f"/sign-in/{link}", f"/invitations/{invited}"],
    }  # fmt: skip
