"""Sampling: our decode loop beside transformers' `generate` and OpenVINO GenAI, on prompts of mixed length with natural
ends.

    python -m bench.sampling [--runs 5] [--prompts P.jsonl] [--model FOLDER]

Both draw two answers to each prompt at temperature 1 from the same model in the same number format, and both hand back
token ids and the log-probability of each token. The peer gets the prompts sorted by length, left-padded, in batches of
as many rows as suit it best (tried first), with `num_return_sequences=2, output_logits=True`. Before that, greedy
answers of both are compared token for token in float32. OpenVINO GenAI, on a CPU alone, runs in a process of its own,
its weights in 16 bits, its cache as it sets it, log-probabilities on; how many tokens a second is compared.
"""

import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Annotated, Any, cast

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bench.flops import FORWARD, share, trunk_weights
from bench.pairs import HERE, in_turn, report, say
from bench.peers import peer_python
from rlhf.base_models import BUILTIN, prepare
from rlhf.causal_model import load_causal_lm
from rlhf.chat_format import encode_prompt, end_token_ids, load_tokenizer
from rlhf.config import Doc, Ge, Gt, parse_config, run_cli
from rlhf.data import load_prompts
from rlhf.runtime import DtypeName, pick_device, pick_dtype, set_threads
from rlhf.sampling import generate
from rlhf.types import SamplingSettings

CACHE = Path("build/bench")
OPENVINO = ["openvino-genai==2026.4.1", "optimum-intel[openvino]==2.2.0"]
# Batch sizes tried for each side; generate keeps the logits of every step, 200 kB a row.
ROWS = {"cpu": (16, 32, 64), "cuda": (64, 128, 256)}
GREEDY_TOKENS = 200  # longest greedy answer that is compared


@dataclass(frozen=True)
class BenchConfig:
    """Measure sampling beside transformers' generate."""

    model: Annotated[Path | None, Doc("Model folder; none: the built-in SmolLM2-135M-Instruct.")] = None
    prompts: Annotated[Path, Doc("JSONL with prompts of mixed length.")] = Path("app/prompts/starter.jsonl")
    count: Annotated[int, Ge(1), Doc("How many of the prompts.")] = 16
    max_new_tokens: Annotated[int, Ge(1), Doc("Longest answer; most of this model end by themselves before.")] = 512
    runs: Annotated[int, Ge(1), Doc("Pairs of runs.")] = 5
    rows: Annotated[int | None, Ge(2), Doc("Rows of a batch, for both; none: the best of some, for each.")] = None
    greedy: Annotated[int, Ge(0), Doc("Prompts whose greedy answers are compared.")] = 8
    dtype: Annotated[DtypeName, Doc("Number format.")] = "auto"
    device: Annotated[str, Doc("auto, cpu or cuda.")] = "auto"
    peak: Annotated[float | None, Gt(0), Doc("The device's TFLOP/s in this format; none: no share is told.")] = None


