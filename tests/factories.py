"""One factory per table: the smallest valid row, flushed, with anything overridden by keyword."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

import app.annotation  # noqa: F401  registers the kinds of items, which a project has settings of
from app import models as m
from app.models.export_settings import ExportSettings
from app.runs.queries import FILES_QUEUE

_numbers = count(1)


def _add(session: Session, row: Any) -> Any:
    session.add(row)
    session.flush()
    return row


def _hash() -> str:
    return sha256(str(next(_numbers)).encode()).hexdigest()


def user(session: Session, **over: Any) -> m.User:
    n = next(_numbers)
    return _add(session, m.User(**{"email": f"person{n}@example.org", "name": f"Person {n}"} | over))


def base_model(session: Session, **over: Any) -> m.Model:
    n = next(_numbers)
    values = {
        "kind": m.ModelKind.BASE,
        "name": f"base {n}",
        "source": f"tiny:{n}",
        "state": m.ModelState.READY,
        "artifact": f"models/base-{n}",
    }
    return _add(session, m.Model(**values | over))


def model(session: Session, project: m.Project, **over: Any) -> m.Model:
    n = next(_numbers)
    values = {
        "kind": m.ModelKind.POLICY,
        "name": f"policy {n}",
        "state": m.ModelState.READY,
        "project_id": project.id,
        "artifact": f"models/{n}",
        "parent_id": project.base_model_id,
    }
    return _add(session, m.Model(**values | over))


def endpoint(session: Session, **over: Any) -> m.Model:
    """The model of an endpoint; what is its own, such as `base_url`, goes to the endpoint."""
    n = next(_numbers)
    own = {"base_url": "https://api.example.com/v1", "served_name": f"model-{n}"}
    own |= {name: over.pop(name) for name in list(over) if name in m.Endpoint.__table__.columns}
    values = {
        "kind": m.ModelKind.BASE,
        "name": f"endpoint {n}",
        "answers_from": m.ENDPOINT,
        "offered": True,
        "state": m.ModelState.READY,
        "endpoint": m.Endpoint(**own),
    }
    return _add(session, m.Model(**values | over))


def project(session: Session, **over: Any) -> m.Project:
    from app.models.project_settings import AutomationSettings, LabelSettings, SamplingSettings

    values = {
        "name": f"Project {next(_numbers)}",
        "answer": LabelSettings(),
        "sampling": SamplingSettings(),
        "automation": AutomationSettings(),
    }
    if "base_model" not in over and "base_model_id" not in over:
        values["base_model_id"] = base_model(session).id
    return _add(session, m.Project(**values | over))


def member(
    session: Session, project: m.Project, user: m.User, role: m.Role = m.Role.ANNOTATOR, **over: Any
) -> m.Member:
    return _add(session, m.Member(project_id=project.id, user_id=user.id, role=role, **over))


def web_session(session: Session, user: m.User, **over: Any) -> m.WebSession:
    values = {"token_hash": _hash(), "user_id": user.id, "expires_at": datetime.now(UTC) + timedelta(days=1)}
    return _add(session, m.WebSession(**values | over))


def sign_in_link(session: Session, user: m.User, **over: Any) -> m.SignInLink:
    values = {"token_hash": _hash(), "user_id": user.id, "expires_at": datetime.now(UTC) + timedelta(days=1)}
    return _add(session, m.SignInLink(**values | over))


def api_token(session: Session, user: m.User, **over: Any) -> m.ApiToken:
    """Opens all that any token may, for an hour."""
    values = {
        "token_hash": _hash(),
        "user_id": user.id,
        "name": "laptop",
        "scopes": ["read", "label", "manage", "admin"],
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
    }
    return _add(session, m.ApiToken(**values | over))


def invitation(session: Session, project: m.Project, created_by: m.User, **over: Any) -> m.Invitation:
    values = {
        "token_hash": _hash(),
        "project_id": project.id,
        "role": m.Role.ANNOTATOR,
        "created_by_id": created_by.id,
        "expires_at": datetime.now(UTC) + timedelta(days=7),
    }
    return _add(session, m.Invitation(**values | over))


def prompt(session: Session, project: m.Project, text: str | None = None, **over: Any) -> m.Prompt:
    values = {
        "project_id": project.id,
        "messages": [{"role": "user", "content": text or f"Question {next(_numbers)}?"}],
        "content_hash": _hash(),
        "source": m.PromptSource.IMPORT,
        "status": m.PromptStatus.ACTIVE,
        "split": m.Split.TRAIN,
    }
    return _add(session, m.Prompt(**values | over))


def response(session: Session, prompt: m.Prompt, model: m.Model | None = None, **over: Any) -> m.Response:
    """A model's; without one it is by `author_id` or `imported_from`, and nothing is known of how it came about."""
    if model is None:
        return _add(session, m.Response(**{"prompt_id": prompt.id, "text": f"Answer {next(_numbers)}."} | over))
    values = {
        "prompt_id": prompt.id,
        "model_id": model.id,
        "text": f"Answer {next(_numbers)}.",
        "finish_reason": "stop",
        "token_count": 4,
        "strategy": m.Strategy.STOCHASTIC,
        "temperature": 1.0,
    }
    return _add(session, m.Response(**values | over))


