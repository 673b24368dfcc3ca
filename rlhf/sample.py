"""Samples responses to a file of prompts.

    python -m rlhf.sample --model M --prompts P.jsonl --n 2 --strategy mixed --output F.jsonl

Each line of the output is a line of the prompts with `responses` added: text, finish_reason, tokens, strategy,
temperature, top_p, top_k, seed, logprob (natural, of all its tokens). Lines are appended to F.part as prompts are
finished, and F appears by one rename, in the order of the prompts. A run that was stopped goes on from F.part where
model, settings and prompt are the same. Responses alike (`rlhf.similarity`) are sampled again, and a prompt whose
responses stay alike is marked `"duplicate": true`.

With `--best_of n --reward R`, R as in `rlhf.reward_mix`, n responses to each prompt are sampled, none again, and the
best is kept, as `responses` and as `completion`, which fine-tuning on demonstrations reads; with `--all_scores` all
are, the best first. Each then has `score` and `rewards`, its terms.
"""

import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from tqdm import tqdm  # type: ignore[import-untyped]

from rlhf import lease
from rlhf.config import parse_config, run_cli, to_dict
from rlhf.data import load_prompts
from rlhf.folders import require_place
from rlhf.runtime import StopSignal, pick_device, pick_dtype, set_threads
from rlhf.sample_settings import SampleConfig
from rlhf.similarity import repeats
from rlhf.types import Prompt, Sample

if TYPE_CHECKING:
    from rlhf.best_of import Chooser

_KEY = "_key"  # in lines of F.part only: what the responses were sampled from, so that a later run knows its own


@dataclass(slots=True)
class _Work:
    """One prompt on its way: its ids, the responses so far, and how often they were sampled."""

    prompt: Prompt
    ids: list[int]
    cut: int
    places: list[int]  # of the responses now being sampled
    samples: dict[int, Sample] = field(default_factory=dict)
    attempt: int = 0
    scores: list[dict[str, Any]] | None = None  # of all samples, where they are chosen from


def sample(config: SampleConfig, stop: StopSignal | None = None) -> dict[str, Any]:
    """Write `config.output` and return the summary. Raises InputError, or Interrupted where `stop` was requested."""
    from rlhf.prompts import unfinished_warning

    started = time.monotonic()
    require_place(config.output, folder=False)
    prompts, report = load_prompts(config.prompts, max_bad_share=config.max_bad_share)
    if report.bad:
        print(f"warning: {report}", file=sys.stderr)
    config.output.parent.mkdir(parents=True, exist_ok=True)
    part = config.output.with_name(config.output.name + ".part")
    keys = [_key(config, index, prompt) for index, prompt in enumerate(prompts)]
    rows = _resume(part, keys)
    responses = tokens = redraws = truncated = unfinished = 0
    bar = tqdm(
        total=len(prompts) * config.sampled,
        initial=len(rows) * config.sampled,
        unit=" responses",
        file=sys.stderr,
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 15.0,
    )
    todo = {index: prompt for index, prompt in enumerate(prompts) if index not in rows}
    with bar, _appended(part) as file:
        for index, work, duplicate in _draw(config, todo, stop) if todo else ():
            rows[index] = _row(config, work, duplicate)
            _append(file, {**rows[index], _KEY: keys[index]})
            responses += config.sampled
            tokens += sum(len(sampled.response_ids) for sampled in work.samples.values())
            redraws += work.attempt
            truncated += work.cut > 0
            unfinished += sum(sampled.finish_reason == "length" for sampled in work.samples.values())
            bar.update(config.sampled)
    if warning := unfinished_warning(unfinished, responses, config.max_new_tokens):
        print(warning, file=sys.stderr)
    lines = (json.dumps(rows[index], ensure_ascii=False) + "\n" for index in sorted(rows))
    _write_whole(config.output, lines)
    part.unlink(missing_ok=True)
    seconds = time.monotonic() - started
    return {
        "prompts": len(rows),
        "answers": len(rows) * config.sampled,
        "duplicates": sum("duplicate" in row for row in rows.values()),
        "redraws": redraws,
        "truncated_prompts": truncated,
        "bad_rows": report.rows - len(rows),
        **_rewards(rows.values()),
        "tokens": tokens,
        "seconds": round(seconds, 3),
        "answers_per_second": round(responses / seconds, 3),
        "tokens_per_second": round(tokens / seconds, 3),
        "output": str(config.output),
    }