@dataclass
class Contest:
    """The work both sides do, and what they produced in all."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prompts: list[list[int]]
    settings: SamplingSettings

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop what trials produced."""
        self.logprobs: dict[str, list[float]] = {"ours": [], "peer": []}  # of every token drawn
        self.answers = {"ours": 0, "peer": 0}

    def ours(self, rows: int, seed: int, count: int | None = None) -> float:
        """Answers per second of our loop."""
        prompts = self.prompts[:count]
        started = time.perf_counter()
        answers = generate(
            self.model, self.tokenizer, prompts, n=2, settings=self.settings, seed=seed, max_rows=rows, max_tokens=10**6
        )
        seconds = time.perf_counter() - started
        self._note("ours", [sample.logprobs for pair in answers for sample in pair])
        return 2 * len(prompts) / seconds

    def peer(self, rows: int, seed: int, count: int | None = None) -> float:
        """Answers per second of `generate`, log-probabilities of the tokens drawn included."""
        torch.manual_seed(seed)
        ordered = sorted(self.prompts[:count], key=len, reverse=True)
        drawn: list[list[float]] = []
        started = time.perf_counter()
        for start in range(0, len(ordered), rows // 2):
            drawn += self._peer_batch(ordered[start : start + rows // 2])
        seconds = time.perf_counter() - started
        self._note("peer", drawn)
        return 2 * len(ordered) / seconds

    def _peer_batch(self, batch: list[list[int]]) -> list[list[float]]:
        output = self.model.generate(
            **self._padded(batch),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_return_sequences=2,
            max_new_tokens=self.settings.max_new_tokens,
            output_logits=True,
            return_dict_in_generate=True,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        answers = output.sequences[:, len(max(batch, key=len)) :]
        steps = [
            (logits.gather(1, answers[:, i, None]) - logits.logsumexp(1, keepdim=True)).squeeze(1)
            for i, logits in enumerate(output.logits)
        ]
        ends = torch.isin(answers, torch.tensor(self.model.generation_config.eos_token_id, device=answers.device))
        lengths = torch.where(ends.any(1), ends.int().argmax(1) + 1, answers.shape[1]).tolist()
        rows = torch.stack(steps, dim=1).float().tolist()
        return [row[:length] for row, length in zip(rows, lengths, strict=True)]

    def ours_tokens(self, rows: int, seed: int) -> float:
        """Tokens per second of our loop."""
        before = len(self.logprobs["ours"])
        rate = self.ours(rows, seed)
        return (len(self.logprobs["ours"]) - before) * rate / (2 * len(self.prompts))

    def float32_gap(self, count: int) -> float:
        """How far the log-probabilities of our answers to the first prompts are from float32's, in nats, on average."""
        answers = [one for [one] in generate(self.model, self.tokenizer, self.prompts[:count], settings=self.settings)]
        format_before = self.model.dtype
        self.model.float()
        gaps: list[float] = []
        for answer in answers:
            ids = torch.tensor([[*answer.prompt_ids, *answer.response_ids]], device=self.model.device)
            with torch.inference_mode():
                logits = self.model(input_ids=ids).logits[0, len(answer.prompt_ids) - 1 : -1].float()
            exact = logits.log_softmax(-1).gather(1, ids[0, len(answer.prompt_ids) :, None]).squeeze(1).tolist()
            gaps += [abs(one - other) for one, other in zip(answer.logprobs, exact, strict=True)]
        self.model.to(format_before)
        return statistics.fmean(gaps)

    def greedy_differences(self, count: int) -> int:
        """Prompts whose greedy answers differ in any token, in float32."""
        format_before = self.model.dtype
        self.model.float()
        prompts = self.prompts[:count]
        settings = replace(self.settings, max_new_tokens=min(GREEDY_TOKENS, self.settings.max_new_tokens))
        answers = generate(self.model, self.tokenizer, prompts, strategy="greedy", settings=settings)
        different = 0
        for prompt, [answer] in zip(prompts, answers, strict=True):
            expected = self.model.generate(
                **self._padded([prompt]),
                do_sample=False,
                max_new_tokens=settings.max_new_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
                temperature=None,
                top_p=None,
                top_k=None,
            )
            different += expected[0, len(prompt) :].tolist() != answer.response_ids
        self.model.to(format_before)
        return different

    def _padded(self, batch: list[list[int]]) -> dict[str, torch.Tensor]:
        longest = max(map(len, batch))
        ids = torch.tensor([[self.tokenizer.pad_token_id] * (longest - len(p)) + p for p in batch])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in batch])
        return {"input_ids": ids.to(self.model.device), "attention_mask": mask.to(self.model.device)}

    def _note(self, side: str, logprobs: list[list[float]]) -> None:
        self.answers[side] += len(logprobs)
        for answer in logprobs:
            self.logprobs[side] += answer

    def tokens_per_answer(self, side: str) -> float:
        return round(len(self.logprobs[side]) / self.answers[side], 1)


@contextmanager
def openvino(folder: Path, contest: Contest, ends: list[int]) -> Iterator[Any]:
    """OpenVINO GenAI with the model of a folder loaded: a function from a seed to tokens per second."""
    python = peer_python("openvino", OPENVINO, alone=True)
    exported = CACHE / f"{folder.name}-openvino"
    if not (exported / "tokenizer.json").exists():
        say("exporting the model for OpenVINO, which takes some minutes")
        options = ["--task", "text-generation-with-past", "--weight-format", "fp16"]
        tool = python.with_name("optimum-cli")
        subprocess.run([tool, "export", "openvino", "--model", folder, *options, exported], check=True)
    spec = CACHE / "openvino.json"
    limit = contest.settings.max_new_tokens
    given = {"model": str(exported), "prompts": contest.prompts, "max_new_tokens": limit, "end_ids": ends}
    spec.write_text(json.dumps(given))
    command = [str(python), str(HERE / "sampling_openvino.py"), str(spec)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asked, told = cast(IO[str], process.stdin), cast(IO[str], process.stdout)

        def run(seed: int) -> float:
            asked.write(f"{seed}\n")
            asked.flush()
            found = json.loads(told.readline())
            return float(found["tokens"] / found["seconds"])

        yield run
        asked.close()


def best_rows(run: Any, sizes: tuple[int, ...], count: int) -> int:
    """The batch size with the highest rate on the first `count` prompts."""
    rates = {rows: run(rows, 999, count) for rows in sizes if rows <= max(2 * count, sizes[0])}
    say("  " + ", ".join(f"{rows} rows {rate:.2f}/s" for rows, rate in rates.items()))
    return max(rates, key=lambda rows: rates[rows])


def main(argv: list[str]) -> None:
    config = parse_config(BenchConfig, argv, prog="python -m bench.sampling")
    threads = set_threads()
    device = pick_device(config.device)
    folder = config.model or CACHE / "smollm2-135m-instruct"
    if config.model is None:
        prepare(BUILTIN, folder, say=say)
    tokenizer = load_tokenizer(folder)
    model = load_causal_lm(folder, pick_dtype(config.dtype, device), device)
    rows, _ = load_prompts(config.prompts)
    prompts = [encode_prompt(tokenizer, row.messages) for row in rows][: config.count]
    contest = Contest(model, tokenizer, prompts, SamplingSettings(max_new_tokens=config.max_new_tokens))
    few = min(config.greedy, len(prompts))
    say(f"{len(prompts)} prompts of {min(map(len, prompts))} to {max(map(len, prompts))} tokens, {threads} threads")
    differences = contest.greedy_differences(few)
    say(f"greedy answers that differ from generate's in float32: {differences} of {few}")
    chosen = {}
    for name, side in (("ours", contest.ours), ("peer", contest.peer)):
        say(f"batch sizes for {name}:" if config.rows is None else f"{name}: {config.rows} rows")
        chosen[name] = config.rows or best_rows(side, ROWS[device.type], min(ROWS[device.type][-1], len(prompts)))
    contest.forget()
    result = in_turn(
        lambda run: contest.ours(chosen["ours"], run), lambda run: contest.peer(chosen["peer"], run), config.runs
    )
    second: dict[str, Any] = {}
    if device.type == "cpu":
        tokens = Contest(model, tokenizer, prompts, contest.settings)
        with openvino(folder, tokens, sorted(end_token_ids(tokenizer, model.generation_config))) as peer:
            peer(999)
            second = in_turn(lambda run: tokens.ours_tokens(chosen["ours"], run), peer, config.runs)
        second |= {"unit": "tokens/s", "peer_version": ", ".join(OPENVINO)}
    drawn = {side: round(result[side] * contest.tokens_per_answer(side), 1) for side in chosen}
    means = {side: statistics.fmean(numbers) for side, numbers in contest.logprobs.items()}
    report(
        {
            "bench": "sampling",
            **result,
            "unit": "answers/s",
            "peer_version": f"transformers {transformers.__version__} generate",
            "loss_gap": round(abs(means["ours"] - means["peer"]), 4),  # nats per token, between different draws
            "float32_gap": round(contest.float32_gap(few), 4),  # nats per token, on the same tokens
            "greedy_differences": differences,
            "openvino": second,
            "tokens_per_answer": {side: contest.tokens_per_answer(side) for side in chosen},
            "tokens_per_s": drawn,
            "peak_share": config.peak
            and {side: share(FORWARD * trunk_weights(str(folder)) * rate, config.peak) for side, rate in drawn.items()},
            "rows": chosen,
            "prompts": len(prompts),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(device),
            "threads": threads,
        }
    )


if __name__ == "__main__":
    run_cli(main)
