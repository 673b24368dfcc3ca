"""The decode loop against transformers' own `generate` and forward pass, and its promises about batches."""

from collections.abc import Sequence

import pytest
import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from rlhf.chat_format import encode_prompt
from rlhf.config import InputError
from rlhf.decoding import Decoder, Event, Finished, Piece, Request
from rlhf.picking import response_seed
from rlhf.sampling import generate
from rlhf.text_stream import TextStream
from rlhf.tiny_model import favour_words
from rlhf.types import Draw, Messages, Sample, SamplingSettings, user_message

TEXTS = (
    "hi",
    "what is the name of the tree over there?",
    "please write a long story about the people who live near the water and say why they never went home again",
    "why?",
    "tell me more about life in the city",
)
TALK: Messages = [*user_message("hello"), {"role": "assistant", "content": " yes friend."}, *user_message("and now?")]
WARM = SamplingSettings(max_new_tokens=40)
GREEDY = SamplingSettings(temperature=0, max_new_tokens=40)


@pytest.fixture
def prompts(tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    return [encode_prompt(tokenizer, user_message(text)) for text in TEXTS] + [encode_prompt(tokenizer, TALK)]


def drain(decoder: Decoder) -> list[Event]:
    events: list[Event] = []
    while decoder.busy:
        events += decoder.step()
    return events


def samples(events: Sequence[Event]) -> dict[tuple[object, int], Sample]:
    return {(e.request.id, e.response_index): e.sample for e in events if isinstance(e, Finished)}


def peer_response(model: PreTrainedModel, prompt: list[int], **settings: object) -> list[int]:
    output = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), pad_token_id=0, **settings
    )
    response: list[int] = output[0, len(prompt) :].tolist()
    return response


def full_logprobs(model: PreTrainedModel, sample: Sample, temperature: float = 1.0) -> torch.Tensor:
    with torch.no_grad():
        logits = model(torch.tensor([sample.prompt_ids + sample.response_ids])).logits[0] / temperature
    start = len(sample.prompt_ids) - 1
    return logits[start:-1].log_softmax(-1).gather(1, torch.tensor(sample.response_ids)[:, None]).squeeze(1)


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_greedy_tokens_are_those_of_transformers(
    any_model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]], penalty: float
) -> None:
    settings = SamplingSettings(temperature=0, max_new_tokens=40, repetition_penalty=penalty)
    responses = generate(any_model, tokenizer, prompts, strategy="greedy", settings=settings)
    for prompt, [response] in zip(prompts, responses, strict=True):
        expected = peer_response(any_model, prompt, do_sample=False, max_new_tokens=40, repetition_penalty=penalty)
        assert response.response_ids == expected
        assert response.finish_reason == ("stop" if expected[-1] == tokenizer.eos_token_id else "length")