def item(session: Session, prompt: m.Prompt, model: m.Model, **over: Any) -> m.Item:
    """A comparison of two new responses, unless `responses` names others, or none."""
    responses = over.pop("responses", None)
    if responses is None:
        responses = [response(session, prompt, model) for _ in range(2)]
    overlap = over.get("overlap_target", 1)
    values: dict[str, Any] = {
        "project_id": prompt.project_id,
        "prompt_id": prompt.id,
        "kind": "comparison",
        "purpose": m.Purpose.TRAIN,
        "overlap_target": overlap,
        "slots_left": overlap,
    }
    row = m.Item(**values | over)
    row.item_responses = [m.ItemResponse(position=place, response=each) for place, each in enumerate(responses)]
    return _add(session, row)


def assignment(session: Session, item: m.Item, annotator: m.User, **over: Any) -> m.Assignment:
    """Does not take the slot: tests of the queue go through app.labels.leases."""
    values = {
        "project_id": item.project_id,
        "item_id": item.id,
        "annotator_id": annotator.id,
        "order": list(range(len(item.item_responses))),
        "state": m.AssignmentState.OPEN,
        "expires_at": datetime.now(UTC) + timedelta(minutes=30),
    }
    return _add(session, m.Assignment(**values | over))


def label(
    session: Session, item: m.Item, annotator: m.User, outcome: m.Outcome = m.Outcome.FIRST, **over: Any
) -> m.Label:
    """A comparison's label, shown in stored order: `outcome`, `strength` and `questions` are of the responses as they
    are stored and shown. Its preferences stand with it."""
    from app.annotation.comparison import COMPARISON, ComparisonValue
    from app.annotation.kind import PROBABILITY

    value = ComparisonValue(choice=outcome, strength=over.pop("strength", None), questions=over.pop("questions", {}))
    if "assignment_id" not in over:
        over["assignment_id"] = assignment(session, item, annotator, state=m.AssignmentState.LABELLED).id
    if item.purpose is m.Purpose.CHECK and item.expected:
        over.setdefault("passed", COMPARISON.passes(value, [0, 1], item.expected))
    values = {
        "project_id": item.project_id,
        "item_id": item.id,
        "annotator_id": annotator.id,
        "value": value,
        "order": [0, 1],
        "seconds": 3.0,
    }
    row = m.Label(**values | over)
    row.preferences = [
        m.Preference(
            question=stated.question, first=0, second=1, outcome=stated.outcome, strength=stated.strength,
            probability=PROBABILITY[stated.outcome],
        )
        for stated in COMPARISON.to_preferences(value)
    ]  # fmt: skip
    return _add(session, row)


def snapshot(session: Session, project: m.Project, labels: list[m.Label] | None = None, **over: Any) -> m.Snapshot:
    labels = labels or []
    values = {
        "project_id": project.id,
        "content_hash": _hash(),
        "label_count": len(labels),
        "train_pair_count": len(labels),
        "holdout_pair_count": 0,
    }
    row = _add(session, m.Snapshot(**values | over))
    for each in labels:
        _add(session, m.SnapshotLabel(snapshot_id=row.id, label_id=each.id))
    return row


