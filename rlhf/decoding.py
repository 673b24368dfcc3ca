"""The decode loop: many responses at once, token by token, on a transformers model's own forward pass.

    decoder = Decoder(model, tokenizer)
    decoder.add(Request("a", prompt_ids, (Draw(settings, seed=1), Draw(settings, seed=2))))
    while decoder.busy:
        for event in decoder.step():
            ...

A request asks for one or more responses to one prompt. The prompt is computed once, its keys and values are copied for
each response, and every step samples one token for every unfinished response; finished ones leave the batch and waiting
requests take their place, so the batch stays full. Bulk sampling, PPO rollouts and a chat server all stand on this.
The decoder knows no files, no strategy and no clock; it is to be used from one thread.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlhf.chat_format import decode_response, end_token_ids
from rlhf.config import InputError
from rlhf.decode_step import DecodeStep, prefill
from rlhf.kv_cache import Slab
from rlhf.model_config import context_of
from rlhf.picking import RowSettings, pick, uniforms
from rlhf.text_stream import TextStream
from rlhf.types import Draw, FinishReason, Sample
from rlhf.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much a device does at once, where nothing else is asked for.

    rows: responses decoded together. tokens: those of all of them in the cache. Prompts are computed in batches of at
    most `prefill` tokens, padding included, and once there are `busy` of them, enough to occupy the device, no more
    than a fifth is to be padding.
    """

    rows: int
    tokens: int
    prefill: int
    busy: int

    @classmethod
    def of(cls, device: torch.device) -> "Capacity":
        return cls(256, 262_144, 16_384, 2_048) if device.type == "cuda" else cls(64, 65_536, 4_096, 512)


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt and how each of the responses wanted is to be sampled."""

    id: Hashable
    prompt_ids: Sequence[int]
    draws: tuple[Draw, ...]
    stream: bool = False  # send a Piece whenever text is ready


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of text of an unfinished response; whole characters, and nothing that may begin a stop string."""

    request: Request
    response_index: int
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A response is complete. The pieces of a streamed one, joined, are `sample.text`."""

    request: Request
    response_index: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Broken:
    """A response ended because the model computed numbers for it that are not finite; the others go on."""

    request: Request
    response_index: int


Event = Piece | Finished | Broken


@dataclass(slots=True)
class _Row:
    request: Request
    response_index: int
    draw: Draw
    uniforms: list[float]
    max_new_tokens: int
    position: int  # where in the sequence `token` stands, and at which column its keys will be written
    token: int  # the last token, not yet computed
    stream: TextStream | None
    response_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    ended: bool = False
    broken: bool = False


class Decoder:
    """Decodes requests together; rows are responses."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_rows: int | None = None,
        max_tokens: int | None = None,
    ) -> None:
        """At most `max_rows` responses at once, of `max_tokens` tokens in all; None: as suits the device.

        The model must be in evaluation mode. Raises InputError where its kind of cache is not supported, or where rows
        of unequal length would come out other than alone.
        """
        self.model, self.tokenizer = model, tokenizer
        self.device: torch.device = model.device
        self.capacity = Capacity.of(self.device)
        self.max_rows, self.max_tokens = max_rows or self.capacity.rows, max_tokens or self.capacity.tokens
        self.context = context_of(model.config)
        self.end_ids = end_token_ids(tokenizer, getattr(model, "generation_config", None) or model.config)
        self.vocabulary = Vocabulary.of(tokenizer)
        self._rows_known: int = cast(Any, model).get_input_embeddings().weight.shape[0]
        self._slab = Slab(model.config, self.device)
        self._step = DecodeStep.on(model, self._slab)
        self._waiting: deque[Request] = deque()
        self._rows: list[_Row] = []
        self._settings: RowSettings | None = None  # of the present rows
        self._seen: Tensor | None = None  # (rows, vocabulary), only where a row has a repetition penalty

    @property
    def busy(self) -> bool:
        return bool(self._rows or self._waiting)

    @property
    def waiting(self) -> int:
        """How many requests wait for room."""
        return len(self._waiting)

    def add(self, request: Request) -> None:
        """Queue a request; it is taken up by a following step. Raises InputError where it can never fit."""
        if not request.prompt_ids:
            raise InputError("an empty prompt cannot be answered")
        if self.context is not None and len(request.prompt_ids) >= self.context:
            raise InputError(
                f"the prompt has {len(request.prompt_ids)} tokens and leaves no room for a response in the model's "
                f"context of {self.context}; shorten it, or have it cut from the left"
            )
        if max(request.prompt_ids) >= self._rows_known:
            raise InputError(
                f"the prompt has the token {max(request.prompt_ids)}, but the model knows only {self._rows_known}: its "
                "tokenizer is another model's"
            )
        responses, tokens = len(request.draws), self._reach(request)
        if responses > self.max_rows or responses * tokens > self.max_tokens:
            raise InputError(
                f"{responses} responses of up to {tokens} tokens, prompt included, do not fit into max_rows="
                f"{self.max_rows} and max_tokens={self.max_tokens}; raise these or ask for fewer or shorter responses"
            )
        self._waiting.append(request)

    @torch.inference_mode()
    def cancel(self, request_id: Hashable) -> list[Event]:
        """Drop a request, waiting or under way; its unfinished responses end here, with the reason "cancelled"."""
        self._waiting = deque(request for request in self._waiting if request.id != request_id)
        for row in self._rows:
            if row.request.id == request_id:
                row.finish_reason = "cancelled"
        return self._remove_finished()

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """Take up what fits, sample one token for every response, and tell what came of it."""
        self._admit()
        if not self._rows:
            return []
        tokens, logprobs = self._decode()
        events: list[Event] = []
        for row, token, logprob in zip(self._rows, tokens, logprobs, strict=True):
            if not isfinite(logprob):
                row.broken = True
            elif piece := self._accept(row, token, logprob):
                events.append(Piece(row.request, row.response_index, piece))
        return events + self._remove_finished()

    def _reach(self, request: Request) -> int:
        """The most columns a response of this request can need."""
        wanted = len(request.prompt_ids) + max(draw.settings.max_new_tokens for draw in request.draws)
        return wanted if self.context is None else min(wanted, self.context)

    def _admit(self) -> None:
        taken: list[Request] = []
        rows = len(self._rows)
        columns = max((row.position + row.max_new_tokens - len(row.response_ids) + 1 for row in self._rows), default=0)
        longest = real = 0
        while self._waiting:
            request = self._waiting[0]
            after = rows + len(request.draws)
            reach = max(columns, self._reach(request))
            length = len(request.prompt_ids)
            padded = (len(taken) + 1) * max(longest, length)
            wasteful = padded > self.capacity.busy and 4 * padded > 5 * (real + length)
            if after > self.max_rows or after * reach > self.max_tokens:
                break
            if taken and (padded > self.capacity.prefill or wasteful):
                self._prefill(taken, rows, columns)
                taken, longest, real = [], 0, 0
            taken.append(self._waiting.popleft())
            rows, columns, longest, real = after, reach, max(longest, length), real + length
        if taken:
            self._prefill(taken, rows, columns)

    def _prefill(self, requests: list[Request], rows: int, columns: int) -> None:
        """Compute all tokens of the prompts but the last; that one is every response's first decoding step."""
        known = [request.prompt_ids[: max(1, len(request.prompt_ids) - 1)] for request in requests]
        cache = prefill(self.model, known)
        self._slab.reserve(rows, columns, cache, max((row.position for row in self._rows), default=0))
        sources = [i for i, request in enumerate(requests) for _ in request.draws]
        self._slab.put(len(self._rows), cache, sources, max(map(len, known)))
        for request in requests:
            position = len(request.prompt_ids) - 1
            for response_index, draw in enumerate(request.draws):
                limit = min(draw.settings.max_new_tokens, self._reach(request) - position - 1)
                wants_text = request.stream or bool(draw.settings.stop)
                self._rows.append(
                    _Row(
                        request=request,
                        response_index=response_index,
                        draw=draw,
                        uniforms=[] if draw.settings.greedy else uniforms(draw.seed, limit),
                        max_new_tokens=limit,
                        position=position,
                        token=request.prompt_ids[-1],
                        stream=TextStream(self.tokenizer, draw.settings.stop) if wants_text else None,
                    )
                )
        self._settings = None

    def _decode(self) -> tuple[list[int], list[float]]:
        rows = self._rows
        if self._settings is None:
            self._settings = RowSettings.of([row.draw.settings for row in rows], self.device)
            self._seen = self._seen_tokens() if self._settings.any_penalty else None
        logits = self._step([row.token for row in rows], [row.position for row in rows])
        sampled = [row.uniforms[len(row.response_ids)] if row.uniforms else 0.0 for row in rows]
        uniform = torch.tensor(sampled, dtype=torch.float64, device=self.device)
        tokens, logprobs = pick(self.vocabulary.restrict(logits).float(), self._settings, uniform, self._seen)
        if self._seen is not None:
            self._seen.scatter_(1, tokens[:, None], True)
        return tokens.tolist(), logprobs.tolist()

    def _seen_tokens(self) -> Tensor:
        rows: Any = cast(Any, self.model).get_output_embeddings().weight.shape[0]
        seen = torch.zeros(len(self._rows), max(rows, self._rows_known), dtype=torch.bool)
        for i, row in enumerate(self._rows):
            seen[i, [*row.request.prompt_ids, *row.response_ids]] = True
        return seen[:, : min(rows, self.vocabulary.size)].to(self.device)

    def _accept(self, row: _Row, token: int, logprob: float) -> str:
        """Append a token to its response, note whether that ends it, and return the text that is ready to be sent."""
        row.token = token
        row.position += 1
        row.response_ids.append(token)
        row.logprobs.append(logprob)
        piece = ""
        if token in self.end_ids:
            row.finish_reason, row.ended = "stop", True
        elif row.stream is not None:
            piece = row.stream.push(token)
            if row.stream.stopped:
                row.finish_reason = "stop"
        if row.finish_reason is None and len(row.response_ids) >= row.max_new_tokens:
            row.finish_reason = "length"
        if row.finish_reason and row.stream is not None:
            piece += row.stream.flush()
        return piece if row.request.stream else ""

    def _remove_finished(self) -> list[Event]:
        """Take finished rows out of the batch: the last row moves into each gap."""
        events: list[Event] = []
        for i in reversed(range(len(self._rows))):
            row = self._rows[i]
            if row.broken:
                events.append(Broken(row.request, row.response_index))
            elif row.finish_reason is not None:
                events.append(Finished(row.request, row.response_index, self._sample(row)))
            else:
                continue
            last = self._rows.pop()
            if last is not row:
                self._slab.move(len(self._rows), i, last.position)
                self._rows[i] = last
            self._settings = None
        return events[::-1]

    def _sample(self, row: _Row) -> Sample:
        assert row.finish_reason is not None  # noqa: S101 - it has just ended
        if row.stream is not None:
            text = row.stream.text
        else:  # the same text: without the end token, without an unfinished character
            ids = row.response_ids[:-1] if row.ended else row.response_ids
            text = decode_response(self.tokenizer, ids).rstrip("\ufffd")
        return Sample(
            prompt_ids=list(row.request.prompt_ids),
            response_ids=row.response_ids,
            logprobs=row.logprobs,
            finish_reason=row.finish_reason,
            text=text,
            draw=row.draw,
            ended=row.ended,
        )
