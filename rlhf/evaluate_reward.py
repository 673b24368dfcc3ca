"""A finished reward model at work: measured on labelled pairs, or scoring the responses of a file."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rlhf import lease
from rlhf.config import Doc, Ge, InputError, Le, Settings, parse_config
from rlhf.folders import require_place
from rlhf.runtime import DtypeName, pick_device, pick_dtype, set_threads
from rlhf.setting_types import Device, LongestPair

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from rlhf.batches import Group
    from rlhf.reward_model import RewardModel

RESPONSES_IN_A_ROW = 8  # of one prompt; longer rows spend on attention what they save on the prompt
CHUNK = 512  # responses scored between two steps of the progress bar


@dataclass(frozen=True, kw_only=True)
class _ScoringSettings(Settings):
    """What measuring and scoring have in common."""

    model: Annotated[str, Doc("Reward model: a folder.", "Reward model", group="local")]
    max_length: LongestPair = 1024
    max_bad_share: Annotated[
        float, Ge(0), Le(1), Doc("Refuse data of which a larger share of the rows is unusable.", unit="share")
    ] = 0.05
    token_budget: Annotated[int, Ge(1), Le(1_000_000), Doc("Tokens computed at once.", "Tokens at once", "tokens")] = (
        4096
    )
    dtype: Annotated[DtypeName, Doc("Number format of the computation.", "Number format")] = "auto"
    device: Device = "auto"


@dataclass(frozen=True, kw_only=True)
class EvaluateRewardConfig(_ScoringSettings):
    """Measure a reward model on labelled pairs."""

    data: Annotated[
        str, Doc("Preference pairs that it was not trained on: .jsonl, .jsonl.gz or .parquet.", "Pairs", group="local")
    ]
    json: Annotated[bool, Doc("Print one line of JSON.", "JSON", group="local")] = False


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(_ScoringSettings):
    """Add the reward model's score to rows of prompt and response."""

    data: Annotated[
        str, Doc('Rows {"prompt": text or messages, "response": text}: .jsonl or .jsonl.gz.', "Rows", group="local")
    ]
    output: Annotated[
        str, Doc('File for the rows, each with "score", and "score_std" of several heads.', group="local")
    ]
    features: Annotated[
        str | None,
        Doc(
            "File (.npz) for what the trunk makes of each scored row: its place, mean and end state, tokens.",
            group="local",
        ),
    ] = None


def reward_main(argv: list[str]) -> None:
    config = parse_config(EvaluateRewardConfig, argv, prog="python -m rlhf.evaluate reward")
    found = evaluate_reward(config)
    if config.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for name, value in found.items():
        if not isinstance(value, list | dict):
            print(f"{name:24} {value:.4f}" if isinstance(value, float) else f"{name:24} {value}")
    for section, score in found.get("sections", {}).items():
        print(f"{section:24} {score:.4f}")
    for row in found.get("subsets", []):
        low, high = row["accuracy_low"], row["accuracy_high"]
        print(f"  {row['subset']:22} {row['accuracy']:.4f} ({low:.4f} to {high:.4f}), {row['pairs']} pairs")
    for row in found["accuracy_by_length"]:
        print(f"better response longer by {row['from']} to {row['to']} tokens: {row['accuracy']} of {row['pairs']}")


def score_main(argv: list[str]) -> None:
    print(json.dumps(score_file(parse_config(ScoreConfig, argv, prog="python -m rlhf.evaluate score"))))


def _load(config: EvaluateRewardConfig | ScoreConfig) -> tuple[RewardModel, PreTrainedTokenizerBase, int]:
    """Model, tokenizer and the longest sequence to give it."""
    set_threads()
    import torch

    from rlhf.chat_format import load_tokenizer
    from rlhf.model_config import position_limit
    from rlhf.reward_files import load_reward_model

    device = pick_device(config.device)
    dtype = pick_dtype(config.dtype, device)
    tokenizer = load_tokenizer(config.model)
    max_length = min(config.max_length, position_limit(config.model))
    autocast = None if dtype == torch.float32 else dtype
    model = load_reward_model(config.model, autocast=autocast, device=device, max_length=max_length)
    return model, tokenizer, max_length


