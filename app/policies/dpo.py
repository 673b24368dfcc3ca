"""Training a policy by DPO, as a method."""

from typing import Any

from sqlalchemy.orm import Session

from app.methods import BY_EPOCHS, Chart, Data, Inputs, Standing, register, schema
from app.models import Project, Run, Setting
from app.models.documents import RunSummary
from app.policies import advice
from app.policies.forms import DirectOptions
from app.policies.training import PolicyMethod
from app.registry import service as registry
from app.rewards import preferences, snapshots
from app.web.filters import percent, plural


class DPOTraining(PolicyMethod):
    """A policy from a frozen set of labels, without a reward model."""

    name = "dpo"
    title = "DPO"
    verb = "Train a policy with DPO"
    help = (
        "Learns directly from all labels of this moment, without a reward model: preferred responses become more "
        "probable than the others; holdout labels only measure it. The choice while labels are few."
    )
    needs = (
        f"Labels on at least {snapshots.MIN_TRAIN_PAIRS} training pairs and "
        f"{plural(snapshots.MIN_HOLDOUT_PAIRS, 'holdout pair')}."
    )
    command = ("rlhf.train", "dpo")
    unit = "steps"
    presets = BY_EPOCHS
    charts = (
        Chart("Loss", ("loss", "eval_loss"), "Falls while the policy learns; a rising holdout loss means overfitting."),
        Chart(
            "Accuracy",
            ("rewards/accuracies", "eval_accuracy"),
            "How often the preferred response has become more probable than the other, compared with the start.",
        ),
        Chart("Margin", ("rewards/margins", "eval_margin"), "By how much, in nats times beta; it should rise."),
        Chart(
            "Implicit rewards",
            ("rewards/chosen", "rewards/rejected"),
            "Both falling means that the policy moves away from all of these responses.",
        ),
    )
    same_inputs = "Learn from the same labels and start from the same model as that run, whatever is there now"
    # As in reward training: long rows are rare in chat, and a small machine has no room for many of them.
    form = schema.form(DirectOptions, schema.schema("dpo"), {"max_length": 512})

    def inputs(self, session: Session, project: Project, wanted: DirectOptions, parent: Run | None) -> Inputs:
        model = self.start(project, wanted, parent)
        return Inputs(model, snapshot=preferences.snapshot(session, project, wanted, parent))

    def choices(self, session: Session, project: Project) -> dict[str, list[tuple[Any, str]]]:
        return preferences.choices(project)

    def usual(self, session: Session, project: Project) -> dict[str, Setting]:
        return preferences.usual(session, project, self.name)

    def data(self, session: Session, run: Run) -> Data:
        settings = {"model": registry.address(run.model), "data_note": preferences.note(session, run)}
        return Data(settings, preferences.files(session, run))

    def about(self, run: Run) -> str:
        return preferences.about(run)

    def advice(self, session: Session, project: Project, standing: Standing) -> str | None:
        return advice.for_labels(session, project, standing.reward_model)

    def outcome(self, summary: RunSummary) -> str | None:
        accuracy = summary.get("eval_accuracy")
        return None if accuracy is None else f"tells the preferred one in {percent(accuracy)} of the holdout pairs"


DPO = register(DPOTraining())
