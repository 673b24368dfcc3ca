"""What pages and the API say of a project's live head, worked out from what it last wrote down."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.models import HeadReport, HeadState, PairChoice, Project, QueueOrder
from app.models.head import CurvePoint, Gain, Measured
from app.rewards import features, head_queries
from app.web.filters import count, percent, plural
from app.web.plots import Axes, Line, Plot, Point, Tick, steps

FIRST_RANDOM = 50  # labels before which no head orders anything
ENOUGH = 0.01  # accuracy that 100 labels should bring


@dataclass(frozen=True)
class Learning:
    """What is told: the queue's order, what the next labels bring, what choosing brought, and the curve."""

    report: HeadReport
    order: str
    choice: str | None
    next: str
    choosing: list[str]
    plot: Plot | None


def learning(session: Session, project: Project) -> Learning:
    """How the project's head stands."""
    written = head_queries.head(session, project.id)
    if written is not None and features.trunk(session, project) is not None:
        report = written.report
    else:
        off = project.queue_order is QueueOrder.RANDOM
        report = HeadReport(state=HeadState.OFF if off else HeadState.NO_MODEL)
    measured = (("Most uncertain first", report.order), ("The most informative answers", report.choice))
    return Learning(
        report,
        order_sentence(report),
        choice_sentence(project, report),
        next_sentence(report.gain),
        [choosing_sentence(name, found) for name, found in measured if found is not None],
        plot(report.curve),
    )


def order_sentence(report: HeadReport) -> str:
    """How the queue is ordered, and why it is not where it should be."""
    random = "The order of the queue is random"
    if report.state is HeadState.ORDERS:
        return "The queue asks first what the live head is least sure about."
    if report.state is HeadState.OFF:
        return f"{random}, as the project's settings say."
    if report.state is HeadState.NO_MODEL:
        return f"{random}: there is no reward model yet whose features a live head could learn on."
    if report.state is HeadState.FEW_LABELS:
        few = f"{random}: there are {report.labels} of the {FIRST_RANDOM} labels from which on it is worth choosing"
        if not report.unread:
            return f"{few}."
        more = f"{count(report.unread)} more {'is' if report.unread == 1 else 'are'} on answers without features of the"
        return f"{few}. {more} newest reward model: “Measure on new labels” on its page computes them."
    if report.state is HeadState.ONE_RATER:
        return f"{random}: all labels are by one person, and one taste should not decide what everybody is asked."
    if report.state is HeadState.NO_BETTER:
        return f"{random}: the live head predicts labels no better than a coin. Look at Annotator quality."
    if report.unusable_features:
        return f"{random}: the features of {plural(report.unusable_features, 'answer')} are not finite numbers."
    if report.foreign_features:
        return f"{random}: the answers that wait have features of an older reward model; new ones are being computed."
    return f"{random}: the answers that wait have no features of the newest reward model yet, or all the same ones."


def choice_sentence(project: Project, report: HeadReport) -> str | None:
    """Which of several sampled answers new pairs show; None where the project leaves it to chance."""
    if project.pair_choice is PairChoice.RANDOM:
        return None
    if sum(source.responses for source in project.plan.sources) < 3:
        return "New pairs show random answers: the sampling plan gives no more than a pair shows."
    if not report.able:
        return "New pairs show random answers: the live head does not know enough yet to choose between them."
    return "New pairs show the two of several answers that tell the live head most."


def next_sentence(gain: Gain | None) -> str:
    """What the next labels are expected to bring, and whether that is enough to go on."""
    if gain is None:
        return "What the next labels will bring is not known yet: that takes 200 labels, and some on held-out prompts."
    points = f"{_points(gain.expected)} points of accuracy (between {_points(gain.low)} and {_points(gain.high)})"
    sentence = f"The next {gain.labels} labels are expected to bring {points}."
    if gain.high < ENOUGH:
        return f"{sentence} That is little: these labels are enough, until there are new prompts or a new policy."
    return f"{sentence} They are worth giving." if gain.low > 0 else sentence


def choosing_sentence(name: str, found: Measured) -> str:
    """What choosing brought beside chance."""
    return (
        f"{name}: {_signed(found.accuracy)} points of accuracy beside chance (between {_signed(found.low)} and "
        f"{_signed(found.high)}), by {plural(found.labels, 'preference')} of either kind; log-loss "
        f"{found.loss:+.3f} (between {found.loss_low:+.3f} and {found.loss_high:+.3f})."
    )


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"


def plot(curve: list[CurvePoint]) -> Plot | None:
    """Accuracy on held-out prompts by the number of labels; None where there is too little to measure."""
    if not curve or curve[-1].labels < 1:
        return None
    most = curve[-1].labels
    axes = Axes((0, most), (0.4, 1.0), left=70, right=620, top=20, bottom=215)
    coin = axes.y(0.5)
    places = [(axes.x(point.labels), axes.y(point.accuracy)) for point in curve]
    return Plot(
        640,
        250,
        f"Accuracy on held-out prompts: {percent(curve[-1].accuracy, 1)} after {plural(most, 'label')}",
        across=[Tick(axes.x(at), count(at)) for at in steps(0, most) if at == int(at)],
        up=[Tick(axes.y(tenth / 10), percent(tenth / 10)) for tenth in range(4, 11)],
        left=60,
        right=630,
        reference=Line(60, coin, 630, coin),
        reference_text="a coin",
        way=" ".join(f"{x},{y}" for x, y in places),
        points=[
            Point(
                x,
                y,
                f"{percent(point.accuracy, 1)} ({percent(point.low)} to {percent(point.high)}) after "
                f"{plural(point.labels, 'label')}, log-loss {point.loss:.3f}",
                Line(x, axes.y(point.low), x, axes.y(point.high)),
            )
            for point, (x, y) in zip(curve, places, strict=True)
        ],
    )
