"""The settings of sampling. Knows no torch, so that `--help` answers at once."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from rlhf.runtime import DtypeName
from rlhf.setting_types import UNFINISHED, Device, Penalty, SamplingTemperature, Seed, Share
from rlhf.settings import Doc, Rule, Settings
from rlhf.types import SamplingSettings, Strategy

AT_ONCE = "All responses to a prompt are decoded at once: raise max_rows."


@dataclass(frozen=True, kw_only=True)
class SampleConfig(Settings):
    """Sample responses of a language model to a file of prompts."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("n", at_most="max_rows", message=AT_ONCE),
        Rule("best_of", at_most="max_rows", message=AT_ONCE),
        Rule("best_of", needs="reward", message="Say what the best response is chosen by: set reward."),
        Rule("reward", needs="best_of", message="A reward chooses among several responses: set best_of."),
        Rule("all_scores", needs="best_of", message="Only responses that were chosen from have scores: set best_of."),
    )

    model: Annotated[Path, Doc("Folder of the model.", group="local")]
    prompts: Annotated[Path, Doc("Prompts: .jsonl, .jsonl.gz or .parquet, text or messages.", group="local")]
    output: Annotated[Path, Doc("File to write; finished lines are in OUTPUT.part until all are there.", group="local")]
    n: Annotated[
        int, Ge(1), Le(1024), Doc("Responses to each prompt.", "Responses per prompt", "responses", "main")
    ] = 2
    strategy: Annotated[
        Strategy,
        Doc("stochastic: all sampled; greedy: all the most probable; mixed: the first greedy.", group="main"),
    ] = "mixed"
    best_of: Annotated[
        int | None,
        Ge(2),
        Le(1024),
        Doc("Sample this many instead, and keep the one that scores highest.", unit="responses", group="local"),
    ] = None
    reward: Annotated[
        str | None,
        Doc("A reward model's folder, or a mix: models, module:function, length, repetition.", "Reward", group="local"),
    ] = None
    all_scores: Annotated[
        bool, Doc("Keep all that were sampled, the best first, each with its score.", group="local")
    ] = False
    variance_penalty: Annotated[
        float,
        Ge(0),
        Le(1000),
        Doc("Score an ensemble by its mean less this times its variance.", group="local"),
    ] = 0.0
    missing_end_penalty: Annotated[
        Penalty,
        Doc(UNFINISHED, group="local"),
    ] = 1.0
    reward_timeout: Annotated[
        float,
        Ge(0.1),
        Le(86_400),
        Doc("Time that a function of the reward may take for a prompt's responses.", unit="seconds", group="local"),
    ] = 60.0
    temperature: Annotated[SamplingTemperature, Doc("Divides the logits; higher is more varied.", group="main")] = 1.0
    top_p: Annotated[
        float,
        Ge(0.01),
        Le(1),
        Doc("Sample from the smallest set of tokens with this probability.", "Top-p", "probability", "main"),
    ] = 1.0
    top_k: Annotated[
        int, Ge(0), Le(100_000), Doc("Sample from this many of the most probable tokens; 0: all.", "Top-k", "tokens")
    ] = 0
    min_p: Annotated[
        float, Ge(0), Le(1), Doc("Drop tokens below this share of the most probable one's.", "Min-p", "share")
    ] = 0.0
    repetition_penalty: Annotated[
        float, Ge(0.1), Le(10), Doc("Above 1, tokens that occurred before are less likely.")
    ] = 1.0
    max_new_tokens: Annotated[int, Ge(1), Le(8192), Doc("Longest response.", "Longest response", "tokens", "main")] = (
        256
    )
    stop: Annotated[list[str], Doc("Texts that end a response; it is cut before them.", "Stop texts")] = field(
        default_factory=list
    )
    max_prompt_tokens: Annotated[
        int | None,
        Ge(1),
        Le(131_072),
        Doc(
            "Longer prompts are cut on the left and counted. Empty: as the context has room.",
            "Longest prompt",
            "tokens",
        ),
    ] = None
    max_redraws: Annotated[
        int, Ge(0), Le(100), Doc("How often responses that are too alike are sampled again.", "Resampling", "times")
    ] = 3
    max_bad_share: Annotated[
        Share, Doc("Refuse a file of which a larger share of the rows is unusable.", unit="share")
    ] = 0.05
    seed: Annotated[Seed, Doc("The same seed gives the same responses (exactly so in float32).", group="main")] = 0
    dtype: Annotated[DtypeName, Doc("Number format; auto: bfloat16 where the hardware has it.", "Number format")] = (
        "auto"
    )
    device: Device = "auto"
    max_rows: Annotated[
        int | None,
        Ge(1),
        Le(65_536),
        Doc("Responses decoded at once. Empty: 64, on a GPU 256.", "Responses at once", "responses"),
    ] = None
    max_tokens: Annotated[
        int | None,
        Ge(1),
        Le(1_000_000_000),
        Doc("Tokens in the cache at once. Empty: 65,536, on a GPU 262,144.", "Tokens at once", "tokens"),
    ] = None

    @property
    def settings(self) -> SamplingSettings:
        return SamplingSettings(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            max_new_tokens=self.max_new_tokens,
            stop=tuple(self.stop),
        )

    @property
    def sampled(self) -> int:
        """Responses sampled for each prompt."""
        return self.best_of or self.n
