"""What a client may send about a project."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo

from app.input import ONE_LINE, Chosen, Id, Input, Temperature
from app.models import Role
from app.models.project_settings import LabelSettings
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.projects.table import PEOPLE
from app.web.errors import Invalid
from app.web.forms import invalid
from app.web.names import Name
from app.web.pages import Paging

LONGEST_GUIDELINES = 50_000


Guidelines = Annotated[str, StringConstraints(max_length=LONGEST_GUIDELINES)]
Source = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), ONE_LINE]


def _can_happen(misses: int, info: ValidationInfo) -> int:
    window = info.data.get("check_window")
    if window is not None and misses > window:
        raise ValueError(f"Of {window} checks no more than {window} can be missed.")
    return misses


CheckWindow = Annotated[
    int,
    Field(
        ge=1,
        le=1000,
        title="Attention checks that count",
        description="So many of a person's latest ones; older ones are forgotten.",
    ),
]
CheckMisses = Annotated[
    int,
    Field(
        ge=1,
        le=1000,
        title="Pause after this many missed",
        description="A missed check gives a warning; this many pause the person's work until a manager resumes it.",
    ),
    AfterValidator(_can_happen),
]
Overlap = Annotated[
    int,
    Field(
        ge=1,
        le=50,
        title="Labels per pair",
        description="More labels per pair cost more time and show how far people agree.",
    ),
]
QueueDepth = Annotated[
    int,
    Field(
        ge=1,
        le=1_000_000,
        title="Open pairs to keep ready",
        description="New answers are sampled when fewer are open.",
    ),
]
LeaseMinutes = Annotated[
    int,
    Field(
        ge=1,
        le=1440,
        title="Minutes a pair is held",
        description="After that it goes to somebody else. A late answer is still kept.",
    ),
]


Order = Annotated[
    Literal["random", "uncertain"],
    Field(
        title="Order",
        description="What is asked first. Most uncertain first needs a reward model; held-out prompts stay random.",
        json_schema_extra={"words": ["Random", "Most uncertain first"]},
    ),
]
Choice = Annotated[
    Literal["random", "informative"],
    Field(
        title="Answers that are shown",
        description="Where the sampling plan gives more answers than a pair shows: any two, or those that tell most.",
        json_schema_extra={"words": ["Random", "Most informative"]},
    ),
]


class QueueSettings(Input):
    """How pairs are handed out. Shares are between 0 and 1."""

    model_config = ConfigDict(extra="forbid")

    overlap: Overlap = 1
    queue_depth: QueueDepth = 50
    check_share: float = Field(0.0, ge=0, le=0.5, description="Share of attention checks")
    control_share: float = Field(
        0.2, ge=0, le=1, description="Share of pairs that stay in random order, so that statistics are unbiased"
    )
    check_window: CheckWindow = 10
    check_misses: CheckMisses = 3
    lease_minutes: LeaseMinutes = 30
    queue_order: Order = "random"
    pair_choice: Choice = "random"


class QueueForm(Input):
    """QueueSettings as people write them, shares in percent."""

    overlap: Overlap
    queue_depth: QueueDepth
    check_percent: float = Field(
        ge=0,
        le=50,
        title="Attention checks (%)",
        description="Pairs with an obviously right answer, mixed in unannounced.",
    )
    control_percent: float = Field(
        ge=0,
        le=100,
        title="Random share (%)",
        description="Pairs in random order and with random answers, beside those that are chosen. Keeps statistics "
        "unbiased, and shows what choosing is worth.",
    )
    check_window: CheckWindow = 10
    check_misses: CheckMisses = 3
    lease_minutes: LeaseMinutes
    queue_order: Order = "random"
    pair_choice: Choice = "random"

    @classmethod
    def of(cls, queue: QueueSettings) -> "QueueForm":
        """Filled with a project's settings."""
        given = queue.model_dump()
        percents = {f"{name}_percent": round(given.pop(f"{name}_share") * 100, 4) for name in ("check", "control")}
        return cls(**given, **percents)

    def settings(self) -> QueueSettings:
        """The same with shares between 0 and 1."""
        given = self.model_dump()
        shares = {f"{name}_share": round(given.pop(f"{name}_percent") / 100, 6) for name in ("check", "control")}
        return QueueSettings(**given, **shares)


