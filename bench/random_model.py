"""A model of about a billion random weights whose answers end by themselves: for speed, where nothing can be fetched.

python -m bench.random_model --output build/random-1b
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bench.pairs import say
from rlhf.config import Doc, Ge, Gt, parse_config, run_cli
from rlhf.tiny_model import favour_words, tiny_tokenizer


@dataclass(frozen=True)
class ModelConfig:
    """Writes a random model, shaped as Llama 3.2 with 1B."""

    output: Annotated[Path, Doc("Its folder.")]
    hidden_size: Annotated[int, Ge(64), Doc("Width, in heads of 64.")] = 2048
    layers: Annotated[int, Ge(1), Doc("Layers.")] = 16
    vocabulary: Annotated[int, Ge(1000), Doc("Tokens that the head tells apart; few of them are ever drawn.")] = 49_152
    patience: Annotated[float, Gt(0), Doc("With 1, answers have 20 tokens on average; with 20, 150.")] = 20


def main(argv: list[str]) -> None:
    config = parse_config(ModelConfig, argv, prog="python -m bench.random_model")
    tokenizer = tiny_tokenizer()
    heads = config.hidden_size // 64
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.hidden_size,
            intermediate_size=4 * config.hidden_size,
            num_hidden_layers=config.layers,
            num_attention_heads=heads,
            num_key_value_heads=max(1, heads // 4),
            max_position_embeddings=8192,
            initializer_range=0.005,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    favour_words(model, tokenizer, patience=config.patience)
    model.to(torch.bfloat16).save_pretrained(config.output)
    tokenizer.model_max_length = model.config.max_position_embeddings
    tokenizer.save_pretrained(config.output)
    say(f"{sum(weight.numel() for weight in model.parameters()):,} weights in {config.output}")


if __name__ == "__main__":
    run_cli(main)