def _rewards(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The mean score of the best responses, where they were chosen."""
    best = [row["responses"][0]["score"] for row in rows if "score" in row["responses"][0]]
    return {"reward": statistics.fmean(best)} if best else {}


def _draw(
    config: SampleConfig, prompts: Mapping[int, Prompt], stop: StopSignal | None
) -> Iterator[tuple[int, _Work, bool]]:
    """Each prompt's place, its responses, and whether they stayed alike, as they are finished."""
    from rlhf.causal_model import load_causal_lm
    from rlhf.chat_format import load_tokenizer
    from rlhf.decoding import Decoder
    from rlhf.prompts import fit_prompts, prompt_room
    from rlhf.sampling import completed, response_request

    device = pick_device(config.device)
    tokenizer = load_tokenizer(config.model)
    model = load_causal_lm(config.model, pick_dtype(config.dtype, device), device)
    decoder = Decoder(model, tokenizer, max_rows=config.max_rows, max_tokens=config.max_tokens)
    longest = prompt_room(decoder.context, config.max_new_tokens, config.max_prompt_tokens)
    fitted, refused = fit_prompts(
        list(prompts.values()), [(tokenizer, longest)], max_bad_share=config.max_bad_share, source=config.prompts
    )
    if refused:
        print(f"warning: {refused}", file=sys.stderr)
    index_of = {prompt.line: index for index, prompt in prompts.items()}
    works = {
        index_of[each.prompt.line]: _Work(each.prompt, each.ids[0], each.cut, places=list(range(config.sampled)))
        for each in fitted
    }
    choose = _chooser(config, tokenizer, device)
    request: dict[str, Any] = {
        "n": config.sampled, "strategy": config.strategy, "settings": config.settings, "seed": config.seed
    }  # fmt: skip
    for index in sorted(works, key=lambda index: -len(works[index].ids)):
        decoder.add(response_request(index, works[index].ids, **request))
    for done, samples in completed(decoder, each_step=stop.check if stop else None):
        index = cast(int, done.id)
        work = works[index]
        for place, sample in zip(work.places, samples, strict=True):
            work.samples[place] = sample
        if choose is not None:
            work.scores = choose(work.prompt.messages, [work.samples[place] for place in range(config.sampled)])
            yield index, work, False
            continue
        alike = repeats([work.samples[place].text for place in range(config.n)])
        work.places = [place for place in alike if not work.samples[place].draw.settings.greedy]
        if work.places and work.attempt < config.max_redraws:
            work.attempt += 1
            fresh = response_request(index, work.ids, attempt=work.attempt, **request)
            decoder.add(replace(fresh, draws=tuple(fresh.draws[place] for place in work.places)))
        else:
            yield index, work, bool(alike)


def _chooser(config: SampleConfig, tokenizer: Any, device: Any) -> "Chooser | None":
    if config.reward is None:
        return None
    from rlhf.best_of import Chooser
    from rlhf.scorer import load_rewards

    rewards = load_rewards(
        config.reward,
        tokenizer,
        longest=config.max_new_tokens,
        dtype=pick_dtype(config.dtype, device),
        variance_penalty=config.variance_penalty,
        timeout=config.reward_timeout,
    )
    return Chooser(rewards.to(device), config.missing_end_penalty)


def _row(config: SampleConfig, work: _Work, duplicate: bool) -> dict[str, Any]:
    responses = [_response(work.samples[i]) for i in sorted(work.samples)]
    row: dict[str, Any] = dict(work.prompt.row)
    if work.scores is not None:
        scored = [response | scores for response, scores in zip(responses, work.scores, strict=True)]
        responses = sorted(scored, key=lambda response: -response["score"])
        row |= {"prompt": row.get("prompt", work.prompt.messages), "completion": responses[0]["text"]}
        responses = responses if config.all_scores else responses[:1]
    row["responses"] = responses
    if duplicate:
        row["duplicate"] = True
    if work.cut:
        row["prompt_tokens_cut"] = work.cut
    return row


def _response(sample: Sample) -> dict[str, Any]:
    settings = sample.draw.settings
    return {
        "text": sample.text,
        "finish_reason": sample.finish_reason,
        "tokens": len(sample.response_ids),
        "strategy": "greedy" if settings.greedy else "stochastic",
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
        "seed": sample.draw.seed,
        "logprob": round(sum(sample.logprobs), 4),
    }


def _key(config: SampleConfig, index: int, prompt: Prompt) -> str:
    """What decides the responses to a prompt, in short."""
    ignored = {"prompts", "output", "max_bad_share", "max_rows", "max_tokens", "reward_timeout"}
    settings = {name: value for name, value in to_dict(config).items() if name not in ignored}
    text = json.dumps([settings, index, prompt.row], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _resume(part: Path, keys: list[str]) -> dict[int, dict[str, Any]]:
    """The rows of an earlier, stopped run that this one would sample again, by place; `part` then holds only these."""
    places = {key: place for place, key in enumerate(keys)}
    rows: dict[int, dict[str, Any]] = {}
    lines = []
    for line in part.read_text(encoding="utf-8").split("\n") if part.exists() else []:
        try:
            row = json.loads(line)
            place = places[row.pop(_KEY)]
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # cut off by a kill, or sampled from something else
        if place not in rows:
            rows[place] = row
            lines.append(line + "\n")
    _write_whole(part, lines)
    return rows


@contextmanager
def _appended(part: Path) -> Iterator[TextIO]:
    """The file, to write lines at its end; where none came, none is left."""
    try:
        with part.open("a", encoding="utf-8") as file:
            yield file
    finally:
        if not part.stat().st_size:
            part.unlink()


def _append(file: TextIO, row: Mapping[str, Any]) -> None:
    lease.check()
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    file.flush()


def _write_whole(path: Path, lines: Iterable[str]) -> None:
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    lease.check()
    beside.replace(path)


def main(argv: list[str]) -> None:
    config = parse_config(SampleConfig, argv, prog="python -m rlhf.sample")
    set_threads()
    with StopSignal("start again to go on") as stop:
        summary = sample(config, stop)
    print(json.dumps(summary, ensure_ascii=False))


if __name__ == "__main__":
    run_cli(main)
