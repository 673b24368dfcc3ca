"""What all methods have in common that train a policy against a reward model of the project."""

from typing import Any, ClassVar

from sqlalchemy.orm import Session

from app.methods import BY_EPISODES, Chart, Data, Inputs, Preset
from app.models import Model, ModelKind, Project, Run, Split, TrainingConfig
from app.policies import mixes
from app.policies.forms import RewardedOptions
from app.policies.training import PolicyMethod
from app.prompts import service as prompts
from app.registry import service as registry
from app.runs import holdout
from app.web.errors import Conflict
from app.web.filters import percent

# Longer prompts are rare in chat, and each costs a small machine time in every one of its samples.
DEFAULTS = {"max_prompt_tokens": 256}
CHARTS = (
    Chart("Reward", ("objective/scores", "eval/reward"), "Mean score of the responses; it should rise."),
    Chart("KL to the reference", ("objective/kl", "eval/kl"), "Nats per response that the policy has moved away."),
    Chart("Entropy", ("objective/entropy",), "Near 0 the policy always says the same."),
    Chart("Response length", ("val/answer_tokens", "eval/answer_tokens"), "In tokens."),
    Chart("Clip fraction", ("policy/clipfrac_avg",), "Share of what was learned from whose change was clipped."),
)


class RewardedMethod(PolicyMethod):
    """A policy from one before it, by what a reward model says of the responses that it samples."""

    needs = "A reward model of this project; best one that is surely better than chance on holdout labels."
    unit = "updates"
    presets: ClassVar[tuple[Preset, ...]] = BY_EPISODES
    charts: ClassVar[tuple[Chart, ...]] = CHARTS
    samples: ClassVar[str | None] = "What the policy said"
    uses = (ModelKind.REWARD,)
    same_inputs = "Start from the same model as that run, whatever is current now"

    def inputs(self, session: Session, project: Project, wanted: RewardedOptions, parent: Run | None) -> Inputs:
        model = self.start(project, wanted, parent)
        if not wanted.reward_mix.strip():
            return Inputs(model, _reward_model(session, project, wanted.reward_model_id))
        terms = mixes.read(session, project, wanted.reward_mix)
        named = next((each.id for term in terms for each in term.models), None)
        return Inputs(model, session.get(Model, named) if named else None, rewards=tuple(terms))

    def missing(self, session: Session, project: Project) -> str | None:
        if registry.newest(session, project.id, ModelKind.REWARD) is None:
            return f"{self.title} needs a reward model. Train one from the labels first."
        return None

    def choices(self, session: Session, project: Project) -> dict[str, list[tuple[Any, str]]]:
        models = registry.ready(session, project.id, ModelKind.REWARD)
        return {"reward_model_id": [(model.id, _with_accuracy(model)) for model in models]}

    def data(self, session: Session, run: Run) -> Data:
        rewards = run.asked(TrainingConfig).rewards
        if rewards:
            paid = mixes.command(session, rewards)
        elif run.reward_model is not None:
            paid = registry.address(run.reward_model)
        else:
            raise Conflict("This run has no reward model; start a new one.")
        project = session.get_one(Project, run.project_id)
        train = list(prompts.prompt_rows(session, project, Split.TRAIN))
        held_out = prompts.prompt_rows(session, project, Split.HOLDOUT)
        models = {"model": registry.address(run.model), "reward": paid}
        files = holdout.parts(held_out, report="eval_prompts", choose="choose_prompts")
        return Data(models, {"prompts": train} | files)

    def about(self, run: Run) -> str:
        paid = run.asked(TrainingConfig).mix or (run.reward_model.name if run.reward_model else "")
        return f"{run.model.name} against {paid}" if paid else run.model.name


def _reward_model(session: Session, project: Project, model_id: int | None) -> Model:
    if model_id is None:
        newest = registry.newest(session, project.id, ModelKind.REWARD)
        if newest is None:
            raise Conflict("There is no reward model yet. Train one from the labels first.")
        registry.require_ready(newest)
        return newest
    return mixes.reward_model(session, project, model_id, "reward_model_id")


def _with_accuracy(model: Model) -> str:
    accuracy = model.metrics.get("eval_accuracy")
    named = f"#{model.id} {model.name}"
    return named if accuracy is None else f"{named} ({percent(accuracy)} on holdout)"
