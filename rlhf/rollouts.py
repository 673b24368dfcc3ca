"""Rollouts: responses of the policy to a batch of prompts, scored, with all that PPO needs to know of them.

Joins the sampler, the reward model and the policy model; knows no loss and no optimiser. With several processes
each answers its share of the prompts, and all of them end with all rollouts, so that every process plans the
same minibatches. Seeds belong to prompts: the responses do not depend on how they were spread.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlhf.adapters import SideProducts
from rlhf.batches import Group, deal
from rlhf.config import InputError
from rlhf.decoding import Decoder, Request
from rlhf.policy_files import load_causal
from rlhf.policy_model import PolicyModel, ResponseBatch, copy_weights
from rlhf.processes import Processes
from rlhf.prompts import unfinished_warning
from rlhf.sampling import completed
from rlhf.scorer import Response, RewardMix
from rlhf.types import Draw, Messages, Sample, SamplingSettings


@dataclass(frozen=True, slots=True)
class Rollout:
    """One response. The tensors have one float32 entry for each of its T tokens and lie on the CPU."""

    messages: Messages
    prompt_ids: list[int]
    response_ids: list[int]
    text: str
    ended: bool  # the response ends with an end token
    score: float  # by the reward, before clip and penalty
    terms: dict[str, float]  # of which the score is made
    sampled: Tensor  # log-probabilities as the sampler had them when it drew the tokens
    log_probs: Tensor  # the same by the model that is trained
    reference: Tensor
    entropy: Tensor
    values: Tensor | None = None  # of a value model, where there is one

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.response_ids)


def response_mask(rollouts: Sequence[Rollout]) -> Tensor:
    """(batch, longest response), True on real tokens."""
    lengths = torch.tensor([len(rollout.response_ids) for rollout in rollouts])
    return torch.arange(int(lengths.max()))[None] < lengths[:, None]


def padded(parts: Sequence[Tensor]) -> Tensor:
    """Token-wise tensors of several responses as one, (batch, longest response), 0 on padding."""
    return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)


class Sampler:
    """Samples responses with the weights the policy had at the last `refresh`.

    `plain` is the policy itself where that can decode: in the number format of the products, or with adapters, which
    stay beside their frozen weights, for merged into 16 bits most of a small update would be rounded away. Otherwise it
    is a copy in that format, into which `refresh` writes the weights. Nothing is truncated, so that the
    log-probabilities of training are those of the distribution the responses came from.
    """

    def __init__(
        self, model: PolicyModel, plain: Any, tokenizer: PreTrainedTokenizerBase, settings: SamplingSettings
    ) -> None:
        self.model, self.plain, self.tokenizer, self.settings = model, plain, tokenizer, settings
        self.side = SideProducts(plain, model.compute_dtype) if plain is model.causal and model.adapted else None
        self._decoder: Decoder | None = None

    @classmethod
    def of(
        cls,
        model: PolicyModel,
        path: str,
        tokenizer: PreTrainedTokenizerBase,
        settings: SamplingSettings,
        sharded: bool = False,
    ) -> Self:
        """The sampler of `model`, which began as the folder `path`, and may be going to be sharded."""
        if not sharded and (model.adapted or model.compute_dtype == torch.float32):
            return cls(model, model.causal, tokenizer, settings)
        plain = load_causal(path, model.compute_dtype).requires_grad_(False)
        return cls(model, plain.to(model.causal.device), tokenizer, settings)

    def refresh(self) -> None:
        if self.plain is not self.model.causal:
            copy_weights(self.model, self.plain)
        elif self.side is not None:
            self.side.refresh()

    def __call__(self, tasks: Sequence["Task"]) -> list[Sample]:
        """One response to each prompt, in their order."""
        was_training = self.plain.training
        self.plain.eval()
        decoder = self._decoder or Decoder(self.plain, self.tokenizer)
        if decoder.device.type == "cuda":  # what it recorded is worth its memory; on a CPU training needs that more
            self._decoder = decoder
        with self.side.active() if self.side is not None else nullcontext():
            samples = sample_responses(decoder, tasks, self.settings)
        self.plain.train(was_training)
        return samples


def sample_responses(decoder: Decoder, tasks: Sequence["Task"], settings: SamplingSettings) -> list[Sample]:
    """One response to each task, in their order; what is sampled depends on a task's own seed.

    The prompt of neighbours is computed once, as many as the decoder takes at a time.
    """
    parts: list[list[int]] = []
    for i, task in enumerate(tasks):
        if parts and len(parts[-1]) < decoder.max_rows and tasks[i - 1].prompt_ids == task.prompt_ids:
            parts[-1].append(i)
        else:
            parts.append([i])
    for part in sorted(parts, key=lambda part: -len(tasks[part[0]].prompt_ids)):
        draws = tuple(Draw(settings, tasks[i].seed) for i in part)
        decoder.add(Request(tuple(part), tasks[part[0]].prompt_ids, draws))
    samples: dict[int, Sample] = {}
    for request, responses in completed(decoder):
        samples |= zip(cast("tuple[int, ...]", request.id), responses, strict=True)
    return [samples[i] for i in range(len(tasks))]


@dataclass(frozen=True, slots=True)
class Task:
    """One prompt to be answered: its ids, cut to length, and the seed of its response."""

    messages: Messages
    prompt_ids: list[int]
    seed: int


class RolloutMaker:
    """Makes rollouts: samples, scores, and reads log-probabilities, reference and values off the model."""

    def __init__(
        self,
        model: PolicyModel,
        sampler: Sampler,
        rewards: RewardMix,
        processes: Processes,
        *,
        token_budget: int,
    ) -> None:
        self.model, self.sampler, self.rewards, self.processes = model, sampler, rewards, processes
        self.token_budget = token_budget
        self.warned = False

    @torch.no_grad()
    def __call__(self, tasks: Sequence[Task]) -> list[Rollout]:
        """Rollouts of all tasks, in their order, the same in every process. Raises InputError where a reward fails."""
        mine = range(self.processes.rank, len(tasks), self.processes.count)
        sampled = self._exchange(dict(zip(mine, self.sampler([tasks[i] for i in mine]), strict=True)))
        samples: list[Sample] = [sampled[i] for i in range(len(tasks))]
        self._warn_of_unfinished(samples)
        scores = self.scores(self.rewards, [task.messages for task in tasks], samples)
        measured = self._exchange(self._measure(samples))
        return [
            Rollout(
                task.messages,
                sample.prompt_ids,
                sample.response_ids,
                sample.text,
                sample.ended,
                *scores[i],
                torch.tensor(sample.logprobs),
                *measured[i],
            )
            for i, (task, sample) in enumerate(zip(tasks, samples, strict=True))
        ]

    @torch.no_grad()
    def scores(
        self, rewards: RewardMix, conversations: Sequence[Messages], responses: Sequence[Response]
    ) -> list[tuple[float, dict[str, float]]]:
        """Of each response what it is paid and its terms, each process computing its share.

        Where a function fails in one process, all of them raise its InputError.
        """
        mine = range(self.processes.rank, len(responses), self.processes.count)
        failed: str | None = None
        own: dict[int, Any] = {}
        try:
            found = rewards([conversations[i] for i in mine], [responses[i] for i in mine])
        except InputError as error:
            failed = str(error)
        else:
            terms = {name: values.tolist() for name, values in found.terms.items()}
            for place, (i, total) in enumerate(zip(mine, found.total.tolist(), strict=True)):
                own[i] = total, {name: values[place] for name, values in terms.items()}
        reasons = self._exchange({self.processes.rank: failed})
        for reason in filter(None, reasons.values()):
            raise InputError(reason)
        scores = self._exchange(own)
        return [scores[i] for i in range(len(responses))]

    @torch.no_grad()
    def log_probs(self, model: PolicyModel, responses: Sequence[Response]) -> list[Tensor]:
        """Of the tokens of each response by another model, each process computing its share."""
        found: dict[int, Tensor] = {}
        for places, batch, sizes in self._batches(model, responses):
            log_probs, _, _ = model(batch, "policy")
            found |= zip(places, log_probs.cpu().split(sizes), strict=True)
        found = self._exchange(found)
        return [found[i] for i in range(len(responses))]

    def _warn_of_unfinished(self, samples: Sequence[Sample]) -> None:
        """Says so, once, where most responses of a batch are cut off."""
        unfinished = sum(not sample.ended for sample in samples)
        warning = unfinished_warning(unfinished, len(samples), self.sampler.settings.max_new_tokens)
        if warning and not self.warned and self.processes.main:
            self.warned = True
            print(warning, file=sys.stderr)

    def _measure(self, samples: Sequence[Sample]) -> dict[int, tuple[Tensor, ...]]:
        """This process's share of log-probabilities, reference, entropies and values, by the sample's place."""
        found: dict[int, tuple[Tensor, ...]] = {}
        for places, batch, sizes in self._batches(self.model, samples):
            log_probs, entropy, values = self.model(batch)
            reference, _, _ = self.model(batch, role="reference")
            known = [t for t in (log_probs, reference, entropy, values) if t is not None]
            found |= zip(places, zip(*(t.cpu().split(sizes) for t in known), strict=True), strict=True)
        return found

    def _batches(
        self, model: PolicyModel, responses: Sequence[Response]
    ) -> Iterator[tuple[list[int], ResponseBatch, list[int]]]:
        """This process's share of responses as batches: their places, and how many tokens each has."""
        parts = model.together(
            [a.prompt_ids for a in responses], [a.response_ids for a in responses], self.token_budget
        )
        groups = [Group(responses[part[0]].prompt_ids, [responses[i].response_ids for i in part]) for part in parts]
        rank, count = self.processes.rank, self.processes.count
        for bucket, _ in deal([len(g) for g in groups], self.token_budget, rank, count, padded=not model.packs):
            places = [place for i in bucket for place in parts[i]]
            yield places, model.branches([groups[i] for i in bucket]), [len(responses[i].response_ids) for i in places]

    def _exchange(self, own: dict[int, Any]) -> dict[int, Any]:
        """What all processes found, in each of them."""
        if self.processes.count == 1:
            return own
        from accelerate.utils import gather_object

        return {place: value for share in gather_object([own]) for place, value in share.items()}
