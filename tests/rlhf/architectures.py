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
_FINE = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}  # many small experts
_LATENT = _FULL | {  # keys and values out of a few numbers
    "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8, "head_dim": 4,
}  # fmt: skip
_DEEPSEEK = _LATENT | _FINE | {"n_routed_experts": 4, "first_k_dense_replace": 1}
_INDEXED = {"n_group": 1, "topk_group": 1, "index_n_heads": 2, "index_head_dim": 8}  # looks at chosen tokens only
_STATES = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_chunk_size": 8}
_RECURRENT = {"layer_types": ["linear_attention", "full_attention"]} | {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
}  # fmt: skip

SETTINGS: dict[str, dict[str, Any]] = {
    "afmoe": _WINDOWED | _FINE | {"num_experts": 4},
    "apertus": _LLAMA,
    "arcee": _LLAMA,
    "bamba": _LLAMA | _STATES | {"attn_layer_indices": [1], "mamba_n_groups": 1},
    "biogpt": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 256,
    },
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "codegen": _ROTARY,
    "cohere": _LLAMA,
    "cohere2": _WINDOWED,
    "deepseek_v2": _DEEPSEEK,
    "deepseek_v3": _DEEPSEEK | {"n_group": 2, "topk_group": 1},
    "deepseek_v32": _DEEPSEEK | _INDEXED,
    "deepseek_v4": _DEEPSEEK,
    "ernie4_5": _LLAMA,
    "ernie4_5_moe": _LLAMA | {
        "moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 32, "moe_layer_start_index": 1,
    },
    "exaone4": _WINDOWED,
    "exaone_moe": _WINDOWED | _FINE | {"num_experts": 4},
    "falcon": _FALCON | {"alibi": False},
    "falcon-alibi": _FALCON | {"model_type": "falcon", "alibi": True, "multi_query": False, "parallel_attn": False},
    "falcon_h1": _LLAMA | {
        "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8,
        "mamba_chunk_size": 8,
    },
    "gemma": _LLAMA,
    "gemma2": _WINDOWED | {"query_pre_attn_scalar": 8},
    "gemma3_text": _WINDOWED | {"query_pre_attn_scalar": 8},
    "gemma3n_text": _WINDOWED | {
        "num_kv_shared_layers": 0, "vocab_size_per_layer_input": 50, "hidden_size_per_layer_input": 8, "laurel_rank": 4,
        "layer_types": ["sliding_attention", "full_attention"], "altup_num_inputs": 2,
        "activation_sparsity_pattern": [0.0, 0.0],
    },
    "gemma4_text": _WINDOWED | {
        "vocab_size_per_layer_input": 1000, "hidden_size_per_layer_input": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "glm": _LLAMA,
    "glm4": _LLAMA,
    "glm4_moe": _LLAMA | _FINE | {"n_routed_experts": 4, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1},
    "glm_moe_dsa": _DEEPSEEK | _INDEXED,
    "gpt2": _GPT,
    "gpt_bigcode": _GPT,
    "gpt_neo": {
        "hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]],
        "window_size": WINDOW, "max_position_embeddings": 256, "intermediate_size": 64,
    },
    "gpt_neox": _LLAMA,
    "gpt_oss": _WINDOWED | _EXPERTS,
    "gptj": _ROTARY,
    "granite": _LLAMA,
    "granitemoe": _LLAMA | _EXPERTS,
    "granitemoehybrid": _LLAMA | _EXPERTS | _STATES | {
        "shared_intermediate_size": 32, "layer_types": ["mamba", "attention"], "mamba_n_groups": 1,
    },
    "helium": _LLAMA,
    "hunyuan_v1_dense": _LLAMA,
    "jamba": _LLAMA | {
        "num_experts": 2, "mamba_dt_rank": 4, "mamba_d_state": 4, "attn_layer_period": 2, "attn_layer_offset": 1,
    },
    "laguna": _WINDOWED | _FINE | {"num_experts": 4},
    "lfm2": _LLAMA | {"layer_types": ["conv", "full_attention"], "block_ff_dim": 64},
    "llama": _LLAMA,
    "llama4_text": _LLAMA | _EXPERTS | {"intermediate_size_mlp": 64, "attention_chunk_size": WINDOW},
    "longcat_flash": _DEEPSEEK,
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2},
    "mamba2": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1,
        "chunk_size": 8,
    },
    "mimo_v2_flash": _WINDOWED | _FINE | {"num_experts": 4},
    "minicpm3": _LATENT,
    "minimax_m2": _LLAMA | _EXPERTS,
    "ministral": _WINDOWED,
    "ministral3": _LLAMA,
    "mistral": _WINDOWED,
    "mixtral": _LLAMA | _EXPERTS | {"sliding_window": None},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": 256},
    "nanochat": _LLAMA,
    "nemotron": _LLAMA,
    "olmo": _LLAMA,
    "olmo2": _LLAMA,
    "olmo3": _WINDOWED,
    "olmoe": _FULL | {"num_experts": 4, "num_experts_per_tok": 2},
    "openai-gpt": _GPT,
    "opt": _OPT | {"word_embed_proj_dim": 32},
    "opt-projected": _OPT | {"model_type": "opt", "word_embed_proj_dim": 16, "do_layer_norm_before": False},
    "persimmon": _FULL,
    "phi": _LLAMA,
    "phi3": _LLAMA,
    "phi3-longrope": _LLAMA | {
        "model_type": "phi3", "original_max_position_embeddings": 48,
        "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 10_000.0, "original_max_position_embeddings": 48,
            "short_factor": [1.0] * 4, "long_factor": [4.0] * 4,
        },
    },
    "phimoe": _WINDOWED | _EXPERTS,
    "qwen2": _LLAMA,
    "qwen2_moe": _LLAMA | _FINE | {"num_experts": 4, "shared_expert_intermediate_size": 32},
    "qwen3": _LLAMA,
    "qwen3_5_text": _LLAMA | _RECURRENT,
    "qwen3_moe": _LLAMA | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "qwen3_next": _LLAMA | _FINE | _RECURRENT | {"num_experts": 4, "shared_expert_intermediate_size": 32},
    "recurrent_gemma": _LLAMA | {
        "block_types": ["recurrent", "attention"], "attention_window_size": WINDOW, "lru_width": 32,
    },
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2},
    "seed_oss": _LLAMA,
    "smollm3": _LLAMA,
    "stablelm": _FULL,
    "starcoder2": _WINDOWED,
    "vaultgemma": _WINDOWED | {"query_pre_attn_scalar": 8},
    "xglm": {"d_model": 32, "ffn_dim": 64, "num_layers": 2, "attention_heads": 4, "max_position_embeddings": 256},
}  # fmt: skip


def build(
    name: str, tokenizer: PreTrainedTokenizerBase, seed: int = 0, dtype: torch.dtype = torch.float32, **settings: Any
) -> PreTrainedModel:
    """The model, in evaluation mode; biases, norms and sinks are off their usual start as well."""
    tokens = {
        "vocab_size": len(tokenizer), "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id, "tie_word_embeddings": False,
    }  # fmt: skip
    config = AutoConfig.for_model(**tokens | {"model_type": name} | SETTINGS[name] | settings)
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
