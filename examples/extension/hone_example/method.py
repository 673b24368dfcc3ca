"""The training as a method of the platform: what it needs, what it is given, and what becomes of its result."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.methods import Chart, Data, Inputs, Method, MethodForm, register, schema
from app.models import Model, ModelKind, Project, Run
from app.models.documents import RunSummary
from app.registry import service as registry
from app.rewards import snapshots
from app.web.errors import Conflict


class ScaleMethod(Method):
    """From responses that people preferred to a policy that is as sure as it should be."""

    name = "scale"
    title = "Scaling"
    verb = "Scale the model"
    help = "Learns from preferred responses how sure of its words the model should be."
    needs = f"Labels on at least {snapshots.MIN_TRAIN_PAIRS} training pairs."
    command = ("rlhf.train", "scale")
    unit = "steps"
    charts = (Chart("Loss", ("loss",), "Falls while the scale is learned."), Chart("Scale", ("scale",)))
    makes = ModelKind.POLICY
    same_inputs = "Learn from the same labels as that run"
    # Written by `python -m rlhf.schema --output . --names scale`, so that the web server needs no torch.
    form = schema.form(MethodForm, json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8")), {})

    def inputs(self, session: Session, project: Project, wanted: Any, parent: Run | None) -> Inputs:
        if parent is not None:
            registry.require_ready(parent.model)
            return Inputs(parent.model, snapshot=parent.snapshot)
        registry.require_ready(project.base_model)
        return Inputs(project.base_model, snapshot=snapshots.take(session, project))

    def data(self, session: Session, run: Run) -> Data:
        if run.snapshot is None:
            raise Conflict("This run has no snapshot of labels; start a new one.")
        rows, _ = snapshots.training_rows(session, run.snapshot)  # never those of held-out prompts
        preferred = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows if row["preference"] > 0.5]
        return Data({"model": registry.address(run.model)}, {"data": preferred})

    def finished(self, session: Session, run: Run, summary: RunSummary, artifact: str) -> Model:
        return registry.register(
            session,
            run=run,
            kind=ModelKind.POLICY,
            parent=run.model,
            artifact=artifact,
            name=f"Scaled by run {run.id}",
            metrics=summary,
        )


register(ScaleMethod())
