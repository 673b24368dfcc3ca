"""Supervised fine-tuning of a policy, as a method."""

from sqlalchemy.orm import Session

from app.methods import BY_EPOCHS, Chart, Data, Inputs, Standing, register, schema
from app.models import Project, Run
from app.models.documents import RunSummary
from app.policies import advice
from app.policies.forms import StartOptions
from app.policies.training import PolicyMethod
from app.registry import service as registry
from app.rewards import preferences, snapshots
from app.runs import holdout
from app.web.filters import decimal


class SFTTraining(PolicyMethod):
    """A policy from the responses that people wrote or improved."""

    name = "sft"
    title = "Fine-tuning"
    verb = "Fine-tune on written responses"
    help = "Learns to respond as people did who wrote or improved a response; those to holdout prompts only measure it."
    needs = f"At least {snapshots.MIN_WRITTEN} responses by people to training prompts; a hundred are a good start."
    command = ("rlhf.train", "sft")
    unit = "steps"
    presets = BY_EPOCHS
    charts = (Chart("Loss", ("loss", "eval_loss"), "Nats a token; a rising holdout loss: it learns texts by heart."),)
    same_inputs = "Learn from the same responses and start from the same model as that run, whatever is there now"
    # As in reward training: long rows are rare in chat, and a small machine has no room for many of them.
    form = schema.form(StartOptions, schema.schema("sft"), {"max_length": 512})

    def inputs(self, session: Session, project: Project, wanted: StartOptions, parent: Run | None) -> Inputs:
        model = self.start(project, wanted, parent)
        snapshot = parent.snapshot if parent is not None else snapshots.take_written(session, project)
        return Inputs(model, snapshot=snapshot)

    def data(self, session: Session, run: Run) -> Data:
        train, held_out = snapshots.written_rows(session, preferences.frozen(run))
        files = holdout.parts(held_out, report="eval_data", choose="choose_data")
        # Without any on holdout prompts it is measured on nothing, and learns from all the others.
        return Data({"model": registry.address(run.model), "holdout": 0.0}, {"data": train} | files)

    def about(self, run: Run) -> str:
        return f"written responses among {preferences.about(run)}"

    def advice(self, session: Session, project: Project, standing: Standing) -> str | None:
        return advice.for_written(session, project)

    def outcome(self, summary: RunSummary) -> str | None:
        loss = summary.get("eval_loss")
        return None if loss is None else f"reached a holdout loss of {decimal(loss)} nats a token"


SFT = register(SFTTraining())
