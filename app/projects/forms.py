"""What a client may send about a project."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo, field_validator

from app.input import ONE_LINE, Id, Input
from app.models import Role
from app.models.project_settings import AnswerSettings
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.web.errors import Invalid
from app.web.forms import invalid
from app.web.names import Name

LONGEST_GUIDELINES = 50_000


Guidelines = Annotated[str, StringConstraints(max_length=LONGEST_GUIDELINES)]
Source = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), ONE_LINE]


class CheckPause(Input):
    """When missed attention checks pause a person's work."""

    check_window: int = Field(10, ge=1, le=1000, description="How many of a person's latest attention checks count")
    check_misses: int = Field(3, ge=1, le=1000, description="With this many of them missed, the person's work pauses")

    @field_validator("check_misses")
    @classmethod
    def _can_happen(cls, misses: int, info: ValidationInfo) -> int:
        window = info.data.get("check_window")
        if window is not None and misses > window:
            raise ValueError(f"Of {window} checks no more than {window} can be missed.")
        return misses


class QueueSettings(CheckPause):
    """How pairs are handed out. Shares are between 0 and 1."""

    model_config = ConfigDict(extra="forbid")

    overlap: int = Field(1, ge=1, le=50, description="Labels per pair")
    check_share: float = Field(0.0, ge=0, le=0.5, description="Share of attention checks")
    control_share: float = Field(
        0.2, ge=0, le=1, description="Share of pairs that stay in random order, so that statistics are unbiased"
    )
    queue_depth: int = Field(50, ge=1, le=1_000_000, description="Open pairs to keep ready")
    lease_minutes: int = Field(30, ge=1, le=1440, description="How long a shown pair is held for its annotator")


class QueueForm(CheckPause):
    """QueueSettings as people write them, shares in percent."""

    overlap: int = Field(ge=1, le=50)
    check_percent: float = Field(ge=0, le=50)
    control_percent: float = Field(ge=0, le=100)
    queue_depth: int = Field(ge=1, le=1_000_000)
    lease_minutes: int = Field(ge=1, le=1440)

    def settings(self) -> QueueSettings:
        """The same with shares between 0 and 1."""
        return QueueSettings(
            overlap=self.overlap,
            check_share=round(self.check_percent / 100, 6),
            control_share=round(self.control_percent / 100, 6),
            queue_depth=self.queue_depth,
            lease_minutes=self.lease_minutes,
            check_window=self.check_window,
            check_misses=self.check_misses,
        )


class PlanForm(Input):
    """SamplingPlan as people write it: a row for each source, of which those without responses are left out."""

    source: dict[str, str]
    responses: dict[str, str]
    strategy: dict[str, str]
    temperature: dict[str, str]
    compare: Literal["across", "any"] = "across"
    chat_model_id: Id | None = None

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
            return SamplingPlan(sources=sources, compare=self.compare, chat_model_id=self.chat_model_id)
        except ValidationError as error:
            raise Invalid(str(error.errors()[0]["msg"]).removeprefix("Value error, "), "responses[0]") from None


class NameForm(Input):
    """The project's name."""

    name: Name


class GuidelinesForm(Input):
    """What annotators are told, in Markdown."""

    guidelines: Guidelines


class NewProjectForm(Input):
    """A new project. Without a base model the installation's default is taken."""

    name: Name
    guidelines: Guidelines = ""
    base_model: Source = ""
    starter_prompts: bool = True


class InvitationForm(Input):
    """An invitation to one person."""

    role: Role = Role.ANNOTATOR
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), ONE_LINE] = ""


class RoleForm(Input):
    """A member's new role."""

    role: Role


class PauseForm(Input):
    """Why a member gets no pairs for now."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), ONE_LINE] = ""


class AskedForm(Input):
    """What goes with every answer, as its page sends it: texts by the id of their question or reason; those of new ones
    by a name that begins with `new-`. An empty text takes one away."""

    model_config = ConfigDict(extra="forbid")

    questions: dict[str, str] = Field(default_factory=dict, max_length=20)
    reasons: dict[str, str] = Field(default_factory=dict, max_length=40)
    comment: str = Field("optional", max_length=20)

    @classmethod
    def of(cls, answer: AnswerSettings) -> "AskedForm":
        """Filled, with rows for new ones."""
        rows = {
            name: {each.id: each.text for each in given} | {f"new-{n}": "" for n in range(min(more, most - len(given)))}
            for name, given, more, most in (("questions", answer.questions, 4, 4), ("reasons", answer.reasons, 4, 12))
        }
        return cls(**rows, comment=answer.comment)

    def settings(self, before: AnswerSettings) -> AnswerSettings:
        """The project's settings with these. Raises Invalid."""
        given: dict[str, Any] = {"comment": self.comment}
        for name, texts in (("questions", self.questions), ("reasons", self.reasons)):
            kept = [(id_, text.strip()) for id_, text in texts.items() if text.strip()]
            given[name] = [text if id_.startswith("new-") else {"id": id_, "text": text} for id_, text in kept]
        try:
            return AnswerSettings.model_validate(before.model_dump() | given)
        except ValidationError as error:
            wrong = {name.split(".")[0]: sentence for name, sentence in invalid(error).errors.items()}
            raise Invalid("Please check the marked fields.", errors=wrong) from None
