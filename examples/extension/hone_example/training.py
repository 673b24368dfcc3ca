"""A training of one number: how sure the model should be of its tokens, by responses that people preferred.

Logits are multiplied by a scale that is learned (temperature scaling, Guo et al. 2017, arXiv:1706.04599), which in the
end goes into the last norm's weight.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from rlhf import trainers
from rlhf.config import Doc, Ge, InputError, Le
from rlhf.training_settings import TrainingSettings

if TYPE_CHECKING:
    from rlhf.processes import Processes
    from rlhf.training_run import Prepared


@dataclass(frozen=True, kw_only=True)
class ScaleConfig(TrainingSettings):
    """Learn how sure of its tokens a model should be."""

    usual_rates: ClassVar[tuple[float, float]] = (
        0.05,
        0.05,
    )  # where no learning rate is set: for all weights, with LoRA

    data: Annotated[str, Doc("Demonstrations: .jsonl, .jsonl.gz or .parquet.", group="local", may_change=True)]
    steps: Annotated[int, Ge(1), Le(10_000), Doc("Steps to train.", "Steps", "steps", "main")] = 20
    batch_size: Annotated[int, Ge(1), Le(256), Doc("Responses in one update.", "Batch size", "responses", "main")] = 4
    max_length: Annotated[
        int, Ge(16), Le(8192), Doc("Longest conversation; longer ones are cut on the left.", "Longest", "tokens")
    ] = 512


def prepare(config: ScaleConfig, processes: "Processes") -> "Prepared":
    """The trainer, and what finishes its work."""
    from hone_example.scale_trainer import ScaleTrainer
    from rlhf.chat_format import load_tokenizer
    from rlhf.demonstrations import encode_demonstrations, load_demonstrations
    from rlhf.policy_files import load_causal

    rows, _ = load_demonstrations(config.data, max_bad_share=config.max_bad_share)
    tokenizer = load_tokenizer(config.model)
    model: Any = load_causal(config.model, "float32")
    if not hasattr(model.base_model, "norm"):
        raise InputError(f"{type(model).__name__} has no last norm of that name, and this training scales it")
    data = encode_demonstrations(tokenizer, rows, config.max_length, config.max_bad_share)
    trainer = ScaleTrainer(config, model, tokenizer, data, processes)
    return trainer, trainer.finish


trainers.register("scale", ScaleConfig, prepare)