def test_logprobs_are_those_of_a_full_forward(
    any_model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> None:
    settings = SamplingSettings(temperature=0.7, top_p=0.9, repetition_penalty=1.1, max_new_tokens=40)
    for responses in generate(any_model, tokenizer, prompts, n=3, settings=settings):
        for sample in responses:
            expected = full_logprobs(any_model, sample, temperature=0.7)
            torch.testing.assert_close(torch.tensor(sample.logprobs), expected, rtol=1e-4, atol=1e-4)


def test_a_result_does_not_depend_on_its_batch(
    any_model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> None:
    """One at a time, all at once, or joining and leaving through three rows: the same tokens."""
    alone = generate(any_model, tokenizer, prompts, n=2, settings=WARM, max_rows=2)
    together = generate(any_model, tokenizer, prompts, n=2, settings=WARM)
    squeezed = generate(any_model, tokenizer, prompts, n=2, settings=WARM, max_rows=3)
    for one, other, third in zip(alone, together, squeezed, strict=True):
        assert [s.response_ids for s in one] == [s.response_ids for s in other] == [s.response_ids for s in third]
    decoder = Decoder(any_model, tokenizer)
    mixed = [SamplingSettings(top_k=3, max_new_tokens=9), GREEDY, SamplingSettings(repetition_penalty=2.0)]
    for index, prompt in enumerate(prompts):  # strangers with other settings in the same batch
        decoder.add(Request(index, prompt, (Draw(WARM, response_seed(0, index, 0)), Draw(mixed[index % 3], 5))))
    found = samples(drain(decoder))
    assert [found[index, 0].response_ids for index in range(len(prompts))] == [one.response_ids for one, _ in alone]


def test_seeds_fix_and_vary_responses(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> None:
    first, again, other = (
        [s.response_ids for row in generate(llama, tokenizer, prompts, n=2, settings=WARM, seed=seed) for s in row]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert len({tuple(ids) for ids in first + other}) > len(first)


def test_mixed_begins_greedy_and_results_arrive_once(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> None:
    arrived: dict[int, list[Sample]] = {}
    responses = generate(
        llama,
        tokenizer,
        prompts,
        n=2,
        strategy="mixed",
        settings=WARM,
        on_done=lambda i, done: arrived.update({i: done}),
    )
    greedy = generate(llama, tokenizer, prompts, strategy="greedy", settings=WARM)
    assert [row[0].response_ids for row in responses] == [row[0].response_ids for row in greedy]
    assert all(not row[1].draw.settings.greedy for row in responses)
    assert [arrived[index] for index in range(len(prompts))] == responses


def test_finish_reasons(llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]) -> None:
    settings = SamplingSettings(max_new_tokens=12)
    found = [s for row in generate(llama, tokenizer, prompts, n=20, settings=settings) for s in row]
    ended = [s for s in found if s.finish_reason == "stop"]
    cut = [s for s in found if s.finish_reason == "length"]
    assert ended
    assert cut
    assert all(s.ended and s.response_ids[-1] == 1 and 1 not in s.response_ids[:-1] for s in ended)
    assert all(not s.ended and len(s.response_ids) == 12 and 1 not in s.response_ids for s in cut)
    assert all(len(s.logprobs) == len(s.response_ids) for s in found)
    assert all(s.text == tokenizer.decode(s.response_ids, skip_special_tokens=True).rstrip("\ufffd") for s in found)


def test_the_context_limits_prompt_and_response(llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    context = llama.config.max_position_embeddings
    for room in (1, 3):
        [[sample]] = generate(llama, tokenizer, [[40] * (context - room)], settings=SamplingSettings(max_new_tokens=50))
        assert len(sample.response_ids) <= room
        assert sample.finish_reason == ("stop" if sample.ended else "length")
    with pytest.raises(InputError, match="context of 256"):
        generate(llama, tokenizer, [[40] * context])
    with pytest.raises(InputError, match="empty prompt"):
        generate(llama, tokenizer, [[]])
    with pytest.raises(InputError, match="max_tokens=100"):
        generate(llama, tokenizer, [[40] * 60], settings=WARM, n=2, max_tokens=100)


def test_a_prompt_of_one_token(any_model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    [[sample]] = generate(any_model, tokenizer, [[40]], strategy="greedy", settings=GREEDY)
    assert sample.response_ids == peer_response(any_model, [40], do_sample=False, max_new_tokens=40)


def test_a_stop_string_ends_and_cuts_the_response(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> None:
    free = generate(llama, tokenizer, prompts, n=4, settings=WARM)
    texts = [s.text for row in free for s in row]
    stop = next(text[5:12] for text in texts if len(text) > 20)
    stopped = generate(
        llama, tokenizer, prompts, n=4, settings=SamplingSettings(max_new_tokens=40, stop=(stop, "never said"))
    )
    hits = 0
    for sample, text in zip((s for row in stopped for s in row), texts, strict=True):
        assert sample.text == text.split(stop)[0]
        if stop in text:
            hits += 1
            assert (sample.finish_reason, sample.ended) == ("stop", False)
    assert hits


def test_pieces_join_to_the_text_and_never_show_a_stop_string(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> None:
    decoder = Decoder(llama, tokenizer)
    settings = SamplingSettings(max_new_tokens=40, stop=(" the ", ". "))
    for index, prompt in enumerate(prompts):
        decoder.add(Request(index, prompt, (Draw(settings, 1), Draw(settings, 2)), stream=True))
    events = drain(decoder)
    for (request, response), sample in samples(events).items():
        pieces = [
            e.text for e in events if isinstance(e, Piece) and (e.request.id, e.response_index) == (request, response)
        ]
        assert "".join(pieces) == sample.text
        assert "" not in pieces
        assert not any(stop in sample.text for stop in settings.stop)


def test_text_waits_for_whole_characters_and_possible_stops(tokenizer: PreTrainedTokenizerBase) -> None:
    stream = TextStream(tokenizer, ("STOP",))
    pieces = [stream.push(token) for token in tokenizer.encode("a😀 STO no STOP", add_special_tokens=False)]
    assert pieces[0] == "a"
    assert "😀" in pieces
    assert stream.text == "a😀 STO no "
    assert stream.stopped
    unfinished = TextStream(tokenizer, ("STOP",))
    for token in tokenizer.encode("so ST", add_special_tokens=False):
        unfinished.push(token)
    assert unfinished.text == "so "
    assert unfinished.flush() == "ST"


def test_requests_join_leave_and_are_cancelled(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> None:
    expected = generate(llama, tokenizer, prompts, settings=GREEDY, strategy="greedy")
    decoder = Decoder(llama, tokenizer, max_rows=3)
    trial = Decoder(llama, tokenizer)
    trial.add(Request("trial", prompts[0], tuple(Draw(WARM, seed) for seed in range(20))))
    long = [draw.draw for draw in samples(drain(trial)).values() if len(draw.response_ids) > 10][:2]
    decoder.add(Request("dropped", prompts[0], tuple(long)))
    decoder.add(Request(0, prompts[0], (Draw(GREEDY),)))  # behind it, so that it moves up when the first is dropped
    decoder.add(Request("never started", prompts[0], (Draw(WARM), Draw(WARM))))
    events = decoder.step()
    assert decoder.waiting == 1
    for index, prompt in enumerate(prompts[1:], start=1):
        decoder.add(Request(index, prompt, (Draw(GREEDY),)))
    for _ in range(2):
        events += decoder.step()
    cancelled = decoder.cancel("dropped") + decoder.cancel("never started")
    assert decoder.cancel("unknown") == []
    assert len(cancelled) == 2
    for event in cancelled:
        assert isinstance(event, Finished)
        assert event.sample.finish_reason == "cancelled"
        assert len(event.sample.response_ids) == 3
    found = samples(events + drain(decoder))
    assert [found[index, 0].response_ids for index in range(len(prompts))] == [row[0].response_ids for row in expected]
    assert not decoder.busy


def test_training_mode_and_dropout_come_back(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]
) -> None:
    llama.train()
    generate(llama, tokenizer, prompts[:1], settings=GREEDY, strategy="greedy")
    assert llama.training


@pytest.mark.parametrize("kind", ["all sliding", "alternating"])
def test_sliding_windows_are_kept(kind: str, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]) -> None:
    shared = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 256, "sliding_window": 8, "initializer_range": 0.2,
        "tie_word_embeddings": False, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(3)
    if kind == "all sliding":
        model = MistralForCausalLM(MistralConfig(num_hidden_layers=2, **shared)).eval()
    else:
        layers = ["sliding_attention", "full_attention"]
        config = Gemma3TextConfig(num_hidden_layers=2, head_dim=8, layer_types=layers, **shared)
        config.final_logit_softcapping = 5.0  # the head of a Decoder is the model's own, whatever it does
        model = Gemma3ForCausalLM(config).eval()
    favour_words(model, tokenizer)
    responses = generate(model, tokenizer, prompts, n=2, strategy="mixed", settings=WARM)
    for prompt, [greedy, sampled] in zip(prompts, responses, strict=True):
        assert greedy.response_ids == peer_response(model, prompt, do_sample=False, max_new_tokens=40)
        torch.testing.assert_close(torch.tensor(sampled.logprobs), full_logprobs(model, sampled), rtol=1e-4, atol=1e-4)


def test_models_with_another_kind_of_state_are_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    config = MambaConfig(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, state_size=4)
    with pytest.raises(InputError, match="more than keys and values"):
        generate(MambaForCausalLM(config), tokenizer, [[5, 6]])


def test_prompts_of_different_lengths_are_computed_with_little_padding(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[torch.Size] = []
    forward = llama.base_model.forward

    def noted(*args: object, **options: object) -> object:
        ids = options["input_ids"]
        assert isinstance(ids, torch.Tensor)
        computed.append(ids.shape)
        return forward(*args, **options)

    decoder = Decoder(llama, tokenizer)  # which tries the model
    monkeypatch.setattr(llama.base_model, "forward", noted)
    lengths = [200, 190, 180, *[40] * 30]
    for number, length in enumerate(lengths):
        decoder.add(Request(number, [5] * length, (Draw(GREEDY, 0),)))
    decoder.step()
    *prefills, step = computed
    assert step == (len(lengths), 1)
    assert sum(rows for rows, _ in prefills) == len(lengths)
    assert sum(shape.numel() for shape in prefills) <= 1.25 * sum(lengths)


def test_the_head_runs_for_tokens_that_are_drawn_alone(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    states: list[torch.Size] = []
    head = llama.get_output_embeddings()
    decoder = Decoder(llama, tokenizer)  # which tries the model
    with head.register_forward_pre_hook(lambda _, given: states.append(given[0].shape)):
        for number, length in enumerate([9, 5, 5]):
            decoder.add(Request(number, [5] * length, (Draw(GREEDY, 0),)))
        decoder.step()
    assert [shape[:2] for shape in states] == [(3, 1)]


def test_bfloat16_ends_and_stays_close(tokenizer: PreTrainedTokenizerBase, llama: PreTrainedModel) -> None:
    prompt = encode_prompt(tokenizer, user_message("what is good?"))
    half = llama.to(torch.bfloat16)
    for sample in generate(half, tokenizer, [prompt], n=8, settings=WARM)[0]:
        expected = full_logprobs(half, sample).float()
        assert (torch.tensor(sample.logprobs) - expected).abs().mean() < 0.05


def test_a_model_may_be_grouped_or_not(tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=48, intermediate_size=32, num_hidden_layers=1, num_attention_heads=6,
        num_key_value_heads=1, head_dim=16, initializer_range=0.3, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    for implementation in ("sdpa", "eager"):
        model = LlamaForCausalLM._from_config(config, attn_implementation=implementation).eval()
        [[sample]] = generate(model, tokenizer, prompts[2:3], strategy="greedy", settings=GREEDY)
        assert sample.response_ids == peer_response(model, prompts[2], do_sample=False, max_new_tokens=40)