def evaluate_reward(config: EvaluateRewardConfig) -> dict[str, Any]:
    """`reward_metrics.pair_metrics` of the model on the pairs, with mean and spread of its scores.

    Where rows have a `subset`, as RewardBench's have, `reward_bench.bench_scores` of those are added. Raises InputError
    for a model or data that cannot be used.
    """
    from rlhf.data import load_pairs
    from rlhf.reward_bench import bench_scores
    from rlhf.reward_data import encode_pairs
    from rlhf.reward_metrics import pair_metrics
    from rlhf.vocabulary import require_known

    pairs, report = load_pairs(config.data, max_bad_share=config.max_bad_share)
    print(report, file=sys.stderr)
    model, tokenizer, max_length = _load(config)
    data = encode_pairs(tokenizer, pairs, max_length, config.max_bad_share, whole=model.reads_whole)
    print(data.describe(max_length), file=sys.stderr)
    require_known(data.groups, model.rows)
    import torch

    scores = torch.stack([part.mean(dim=1) for part in model.score(data.groups, config.token_budget)])
    _refuse_broken(scores.flatten().tolist(), config.model)
    difference, prompts = scores[:, 0] - scores[:, 1], data.prompts()
    found = pair_metrics(difference, data.preference, data.response_tokens, prompts)
    subsets = [pairs[place].extra.get("subset") for place in data.kept]
    named = [i for i, subset in enumerate(subsets) if isinstance(subset, str) and data.preference[i] != 0.5]
    if named:
        better = difference * torch.sign(data.preference - 0.5)
        found |= bench_scores(better[named], [prompts[i] for i in named], [str(subsets[i]) for i in named])
    return {"model": config.model, "data": config.data, **found, **_mean_and_std(scores.flatten().tolist())}


def _refuse_broken(scores: Sequence[float], model: str) -> None:
    if not all(map(math.isfinite, scores)):
        raise InputError(f"the reward model {model} gives scores that are not finite: it is damaged")


def _mean_and_std(scores: list[float]) -> dict[str, float]:
    import statistics

    return {"score_mean": statistics.fmean(scores), "score_std": statistics.pstdev(scores)}


