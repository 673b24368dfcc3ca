"""Responses of a model to many prompts: `generate` for whole batches, `completed` for results as they come.

PPO's rollouts are `generate` with the default settings (temperature 1, nothing truncated): token ids, the
log-probability of each, and whether the response ended. This module knows no files and no near-duplicates
(`rlhf.sample` does).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlhf.config import RunFailed
from rlhf.decoding import Broken, Decoder, Finished, Request
from rlhf.picking import response_seed
from rlhf.types import Draw, Sample, SamplingSettings, Strategy


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    n: int = 1,
    strategy: Strategy = "stochastic",
    settings: SamplingSettings | None = None,
    seed: int = 0,
    max_rows: int | None = None,
    max_tokens: int | None = None,
    on_done: Callable[[int, list[Sample]], None] | None = None,
) -> list[list[Sample]]:
    """`n` responses to each of the prompts (token ids, as of `encode_prompt`), in the order of the prompts.

    Each response is sampled from a stream of its own, seeded by (seed, place of the prompt, place of the response), so
    in float32 it does not depend on `max_rows` or on the other prompts. `on_done(prompt_index, samples)` is called when
    a prompt's responses are complete. "mixed" makes the first response greedy. The model is set to evaluation mode
    meanwhile. Raises InputError for a prompt that leaves no room in the model's context.
    """
    settings = settings or SamplingSettings()
    results: list[list[Sample]] = [[] for _ in prompts]
    was_training = model.training
    model.eval()
    try:
        decoder = Decoder(model, tokenizer, max_rows=max_rows, max_tokens=max_tokens)
        for index in sorted(range(len(prompts)), key=lambda index: -len(prompts[index])):
            decoder.add(response_request(index, prompts[index], n=n, strategy=strategy, settings=settings, seed=seed))
        for request, samples in completed(decoder):
            index = cast(int, request.id)
            results[index] = samples
            if on_done is not None:
                on_done(index, samples)
    finally:
        model.train(was_training)
    return results


def response_request(
    index: int,
    prompt_ids: Sequence[int],
    *,
    n: int,
    strategy: Strategy,
    settings: SamplingSettings,
    seed: int,
    attempt: int = 0,
) -> Request:
    """The request for the `n` responses to prompt number `index`; another `attempt` gives others."""
    greedy = replace(settings, temperature=0.0)
    kinds = {"greedy": [greedy] * n, "stochastic": [settings] * n, "mixed": [greedy] + [settings] * (n - 1)}[strategy]
    draws = (Draw(kind, response_seed(seed, index, response, attempt)) for response, kind in enumerate(kinds))
    return Request(id=index, prompt_ids=prompt_ids, draws=tuple(draws))


def completed(decoder: Decoder, each_step: Callable[[], None] | None = None) -> Iterator[tuple[Request, list[Sample]]]:
    """Run the decoder until it is idle, and yield each request with all its responses, in their order, when complete.

    More requests may be added to the decoder meanwhile. `each_step` is called before every token, and may raise.
    """
    finished: dict[object, dict[int, Sample]] = {}
    while decoder.busy:
        if each_step is not None:
            each_step()
        for event in decoder.step():
            if isinstance(event, Broken):
                raise RunFailed(
                    f"the model computes numbers that are not finite when it answers prompt {event.request.id}; it is "
                    "damaged, or was trained too fast"
                )
            if isinstance(event, Finished):
                responses = finished.setdefault(event.request.id, {})
                responses[event.response_index] = event.sample
                if len(responses) == len(event.request.draws):
                    del finished[event.request.id]
                    yield event.request, [responses[i] for i in range(len(responses))]
