"""The first round of the loop as a checklist: what each step is, what to do meanwhile, and whether it is done.

Ticks are read from the rows that the steps leave, so that nothing has to be ticked by hand.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.home import queries
from app.home.service import Situation
from app.models import Project
from app.rewards.service import FIRST_TRAINING
from app.web.filters import count, plural


@dataclass(frozen=True)
class FirstStep:
    """A step of the first round. `state` is how far it is, in a few words; `page` is where it is done, below the
    project's address."""

    name: str
    title: str
    about: str
    meanwhile: str
    state: str
    done: bool
    page: str
    button: str


@dataclass(frozen=True)
class FirstRound:
    """The steps in order, for managers until they hide them or all are done."""

    hidden: bool
    steps: list[FirstStep]

    @property
    def done(self) -> int:
        """How many steps are done."""
        return sum(step.done for step in self.steps)

    @property
    def shown(self) -> bool:
        """Whether the overview has it."""
        return not self.hidden and self.done < len(self.steps)

    @property
    def current(self) -> FirstStep | None:
        """The first step that is open."""
        return next((step for step in self.steps if not step.done), None)


def first_round(session: Session, project: Project, now: Situation) -> FirstRound:
    """Where the project stands in its first round."""
    return FirstRound(
        project.first_round_hidden,
        [_prompts(now), _pairs(session, now), _labels(now), _reward_model(now), _policy(now), _chat(session, now)],
    )


def _prompts(now: Situation) -> FirstStep:
    return FirstStep(
        "prompts",
        "Bring prompts",
        "A prompt is what people ask the model: a question, or a conversation of several turns. Some are held out: "
        "they measure, and train nothing.",
        "Use prompts like those that your users write. Some hundred are enough to begin; more can come at any time.",
        plural(now.prompts, "prompt") if now.prompts else "none yet",
        now.prompts > 0,
        "prompts",
        "Open prompts",
    )


def _pairs(session: Session, now: Situation) -> FirstStep:
    made = now.open_items > 0 or now.labels > 0 or queries.has_items(session, now.project_id)
    return FirstStep(
        "pairs",
        "Have pairs sampled",
        "A pair is one prompt with two answers of the model. People see both side by side, without knowing how they "
        "were made.",
        "While the model writes, say in the guidelines what makes an answer better, and invite annotators.",
        f"{plural(now.open_items, 'pair')} ready" if made else "none yet",
        made,
        "people",
        "Invite annotators",
    )


def _labels(now: Situation) -> FirstStep:
    done = now.reward_models > 0 or now.labels >= FIRST_TRAINING
    return FirstStep(
        "labels",
        f"Label {FIRST_TRAINING} pairs",
        "A label is one person’s choice on one pair: which answer is better. A tie and “both bad” are choices too.",
        "Label some pairs yourself: you will see where the guidelines leave a choice open.",
        plural(now.labels, "label") if done else f"{count(now.labels)} of {FIRST_TRAINING}",
        done,
        "label",
        "Compare answers",
    )


def _reward_model(now: Situation) -> FirstStep:
    return FirstStep(
        "reward-model",
        "Train a reward model",
        "A reward model learns from the labels to score any answer: the higher, the more people should prefer it. "
        "Labels on held-out prompts measure how often it is right.",
        "While it trains, people can go on labelling: the next reward model learns from those labels too.",
        plural(now.reward_models, "reward model") if now.reward_models else "none yet",
        now.reward_models > 0,
        "rewards",
        "Open reward models",
    )


def _policy(now: Situation) -> FirstStep:
    return FirstStep(
        "policy",
        "Train a policy",
        "A policy is the language model after training: it has learned to write answers that people prefer. It becomes "
        "the current one when you promote it, best after a blind comparison.",
        "While it trains, look at the labels that the reward model disputes: they show mistakes of either side.",
        plural(now.policies, "policy", "policies") if now.policies else "none yet",
        now.policies > 0,
        "policies",
        "Open policies",
    )


def _chat(session: Session, now: Situation) -> FirstStep:
    done = now.policies > 0 and now.conversations > 0 and queries.policy_has_chatted(session, now.project_id)
    return FirstStep(
        "chat",
        "Promote it, and chat with it",
        "The current policy answers in the chat and writes the next pairs. Prompts that people share there come back "
        "to step 1, and the loop begins again.",
        "Invite people to chat: what they ask is what the model should be good at.",
        "answered" if done else "not yet",
        done,
        "chat" if now.policies and now.current_policy.id != now.base_model_id else "policies",
        "Open the chat" if now.policies and now.current_policy.id != now.base_model_id else "Promote a policy",
    )
