"""What a method of training says about itself. Knows no method, no page and no worker."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.input import Id, Input
from app.methods.presets import Preset
from app.models import Model, ModelKind, Project, Run, Setting, Snapshot, TrainingConfig
from app.models.documents import RunSummary
from app.models.run_config import RewardTerm


@dataclass(frozen=True)
class Chart:
    """Curves that are read together. `folded`: shown only when asked for."""

    title: str
    curves: tuple[str, ...]
    help: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Standing:
    """What there is to learn from in a project, read once for the advice of all methods. `new_labels`: since the last
    snapshot."""

    new_labels: int
    reward_model: Model | None  # the newest that can be used


@dataclass(frozen=True)
class Inputs:
    """The rows that a run of a method is bound to."""

    model: Model
    reward_model: Model | None = None
    snapshot: Snapshot | None = None
    rewards: tuple[RewardTerm, ...] = ()  # where it is paid by more than `reward_model` alone


@dataclass(frozen=True)
class Data:
    """What the command of a method reads: settings beside those of the form (addresses of models), and rows for files,
    each under the name of the setting that takes the file."""

    settings: dict[str, Any]
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class MethodForm(Input):
    """What starts a training: the settings of its command, and the choices of the platform, which are not handed on."""

    model_config = ConfigDict(extra="forbid")
    OPTIONS: ClassVar[tuple[str, ...]] = ()  # choices of the method that are not settings of its command
    MAIN: ClassVar[tuple[str, ...]] = ()  # settings that most people set

    needs_gpu: bool = Field(False, title="Needs a GPU", description="Waits for a worker that serves the gpu queue")
    parent_id: Id | None = Field(None, title="Copy of", description="The run whose settings these were")
    same_inputs: bool = Field(
        False, title="Same inputs", description="Take the labels or the model that the copied run took, not today's"
    )

    def config(self) -> TrainingConfig:
        """What the run is asked to do."""
        given: dict[str, Setting] = self.model_dump(exclude=set(MethodForm.model_fields))
        options = {name: given.pop(name) for name in self.OPTIONS}
        return TrainingConfig(settings=given, options=options)


class Method(ABC):
    """A method of training. The words are shown as they are: `title` names its runs, `verb` is on the button that
    starts one, `help` says in a sentence what it does, `needs` what must be there before."""

    name: ClassVar[str]  # in rows, addresses and commands
    title: ClassVar[str]
    verb: ClassVar[str]
    help: ClassVar[str]
    needs: ClassVar[str]
    command: ClassVar[tuple[str, ...]]  # after `python -m`
    unit: ClassVar[str]  # what a step is, in the plural
    presets: ClassVar[tuple[Preset, ...]] = ()  # settings to begin from
    charts: ClassVar[tuple[Chart, ...]] = ()  # other curves follow, one a chart, folded
    samples: ClassVar[str | None] = None  # heading of the responses that a run writes down now and then; None: of none
    makes: ClassVar[ModelKind]
    uses: ClassVar[tuple[ModelKind, ...]] = ()  # kinds of models it needs beside the one it trains
    same_inputs: ClassVar[str]  # what a copy of a run may share with it, as the label of a checkbox
    form: ClassVar[type[MethodForm]]

    @abstractmethod
    def inputs(self, session: Session, project: Project, wanted: Any, parent: Run | None) -> Inputs:
        """What a run would be bound to now; those of `parent` where it is given. Raises Conflict or Invalid, with a
        sentence, where something is missing or does not fit. `wanted` is this method's form."""

    @abstractmethod
    def data(self, session: Session, run: Run) -> Data:
        """What the command of a run reads. The same run gives the same data, or is resumed with what it began with."""

    @abstractmethod
    def finished(self, session: Session, run: Run, summary: RunSummary, artifact: str) -> Model:
        """Register what a run made, in the transaction that ends it, and start what follows from it."""

    def missing(self, session: Session, project: Project) -> str | None:
        """What has to be done before a run can be started at all, as a sentence; None where nothing is in the way."""
        return None

    def choices(self, session: Session, project: Project) -> dict[str, list[tuple[Any, str]]]:
        """(value, text) of what may be chosen here for fields of the form; a field without any is not asked for."""
        return {}

    def usual(self, session: Session, project: Project) -> dict[str, Setting]:
        """Settings that runs of this project have where nobody says otherwise, beside the defaults of the form."""
        return {}

    def about(self, run: Run) -> str:
        """What goes into a run, in a few words."""
        return run.model.name

    def advice(self, session: Session, project: Project, standing: Standing) -> str | None:
        """Why a person should start a run now, as a sentence; None where there is no reason."""
        return None

    def outcome(self, summary: RunSummary) -> str | None:
        """What a run has reached, in a few words that follow "it"."""
        return None
