"""Small models of the three shapes that most models have, built once a session; they share one tokenizer."""

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import hypothesis
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
)

from rlhf.tiny_model import favour_words, tiny_tokenizer

hypothesis.settings.register_profile("busy machine", deadline=None)
hypothesis.settings.load_profile("busy machine")

SHAPES = ("llama", "neox", "qwen")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    """A byte-level tokenizer with a chat template, pad id 0 and end id 1."""
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerBase) -> Callable[[str], Path]:
    """`model_folder("llama" | "neox" | "qwen")` is the folder of a saved tiny model of that shape, float32."""
    folders: dict[str, Path] = {}

    def build(shape: str) -> Path:
        if shape not in folders:
            folders[shape] = tmp_path_factory.mktemp("models") / shape
            _random_model(shape, tokenizer).save_pretrained(folders[shape])
            tokenizer.save_pretrained(folders[shape])
        return folders[shape]

    return build


@pytest.fixture(params=SHAPES)
def any_model_folder(request: pytest.FixtureRequest, model_folder: Callable[[str], Path]) -> Path:
    """Runs the test once for each shape."""
    return model_folder(request.param)


@pytest.fixture(scope="session")
def llama_folder(model_folder: Callable[[str], Path]) -> Path:
    return model_folder("llama")


@pytest.fixture
def any_model(any_model_folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(any_model_folder, dtype=torch.float32).eval()


@pytest.fixture
def llama(llama_folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(llama_folder, dtype=torch.float32).eval()


def _random_model(shape: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    shared = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "initializer_range": 0.2,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    configs = {
        "llama": lambda: LlamaConfig(**shared, num_key_value_heads=2),
        "neox": lambda: GPTNeoXConfig(**shared, rotary_pct=0.25),
        "qwen": lambda: Qwen2Config(**shared, num_key_value_heads=2),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_config(configs[shape](), dtype=torch.float32)
        favour_words(model, tokenizer)
    return model.eval()
