"""Rewards as mixes: what is read, what each term is, ensembles, and functions that do not do what they should."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from rlhf.chat_format import encode_prompt, encode_response, load_tokenizer
from rlhf.config import InputError
from rlhf.group_settings import RLOOConfig
from rlhf.policy_settings import PolicyConfig
from rlhf.reward_files import load_reward_model, new_reward_model
from rlhf.reward_functions import RewardFunction
from rlhf.reward_mix import Term, parse_mix
from rlhf.scorer import RewardMix, load_rewards, repetition
from rlhf.train_groups import train_rloo
from rlhf.train_policy import train_policy
from rlhf.types import Draw, Sample, SamplingSettings, user_message
from tests.rlhf.policy_runs import SMALL, command, in_child, make_folders, metrics, run_in_two
from tests.rlhf.test_train_policy import run_command

FUNCTIONS = '''
import json, os, sys, time
from pathlib import Path

def words(prompts, responses):
    print("not for the pipe")
    return [len(text.split()) for text in responses]

def sees(prompts, responses):
    Path("seen.json").write_text(json.dumps([prompts, responses]))
    return [0] * len(responses)

def raises(prompts, responses):
    raise ValueError("no connection")

def nan(prompts, responses):
    return [float("nan")] * len(responses)

def one_of_two(prompts, responses):
    if os.environ["RANK"] == "1":
        raise ValueError("no connection")
    return [0.0] * len(responses)

def few(prompts, responses):
    return [1.0] * (len(responses) - 1)

def text(prompts, responses):
    return ["good"] * len(responses)

def nothing(prompts, responses):
    return None

def slow(prompts, responses):
    time.sleep(600)

def ends(prompts, responses):
    os._exit(3)

def later(prompts, responses):
    """Fails from the file's word on."""
    if Path("broken").exists():
        raise RuntimeError("out of credit")
    if len(list(Path("run").glob("metrics.jsonl"))) and Path("run/metrics.jsonl").read_text().count("\\n") >= 4:
        Path("broken").touch()
    return [float(len(text)) / 10 for text in responses]

number = 5
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of functions in it, where commands start."""
    (tmp_path / "judge.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def folders(
    llama_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    return make_folders(tmp_path_factory.mktemp("rewards"), llama_folder, tokenizer)


@pytest.fixture(scope="module")
def heads(llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A reward model of three heads, whose scores have mean 0.5 and spread 2."""
    root, tokenizer = tmp_path_factory.mktemp("heads"), load_tokenizer(llama_folder)
    new_reward_model(llama_folder, tokenizer, heads=3, seed=1).save(root, tokenizer, 0.5, 2.0)
    return str(root)


def sample(tokenizer: PreTrainedTokenizerBase, prompt: str, text: str) -> Sample:
    ids = encode_response(tokenizer, text)
    prompt_ids = encode_prompt(tokenizer, user_message(prompt))
    return Sample(prompt_ids, ids, [0.0] * len(ids), "stop", text, Draw(SamplingSettings()), ended=True)


# ---- what is read ------------------------------------------------------------------------------------------------


def test_a_mix_is_read(tmp_path: Path) -> None:
    assert parse_mix("runs/7/model") == [Term("7", 1.0, "models", ("runs/7/model",))]
    assert parse_mix("a/reward + 0.5*my.rules:polite - 1e-2*length - 2 * repetition") == [
        Term("reward", 1.0, "models", ("a/reward",)),
        Term("my.rules:polite", 0.5, "function", ("my.rules:polite",)),
        Term("length", -0.01, "length", ("length",)),
        Term("repetition", -2.0, "repetition", ("repetition",)),
    ]
    assert parse_mix("-.5*a/x, b/x + c/x") == [
        Term("x", -0.5, "models", ("a/x", "b/x")),
        Term("x#2", 1.0, "models", ("c/x",)),
    ]
    odd = tmp_path / "2*length - mine"
    odd.mkdir()
    assert parse_mix(str(odd)) == [Term("2*length - mine", 1.0, "models", (str(odd),))]
    with pytest.raises(InputError, match="--reward is empty"):
        parse_mix(" ")
    for wrong in ("-", "a + ", "a - + - b -"):
        with pytest.raises(InputError, match="a sign without a term"):
            parse_mix(wrong)


