"""A decoding step against the plain forward pass, on every device there is: a GPU records and replays its steps."""

from typing import Any

import psutil
import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, LlamaConfig, PreTrainedModel

from rlhf.decode_step import DecodeStep
from rlhf.kv_cache import Slab

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


class Conversations:
    """Rows of a slab and the tokens that are in them."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.slab = Slab(model.config, model.device)
        self.step = DecodeStep.on(model, self.slab)
        self.rows: list[list[int]] = []

    def join(self, *rows: list[int]) -> None:
        """Rows of one length: all tokens but the last enter the cache now, the last with the next step."""
        cache = DynamicCache()
        self.model(torch.tensor(rows, device=self.model.device)[:, :-1], past_key_values=cache)
        known = len(rows[0]) - 1
        written = max(map(len, self.rows), default=1) - 1
        self.slab.reserve(len(self.rows) + len(rows), known + 100, cache, written)
        self.slab.put(len(self.rows), cache, list(range(len(rows))), known)
        self.rows += [list(row) for row in rows]

    def next_logits(self) -> Tensor:
        return self.step([row[-1] for row in self.rows], [len(row) - 1 for row in self.rows])

    def say(self) -> Tensor:
        """Every row gets its likeliest token; the logits it had, (rows, vocabulary)."""
        logits = self.next_logits()
        for row, token in zip(self.rows, logits.argmax(dim=-1).tolist(), strict=True):
            row.append(token)
        return logits.clone()

    def agree(self) -> None:
        """A step says what a forward pass over each whole row says."""
        before = [list(row) for row in self.rows]
        for row, found in zip(before, self.say(), strict=True):
            expected = self.model(torch.tensor([row], device=self.model.device)).logits[0, -1]
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.fixture(params=DEVICES)
def model(request: pytest.FixtureRequest, any_model: PreTrainedModel) -> PreTrainedModel:
    return any_model.to(request.param)


@torch.inference_mode()
def test_rows_come_and_go_and_every_step_says_what_the_model_says(model: PreTrainedModel) -> None:
    talk = Conversations(model)
    talk.join([5, 6, 7])
    talk.agree()
    talk.join([8, 9, 10, 11, 12], [13, 14, 15, 16, 17])  # the slab has to grow in rows
    for _ in range(5):
        talk.agree()
    talk.slab.move(2, 0, len(talk.rows[2]) - 1)  # the first row is done, the last one takes its place
    talk.rows = [talk.rows[2], talk.rows[1]]
    talk.agree()
    talk.join(list(range(20, 200)))  # and in columns
    for _ in range(90):  # past a length at which a graph ends
        talk.say()
    talk.agree()


def test_a_cache_takes_memory_where_tokens_are_written_only() -> None:
    config = LlamaConfig(hidden_size=64, num_attention_heads=4, num_key_value_heads=4, num_hidden_layers=2)
    cache = DynamicCache()
    for layer in range(2):
        cache.update(torch.ones(1, 4, 10, 16), torch.ones(1, 4, 10, 16), layer)
    slab, before = Slab(config, torch.device("cpu")), psutil.Process().memory_info().rss
    slab.reserve(1024, 1024, cache, 0)  # a gigabyte
    slab.put(0, cache, [0] * 8, 10)
    slab.reserve(1024, 2048, cache, 10)
    assert psutil.Process().memory_info().rss - before < 100e6
    assert (slab.layers[1].keys[:8, :, :10] == 1).all()
    assert not slab.layers[1].keys[:8, :, 10:].any()


@torch.inference_mode()
def test_weights_that_training_has_changed_count_at_once(model: PreTrainedModel) -> None:
    talk = Conversations(model)
    talk.join([5, 6, 7])
    talk.agree()
    for weight in model.parameters():
        weight.mul_(1.1)
    talk.rows.clear()
    talk.join([8, 9, 10])
    talk.agree()


@torch.inference_mode()
def test_a_model_that_looks_at_its_values_answers_as_well(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = model.forward

    def curious(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        assert output.logits.isfinite().all().item()  # a graph cannot be recorded across this
        return output

    monkeypatch.setattr(model, "forward", curious)
    talk = Conversations(model)
    talk.join([5, 6, 7], [8, 9, 10])
    for _ in range(3):
        talk.agree()
