"""The whole schema, one file per subject. Knows no rules: those live in the stages' services."""

from app.models.account import ApiToken, Invitation, Role, SignInLink, User, WebSession
from app.models.audit import AuditEvent
from app.models.base import Base
from app.models.chat import Conversation, Thumb, Turn, TurnChoice, TurnComparison, TurnRole, TurnState
from app.models.documents import Asked, AskedText, Message, Messages
from app.models.endpoint import Endpoint
from app.models.flag import Flag, FlagMessage
from app.models.head import HeadReport, HeadState, ProjectHead, ResponseFeatures
from app.models.idempotency import IdempotencyKey
from app.models.imported import ImportedAnnotator, ImportProgress, RefusedRow
from app.models.instructions import Instructions
from app.models.item import LEARNT_FROM, MOST_SHOWN, Assignment, AssignmentState, Item, ItemResponse, Level, Purpose
from app.models.label import Label, Outcome, Preference
from app.models.model import ENDPOINT, FOLDER, NOWHERE, Model, ModelKind, ModelState
from app.models.project import Member, PairChoice, Project, QueueOrder
from app.models.prompt import Prompt, PromptSource, PromptStatus, Split
from app.models.quota import Quota
from app.models.response import Origin, Response, Strategy
from app.models.run import (
    ResponseScore,
    Run,
    RunMetric,
    RunSample,
    RunState,
    Snapshot,
    SnapshotLabel,
)
from app.models.run_config import (
    EvaluationConfig,
    ExportConfig,
    ImportConfig,
    Imported,
    PreparationConfig,
    RunConfig,
    RunKind,
    SampledModel,
    SamplerSettings,
    SamplingConfig,
    ScoringConfig,
    Setting,
    TextToScore,
    TrainingConfig,
    UndoConfig,
)
from app.models.scheduler import Scheduler

__all__ = [
    "ENDPOINT",
    "FOLDER",
    "LEARNT_FROM",
    "MOST_SHOWN",
    "NOWHERE",
    "ApiToken",
    "Asked",
    "AskedText",
    "Assignment",
    "AssignmentState",
    "AuditEvent",
    "Base",
    "Conversation",
    "Endpoint",
    "EvaluationConfig",
    "ExportConfig",
    "Flag",
    "FlagMessage",
    "HeadReport",
    "HeadState",
    "IdempotencyKey",
    "ImportConfig",
    "ImportProgress",
    "Imported",
    "ImportedAnnotator",
    "Instructions",
    "Invitation",
    "Item",
    "ItemResponse",
    "Label",
    "Level",
    "Member",
    "Message",
    "Messages",
    "Model",
    "ModelKind",
    "ModelState",
    "Origin",
    "Outcome",
    "PairChoice",
    "Preference",
    "PreparationConfig",
    "Project",
    "ProjectHead",
    "Prompt",
    "PromptSource",
    "PromptStatus",
    "Purpose",
    "QueueOrder",
    "Quota",
    "RefusedRow",
    "Response",
    "ResponseFeatures",
    "ResponseScore",
    "Role",
    "Run",
    "RunConfig",
    "RunKind",
    "RunMetric",
    "RunSample",
    "RunState",
    "SampledModel",
    "SamplerSettings",
    "SamplingConfig",
    "Scheduler",
    "ScoringConfig",
    "Setting",
    "SignInLink",
    "Snapshot",
    "SnapshotLabel",
    "Split",
    "Strategy",
    "TextToScore",
    "Thumb",
    "TrainingConfig",
    "Turn",
    "TurnChoice",
    "TurnComparison",
    "TurnRole",
    "TurnState",
    "UndoConfig",
    "User",
    "WebSession",
]
