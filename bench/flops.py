"""What a rate means for the device: floating-point operations a second as a share of its peak.

Counted are a trunk's products alone, 2 operations a weight and token on the way forth and 4 on the way back (Kaplan et
al. 2020, section 2.1); attention, embeddings and heads are left out, and so is padding, which no user asked for.
"""

import torch
from transformers import AutoConfig, AutoModel

FORWARD, TRAINED = 2, 6  # operations a weight and token


def trunk_weights(folder: str) -> int:
    """Weights of the model's trunk without its embeddings."""
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    embeddings = sum(weight.numel() for weight in model.get_input_embeddings().parameters())
    return int(sum(weight.numel() for weight in model.parameters()) - embeddings)


def share(flops: float, peak: float) -> float:
    """Of a peak in TFLOP/s."""
    return round(flops / (peak * 1e12), 4)
