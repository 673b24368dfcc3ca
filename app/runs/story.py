"""A run told in sentences: what was done with what, what was changed, what came of it, what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.models import Model, ModelKind, Run, RunState
from app.runs import differences, views
from app.web.filters import plural


@dataclass(frozen=True)
class Story:
    """`then`: the address of the next step and what it is called, where there is one."""

    sentences: list[str]
    then: tuple[str, str] | None = None


def tell(run: Run, models: Sequence[Model]) -> Story | None:
    """The story of a training and of what it made; None of other runs, whose facts are few."""
    if run.method is None:
        return None
    sentences = [f"{_verb(run)} {run.model.name}{_data(run)}.", _settings(run)]
    reached = views.outcome(run)
    if run.state is RunState.FAILED:
        sentences.append("It failed. The message below and the end of the log say why; resume it once that is mended.")
    elif run.state is RunState.CANCELLED:
        sentences.append("It was cancelled. Its last checkpoint is kept: it can be resumed.")
    elif reached:
        sentences.append(f"It {reached}.")
    if run.state is not RunState.SUCCEEDED or not models:
        return Story(sentences)
    base = f"/projects/{run.project_id}/{views.pages_of(models[0])}/{models[0].id}"
    if models[0].kind is ModelKind.REWARD:
        return Story(sentences, (base, f"Look at what {models[0].name} gets right, and train a policy against it"))
    return Story(sentences, (base, f"Compare {models[0].name} blindly with the current policy before you promote it"))


def _verb(run: Run) -> str:
    kind = views.kind_of(run)
    done = run.state is RunState.SUCCEEDED
    return f"{kind} of" if done else f"{kind}, {run.state.value}, of"


def _data(run: Run) -> str:
    said = ""
    if run.reward_model is not None:
        said += f", against {run.reward_model.name}"
    if run.snapshot is not None:
        said += (
            f", on {plural(run.snapshot.label_count, 'label')}: {plural(run.snapshot.train_pair_count, 'pair')} to "
            f"learn from and {run.snapshot.holdout_pair_count} to measure on"
        )
    return said


def _settings(run: Run) -> str:
    changed = differences.from_defaults(run)
    if not changed:
        return "All settings are the defaults."
    listed = "; ".join(f"{each.title} {each.values[0]} (default {each.default})" for each in changed[:8])
    more = f"; and {len(changed) - 8} more" if len(changed) > 8 else ""
    return f"Changed settings: {listed}{more}."
