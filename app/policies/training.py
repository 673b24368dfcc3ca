"""What all methods that make policies have in common. Each is a file beside this one."""

from typing import ClassVar

from sqlalchemy.orm import Session

from app.accounts import audit
from app.methods import Method
from app.models import Model, ModelKind, Project, Run
from app.models.documents import RunSummary
from app.policies import queries
from app.policies.forms import StartOptions
from app.policies.service import current_policy
from app.registry import service as registry
from app.runs import service as runs


class PolicyMethod(Method):
    """A method whose result joins the project's policies."""

    makes: ClassVar[ModelKind] = ModelKind.POLICY

    def start(self, project: Project, wanted: StartOptions, parent: Run | None) -> Model:
        """The model that learns: that of `parent`, or the one that the form names. Refuses one that is not ready."""
        chosen = current_policy(project) if wanted.start_from == "promoted" else project.base_model
        model = chosen if parent is None else parent.model
        registry.require_ready(model)
        return model

    def finished(self, session: Session, run: Run, summary: RunSummary, artifact: str) -> Model:
        """Register the policy."""
        model = registry.register(
            session,
            run=run,
            kind=ModelKind.POLICY,
            parent=run.model,
            artifact=artifact,
            name=f"Policy {queries.count_policies(session, runs.project_of(run)) + 1}",
            metrics=summary,
        )
        audit.record(session, None, "policy.registered", project_id=run.project_id, subject=model, run=run.id)
        return model
