"""Scores of sampled responses: by reward models, by functions, and by mixes of them (`rlhf.reward_mix`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlhf.batches import Group
from rlhf.chat_format import (
    NoRoom,
    encode_prompt,
    encode_response,
    encode_whole,
    end_of_turn_id,
    fit_prompt,
    load_tokenizer,
)
from rlhf.config import InputError
from rlhf.model_config import context_of
from rlhf.reward_files import load_reward_model
from rlhf.reward_functions import RewardFunction
from rlhf.reward_mix import Term, parse_mix
from rlhf.reward_model import RewardModel
from rlhf.similarity import words
from rlhf.types import Messages
from rlhf.vocabulary import require_known

REPEATED_WORDS = 3  # how many in a row make a repetition


class Response(Protocol):
    """What is scored: `rlhf.types.Sample` and `rlhf.rollouts.Rollout` are such."""

    @property
    def prompt_ids(self) -> list[int]: ...
    @property
    def response_ids(self) -> list[int]: ...
    @property
    def text(self) -> str: ...
    @property
    def ended(self) -> bool: ...


def same_tokenizer(policy: PreTrainedTokenizerBase, reward: PreTrainedTokenizerBase) -> bool:
    """Do both read conversations as the same ids? The reward model's may know more tokens, such as a pad of its own."""
    same_words = policy.get_vocab().items() <= reward.get_vocab().items()
    return bool(same_words and policy.chat_template == reward.chat_template)


class Scorer:
    """A reward model's scores of sampled responses.

    Where policy and reward model share their tokenizer and chat template the sampled ids are scored as they are, closed
    by the end token; otherwise conversation and text are encoded once more, by the reward model's tokenizer, and those
    of one that was trained elsewhere always are. What is longer than the reward model reads loses the prompt's first
    words, and at last those of the response.
    """

    def __init__(
        self,
        reward: RewardModel,
        reward_tokenizer: PreTrainedTokenizerBase,
        policy_tokenizer: PreTrainedTokenizerBase,
        *,
        longest: int,
        normalize: bool = True,
        token_budget: int = 4096,
    ) -> None:
        """`longest`: tokens of the longest response to come. Raises InputError where it does not fit the model."""
        self.reward, self.tokenizer, self.token_budget = reward, reward_tokenizer, token_budget
        self.same_tokens = not reward.reads_whole and same_tokenizer(policy_tokenizer, reward_tokenizer)
        self.end = end_of_turn_id(reward_tokenizer)
        self.context = context_of(reward.hf.config) or 1 << 30
        if longest + 1 >= self.context:
            raise InputError(
                f"the reward model reads {self.context} tokens at most, the prompt and the end token included: "
                f"responses of up to {longest} tokens leave no room; lower --max_new_tokens"
            )
        config = reward.hf.config
        self.mean = float(getattr(config, "mean", None) or 0.0) if normalize else 0.0
        self.std = float(getattr(config, "std", None) or 1.0) if normalize else 1.0

    def __call__(self, conversations: Sequence[Messages], samples: Sequence[Response]) -> Tensor:
        """The mean of its heads, (batch,) float32."""
        return self.heads(conversations, samples).mean(dim=1)

    def heads(self, conversations: Sequence[Messages], samples: Sequence[Response]) -> Tensor:
        """Of each of its heads, (batch, heads) float32."""
        groups = [self._group(messages, sample) for messages, sample in zip(conversations, samples, strict=True)]
        require_known(groups, self.reward.rows)
        return (torch.cat(self.reward.score(groups, self.token_budget)) - self.mean) / self.std

    def _group(self, messages: Messages, sample: Response) -> Group:
        if self.reward.reads_whole:
            return Group([], [encode_whole(self.tokenizer, messages, sample.text, self.context)[0]])
        if self.same_tokens:
            words = sample.response_ids[:-1] if sample.ended else sample.response_ids
            prompt, response = sample.prompt_ids, [*words, self.end]
        else:
            prompt, response = encode_prompt(self.tokenizer, messages), encode_response(self.tokenizer, sample.text)
        if len(prompt) + len(response) > self.context:
            try:
                prompt, _ = fit_prompt(self.tokenizer, messages, self.context - len(response))
            except NoRoom:
                return Group([], [[*prompt, *response][-self.context :]])
        return Group([], [[*prompt, *response]])


