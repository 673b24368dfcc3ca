"""Training a reward model, as a method."""

from typing import Any

from sqlalchemy.orm import Session

from app.accounts import audit
from app.methods import BY_EPOCHS, Chart, Data, Inputs, Method, Standing, register, schema
from app.models import Model, ModelKind, Project, Run, Setting
from app.models.documents import RunSummary
from app.registry import service as registry
from app.rewards import preferences, queries, service, snapshots
from app.rewards.forms import PreferenceOptions
from app.runs import service as runs
from app.web.filters import percent, plural


class RewardTraining(Method):
    """A reward model from a frozen set of labels, which begins as the project's base model."""

    name = "reward"
    title = "Reward training"
    verb = "Train a reward model"
    help = "Learns from all labels of this moment which response people prefer; holdout labels only measure it."
    needs = (
        f"Labels on at least {snapshots.MIN_TRAIN_PAIRS} training pairs and "
        f"{plural(snapshots.MIN_HOLDOUT_PAIRS, 'holdout pair')}; a few hundred give a useful model."
    )
    command = ("rlhf.train_reward",)
    unit = "steps"
    presets = BY_EPOCHS
    charts = (
        Chart("Loss", ("loss", "eval_loss"), "Falls while the model learns; a rising holdout loss means overfitting."),
        Chart("Accuracy", ("accuracy", "eval_accuracy"), "How often the preferred response has the higher score."),
        Chart("Margin", ("margin", "eval_margin"), "Score of the preferred response minus that of the other."),
    )
    makes = ModelKind.REWARD
    same_inputs = "Learn from the same labels as that run, not from all of this moment"
    # Prompt and response of a chat seldom have more tokens, and a small machine has no room for many long rows.
    form = schema.form(PreferenceOptions, schema.schema("reward"), {"max_length": 512})

    def inputs(self, session: Session, project: Project, wanted: PreferenceOptions, parent: Run | None) -> Inputs:
        model = parent.model if parent is not None else project.base_model
        registry.require_ready(model)
        return Inputs(model, snapshot=preferences.snapshot(session, project, wanted, parent))

    def choices(self, session: Session, project: Project) -> dict[str, list[tuple[Any, str]]]:
        return preferences.choices(project)

    def usual(self, session: Session, project: Project) -> dict[str, Setting]:
        return preferences.usual(session, project, self.name)

    def data(self, session: Session, run: Run) -> Data:
        settings = {"model": registry.address(run.model), "data_note": preferences.note(session, run)}
        return Data(settings, preferences.files(session, run))

    def finished(self, session: Session, run: Run, summary: RunSummary, artifact: str) -> Model:
        """Register the model, and queue the scoring of the project's responses with it."""
        number = queries.count_models(session, runs.project_of(run)) + 1
        question = preferences.question(run)
        model = registry.register(
            session,
            run=run,
            kind=ModelKind.REWARD,
            parent=run.model,
            artifact=artifact,
            name=f"Reward model {number}" + (f": {question}" if question else ""),
            metrics=summary,
        )
        if question:
            model.metrics = {**model.metrics, "question": question}
        service.score_responses(session, model)
        audit.record(session, None, "reward_model.registered", project_id=run.project_id, subject=model, run=run.id)
        return model

    def about(self, run: Run) -> str:
        return preferences.about(run)

    def advice(self, session: Session, project: Project, standing: Standing) -> str | None:
        new_labels = standing.new_labels
        if standing.reward_model is None:
            enough = f"You have {plural(new_labels, 'label')}, enough for a first reward model."
            return enough if new_labels >= service.FIRST_TRAINING else None
        if new_labels >= project.automation.labels_between_rewards and not project.automation.retrain_reward:
            return f"{plural(new_labels, 'new label')} since the last reward model."
        return None

    def outcome(self, summary: RunSummary) -> str | None:
        accuracy = summary.get("eval_accuracy")
        return None if accuracy is None else f"reached {percent(accuracy)} on holdout"


REWARD = register(RewardTraining())
