"""Choosing one token for each row of logits, from that row's logits, settings and uniform number alone.

The draw inverts the distribution function, token = min{t : F(t) > u}, with one uniform number per row from the row's
own counter-based stream (Philox). So what a row samples does not depend on which rows share its batch, up to the
rounding of the logits themselves. This module knows no model and no cache.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from rlhf.types import SamplingSettings

_BLOCK = 128  # tokens summed together in the first of the two stages of the inversion
_FIRST_CANDIDATES = 256  # sorted first when the nucleus has no top-k bound; more only if they do not suffice


def response_seed(seed: int, prompt_index: int, response_index: int, attempt: int = 0) -> int:
    """The seed of one response: 48 bits (exact in JSON numbers) that depend on nothing but the four arguments."""
    key = f"{seed}/{prompt_index}/{response_index}/{attempt}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=6).digest(), "big")


def uniforms(seed: int, count: int) -> list[float]:
    """The first `count` numbers in [0, 1) of the stream of `seed`."""
    numbers: list[float] = numpy.random.Generator(numpy.random.Philox(key=seed)).random(count).tolist()
    return numbers


@dataclass(frozen=True, slots=True)
class RowSettings:
    """The settings of the rows of a batch as columns, (rows, 1), and which kinds of work they ask for."""

    temperature: Tensor
    top_p: Tensor
    top_k: Tensor
    min_p: Tensor
    penalty: Tensor
    greedy: Tensor  # (rows,) bool
    truncated: Tensor  # indices of rows with top-k, top-p or min-p
    any_penalty: bool
    any_sampled: bool

    @classmethod
    def of(cls, rows: Sequence[SamplingSettings], device: torch.device) -> "RowSettings":
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)[:, None]

        return cls(
            temperature=column([1.0 if row.greedy else row.temperature for row in rows]),
            top_p=column([row.top_p for row in rows]),
            top_k=column([row.top_k for row in rows]),
            min_p=column([row.min_p for row in rows]),
            penalty=column([row.repetition_penalty for row in rows]),
            greedy=torch.tensor([row.greedy for row in rows], device=device),
            truncated=torch.tensor([i for i, row in enumerate(rows) if row.truncates], dtype=torch.long, device=device),
            any_penalty=any(row.repetition_penalty != 1 for row in rows),
            any_sampled=not all(row.greedy for row in rows),
        )


def pick(logits: Tensor, rows: RowSettings, uniform: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The token of each row and its natural log-probability under softmax(logits / temperature), both (rows,).

    logits: (rows, vocabulary) float32, overwritten. uniform: (rows,) float64 in [0, 1). seen: (rows, vocabulary) bool,
    the tokens that occurred so far, needed where a row has a repetition penalty. A row whose numbers are not finite,
    from the model or by its settings, gets the log-probability NaN and leaves the others as they are.
    """
    scaled = logits.div_(rows.temperature)
    highest = scaled.amax(dim=1, keepdim=True)
    candidates, top = scaled, highest
    if rows.any_penalty and seen is not None:
        # temperature is positive, so penalising before or after it is the same
        candidates = torch.where(seen, torch.where(scaled < 0, scaled * rows.penalty, scaled / rows.penalty), scaled)
        top = candidates.amax(dim=1, keepdim=True)
    sound = highest.isfinite() & top.isfinite()
    if not bool(sound.all()):
        scaled, highest = scaled.masked_fill(~sound, 0.0), highest.masked_fill(~sound, 0.0)
        candidates, top = candidates.masked_fill(~sound, 0.0), top.masked_fill(~sound, 0.0)
    weights = (scaled - highest).exp_()
    log_total = highest + _block_sums(weights).sum(dim=1, keepdim=True).log()
    if candidates is not scaled:
        weights = (candidates - top).exp_()
    tokens = candidates.argmax(dim=1)
    if rows.any_sampled:
        tokens = torch.where(rows.greedy, tokens, _invert(weights, uniform))
        if len(rows.truncated):
            tokens[rows.truncated] = _pick_truncated(weights, rows, rows.truncated, uniform)
    chosen = tokens[:, None]
    logprobs = (scaled.gather(1, chosen) - log_total).masked_fill(~sound, torch.nan)
    return tokens, logprobs.squeeze(1)