def score_file(config: ScoreConfig) -> dict[str, Any]:
    """Scores every row of the file; rows keep their order and other keys. Returns counts and the scores' mean, std.

    A row that cannot be scored keeps its place with `"score": null` and the reason in "score_error".
    The output appears whole, by a rename. Raises InputError for a model or data that cannot be used.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    from rlhf.vocabulary import require_known

    require_place(config.output, folder=False)
    rows = list(_read(Path(config.data)))
    model, tokenizer, max_length = _load(config)
    groups, members = _group(rows, tokenizer, max_length, model.reads_whole)
    bad = [row["score_error"] for row in rows if "score_error" in row]
    if len(bad) > config.max_bad_share * len(rows) or not groups:
        raise InputError(
            f"{config.data}: {len(bad)} of {len(rows)} rows cannot be scored, the first: {(bad or ['?'])[0]}"
        )
    require_known(groups, model.rows)
    features: dict[int, tuple[Any, int]] = {}
    order = sorted(range(len(groups)), key=lambda i: -len(groups[i]))  # batches of like length across the whole file
    with tqdm(total=len(rows) - len(bad), unit=" responses", mininterval=1.0) as bar:
        for chunk in _chunks(order, groups):
            for index, states in zip(chunk, model.states([groups[i] for i in chunk], config.token_budget), strict=True):
                of_branches = zip(
                    members[index], groups[index].branches, states, model.score_states(states), strict=True
                )
                for member, branch, state, of_heads in of_branches:
                    rows[member]["score"] = float(of_heads.mean())
                    if len(of_heads) > 1:
                        rows[member]["score_std"] = float(of_heads.std())
                    if config.features:
                        features[member] = (state.flatten().numpy(), len(branch))
                bar.update(len(members[index]))
    _refuse_broken([row["score"] for row in rows if row["score"] is not None], config.model)
    if config.features:
        _write_features(Path(config.features), features)
    output = Path(config.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(output.name + ".part")
    with open(beside, "w", encoding="utf-8") as handle:
        handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        handle.flush()
        os.fsync(handle.fileno())
    lease.check()
    os.replace(beside, output)
    found = [row["score"] for row in rows if row["score"] is not None]
    return {"rows": len(rows), "scored": len(found), "output": str(output), **_mean_and_std(found)}


def _write_features(path: Path, features: dict[int, tuple[Any, int]]) -> None:
    """rows: (n,), places in the file; states: (n, 2 * width) in float16, mean and end; tokens: (n,)."""
    import numpy as np

    rows = sorted(features)
    beside = path.with_name(path.name + ".part")
    with np.errstate(over="ignore"):  # what float16 has no room for is infinite, and told by that
        states = np.array([features[row][0] for row in rows]).astype("<f2")
    tokens = np.array([features[row][1] for row in rows])
    with beside.open("wb") as handle:
        np.savez(handle, rows=np.array(rows), states=states, tokens=tokens)
    os.replace(beside, path)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    from rlhf.data import load_prompts

    # Rows without a usable prompt stop the file: there is nothing to put a score beside.
    for prompt in load_prompts(path, max_bad_share=0.0)[0]:
        row = {**prompt.row, "score": None}
        row["_messages"] = prompt.messages
        yield row


def _group(
    rows: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, max_length: int, whole: bool
) -> tuple[list[Group], list[list[int]]]:
    """Rows of the same prompt together, a few responses to a group; notes "score_error" where a row does not fit.

    Each prompt is cut for its own response alone, so that a score does not depend on the other rows.
    """
    from rlhf.batches import Group
    from rlhf.chat_format import NoRoom, encode_response, encode_whole, fit_prompt

    prompt_ids: dict[str, list[int]] = {}
    by_prompt: dict[tuple[int, ...], list[tuple[int, list[int]]]] = {}
    for index, row in enumerate(rows):
        messages = row.pop("_messages")
        if not isinstance(row.get("response"), str):
            row["score_error"] = f"row {index + 1} has no text as its response"
            continue
        key = json.dumps(messages)
        if whole:
            try:
                sequence, _ = encode_whole(tokenizer, messages, row["response"], max_length)
            except InputError as error:
                row["score_error"] = f"row {index + 1}: {error}"
            else:
                by_prompt.setdefault((), []).append((index, sequence))
            continue
        response = encode_response(tokenizer, row["response"])
        room = max_length - len(response)
        if key not in prompt_ids or len(prompt_ids[key]) > room:
            try:
                prompt, cut = fit_prompt(tokenizer, messages, room)
            except NoRoom:
                row["score_error"] = (
                    f"row {index + 1} has a response of {len(response)} tokens, too many for {max_length}"
                )
                continue
            except InputError as error:
                row["score_error"] = f"row {index + 1}: {error}"
                continue
            if not cut:
                prompt_ids[key] = prompt
        else:
            prompt = prompt_ids[key]
        by_prompt.setdefault(tuple(prompt), []).append((index, response))
    groups: list[Group] = []
    members: list[list[int]] = []
    for prefix, found in by_prompt.items():
        for start in range(0, len(found), RESPONSES_IN_A_ROW):
            part = found[start : start + RESPONSES_IN_A_ROW]
            groups.append(Group(prefix, [response for _, response in part]))
            members.append([index for index, _ in part])
    return groups, members


def _chunks(order: Iterable[int], groups: list[Group]) -> Iterator[list[int]]:
    chunk: list[int] = []
    for index in order:
        chunk.append(index)
        if sum(len(groups[i].branches) for i in chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
