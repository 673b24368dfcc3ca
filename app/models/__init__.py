"""The whole schema, one file per subject. Knows no rules: those live in the stages' services."""

from app.models.account import ApiToken, Invitation, Role, SignInLink, User, WebSession
from app.models.audit import AuditEvent
from app.models.base import Base
from app.models.chat import Conversation, Preference, Thumb, Turn, TurnComparison, TurnRole, TurnState
from app.models.label import Choice, Label
from app.models.model import Model, ModelKind, ModelState
from app.models.pair import Assignment, AssignmentState, Pair, Purpose, Side
from app.models.project import Member, Project
from app.models.prompt import Prompt, PromptSource, PromptStatus, Split
from app.models.response import Response, Strategy
from app.models.run import (
    ResponseScore,
    Run,
    RunKind,
    RunMetric,
    RunSample,
    RunState,
    Snapshot,
    SnapshotLabel,
)
from app.models.scheduler import Scheduler

__all__ = [
    "ApiToken",
    "Assignment",
    "AssignmentState",
    "AuditEvent",
    "Base",
    "Choice",
    "Conversation",
    "Invitation",
    "Label",
    "Member",
    "Model",
    "ModelKind",
    "ModelState",
    "Pair",
    "Preference",
    "Project",
    "Prompt",
    "PromptSource",
    "PromptStatus",
    "Purpose",
    "Response",
    "ResponseScore",
    "Role",
    "Run",
    "RunKind",
    "RunMetric",
    "RunSample",
    "RunState",
    "Scheduler",
    "Side",
    "SignInLink",
    "Snapshot",
    "SnapshotLabel",
    "Split",
    "Strategy",
    "Thumb",
    "Turn",
    "TurnComparison",
    "TurnRole",
    "TurnState",
    "User",
    "WebSession",
]
