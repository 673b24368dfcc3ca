"""The features that `bench.worth` replays on, computed once from the files of a folder and kept in another.

What the first layers of SmolLM2-135M-Instruct make of each response: mean and end state, in float16, with the
response's length in tokens. The platform takes those of the newest reward model's trunk in the same way.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import numpy as np

from bench.pairs import say
from rlhf.types import Messages

LAYERS = 12
WORDS = 1024
MAX_LENGTH = 256  # tokens, of which a response takes half at most
JUDGED_A_PROMPT = 3  # of the ten models that each prompt of the judged pairs has
TURN = re.compile(r"\n\n(Human|Assistant): ")


@dataclass(frozen=True)
class Asked:
    """A prompt with its responses; pairs are (first, second, target) by their places. ended: of sampled responses,
    which were not cut off."""

    prompt: Messages
    responses: list[str]
    pairs: list[tuple[int, int, float]]
    ended: list[bool] = field(default_factory=list)


@dataclass(frozen=True)
class Features:
    """states: (responses, width); lengths: (responses,) in tokens; prompt: (responses,), a number for each prompt;
    pairs: (pairs, 2), places of the responses; targets: (pairs,), that the first is better."""

    states: np.ndarray
    lengths: np.ndarray
    prompt: np.ndarray
    pairs: np.ndarray
    targets: np.ndarray


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .jsonl.gz file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def judged(path: Path) -> list[Asked]:
    """Judged pairs: to each prompt the response of one and the same model against those of some others."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in lines(path):
        rows.setdefault(row["prompt"], []).append(row)
    draw, found = random.Random(0), []
    for prompt, all_of_it in rows.items():
        some = draw.sample(all_of_it, min(JUDGED_A_PROMPT, len(all_of_it)))
        responses = [some[0]["response_a"], *(row["response_b"] for row in some)]
        targets = {0.0: 0.5, 1.0: 1.0, 2.0: 0.0}
        pairs = [(0, place + 1, targets[row["preference"]]) for place, row in enumerate(some)]
        found.append(Asked([{"role": "user", "content": prompt}], responses, pairs))
    return found


def harmless(path: Path) -> list[Asked]:
    """HH's transcripts: the last turn of each is what was compared."""
    found = []
    for row in lines(path):
        *said, chosen = turns(row["chosen"])
        rejected = turns(row["rejected"])[-1]
        if said and said[-1]["role"] == "user" and chosen["content"].strip() and rejected["content"].strip():
            found.append(Asked(said, [chosen["content"], rejected["content"]], [(0, 1, 1.0)]))
    return found


def turns(text: str) -> Messages:
    """The messages of one transcript."""
    _, *parts = TURN.split(text)
    roles: dict[str, Literal["user", "assistant"]] = {"Human": "user", "Assistant": "assistant"}
    return [{"role": roles[who], "content": words.strip()} for who, words in zip(parts[::2], parts[1::2], strict=True)]


def sampled(path: Path) -> list[Asked]:
    """Prompts with the responses that `rlhf.sample` wrote to each; nobody has compared them."""
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    found = []
    for row in rows:
        texts = [each["text"] for each in row["responses"]]
        ended = [each["finish_reason"] == "stop" for each in row["responses"]]
        found.append(Asked([{"role": "user", "content": row["prompt"]}], texts, [], ended))
    return found


def features(read: Callable[[], list[Asked]], base: Path, kept: Path) -> Features:
    """Those that were kept, or computed now; `base`: a prepared base model."""
    if not kept.exists():
        compute(read(), base, kept)
    with np.load(kept) as found:
        return Features(**{name: found[name].astype(np.float64 if name != "pairs" else int) for name in found})


def words(asked: list[Asked]) -> Features:
    """Without any model: how often each word stands in a response, hashed to 1,024 places, as logarithms. Quick, and a
    second set of features beside the trunk's."""
    states: list[np.ndarray] = []
    lengths, prompt, pairs = [], [], []
    for number, each in enumerate(asked):
        pairs += [(len(states) + first, len(states) + second, target) for first, second, target in each.pairs]
        for text in each.responses:
            said = text.lower().split()
            states.append(np.log1p(np.bincount([crc32(word.encode()) % WORDS for word in said], minlength=WORDS)))
            lengths.append(float(len(said)))
            prompt.append(number)
    places, targets = np.array([pair[:2] for pair in pairs], int).reshape(-1, 2), np.array([pair[2] for pair in pairs])
    return Features(np.array(states), np.array(lengths), np.array(prompt), places, targets)


def compute(asked: list[Asked], base: Path, kept: Path) -> None:
    """Write the features of all responses."""
    import torch

    from rlhf.batches import Group
    from rlhf.chat_format import encode_response, fit_prompt, load_tokenizer
    from rlhf.reward_files import new_reward_model
    from rlhf.runtime import set_threads

    set_threads()
    tokenizer = load_tokenizer(base)
    model = new_reward_model(base, tokenizer, autocast=torch.bfloat16)
    trunk: Any = model.hf.base_model
    trunk.layers = trunk.layers[:LAYERS]
    model.eval().find_layout(MAX_LENGTH)
    lengths: list[float] = []
    groups, prompt, pairs = [], [], []
    for number, each in enumerate(asked):
        answers = [encode_response(tokenizer, text)[: MAX_LENGTH // 2] for text in each.responses]
        prefix, _ = fit_prompt(tokenizer, each.prompt, MAX_LENGTH - max(map(len, answers)))
        pairs += [(len(lengths) + first, len(lengths) + second, target) for first, second, target in each.pairs]
        groups.append(Group(prefix, answers))
        lengths += [len(answer) for answer in answers]
        prompt += [number] * len(answers)
    states = []
    for start in range(0, len(groups), 50):
        states += model.states(groups[start : start + 50])
        say(f"{kept.stem}: features of {start + 50} of {len(groups)} prompts")
    table = torch.cat(states).flatten(1).numpy().astype(np.float16)
    places, targets = np.array([pair[:2] for pair in pairs], int).reshape(-1, 2), np.array([pair[2] for pair in pairs])
    kept.parent.mkdir(parents=True, exist_ok=True)
    beside = kept.with_suffix(".part.npz")
    np.savez(beside, states=table, lengths=np.array(lengths), prompt=np.array(prompt), pairs=places, targets=targets)
    beside.replace(kept)
