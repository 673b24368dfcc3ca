"""What a run is asked to do: one model for each kind of run, kept as JSONB in the run's row. Knows no rules."""

from enum import StrEnum
from secrets import randbelow
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.input import MOST, Seed
from app.models.documents import Messages
from app.models.export_settings import ExportSettings
from app.models.project_settings import SamplingSettings


class RunKind(StrEnum):
    """What a run does."""

    PREPARATION = "preparation"
    SAMPLING = "sampling"
    TRAINING = "training"
    SCORING = "scoring"
    EVALUATION = "evaluation"
    IMPORT = "import"
    UNDO = "undo"
    EXPORT = "export"


_Whole = Annotated[int, Field(ge=-MOST, le=MOST)]
_Number = Annotated[float, Field(ge=-1e300, le=1e300)]
Setting = bool | _Whole | _Number | str | list[str] | None


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def again(self) -> Self:
        """What a copy of the run is asked to do: the same."""
        return self


class SamplerSettings(SamplingSettings):
    """How responses are sampled; `n` of them for each prompt."""

    strategy: Literal["mixed", "stochastic", "greedy"] = "mixed"  # type: ignore[assignment]  # wider than a project's
    n: int = Field(ge=1, le=100_000)
    seed: Seed


class _Samples(_Config):
    settings: SamplerSettings

    def again(self) -> Self:
        """The same with another seed: the responses of this one are there already."""
        return self.model_copy(update={"settings": self.settings.model_copy(update={"seed": randbelow(2**31)})})


class SampledModel(BaseModel):
    """A further model that a run samples from, with its settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_id: int
    settings: SamplerSettings


class PreparationConfig(_Config):
    """Bring a base model into the store."""

    kind: Literal[RunKind.PREPARATION] = RunKind.PREPARATION
    source: str


class SamplingConfig(_Samples):
    """Sample responses to these prompts and put them before people."""

    kind: Literal[RunKind.SAMPLING] = RunKind.SAMPLING
    prompt_ids: list[int]
    item_kind: str  # of the items that are made
    others: list[SampledModel] = Field(default_factory=list)  # beside the run's own model
    across: bool = True  # an item shows responses of different models, where there are several


class NamedModel(BaseModel):
    """A model, called as it was when the run was queued."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int
    name: str


class RewardTerm(BaseModel):
    """A part of what responses are paid: what reward models say, several as one ensemble, or a function, which is
    `length`, `repetition` or `module:function`; times a weight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: _Number
    models: list[NamedModel] = Field(default_factory=list)
    function: str | None = None

    @property
    def words(self) -> str:
        """`0.5*Reward model 4`, without the sign."""
        what = self.function or ", ".join(model.name for model in self.models)
        return what if abs(self.weight) == 1 else f"{abs(self.weight):g}*{what}"


class TrainingConfig(_Config):
    """Train a model by a method, which is named in the run's row.

    `rewards`: what a policy's responses are paid, where that is not the run's reward model alone. `settings` are those
    of the command and `options` those of the platform, by the method's own form. They stay readable where the method is
    no longer installed.
    """

    kind: Literal[RunKind.TRAINING] = RunKind.TRAINING
    settings: dict[str, Setting] = Field(default_factory=dict)
    options: dict[str, Setting] = Field(default_factory=dict)
    rewards: list[RewardTerm] = Field(default_factory=list)

    @property
    def mix(self) -> str:
        """The rewards in words: `Reward model 3 + 0.5*Reward model 4 - 0.01*length`."""
        signs = ["-" if term.weight < 0 else "+" for term in self.rewards]
        said = " ".join(f"{sign} {term.words}" for sign, term in zip(signs, self.rewards, strict=True))
        return said.removeprefix("+ ")


class TextToScore(BaseModel):
    """A response written by hand, with its prompt as messages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Messages
    response: str


class ScoringConfig(_Config):
    """Score texts written by hand, or what these policies respond to holdout prompts; without either, the project's
    responses that the model has not scored yet."""

    kind: Literal[RunKind.SCORING] = RunKind.SCORING
    texts: list[TextToScore] | None = None
    policy_ids: list[int] | None = None
    prompt_ids: list[int] = Field(default_factory=list)  # that the policies respond to


class EvaluationConfig(_Samples):
    """Have the run's model, its baseline and `other_ids` respond to holdout prompts, and people compare the responses
    blindly: pairs of two, rankings of more."""

    kind: Literal[RunKind.EVALUATION] = RunKind.EVALUATION
    prompt_ids: list[int]
    comparisons: int
    overlap: int
    other_ids: list[int] = Field(default_factory=list)


Imported = Literal["prompts", "pairs", "labels"]


class ImportConfig(_Config):
    """Read a file into the project."""

    kind: Literal[RunKind.IMPORT] = RunKind.IMPORT
    file: str  # its address in the store; empty: it is still to be fetched
    hub: str | None = None  # the data set that it is, by its name on the hub
    size: int | None = None  # bytes; not known before it is fetched
    name: str  # as its owner calls it
    what: Imported
    layout: str | None = None  # found by its columns where none is named
    mapping: dict[str, str] = Field(default_factory=dict)  # what a column is -> the column
    container: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    skip_invalid: bool = False  # import the rest where rows are refused, else nothing


class UndoConfig(_Config):
    """Take out what an import has brought."""

    kind: Literal[RunKind.UNDO] = RunKind.UNDO
    import_id: int


class ExportConfig(_Config):
    """Write labels to a file that can be downloaded."""

    kind: Literal[RunKind.EXPORT] = RunKind.EXPORT
    wanted: ExportSettings


RunConfig = (
    PreparationConfig
    | SamplingConfig
    | TrainingConfig
    | ScoringConfig
    | EvaluationConfig
    | ImportConfig
    | UndoConfig
    | ExportConfig
)
AnyConfig = Annotated[RunConfig, Field(discriminator="kind")]