class PlanForm(Input):
    """SamplingPlan as people write it: a row for each source, of which those without responses are left out."""

    source: dict[str, str]
    responses: dict[str, str]
    strategy: dict[str, str]
    temperature: dict[str, str]
    compare: Literal["across", "any"] = "across"
    chat_model_id: Id | None = None
    chat_temperature: Temperature = 0.7

    def settings(self) -> SamplingPlan:
        """The plan. Raises Invalid with a sentence beside the field of its row."""
        sources, errors = [], {}
        for row in sorted(self.responses):
            if not self.responses[row].strip():
                continue
            given = {
                "model_id": self.source.get(row), "responses": self.responses[row],
                "strategy": self.strategy.get(row), "temperature": self.temperature.get(row),
            }  # fmt: skip
            try:
                sources.append(PlannedSource.model_validate({name: value or None for name, value in given.items()}))
            except ValidationError as error:
                for field, text in invalid(error).errors.items():
                    errors[f"{'source' if field == 'model_id' else field}[{row}]"] = text
        if errors:
            raise Invalid("Please check your input.", errors=errors)
        if not sources:
            raise Invalid("Say how many responses at least one model gives.", "responses[0]")
        try:
            return SamplingPlan(
                sources=sources,
                compare=self.compare,
                chat_model_id=self.chat_model_id,
                chat_temperature=self.chat_temperature,
            )
        except ValidationError as error:
            raise Invalid(str(error.errors()[0]["msg"]).removeprefix("Value error, "), "responses[0]") from None


class NameForm(Input):
    """The project's name."""

    name: Name


class FirstRoundForm(Input):
    """Whether the checklist of the first round is hidden."""

    hidden: bool = False


class GuidelinesForm(Input):
    """What annotators are told, in Markdown."""

    guidelines: Guidelines


class NewProjectForm(Input):
    """A new project. Without a base model the installation's default is taken."""

    name: Name
    guidelines: Guidelines = ""
    base_model: Source = ""
    starter_prompts: bool = True


class BaseModelForm(Input):
    """What the project starts from."""

    model_config = ConfigDict(extra="forbid")

    base_model: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), ONE_LINE] = (
        Field(title="Base model", description="builtin:…, tiny:<number>, a folder on the server, or a hub id")
    )


class InvitationForm(Input):
    """An invitation to one person."""

    role: Role = Role.ANNOTATOR
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), ONE_LINE] = ""


class MemberConditions(Input):
    """Which members are meant."""

    search: str = Field("", max_length=200, description="Only people with this in their name or e-mail")
    role: Chosen[Role] = None
    state: Chosen[Literal["active", "paused", "disabled"]] = None


class MemberFilter(MemberConditions, Paging):
    """Which members to list."""

    sort: Annotated[str, PEOPLE.ordered] = PEOPLE.order


class RoleForm(Input):
    """A member's new role."""

    role: Role


class PauseForm(Input):
    """Why a member gets no pairs for now."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), ONE_LINE] = ""


class AskedForm(Input):
    """What goes with every label, as its page sends it: texts by the id of their question or reason; those of new ones
    by a name that begins with `new-`. An empty text takes one away."""

    model_config = ConfigDict(extra="forbid")

    questions: dict[str, str] = Field(default_factory=dict, max_length=20)
    reasons: dict[str, str] = Field(default_factory=dict, max_length=40)
    skip_reasons: dict[str, str] = Field(default_factory=dict, max_length=40)
    comment: str = Field("optional", max_length=20)

    @classmethod
    def of(cls, settings: LabelSettings) -> "AskedForm":
        """Filled, with rows for new ones."""
        rows = {
            name: {each.id: each.text for each in given} | {f"new-{n}": "" for n in range(min(more, most - len(given)))}
            for name, given, more, most in (
                ("questions", settings.questions, 4, 4),
                ("reasons", settings.reasons, 4, 12),
                ("skip_reasons", settings.skip_reasons, 4, 12),
            )
        }
        return cls(**rows, comment=settings.comment)

    def settings(self, before: LabelSettings) -> LabelSettings:
        """The project's settings with these. Raises Invalid."""
        given: dict[str, Any] = {"comment": self.comment}
        texts_by_name = {"questions": self.questions, "reasons": self.reasons, "skip_reasons": self.skip_reasons}
        for name, texts in texts_by_name.items():
            kept = [(id_, text.strip()) for id_, text in texts.items() if text.strip()]
            given[name] = [text if id_.startswith("new-") else {"id": id_, "text": text} for id_, text in kept]
        try:
            return LabelSettings.model_validate(before.model_dump() | given)
        except ValidationError as error:
            wrong = {name.split(".")[0]: sentence for name, sentence in invalid(error).errors.items()}
            raise Invalid("Please check the marked fields.", errors=wrong) from None
