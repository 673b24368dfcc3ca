"""Training a policy by PPO, as a method."""

from sqlalchemy.orm import Session

from app.methods import Chart, Standing, register, schema
from app.models import Project
from app.policies import advice
from app.policies.forms import RewardedOptions
from app.policies.rewarded import CHARTS, DEFAULTS, RewardedMethod


class PPOTraining(RewardedMethod):
    """A policy from one before it, by PPO against a reward model of the project."""

    name = "ppo"
    title = "PPO"
    verb = "Train a policy with PPO"
    help = (
        "Teaches a language model to write responses that a reward model scores higher, and keeps it near its start: "
        "the choice once a reward model is good."
    )
    command = ("rlhf.train_policy",)
    charts = (*CHARTS, Chart("Value loss", ("loss/value_avg",), "How far the value model is from the returns."))
    form = schema.form(RewardedOptions, schema.schema("ppo"), DEFAULTS)

    def advice(self, session: Session, project: Project, standing: Standing) -> str | None:
        return advice.for_reward(session, project, standing.reward_model)


PPO = register(PPOTraining())