def sampler(**over: Any) -> m.SamplerSettings:
    return m.SamplerSettings(**{"n": 2, "seed": 0} | over)


def asked(kind: m.RunKind, session: Session, project: m.Project) -> m.RunConfig:
    match kind:
        case m.RunKind.PREPARATION:
            return m.PreparationConfig(source=session.get_one(m.Model, project.base_model_id).source or "tiny:1")
        case m.RunKind.SAMPLING:
            return m.SamplingConfig(prompt_ids=[], item_kind="comparison", settings=sampler())
        case m.RunKind.TRAINING:
            return m.TrainingConfig()
        case m.RunKind.SCORING:
            return m.ScoringConfig()
        case m.RunKind.EVALUATION:
            return m.EvaluationConfig(prompt_ids=[], comparisons=1, overlap=1, settings=sampler())
        case m.RunKind.IMPORT:
            return m.ImportConfig(file=f"imports/{project.id}/{_hash()}", name="file.jsonl", size=400, what="prompts")
        case m.RunKind.UNDO:
            return m.UndoConfig(import_id=1)
        case m.RunKind.EXPORT:
            return m.ExportConfig(wanted=ExportSettings())


def run(session: Session, project: m.Project, kind: m.RunKind = m.RunKind.SAMPLING, **over: Any) -> m.Run:
    values = {
        "project_id": None if kind is m.RunKind.PREPARATION else project.id,
        "kind": kind,
        "state": m.RunState.QUEUED,
        "model_id": None if kind in FILES_QUEUE else project.base_model_id,
    }
    if "config" not in over:
        over["config"] = asked(kind, session, project)
    return _add(session, m.Run(**values | over))


def training(session: Session, project: m.Project, method: str = "reward", **over: Any) -> m.Run:
    return run(session, project, m.RunKind.TRAINING, method=method, **over)


def run_metric(session: Session, run: m.Run, step: int, value: float, name: str = "loss") -> m.RunMetric:
    return _add(session, m.RunMetric(run_id=run.id, name=name, step=step, value=value))


def run_sample(session: Session, run: m.Run, step: int = 1, **over: Any) -> m.RunSample:
    values = {"run_id": run.id, "step": step, "prompt": [{"role": "user", "content": "Hi"}], "response": "Hello."}
    return _add(session, m.RunSample(**values | over))


def response_score(session: Session, model: m.Model, response: m.Response, score: float = 0.0) -> m.ResponseScore:
    return _add(session, m.ResponseScore(model_id=model.id, response_id=response.id, score=score))


def response_features(
    session: Session, model: m.Model, response: m.Response, states: Sequence[float], tokens: int = 10
) -> m.ResponseFeatures:
    kept = np.asarray(states, dtype="<f2").tobytes()
    return _add(session, m.ResponseFeatures(model_id=model.id, response_id=response.id, states=kept, tokens=tokens))


def project_head(session: Session, project: m.Project, **over: Any) -> m.ProjectHead:
    values = {"project_id": project.id, "report": m.HeadReport(state=m.HeadState.OFF), "told_at": datetime.now(UTC)}
    return _add(session, m.ProjectHead(**values | over))


def conversation(session: Session, project: m.Project, user: m.User, **over: Any) -> m.Conversation:
    return _add(session, m.Conversation(**{"project_id": project.id, "user_id": user.id, "title": "A chat"} | over))


def turn(session: Session, conversation: m.Conversation, position: int = 0, **over: Any) -> m.Turn:
    values = {
        "conversation_id": conversation.id,
        "position": position,
        "role": m.TurnRole.USER,
        "content": "Hello",
        "state": m.TurnState.DONE,
    }
    return _add(session, m.Turn(**values | over))


def flag(session: Session, item: m.Item, person: m.User, *texts: str, **over: Any) -> m.Flag:
    """A flag with messages of its person."""
    values = {"project_id": item.project_id, "item_id": item.id, "person_id": person.id}
    messages = [m.FlagMessage(author_id=person.id, text=text) for text in texts]
    return _add(session, m.Flag(**values | {"messages": messages} | over))


def audit_event(session: Session, **over: Any) -> m.AuditEvent:
    return _add(session, m.AuditEvent(**{"action": "test.happened"} | over))
