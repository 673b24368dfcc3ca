"""What transformers gives for one text at a time: what texts together must give as well."""

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

LENGTHS = (2, 30, 5, 12, 41)  # to both sides of a window


def rows(tokenizer: PreTrainedTokenizerBase, lengths: tuple[int, ...] = LENGTHS, seed: int = 5) -> list[list[int]]:
    """Token ids of texts of these lengths."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(5, len(tokenizer), (length,), generator=generator).tolist() for length in lengths]


@torch.no_grad()
def decode_alone(model: Any, prompt: list[int], tokens: int) -> tuple[list[int], list[float]]:
    """Greedy tokens and their log-probabilities: the whole row anew for each token."""
    ids, log_probs = list(prompt), []
    for _ in range(tokens):
        spread = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].float().log_softmax(dim=-1)
        ids.append(int(spread.argmax()))
        log_probs.append(float(spread.max()))
    return ids[len(prompt) :], log_probs


@torch.no_grad()
def log_probs_alone(model: Any, prompts: list[list[int]], responses: list[list[int]]) -> Tensor:
    """Log-probabilities of all responses' tokens, response after response."""
    found = []
    for prompt, response in zip(prompts, responses, strict=True):
        logits = model(input_ids=torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
        found.append(logits.log_softmax(-1).gather(1, torch.tensor(response)[:, None]).squeeze(1))
    return torch.cat(found)
