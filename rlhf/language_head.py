"""Log-probabilities of sampled tokens from the states they were sampled in, without a whole softmax in memory.

It knows states, a head and tokens; no model and no batch.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlhf.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Head:
    """How logits come from states: cap(scale * (states @ weight.T + bias)), with cap(x) = cap * tanh(x / cap).

    weight: (vocabulary, width); bias: (vocabulary,) or None; both in the data type of the product. vocabulary: the
    tokens that can be sampled; None: all.
    """

    weight: Tensor
    bias: Tensor | None = None
    scale: float = 1.0
    cap: float | None = None
    vocabulary: Vocabulary | None = None

    def logits(self, hidden: Tensor, temperature: float) -> tuple[Tensor, Tensor | None]:
        """Logits over the temperature, float32, and by how much the cap dampens the slope of each (None: not)."""
        product = hidden @ self.weight.T if self.bias is None else torch.addmm(self.bias, hidden, self.weight.T)
        logits = product.float()
        if self.scale != 1.0:
            logits.mul_(self.scale)
        damping = None
        if self.cap is not None:
            logits.div_(self.cap).tanh_()
            damping = 1 - logits.square()
            logits.mul_(self.cap)
        logits.div_(temperature)
        return logits if self.vocabulary is None else self.vocabulary.restrict(logits), damping


class _TokenLogProbs(torch.autograd.Function):
    """log softmax(logits / temperature) at the targets, and its entropy, chunk by chunk.

    The probabilities of a chunk are used at once, for the gradient with respect to `hidden`, and dropped: what
    is kept is (N, width), never (N, vocabulary). Only a trained head computes its logits again, in backward.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        head: Head,
        targets: Tensor,
        temperature: float,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        log_probs = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        entropy = torch.empty_like(log_probs)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), chunk):
            part = slice(start, start + chunk)
            logits, damping = head.logits(hidden[part], temperature)
            logits.sub_(logits.logsumexp(dim=-1, keepdim=True))
            picked = targets[part, None]
            log_probs[part] = logits.gather(1, picked).squeeze(1)
            probs = logits.exp()
            entropy[part] = -logits.mul_(probs).sum(dim=-1)  # vecdot is a product that autocast would round
            if gradient is not None:
                slope = _slope(probs, picked, damping)
                gradient[part] = (slope.to(weight.dtype) @ weight).mul_(head.scale).div_(temperature)
        ctx.save_for_backward(hidden, weight, bias, targets, gradient)
        ctx.head, ctx.temperature, ctx.chunk = head, temperature, chunk
        ctx.mark_non_differentiable(entropy)
        return log_probs, entropy

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, gradient = ctx.saved_tensors
        head: Head = ctx.head
        upstream = outputs[0][:, None]
        for_hidden = gradient * upstream.to(gradient.dtype) if gradient is not None else None
        nothing = (None,) * 4
        if not any(ctx.needs_input_grad[1:3]):
            return for_hidden, None, None, *nothing
        for_weight = torch.zeros_like(weight, dtype=torch.float32)
        for_bias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
        for start in range(0, len(hidden), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            logits, damping = head.logits(hidden[part], ctx.temperature)
            slope = _slope(logits.softmax(dim=-1), targets[part, None], damping)
            slope.mul_(upstream[part] * (head.scale / ctx.temperature))
            if for_bias is not None:
                for_bias += slope.sum(dim=0)
            if hidden.dtype == torch.float32:  # without a second matrix of that size
                for_weight.addmm_(slope.T, hidden[part])
            else:
                for_weight += slope.to(hidden.dtype).T @ hidden[part]
        return (
            for_hidden,
            for_weight.to(weight.dtype) if ctx.needs_input_grad[1] else None,
            for_bias.to(bias.dtype) if for_bias is not None and ctx.needs_input_grad[2] else None,
            *nothing,
        )


def _slope(probs: Tensor, picked: Tensor, damping: Tensor | None) -> Tensor:
    """By how much the log-probability of the `picked` rises with each logit before the cap; `probs` is used up."""
    slope = probs.neg_().scatter_add_(1, picked, torch.ones_like(picked, dtype=probs.dtype))
    return slope if damping is None else slope.mul_(damping)


def token_log_probs(
    hidden: Tensor, head: Head, targets: Tensor, *, temperature: float = 1.0, chunk: int = 256
) -> tuple[Tensor, Tensor]:
    """Log-probability of each target and entropy of its distribution, both (N,) float32, in nats.

    `hidden` (N, width) in the head's data type; `targets` (N,). Memory: one chunk of logits, chunk x vocabulary.
    The entropy carries no gradient.
    """
    apply: Any = _TokenLogProbs.apply
    log_probs, entropy = apply(hidden, head.weight, head.bias, head, targets, temperature, chunk)
    return log_probs, entropy