@dataclass(frozen=True, slots=True)
class Scores:
    """What responses are paid, (batch,), and each term of it by name, before its weight."""

    total: Tensor
    terms: dict[str, Tensor]


class RewardMix:
    """The weighted sum of terms. scorers, functions: what its terms of that kind are computed by, under their names.

    An ensemble, the heads of all models of a term, is worth its mean less `variance_penalty` times its variance (Coste
    et al. 2023, "Reward model ensembles help mitigate overoptimization"); how far its members are apart, their standard
    deviation, is a term without weight, `NAME/spread`.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        scorers: dict[str, list[Scorer]],
        functions: dict[str, RewardFunction],
        variance_penalty: float = 0.0,
    ) -> None:
        self.terms, self.scorers, self.functions = terms, scorers, functions
        self.variance_penalty = variance_penalty

    @classmethod
    def of(cls, scorer: Scorer) -> RewardMix:
        """One reward model alone."""
        return cls([Term("reward", 1.0, "models", ())], {"reward": [scorer]}, {})

    @property
    def models(self) -> list[Scorer]:
        return [scorer for scorers in self.scorers.values() for scorer in scorers]

    @property
    def only_model(self) -> Scorer | None:
        """The reward model that pays alone, where one does: what a value model may begin as."""
        alone = len(self.terms) == len(self.models) == 1 and self.terms[0].weight == 1.0
        return self.models[0] if alone else None

    def close(self) -> None:
        """End the functions' processes."""
        for function in self.functions.values():
            function.close()

    def to(self, device: torch.device) -> RewardMix:
        for scorer in self.models:
            scorer.reward.to(device)
        return self

    def __call__(self, conversations: Sequence[Messages], responses: Sequence[Response]) -> Scores:
        """Raises InputError where a function fails, or a model has no number for any of the responses."""
        total, found = torch.zeros(len(responses)), dict[str, Tensor]()
        for term in self.terms:
            found[term.name] = self._term(term, conversations, responses, found)
            total += term.weight * found[term.name]
        return Scores(total, found)

    def _term(
        self, term: Term, conversations: Sequence[Messages], responses: Sequence[Response], beside: dict[str, Tensor]
    ) -> Tensor:
        if term.kind == "length":
            return torch.tensor([float(len(response.response_ids)) for response in responses])
        if term.kind == "repetition":
            return torch.tensor([repetition(response.text) for response in responses])
        if term.kind == "function":
            return torch.tensor(self.functions[term.name](conversations, [response.text for response in responses]))
        if not responses:
            return torch.zeros(0)
        found = [scorer.heads(conversations, responses) for scorer in self.scorers[term.name]]
        for source, scores in zip(term.sources or (term.name,), found, strict=True):
            if not bool(scores.isfinite().any()):
                raise InputError(f"the reward model {source} gives scores that are not finite: it is damaged")
        members = torch.cat(found, dim=1)
        if members.shape[1] == 1:
            return members[:, 0]
        variance = members.var(dim=1, correction=0)
        beside[f"{term.name}/spread"] = variance.sqrt()
        return members.mean(dim=1) - self.variance_penalty * variance


def repetition(text: str) -> float:
    """The share of a text's runs of three words that stood in it before, 0 to 1."""
    said = words(text)
    runs = [tuple(said[i : i + REPEATED_WORDS]) for i in range(len(said) - REPEATED_WORDS + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def load_rewards(
    text: str,
    tokenizer: PreTrainedTokenizerBase,
    *,
    longest: int,
    dtype: torch.dtype,
    normalize: bool = True,
    variance_penalty: float = 0.0,
    timeout: float = 60.0,
    token_budget: int = 4096,
) -> RewardMix:
    """The mix that `text` says, its models loaded, its functions' processes started; on the CPU.

    tokenizer: of the policy whose responses it will score, of at most `longest` tokens. Raises InputError for what
    cannot be read, loaded or imported.
    """
    terms = parse_mix(text)
    functions = {term.name: RewardFunction(term.sources[0], timeout) for term in terms if term.kind == "function"}
    scorers = {
        term.name: [
            Scorer(
                load_reward_model(path, dtype=dtype),
                load_tokenizer(path),
                tokenizer,
                longest=longest,
                normalize=normalize,
                token_budget=token_budget,
            )
            for path in term.sources
        ]
        for term in terms
        if term.kind == "models"
    }
    return RewardMix(terms, scorers, functions, variance_penalty)
