"""Tiny random models of many kinds, by transformers' name of the kind: two layers of 32 numbers, every weight drawn."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

WINDOW = 8

_LLAMA = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256,
}  # fmt: skip
_FULL = _LLAMA | {"num_key_value_heads": 4}
_WINDOWED = _LLAMA | {"sliding_window": WINDOW}
_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "n_inner": 64}
_EXPERTS = {"num_experts_per_tok": 2, "num_local_experts": 4}
_OPT = {
    "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 256,
}  # fmt: skip
_FALCON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 256}
_ROTARY = _GPT | {"rotary_dim": 4}

SETTINGS: dict[str, dict[str, Any]] = {
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "codegen": _ROTARY,
    "cohere2": _WINDOWED,
    "falcon": _FALCON | {"alibi": False},
    "falcon-alibi": _FALCON | {"model_type": "falcon", "alibi": True, "multi_query": False, "parallel_attn": False},
    "gemma2": _WINDOWED | {"query_pre_attn_scalar": 8},
    "gemma3_text": _WINDOWED | {"query_pre_attn_scalar": 8},
    "gpt2": _GPT,
    "gpt_neo": {
        "hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]],
        "window_size": WINDOW, "max_position_embeddings": 256, "intermediate_size": 64,
    },
    "gpt_neox": _LLAMA,
    "gpt_oss": _WINDOWED | _EXPERTS,
    "gptj": _ROTARY,
    "granite": _LLAMA,
    "llama": _LLAMA,
    "llama4_text": _LLAMA | _EXPERTS | {"intermediate_size_mlp": 64, "attention_chunk_size": WINDOW},
    "mistral": _WINDOWED,
    "mixtral": _LLAMA | _EXPERTS | {"sliding_window": None},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": 256},
    "opt": _OPT | {"word_embed_proj_dim": 32},
    "opt-projected": _OPT | {"model_type": "opt", "word_embed_proj_dim": 16, "do_layer_norm_before": False},
    "phi": _LLAMA,
    "phi3": _LLAMA,
    "phi3-longrope": _LLAMA | {
        "model_type": "phi3", "original_max_position_embeddings": 48,
        "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 10_000.0, "original_max_position_embeddings": 48,
            "short_factor": [1.0] * 4, "long_factor": [4.0] * 4,
        },
    },
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "qwen3_moe": _LLAMA | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "stablelm": _FULL,
    "xglm": {"d_model": 32, "ffn_dim": 64, "num_layers": 2, "attention_heads": 4, "max_position_embeddings": 256},
}  # fmt: skip


def build(
    name: str, tokenizer: PreTrainedTokenizerBase, seed: int = 0, dtype: torch.dtype = torch.float32, **settings: Any
) -> PreTrainedModel:
    """The model, in evaluation mode; biases, norms and sinks are off their usual start as well."""
    values = {"model_type": name} | SETTINGS[name] | settings
    config = AutoConfig.for_model(
        **values,
        vocab_size=len(tokenizer),
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.1 if parameter.ndim == 1 else 0.2))
    return model.to(dtype).eval()


def save(name: str, folder: Path, tokenizer: PreTrainedTokenizerBase, **settings: Any) -> Path:
    """The folder, with the model and the tokenizer in it."""
    build(name, tokenizer, **settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
