"""`python -m rlhf.evaluate policy`: two policies answer the same prompts, a reward model says who answers better.

The seeds belong to the prompts, so the same two models give the same responses again. What a reward model says is not
what people say: a policy trained against it is expected to win here.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from rlhf.config import Doc, Ge, InputError, Le, Settings, parse_config
from rlhf.runtime import DtypeName, pick_device, pick_dtype, set_threads
from rlhf.setting_types import (
    Device,
    LongestResponse,
    MissingEndPenalty,
    SamplingTemperature,
    Seed,
    SequenceTokens,
    Share,
)


@dataclass(frozen=True, kw_only=True)
class EvaluatePolicyConfig(Settings):
    """Compare a policy with a baseline on the same prompts, by a reward model."""

    model: Annotated[str, Doc("The policy: a folder or hub id.", "Policy", group="local")]
    baseline: Annotated[
        str, Doc("The policy to compare with, mostly the one that the policy was trained from.", group="local")
    ]
    reward: Annotated[str, Doc("Reward model that scores both: a folder.", "Reward model", group="local")]
    prompts: Annotated[str, Doc("Prompts that neither was trained on: .jsonl, .jsonl.gz or .parquet.", group="local")]
    json: Annotated[bool, Doc("Print one line of JSON.", "JSON", group="local")] = False
    output: Annotated[
        str | None, Doc("JSONL file for prompts, responses and scores. Empty: not written.", group="local")
    ] = None
    figures: Annotated[str | None, Doc("JSON file for the figures. Empty: not written.", group="local")] = None
    max_prompts: Annotated[
        int | None, Ge(1), Le(10_000_000), Doc("Use only the first prompts. Empty: all.", "Prompts", "prompts", "main")
    ] = None
    temperature: Annotated[
        SamplingTemperature,
        Doc("Of both policies' sampling, best the one of the training.", group="main"),
    ] = 1.0
    max_new_tokens: LongestResponse = 64
    missing_end_penalty: MissingEndPenalty = 1.0
    max_prompt_tokens: Annotated[
        SequenceTokens, Doc("Longest prompt; longer ones are cut on the left.", "Longest prompt", "tokens")
    ] = 512
    max_bad_share: Annotated[
        Share, Doc("Refuse prompts of which a larger share of the rows is unusable.", unit="share")
    ] = 0.05
    token_budget: Annotated[int, Ge(1), Le(1_000_000), Doc("Tokens computed at once.", "Tokens at once", "tokens")] = (
        4096
    )
    seed: Annotated[Seed, Doc("Seed of the sampling.", group="main")] = 0
    dtype: Annotated[DtypeName, Doc("Number format of the computation.", "Number format")] = "auto"
    device: Device = "auto"


def main(argv: list[str]) -> None:
    config = parse_config(EvaluatePolicyConfig, argv, prog="python -m rlhf.evaluate policy")
    found = evaluate_policy(config)
    if config.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for name, value in found.items():
        print(f"{name:24} {value:.4f}" if isinstance(value, float) else f"{name:24} {value}")


def evaluate_policy(config: EvaluatePolicyConfig) -> dict[str, Any]:
    """Win rate with its interval, mean rewards and the KL of the policy to the baseline.

    A response that never ended is paid as in training: less than any finished one, whoever gave it. The baseline's mean
    reward is of its responses by themselves, so that it is one figure beside every policy.

    The KL (nats a response, with its standard error) is None where the two do not share their tokenizer. Raises
    InputError for models or prompts that cannot be used.
    """
    set_threads()
    import torch

    from rlhf.chat_format import load_tokenizer
    from rlhf.data import load_prompts
    from rlhf.decoding import Decoder
    from rlhf.model_config import context_of
    from rlhf.picking import response_seed
    from rlhf.policy_files import load_causal
    from rlhf.ppo import final_scores
    from rlhf.prompts import fit_prompts, prompt_room, unfinished_warning
    from rlhf.reward_files import load_reward_model
    from rlhf.rollouts import Task, sample_responses
    from rlhf.scorer import Scorer, same_tokenizer
    from rlhf.types import SamplingSettings

    prompts, report = load_prompts(config.prompts, max_bad_share=config.max_bad_share)
    print(report, file=sys.stderr)
    device = pick_device(config.device)
    dtype = pick_dtype(config.dtype, device)
    reward_tokenizer = load_tokenizer(config.reward)
    reward = load_reward_model(config.reward, dtype=dtype, device=device)
    settings = SamplingSettings(temperature=config.temperature, max_new_tokens=config.max_new_tokens)
    paths = (config.model, config.baseline)
    tokenizers = [load_tokenizer(path) for path in paths]
    models = [load_causal(path, dtype).to(device).eval() for path in paths]
    rooms = [prompt_room(context_of(each.config), config.max_new_tokens, config.max_prompt_tokens) for each in models]
    readers = [*zip(tokenizers, rooms, strict=True), (reward_tokenizer, None)]
    fitted, refused = fit_prompts(prompts, readers, max_bad_share=config.max_bad_share, source=config.prompts)
    if refused:
        print(f"warning: {refused}", file=sys.stderr)
    fitted = fitted[: config.max_prompts]
    prompts = [each.prompt for each in fitted]
    responses, scores = [], []
    for which, (path, model, tokenizer) in enumerate(zip(paths, models, tokenizers, strict=True)):
        print(f"{path} answers {len(prompts)} prompts", file=sys.stderr)
        tasks = [
            Task(each.prompt.messages, each.ids[which], response_seed(config.seed, index, 0))
            for index, each in enumerate(fitted)
        ]
        scorer = Scorer(
            reward, reward_tokenizer, tokenizer, longest=config.max_new_tokens, token_budget=config.token_budget
        )
        sampled = sample_responses(Decoder(model, tokenizer), tasks, settings)
        found = scorer([prompt.messages for prompt in prompts], sampled)
        if not bool(found.isfinite().all()):
            raise InputError(f"the reward model {config.reward} gives scores that are not finite: it is damaged")
        unfinished = sum(not response.ended for response in sampled)
        if warning := unfinished_warning(unfinished, len(sampled), config.max_new_tokens):
            print(f"{path}: {warning}", file=sys.stderr)
        scores.append(found.tolist())
        responses.append(sampled)
    ended = [[response.ended for response in each] for each in responses]

    def pay(found: list[float], finished: list[bool]) -> list[float]:
        wanted = torch.tensor(found), torch.tensor(finished)
        paid: list[float] = final_scores(*wanted, missing_end_penalty=config.missing_end_penalty).tolist()
        return paid

    alone = statistics.fmean(pay(scores[1], ended[1]))
    paid = pay(scores[0] + scores[1], ended[0] + ended[1])
    scores = [paid[: len(prompts)], paid[len(prompts) :]]
    kl = None
    if same_tokenizer(*tokenizers):
        kl = kl_of_responses(models[0], models[1], tokenizers[0], responses[0], config.temperature, config.token_budget)
    if config.output:
        rows = [
            {
                **prompt.row,
                **{"response": a.text, "score": x, "finished": a.ended},
                **{"baseline_response": b.text, "baseline_score": y, "baseline_finished": b.ended},
            }
            for prompt, a, b, x, y in zip(prompts, *responses, *scores, strict=True)
        ]
        _write(Path(config.output), rows)
    figures = summarize(scores[0], scores[1], kl, [json.dumps(prompt.messages) for prompt in prompts]) | {
        "baseline_reward": alone,
        "finished": sum(ended[0]) / len(prompts),
        "baseline_finished": sum(ended[1]) / len(prompts),
        "answer_tokens": statistics.fmean(len(response.response_ids) for response in responses[0]),
        "baseline_answer_tokens": statistics.fmean(len(response.response_ids) for response in responses[1]),
    }
    if config.figures:
        _write(Path(config.figures), [figures])
    return figures


def summarize(
    ours: Sequence[float], theirs: Sequence[float], kl: list[float] | None, prompts: Sequence[Hashable]
) -> dict[str, Any]:
    """Win rate of `ours` (equal scores count half) with a 95% interval, means and KL with standard errors.

    prompts: what tells which answers are to one and the same prompt: those are alike.
    """
    import torch

    from rlhf.intervals import mean_error
    from rlhf.reward_metrics import share_interval

    wins = torch.tensor([0.5 if a == b else float(a > b) for a, b in zip(ours, theirs, strict=True)])
    low, high = share_interval(wins, prompts)
    return {
        "prompts": len(ours),
        "win_rate": float(wins.double().mean()),
        "win_rate_low": low,
        "win_rate_high": high,
        "reward": statistics.fmean(ours),
        "reward_error": mean_error(ours, prompts),
        "baseline_reward": statistics.fmean(theirs),
        "kl": None if kl is None else statistics.fmean(kl),
        "kl_error": None if kl is None else mean_error(kl, prompts),
    }


def kl_of_responses(
    policy: Any, baseline: Any, tokenizer: Any, samples: Sequence[Any], temperature: float, budget: int
) -> list[float]:
    """log policy - log baseline of each of the policy's responses: its mean estimates the KL, in nats a response."""
    import torch

    from rlhf.batches import length_buckets
    from rlhf.policy_model import PolicyModel
    from rlhf.vocabulary import Vocabulary

    model = PolicyModel(
        policy,
        reference=baseline,
        value_trunk=None,
        vocabulary=Vocabulary.of(tokenizer),
        temperature=temperature,
        compute_dtype=policy.dtype,
    ).to(policy.device)
    found = [0.0] * len(samples)
    with torch.no_grad():
        lengths = [len(s.prompt_ids) + len(s.response_ids) for s in samples]
        for bucket in length_buckets(lengths, budget, padded=not model.packs):
            part = [samples[i] for i in bucket]
            batch = model.batch([s.prompt_ids for s in part], [s.response_ids for s in part])
            difference = model(batch)[0] - model(batch, role="reference")[0]
            for i, piece in zip(bucket, difference.split([len(s.response_ids) for s in part]), strict=True):
                found[i] = float(piece.sum())
    return found


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    os.replace(beside, path)
