"""The command `python -m rlhf.sample`: its files, its redraws, its exit codes, stopping and going on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rlhf.config import InputError, run_cli
from rlhf.sample import main, sample
from rlhf.sample_settings import SampleConfig
from rlhf.similarity import alike, repeats
from rlhf.types import user_message
from tests.children import ended

ROWS: list[dict[str, Any]] = [
    {"prompt": "What is life?", "id": 7},
    {"prompt": [*user_message("hi"), {"role": "assistant", "content": "yes"}, *user_message("and?")]},
    {"prompt": "please write a much longer story about the people and the city", "tags": ["x"]},
    {"prompt": "Why?"},
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "rlhf.sample", *map(str, arguments)]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def sampled(rows: list[dict[str, Any]]) -> list[Any]:
    """The rows without what rounding may change with the batch."""
    return [row | {"responses": [r | {"logprob": 0} for r in row["responses"]]} for row in rows]


def logprobs(rows: list[dict[str, Any]]) -> list[float]:
    return [response["logprob"] for row in rows for response in row["responses"]]


def config(model: Path, prompts: Path, **settings: Any) -> SampleConfig:
    defaults = {
        "max_new_tokens": 30,
        "dtype": "float32",
        "strategy": "stochastic",
        "output": prompts.parent / "out.jsonl",
    }
    return SampleConfig(model=model, prompts=prompts, **(defaults | settings))


def test_the_command_writes_the_rows_with_their_responses(llama_folder: Path, prompts: Path) -> None:
    output = prompts.parent / "new" / "out.jsonl"
    arguments = (
        "--model",
        llama_folder,
        "--prompts",
        prompts,
        "--output",
        output,
        "--strategy",
        "mixed",
        "--top_k",
        50,
        "--top_p",
        0.95,
        "--temperature",
        0.8,
    )
    done = subprocess.run(command(*arguments, "--max_new_tokens", 30), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["prompts"], summary["answers"], summary["output"]) == (4, 8, str(output))
    rows = read(output)
    assert [{name: row[name] for name in given} for given, row in zip(ROWS, rows, strict=True)] == ROWS
    assert sum(response["tokens"] for row in rows for response in row["responses"]) <= summary["tokens"]
    for row in rows:
        first, second = row["responses"]
        assert (first["strategy"], first["temperature"]) == ("greedy", 0.0)
        assert (second["strategy"], second["temperature"], second["top_p"], second["top_k"]) == (
            "stochastic",
            0.8,
            0.95,
            50,
        )
        assert {"text", "finish_reason", "tokens", "seed", "logprob"} <= first.keys()
        assert second["logprob"] < 0
        assert row.get("duplicate", False) == alike(first["text"], second["text"])
    assert not output.with_name("out.jsonl.part").exists()
    assert "8/8" in done.stderr


def test_responses_do_not_depend_on_the_batch_or_on_other_settings_of_memory(llama_folder: Path, prompts: Path) -> None:
    sample(config(llama_folder, prompts))
    first = read(prompts.parent / "out.jsonl")
    sample(config(llama_folder, prompts, max_rows=2))
    second = read(prompts.parent / "out.jsonl")
    assert sampled(second) == sampled(first)
    for one, other in zip(logprobs(first), logprobs(second), strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    sample(config(llama_folder, prompts, seed=1))
    assert sampled(read(prompts.parent / "out.jsonl")) != sampled(first)


def test_responses_alike_are_drawn_again_or_marked(llama_folder: Path, prompts: Path) -> None:
    """At this temperature nearly all draws are equal; with many redraws most pairs come to differ."""
    cold = {"temperature": 0.1, "max_new_tokens": 4, "n": 3}
    never = sample(config(llama_folder, prompts, max_redraws=0, **cold))
    before = read(prompts.parent / "out.jsonl")
    often = sample(config(llama_folder, prompts, max_redraws=30, **cold))
    after = read(prompts.parent / "out.jsonl")
    assert never["redraws"] == 0
    assert never["duplicates"] > often["duplicates"]
    assert often["redraws"] > 0
    for rows in (before, after):
        for row in rows:
            assert row.get("duplicate", False) == bool(repeats([response["text"] for response in row["responses"]]))
    kept = [(old["responses"][0], new["responses"][0]) for old, new in zip(before, after, strict=True)]
    assert all(old == new for old, new in kept if old["text"].strip())  # only the repeating ones are sampled again


def test_greedy_pairs_are_marked_and_not_drawn_again(llama_folder: Path, prompts: Path) -> None:
    summary = sample(config(llama_folder, prompts, strategy="greedy"))
    assert (summary["duplicates"], summary["redraws"]) == (4, 0)


def test_long_prompts_are_cut_and_counted(llama_folder: Path, prompts: Path) -> None:
    with prompts.open("a") as file:
        file.write(json.dumps({"prompt": "far " * 300}) + "\n")
    summary = sample(config(llama_folder, prompts))
    assert summary["truncated_prompts"] == 1
    assert [row.get("prompt_tokens_cut", 0) > 0 for row in read(prompts.parent / "out.jsonl")] == [False] * 4 + [True]


def test_a_stopped_run_goes_on_from_its_part(llama_folder: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": f"What is\u2028number {i}?"}) + "\n" for i in range(60)))
    output, part = tmp_path / "out.jsonl", tmp_path / "out.jsonl.part"
    arguments = (
        "--model",
        llama_folder,
        "--prompts",
        prompts,
        "--output",
        output,
        "--max_new_tokens",
        24,
        "--strategy",
        "stochastic",
    )
    run = command(*arguments, "--max_rows", 4, "--dtype", "float32")
    for number, code in ((signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL)):
        already = part.read_text().count("\n") if part.exists() else 0
        process = ended(subprocess.Popen(run, stderr=subprocess.PIPE, text=True))
        while not part.exists() or part.read_text().count("\n") < already + 5:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        stderr = process.communicate(timeout=60)[1]
        assert process.returncode == code
        assert not output.exists()
        if number == signal.SIGTERM:
            assert stderr.splitlines()[-1] == "error: stopped by a signal; start again to go on"
    with part.open("a") as file:
        file.write('{"prompt": "What is numb')  # a line cut off by the kill
    kept = part.read_text().count("\n")
    assert 10 <= kept < 60
    settings = config(llama_folder, prompts, output=output, max_new_tokens=24, max_rows=4)
    summary = sample(settings)
    assert summary["answers_per_second"] * summary["seconds"] == pytest.approx(2 * (60 - kept), rel=0.01)
    resumed = read(output)
    assert not part.exists()
    sample(settings)
    assert sampled(read(output)) == sampled(resumed)  # what two stops and a cut line left is what one run gives
    assert [row["prompt"] for row in resumed] == [f"What is\u2028number {i}?" for i in range(60)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--model": "/nowhere"}, "/nowhere holds no tokenizer"),
        ({"--prompts": "/nowhere.jsonl"}, "there is no file /nowhere.jsonl"),
        ({"--max_new_tokens": "4000"}, "leaves no room for a prompt in the context of 256"),
        ({"--top_p": "1.5"}, "--top_p: input should be less than or equal to 1"),
        ({"--n": "5", "--max_rows": "2"}, "--n: All responses to a prompt are decoded at once: raise max_rows."),
        ({"--temprature": "1"}, "unknown setting '--temprature'; did you mean --temperature"),
        ({"--device": "tpu9"}, "--device"),
    ],
)
def test_bad_input_ends_with_a_sentence(
    llama_folder: Path,
    prompts: Path,
    change: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = {"--model": llama_folder, "--prompts": prompts, "--output": prompts.parent / "o.jsonl"} | change
    monkeypatch.setattr(sys, "argv", ["sample", *(str(part) for pair in flags.items() for part in pair)])
    with pytest.raises(SystemExit) as leave:
        run_cli(main)
    assert leave.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert sentence in last
    assert not (prompts.parent / "o.jsonl").exists()


def test_prompts_with_too_many_bad_rows_are_refused(llama_folder: Path, prompts: Path) -> None:
    with prompts.open("a") as file:
        file.write('{"prompt": ""}\n{"text": "x"}\n')
    with pytest.raises(InputError, match=r"2 of 6 rows cannot be used \(line 5: empty prompt; line 6: missing field"):
        sample(config(llama_folder, prompts))
    assert sample(config(llama_folder, prompts, max_bad_share=0.5))["bad_rows"] == 2


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Yes, it is.", "yes it IS", True),
        ("Yes, it is.", "No, it is not.", False),
        ("", "something", True),
        (" ".join(f"w{i}" for i in range(40)), " ".join(f"w{i}" for i in range(1, 40)), True),  # 78/79 in common
        (" ".join(f"w{i}" for i in range(10)), " ".join(f"w{i}" for i in range(1, 10)), False),  # 18/19 = 0.947
        ("one two three four", "four three two one", False),
    ],
)
def test_when_responses_are_alike(first: str, second: str, same: bool) -> None:
    assert alike(first, second) is alike(second, first) is same


def test_which_responses_repeat() -> None:
    assert repeats(["a b", "c d", "A, b!", "c d e"]) == [2]
    assert repeats(["", "a b", ""]) == [0, 2]
    assert repeats([""]) == []
