"""Types of settings that several programs have: their bounds, and their help where it is the same. Knows no torch."""

from typing import Annotated

from annotated_types import Ge, Le

from rlhf.settings import Doc
from rlhf.types import LEAST_TEMPERATURE

Seed = Annotated[int, Ge(0), Le(2**31 - 1)]
Share = Annotated[float, Ge(0), Le(1)]
SequenceTokens = Annotated[int, Ge(1), Le(131_072)]
SamplingTemperature = Annotated[float, Ge(LEAST_TEMPERATURE), Le(5)]
Penalty = Annotated[float, Ge(0.001), Le(1000)]

UNFINISHED = "An unfinished response scores this much less than the worst finished one."

Device = Annotated[str, Doc("auto, cpu or cuda.", group="local")]
LongestResponse = Annotated[
    int, Ge(1), Le(8192), Doc("Longest response, its end token included.", "Longest response", "tokens", "main")
]
MissingEndPenalty = Annotated[Penalty, Doc(UNFINISHED, "Penalty for unfinished responses")]
LongestPair = Annotated[
    int,
    Ge(16),
    Le(131_072),
    Doc("Longest prompt with response; longer prompts are cut on the left.", "Longest sequence", "tokens", "main"),
]
