"""What the picture of the loop says at each stage."""

from dataclasses import dataclass

from app.home.service import Situation
from app.web.filters import count, decimal, percent, plural


@dataclass(frozen=True)
class Stage:
    """One stage: its page, its figure with what that counts, and a note, which may lead somewhere."""

    number: int
    title: str
    page: str
    figure: str
    unit: str
    note: str
    note_page: str | None = None


def stages(now: Situation) -> list[Stage]:
    """The six stages in order."""
    return [_prompts(now), _pairs(now), _labels(now), _rewards(now), _policies(now), _chat(now)]


def _prompts(now: Situation) -> Stage:
    page = None
    if now.prompts_in_review:
        note, page = f"{count(now.prompts_in_review)} to review", "prompts/review"
    else:
        note = "None to review" if now.prompts else "Import some to begin"
    return Stage(1, "Prompts", "prompts", count(now.prompts), "active", note, page)


def _pairs(now: Situation) -> Stage:
    if now.open_evaluation_items:
        note = f"{count(now.open_evaluation_items)} of them evaluate a policy"
    elif now.keeps_queue_filled:
        note = f"Target: {count(now.queue_depth)} ready"
    else:
        note = "Automatic sampling is off"
    return Stage(2, "Pairs", "items", count(now.open_items), "wait for a label", note)


def _labels(now: Situation) -> Stage:
    at_work = now.active_annotators
    people = f"{plural(at_work, 'person', 'people')} labelling now" if at_work else "Nobody is labelling now"
    note = f"{count(now.labels_last_hour)} in the last hour, {count(now.labels_last_day)} in the last day. {people}."
    note = note if now.labels else "Invite annotators, or compare some yourself"
    return Stage(3, "Labels", "labels", count(now.labels), "in all", note)


def _rewards(now: Situation) -> Stage:
    accuracy = now.reward_model.metrics.get("eval_accuracy") if now.reward_model else None
    note = f"{plural(now.new_labels, 'new label')} since the last" if now.reward_model else "Learns from labels"
    if now.retrains_by_itself:
        note += f"; trains automatically at {count(now.labels_between)}"
    return Stage(4, "Reward models", "rewards", percent(accuracy), "holdout accuracy", note)


def _policies(now: Situation) -> Stage:
    result = now.evaluation_result
    if result and result.rate is not None and now.policy:
        figure, unit = percent(result.rate), f"blind wins of {now.policy.name}"
        note = f"{percent(result.low)} to {percent(result.high)} from {plural(result.judged, 'pair')}"
        return Stage(5, "Policies", "policies", figure, unit, note)
    kl = now.policy.metrics.get("kl") if now.policy else None
    if kl is not None:
        note = f"Newest at KL {decimal(kl, 1)}"
    else:
        note = "Waits for a training" if now.reward_model else "Waits for a reward model"
    return Stage(5, "Policies", "policies", count(now.policies), "trained", note)


def _chat(now: Situation) -> Stage:
    note = f"{plural(now.conversations, 'conversation')}. Prompts that people share come back to stage 1."
    return Stage(6, "Chat", "chat", now.current_policy.name, "answers", note)
