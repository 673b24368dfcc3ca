"""Log-probabilities of drawn tokens from the states they were drawn in, without a softmax over all of them in memory.

It knows states, a head's weight and tokens; no model and no batch.
"""

from typing import Any

import torch
from torch import Tensor


class _AnswerHead(torch.autograd.Function):
    """log softmax(hidden @ weight.T / temperature) at the targets, and its entropy, chunk by chunk.

    The probabilities of a chunk are used at once, for the gradient with respect to ``hidden``, and dropped: what
    is kept is (N, width), never (N, vocabulary). Only a trained head computes its logits again, in backward.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float, chunk: int
    ) -> tuple[Tensor, Tensor]:
        log_probs = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        entropy = torch.empty_like(log_probs)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), chunk):
            part = slice(start, start + chunk)
            logits = (hidden[part] @ weight.T).float().div_(temperature)
            logits.sub_(logits.logsumexp(dim=-1, keepdim=True))
            picked = targets[part, None]
            log_probs[part] = logits.gather(1, picked).squeeze(1)
            probs = logits.exp()
            entropy[part] = -logits.mul_(probs).sum(dim=-1)  # vecdot is a product that autocast would round
            if gradient is not None:
                probs.neg_().scatter_add_(1, picked, torch.ones_like(picked, dtype=probs.dtype))
                gradient[part] = (probs.to(weight.dtype) @ weight).div_(temperature)
        ctx.save_for_backward(hidden, weight, targets, gradient)
        ctx.temperature, ctx.chunk = temperature, chunk
        ctx.mark_non_differentiable(entropy)
        return log_probs, entropy

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        hidden, weight, targets, gradient = ctx.saved_tensors
        upstream = outputs[0][:, None]
        for_hidden = gradient * upstream.to(gradient.dtype) if gradient is not None else None
        if not ctx.needs_input_grad[1]:
            return for_hidden, None, None, None, None
        for_weight = torch.zeros_like(weight, dtype=torch.float32)
        for start in range(0, len(hidden), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            logits = (hidden[part] @ weight.T).float().div_(ctx.temperature)
            slope = logits.softmax(dim=-1).neg_()
            picked = targets[part, None]
            slope.scatter_add_(1, picked, torch.ones_like(picked, dtype=slope.dtype))
            slope.mul_(upstream[part] / ctx.temperature)
            if hidden.dtype == torch.float32:  # without a second matrix of that size
                for_weight.addmm_(slope.T, hidden[part])
            else:
                for_weight += slope.to(hidden.dtype).T @ hidden[part]
        return for_hidden, for_weight.to(weight.dtype), None, None, None


def answer_log_probs(
    hidden: Tensor, weight: Tensor, targets: Tensor, *, temperature: float = 1.0, chunk: int = 256
) -> tuple[Tensor, Tensor]:
    """Log-probability of each target and entropy of its distribution, both (N,) float32, in nats.

    ``hidden`` (N, width) and ``weight`` (vocabulary, width) in one data type; ``targets`` (N,). Memory: one chunk of
    logits, chunk x vocabulary. The entropy carries no gradient.
    """
    log_probs, entropy = _AnswerHead.apply(hidden, weight, targets, temperature, chunk)  # type: ignore[no-untyped-call]
    return log_probs, entropy
