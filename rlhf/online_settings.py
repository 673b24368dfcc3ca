"""The settings of every training that learns from its own responses and what they are paid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from rlhf.setting_types import LongestResponse, MissingEndPenalty, SamplingTemperature, SequenceTokens
from rlhf.settings import Doc, Rule
from rlhf.training_settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class OnlineSettings(TrainingSettings, ABC):
    """Prompts, pay, the bound on how far the policy goes, and when it is measured."""

    usual_rates: ClassVar[tuple[float, float]] = (3e-6, 1e-4)
    tokens_on_cpu: ClassVar[int] = 1024
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "num_mini_batches",
            at_most="batch_size",
            message="A batch cannot have more minibatches than responses: each optimiser step needs one.",
        ),
        Rule(
            "choose_prompts",
            needs="eval_prompts",
            message="Prompts that choose the policy need others to report on: set eval_prompts too.",
        ),
        Rule("lora_last_layers", needs="use_peft", message="Only LoRA can be limited to the last layers."),
    )

    reward: Annotated[
        str,
        Doc("A reward model's folder, or a mix: models, module:function, length, repetition.", "Reward", group="local"),
    ]
    prompts: Annotated[
        str,
        Doc("Prompts to train on: .jsonl, .jsonl.gz or .parquet, text or messages.", group="local", may_change=True),
    ]
    eval_prompts: Annotated[
        str | None,
        Doc("Holdout prompts. Empty: a share of the prompts.", "Holdout prompts", group="local", may_change=True),
    ] = None
    choose_prompts: Annotated[
        str | None,
        Doc(
            "Holdout prompts that choose the best policy. Empty: half of the holdout prompts.",
            "Prompts that choose",
            group="local",
            may_change=True,
        ),
    ] = None
    holdout: Annotated[
        float,
        Ge(0.001),
        Le(0.9),
        Doc("Share of the prompts held out where no holdout prompts are given.", "Holdout share", "share", "local"),
    ] = 0.1
    total_episodes: Annotated[
        int, Ge(1), Le(10_000_000), Doc("Responses to learn from in the whole run.", "Episodes", "responses", "main")
    ] = 256
    batch_size: Annotated[
        int,
        Ge(2),
        Le(65_536),
        Doc("Responses sampled for one update, over all processes.", "Batch size", "responses", "main"),
    ] = 32
    max_new_tokens: LongestResponse = 64
    beta: Annotated[
        float, Ge(0), Le(10), Doc("Weight of the KL penalty on every token.", "KL penalty", group="main")
    ] = 0.05
    kl_budget: Annotated[
        float,
        Ge(0.01),
        Le(10_000),
        Doc(
            "The run stops beyond this KL to the reference, and keeps no policy from there.",
            "KL budget",
            "nats per response",
            "main",
        ),
    ] = 20.0
    use_peft: Annotated[bool, Doc("Train LoRA adapters instead of all weights: less memory.", "LoRA", group="main")] = (
        True
    )
    num_mini_batches: Annotated[
        int, Ge(1), Le(1024), Doc("Optimiser steps in one epoch over a batch.", "Minibatches", "steps")
    ] = 2
    temperature: Annotated[
        SamplingTemperature,
        Doc("Divides the logits of sampling, training and reference alike; there is no top-k or top-p."),
    ] = 1.0
    max_prompt_tokens: Annotated[
        SequenceTokens,
        Doc("Longest prompt; longer ones are cut on the left and counted.", "Longest prompt", "tokens"),
    ] = 512
    adaptive_kl: Annotated[
        bool, Doc("Move the KL penalty towards the KL target (Ziegler et al. 2019).", "Adaptive KL")
    ] = False
    kl_target: Annotated[
        float, Ge(0.01), Le(10_000), Doc("KL that adaptive KL aims at.", "KL target", "nats per response")
    ] = 6.0
    kl_horizon: Annotated[
        int,
        Ge(1),
        Le(100_000_000),
        Doc("Responses over which adaptive KL changes the penalty by 20% at most.", "KL horizon", "responses"),
    ] = 10_000
    score_clip: Annotated[
        float | None, Ge(0.001), Le(1000), Doc("Clip scores to plus or minus this. Empty: no clip.", "Score clip")
    ] = None
    missing_end_penalty: MissingEndPenalty = 1.0
    normalize_scores: Annotated[
        bool, Doc("Bring scores to mean 0 and spread 1, by what the reward model's config says.", "Normalise scores")
    ] = True
    variance_penalty: Annotated[
        float,
        Ge(0),
        Le(1000),
        Doc("Pay several reward models, or heads of one, their mean less this times their variance."),
    ] = 0.0
    reward_timeout: Annotated[
        float,
        Ge(0.1),
        Le(86_400),
        Doc("Time that a function of the reward may take for a batch.", unit="seconds", group="local", may_change=True),
    ] = 60.0
    cliprange: Annotated[
        float, Ge(0.001), Le(10), Doc("Clip of the probability ratio in the policy loss.", "Ratio clip")
    ] = 0.2
    importance_correction: Annotated[
        bool,
        Doc("Weight the policy loss by min(pi / pi_sampler, cap), for a sampler of lower precision."),
    ] = False
    importance_cap: Annotated[float, Ge(1), Le(1000), Doc("Highest weight of the importance correction.")] = 2.0
    max_approx_kl: Annotated[
        float | None,
        Ge(1e-6),
        Le(1000),
        Doc(
            "End an update early beyond this mean squared log-ratio / 2. Empty: never.", "Approximate KL limit", "nats"
        ),
    ] = 0.1
    lora_last_layers: Annotated[
        int | None,
        Ge(1),
        Le(1000),
        Doc("Adapt only this many of the last layers, which shortens the backward pass. Empty: all.", unit="layers"),
    ] = None
    head_chunk: Annotated[
        int | None,
        Ge(1),
        Le(1_000_000),
        Doc("Response tokens that go through the language head at once. Empty: what suits the device.", unit="tokens"),
    ] = None
    watch_reward: Annotated[
        str | None,
        Doc("A reward that is not paid but measured on the holdout, to see over-optimisation.", group="local"),
    ] = None
    base: Annotated[
        str | None,
        Doc("A model whose KL is measured on the holdout too, where the start was trained itself.", group="local"),
    ] = None
    eval_steps: Annotated[
        int, Ge(1), Le(100_000), Doc("Updates between evaluations on holdout prompts.", "Evaluate every", "updates")
    ] = 2
    eval_size: Annotated[
        int,
        Ge(2),
        Le(100_000),
        Doc("Holdout prompts in an evaluation; as many report at the end.", "Prompts to evaluate", "prompts"),
    ] = 32
    sample_steps: Annotated[
        int, Ge(1), Le(100_000), Doc("Updates between responses kept for reading.", "Samples every", "updates")
    ] = 2
    samples_shown: Annotated[
        int, Ge(0), Le(1000), Doc("Responses kept each time.", "Samples kept", "responses", may_change=True)
    ] = 4

    @property
    def responses(self) -> int:
        """Responses to each prompt of an update."""
        return 1

    @property
    @abstractmethod
    def passes(self) -> int:
        """How often an update goes through its batch."""

    @property
    def prompts_at_once(self) -> int:
        """Prompts of an update."""
        return self.batch_size // self.responses

    @property
    def update_size(self) -> int:
        """Responses of an update: `batch_size`, or what whole prompts leave of it."""
        return self.prompts_at_once * self.responses

    @property
    def updates(self) -> int:
        """Updates in the whole run; the last batch is as large as the others."""
        return -(-self.total_episodes // self.update_size)