def test_repetition_by_hand() -> None:
    assert repetition("one two three four") == 0.0
    assert repetition("too short") == 0.0
    assert repetition("") == 0.0
    assert repetition("a b c a b c.") == pytest.approx(1 / 4)  # abc bca cab abc
    assert repetition("no no no no no no") == pytest.approx(3 / 4)


# ---- what each term is -------------------------------------------------------------------------------------------


def test_a_mix_is_the_weighted_sum_of_its_terms(heads: str, here: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    text = f"{heads} + 0.5*judge:words - 0.01*length - 2*repetition"
    mix = load_rewards(text, tokenizer, longest=64, dtype=torch.float32)
    samples = [sample(tokenizer, "say it", "the house the house the house"), sample(tokenizer, "and", "a b c")]
    found = mix([user_message("say it"), user_message("and")], samples)
    assert found.terms["judge:words"].tolist() == [6.0, 3.0]
    assert found.terms["length"].tolist() == [float(len(each.response_ids)) for each in samples]
    assert found.terms["repetition"].tolist() == [0.5, 0.0]
    name = Path(heads).name
    model = load_reward_model(heads)
    for place, each in enumerate(samples):
        ids = torch.tensor([[*each.prompt_ids, *each.response_ids]])
        scores = model.hf.base_model(ids).last_hidden_state[0, -1].detach() @ model.head_weight().detach().T
        members = (scores - 0.5) / 2
        assert float(found.terms[name][place]) == pytest.approx(float(members.mean()), abs=1e-5)
        assert float(found.terms[f"{name}/spread"][place]) == pytest.approx(float(members.std(correction=0)), abs=1e-5)
        expected = members.mean() + 0.5 * [6, 3][place] - 0.01 * len(each.response_ids) - 2 * [0.5, 0.0][place]
        assert float(found.total[place]) == pytest.approx(float(expected), abs=1e-5)
    mix.close()


def test_an_ensemble_is_paid_its_mean_less_its_variance(
    heads: str, folders: dict[str, str], tokenizer: PreTrainedTokenizerBase
) -> None:
    """Three heads of one model and one of another are four members."""
    samples, prompts = [sample(tokenizer, "say it", "the house")], [user_message("say it")]

    def mix(text: str, **more: Any) -> RewardMix:
        return load_rewards(text, tokenizer, longest=64, dtype=torch.float32, **more)

    def paid(text: str, penalty: float) -> float:
        return float(mix(text, variance_penalty=penalty)(prompts, samples).total)

    members = mix(heads).models[0].heads(prompts, samples)[0].tolist()
    members.append(paid(folders["reward"], 3.0))  # alone it has no variance
    mean = sum(members) / 4
    variance = sum((member - mean) ** 2 for member in members) / 4
    both = f"{heads}, {folders['reward']}"
    assert paid(both, 0.0) == pytest.approx(mean, abs=1e-5)
    assert paid(both, 3.0) == pytest.approx(mean - 3 * variance, abs=1e-5)


def test_a_function_sees_messages_and_texts(here: Path) -> None:
    function = RewardFunction("judge:sees", 60)
    prompt = [{"role": "system", "content": "Be brief."}, *user_message("Grüße?\u2028")]
    assert function([prompt], ["ja\n"]) == [0.0]
    assert json.loads((here / "seen.json").read_text()) == [[prompt], ["ja\n"]]
    assert function([], []) == []
    function.close()


# ---- bad functions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("raises", "ValueError: no connection"),
        ("nan", "it gave nan for the response 'yes'"),
        ("few", "it gave 1 numbers for 2 responses"),
        ("text", "could not convert string to float: 'good'"),
        ("nothing", "TypeError: 'NoneType' object is not iterable"),
        ("ends", "its process ended with code 3"),
        ("slow", "took longer than 0.5 seconds for 2 responses; make it faster, or raise --reward_timeout"),
    ],
)
def test_a_bad_function_is_a_sentence(here: Path, name: str, sentence: str) -> None:
    function = RewardFunction(f"judge:{name}", 0.5)
    with pytest.raises(InputError, match=f"the reward function judge:{name} cannot be used: ") as caught:
        function([user_message("q")] * 2, ["yes", "no"])
    assert sentence in str(caught.value)
    function.close()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere:words", "No module named 'nowhere'"),
        ("judge:wrods", "has no attribute 'wrods'"),
        ("judge:number", "number is no function"),
    ],
)
def test_a_function_that_is_not_there(here: Path, source: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        RewardFunction(source, 1.0)


# ---- trainings ---------------------------------------------------------------------------------------------------


def settings(folders: dict[str, str], output: Path, **changes: Any) -> dict[str, Any]:
    small = {name: value for name, value in SMALL.items() if name not in ("num_ppo_epochs", "value_model")}
    return {**folders, **small, "output": str(output), "total_episodes": 32, **changes}


def test_functions_alone_train_and_each_term_is_logged(folders: dict[str, str], here: Path) -> None:
    reward = "judge:words - 0.05*length"
    summary = train_rloo(RLOOConfig(**settings(folders, here / "rloo", reward=reward)))
    assert summary["updates"] == 2
    rows = metrics(here / "rloo")
    for row in rows[1:]:
        assert row["rewards/length"] == pytest.approx(row["val/answer_tokens"])
        assert row["rewards/judge:words"] >= 0
    train_policy(PolicyConfig(**settings(folders, here / "ppo", reward=reward, value_model="separate")))
    assert "rewards/judge:words" in metrics(here / "ppo")[1]


@pytest.mark.parametrize("name", ["raises", "nan", "few", "slow"])
def test_a_bad_function_leaves_nothing_half_written(folders: dict[str, str], here: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"judge:{name} cannot be used"):
        train_rloo(RLOOConfig(**settings(folders, here / "run", reward=f"judge:{name}", reward_timeout=0.3)))
    assert {path.name for path in (here / "run").iterdir()} <= {".lock", "metrics.jsonl", "samples.jsonl"}
    assert (here / "run" / "metrics.jsonl").exists() is False or metrics(here / "run") == []


def test_a_function_that_fails_later_leaves_a_checkpoint_to_go_on_from(folders: dict[str, str], here: Path) -> None:
    wanted = {"total_episodes": 96, "eval_steps": 100, "save_seconds": 10_000.0}
    failing = settings(folders, here / "run", reward="judge:later", **wanted)
    with pytest.raises(InputError, match="RuntimeError: out of credit"):
        train_rloo(RLOOConfig(**failing))
    done = metrics(here / "run")[-1]["step"]
    assert done >= 3
    assert (here / "run" / f"checkpoint-{done}").is_dir()
    (here / "broken").unlink()
    (here / "judge.py").write_text(FUNCTIONS.replace(">= 4", ">= 400"))
    resumed = train_rloo(RLOOConfig(**failing, resume=True))
    assert resumed["updates"] == 6
    whole = train_rloo(RLOOConfig(**{**failing, "output": str(here / "whole")}))
    assert metrics(here / "run") == metrics(here / "whole")
    assert resumed["reward_after"] == whole["reward_after"]


def test_the_command_ends_with_exit_code_2(
    folders: dict[str, str], here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = in_child(command({**folders, "reward": "judge:raises"}, here / "run"), run_command)
    process.join(60)
    assert process.exitcode == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert said == "error: the reward function judge:raises cannot be used: ValueError: no connection"


def test_a_function_that_fails_in_one_of_two_processes_ends_both(
    folders: dict[str, str], here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = command({**folders, "reward": "judge:one_of_two"}, here / "run", "--device=cpu")
    run_in_two(arguments, run_command, code=2)
    assert capfd.readouterr().err.count("judge:one_of_two cannot be used: ValueError: no connection") == 2


def test_what_pays_is_seen_by_no_generator(here: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    mix: RewardMix = load_rewards("judge:words", tokenizer, longest=8, dtype=torch.float32)
    assert mix.models == []
    assert mix.only_model is None
    before = torch.get_rng_state()
    mix([user_message("q")], [sample(tokenizer, "q", "a b")])
    assert torch.equal(before, torch.get_rng_state())
    mix.close()