def keep_mask(
    sorted_weights: Tensor, total: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor
) -> tuple[Tensor, Tensor]:
    """Which of the leading candidates stay, and for which rows these candidates were enough to tell.

    sorted_weights: (rows, candidates), falling, proportional to probabilities; total: (rows, 1), the sum over the
    whole vocabulary. Top-k first (0 keeps all); top-p is the smallest leading set with at least that share of what
    top-k left (Holtzman et al. 2020, section 3.1); min-p is relative to the most probable token (Nguyen et al. 2024).
    """
    count = sorted_weights.shape[1]
    ranks = torch.arange(count, device=sorted_weights.device)
    limit = torch.where(top_k > 0, top_k, torch.inf)
    in_top_k = ranks < limit
    inside = sorted_weights * in_top_k
    cumulative = inside.double().cumsum(dim=1)
    kept_total = torch.where(limit <= count, cumulative[:, -1:], total.double())
    before = (cumulative - inside) / kept_total
    keep = in_top_k & (before < top_p) & (sorted_weights >= min_p * sorted_weights[:, :1])
    keep[:, 0] = True
    enough = ~keep[:, -1] | (limit.squeeze(1) <= count)
    return keep, enough


def _pick_truncated(
    weights: Tensor, rows: RowSettings, index: Tensor, uniform: Tensor, count: int = _FIRST_CANDIDATES
) -> Tensor:
    """Tokens of the rows `index`, sampled among their leading `count` candidates, or more where too few."""
    own, top_k = weights[index], rows.top_k[index]
    count = min(own.shape[1], max(count, int(top_k.max())))
    leading, candidates = own.topk(count, dim=1)
    total = _block_sums(own).sum(dim=1, keepdim=True)
    keep, enough = keep_mask(leading, total, top_k, rows.top_p[index], rows.min_p[index])
    tokens = candidates.gather(1, _invert(leading * keep, uniform[index])[:, None]).squeeze(1)
    if count < own.shape[1] and not bool(enough.all()):
        tokens[~enough] = _pick_truncated(weights, rows, index[~enough], uniform, 8 * count)
    return tokens


def _block_sums(weights: Tensor) -> Tensor:
    """Sums over blocks of `_BLOCK` neighbours, (rows, blocks)."""
    rows, width = weights.shape
    padded = torch.nn.functional.pad(weights, (0, -width % _BLOCK)) if width % _BLOCK else weights
    return padded.view(rows, -1, _BLOCK).sum(dim=2)


def _invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """Index sampled with probability proportional to `weights` (rows, width) by `uniform` (rows,) in [0, 1).

    Two stages, block then token, so that the vocabulary is read once and no long sum loses precision. A weight of
    zero is never sampled.
    """
    width = weights.shape[1]
    cumulative = _block_sums(weights).double().cumsum(dim=1)
    target = uniform[:, None] * cumulative[:, -1:]
    block = torch.searchsorted(cumulative, target, right=True)
    before = cumulative.gather(1, (block - 1).clamp_min(0)) * (block > 0)
    share = ((target - before) / (cumulative.gather(1, block) - before)).clamp_(0.0, 1.0 - 1e-12)
    inner = block * _BLOCK + torch.arange(_BLOCK, device=weights.device)
    inside = weights.gather(1, inner.clamp_max(width - 1)).double() * (inner < width)
    inside = inside.cumsum(dim=1)
    offset = torch.searchsorted(inside, share * inside[:, -1:], right=True)
    return (block * _BLOCK + offset).squeeze(1)
