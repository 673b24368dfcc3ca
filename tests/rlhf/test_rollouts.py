"""Rollouts: what is sampled, scored and measured, with one tokenizer and with two."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rlhf.chat_format import encode_prompt
from rlhf.experience import pay, rollout_metrics, sample_rows
from rlhf.policy_files import load_causal, load_policy_model
from rlhf.policy_settings import PolicyConfig
from rlhf.ppo_trainer import value_experience
from rlhf.processes import Processes
from rlhf.reward_files import load_reward_model
from rlhf.reward_model import RewardModel
from rlhf.rollouts import Rollout, RolloutMaker, Sampler, Task, padded, response_mask
from rlhf.scorer import RewardMix, Scorer, same_tokenizer
from rlhf.types import Draw, Sample, SamplingSettings, user_message

QUESTIONS = ["how are you", "what time is it now", "say word", "tell me the story of a house and a tree"]


@pytest.fixture(scope="module")
def reward(llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("reward")
    classifier = AutoModelForSequenceClassification.from_pretrained(llama_folder, num_labels=1)
    classifier.config.mean, classifier.config.std = 0.5, 2.0
    classifier.save_pretrained(folder)
    return load_reward_model(folder)


@pytest.fixture
def tasks(tokenizer: PreTrainedTokenizerBase) -> list[Task]:
    return [
        Task(user_message(text), encode_prompt(tokenizer, user_message(text)), seed=i)
        for i, text in enumerate(QUESTIONS)
    ]


def maker(llama_folder: Path, reward: RewardModel, tokenizer: PreTrainedTokenizerBase, budget: int) -> RolloutMaker:
    config = PolicyConfig(model=str(llama_folder), reward="-", prompts="-", output="-", temperature=0.9, use_peft=False)
    model = load_policy_model(config, tokenizer, reward, compute_dtype=torch.float32, value_model="shared")
    settings = SamplingSettings(temperature=0.9, max_new_tokens=12)
    return RolloutMaker(
        model,
        Sampler(model, model.causal, tokenizer, settings),
        RewardMix.of(Scorer(reward, tokenizer, tokenizer, longest=64)),
        Processes("cpu"),
        token_budget=budget,
    )


def test_rollouts_say_what_the_models_say(
    llama_folder: Path, reward: RewardModel, tokenizer: PreTrainedTokenizerBase, tasks: list[Task]
) -> None:
    make = maker(llama_folder, reward, tokenizer, budget=64)
    rollouts = make(tasks)
    policy = load_causal(llama_folder, torch.float32)
    for task, rollout in zip(tasks, rollouts, strict=True):
        ids = torch.tensor([[*task.prompt_ids, *rollout.response_ids]])
        logits = policy(ids).logits[0, len(task.prompt_ids) - 1 : -1].detach() / 0.9
        expected = logits.log_softmax(-1).gather(1, torch.tensor(rollout.response_ids)[:, None]).squeeze(1)
        torch.testing.assert_close(rollout.log_probs, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(rollout.reference, rollout.log_probs)
        assert rollout.ended == (rollout.response_ids[-1] == tokenizer.eos_token_id)
        assert len(rollout.response_ids) <= 12
        closed = rollout.response_ids if rollout.ended else [*rollout.response_ids, tokenizer.eos_token_id]
        hidden = reward.hf.base_model(torch.tensor([[*task.prompt_ids, *closed]])).last_hidden_state[0, -1].detach()
        score = float(reward.head_weight()[0].detach() @ hidden)
        assert rollout.score == pytest.approx((score - 0.5) / 2, abs=1e-5)


def test_rollouts_do_not_depend_on_the_token_budget(
    llama_folder: Path, reward: RewardModel, tokenizer: PreTrainedTokenizerBase, tasks: list[Task]
) -> None:
    small, large = (maker(llama_folder, reward, tokenizer, budget)(tasks) for budget in (1, 1000))
    for one, other in zip(small, large, strict=True):
        assert one.response_ids == other.response_ids
        torch.testing.assert_close(one.log_probs, other.log_probs, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.values, other.values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("use_peft", [True, False])
def test_the_sampler_is_the_policy(
    llama_folder: Path, reward: RewardModel, tokenizer: PreTrainedTokenizerBase, tasks: list[Task],
    use_peft: bool, dtype: torch.dtype,
) -> None:  # fmt: skip
    config = PolicyConfig(model=str(llama_folder), reward="-", prompts="-", output="-", use_peft=use_peft)
    model = load_policy_model(config, tokenizer, reward, compute_dtype=dtype)
    sampler = Sampler.of(model, str(llama_folder), tokenizer, SamplingSettings(max_new_tokens=12))
    before = sampler(tasks)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.policy.named_parameters():
            if parameter.requires_grad and "lora_A" not in name:
                parameter.add_(torch.randn_like(parameter), alpha=0.02)
    sampler.refresh()
    sampled = sampler(tasks)
    assert sampled != before
    mix = RewardMix.of(Scorer(reward, tokenizer, tokenizer, longest=64))
    make = RolloutMaker(model, sampler, mix, Processes("cpu"), token_budget=500)
    rollouts = make(tasks)
    close = {"rtol": 1e-3, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 0.0, "atol": 0.05}
    for sample, rollout in zip(sampled, rollouts, strict=True):
        assert rollout.sampled.tolist() == pytest.approx(sample.logprobs)
        torch.testing.assert_close(rollout.sampled, rollout.log_probs, **close)


def test_another_tokenizer_reads_the_text_again(reward: RewardModel, tokenizer: PreTrainedTokenizerBase) -> None:
    other: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
        chat_template="{% for m in messages %}{{ m.content }} {% endfor %}",
    )
    assert same_tokenizer(tokenizer, tokenizer)
    assert not same_tokenizer(other, tokenizer)
    question = user_message("say word")
    # what the other policy produced is no ids of the reward model's: only the text counts
    sample = Sample([3], [9, 9], [0.0, 0.0], "length", " the house", Draw(SamplingSettings()), ended=False)
    scorer = Scorer(reward, tokenizer, other, longest=64, normalize=False)
    response = [*tokenizer.encode(" the house", add_special_tokens=False), tokenizer.eos_token_id]
    ids = torch.tensor([[*encode_prompt(tokenizer, question), *response]])
    expected = float((reward.hf.base_model(ids).last_hidden_state[0, -1] @ reward.head_weight()[0]).detach())
    assert float(scorer([question], [sample])) == pytest.approx(expected, abs=1e-5)


def rollout(log_probs: list[float], score: float, finished: bool) -> Rollout:
    length = len(log_probs)
    tensor = torch.tensor(log_probs)
    return Rollout(
        user_message("q"), [1, 2], [5] * length, "a", finished, score, {"reward": score},
        tensor + math.log(2), tensor, tensor - 0.5,
        torch.full((length,), 2.0), torch.zeros(length),
    )  # fmt: skip


def test_experience_and_metrics_by_hand() -> None:
    # log ratios are 0.5 on every token: KL 1.5 and 0.5 a response, mean 1
    rollouts = [rollout([-1.0, -2.0, -3.0], 2.0, True), rollout([-1.0], 3.0, False)]
    assert response_mask(rollouts).tolist() == [[True, True, True], [True, False, False]]
    assert padded([r.log_probs for r in rollouts])[1].tolist() == [-1.0, 0.0, 0.0]
    config = PolicyConfig(model="-", reward="-", prompts="-", output="-", lam=1.0, whiten_advantages=False)
    paid = pay(rollouts, config)
    experience = value_experience(paid, config, beta=0.1)
    assert paid.scores.tolist() == [2.0, 1.0]  # the second never ended: 1 less than the worst that did
    # rewards (-0.05, -0.05, 1.95) and (0.95); values 0 and lambda 1: advantages are the rewards to come
    torch.testing.assert_close(experience.advantages, torch.tensor([[1.85, 1.9, 1.95], [0.95, 0.0, 0.0]]))
    found = rollout_metrics(paid, beta=0.1)
    # the sampler thought each token twice as probable: r = ln 2, and k3 = 1/2 - 1 + ln 2 for 3 tokens and for 1
    assert found["policy/sampler_logratio"] == pytest.approx(math.log(2))
    assert found["policy/sampler_kl"] == pytest.approx(2 * (math.log(2) - 0.5))
    assert found["objective/kl"] == pytest.approx(1.0)
    assert found["objective/scores"] == pytest.approx(1.5)
    assert found["objective/non_score_reward"] == pytest.approx(-0.1)
    assert found["objective/rlhf_reward"] == pytest.approx(1.4)
    assert found["objective/entropy"] == pytest.approx(2.0)
    assert found["val/num_eos_tokens"] == 1
    assert found["val/answer_tokens"] == 2
    rows = sample_rows(paid, 5)
    assert rows[0] == {"prompt": "q", "response": "a", "score": 2.0, "kl": 1.5, "finished": True}
    assert len(rows) == 2
