"""Every kind of model in docs/architectures.md does what its row says: exactly what transformers does, or a refusal."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from rlhf.adapters import add_lora
from rlhf.batches import Group
from rlhf.causal_model import load_causal_lm
from rlhf.config import InputError
from rlhf.decode_step import mask_kind
from rlhf.policy_files import load_causal, save_policy
from rlhf.policy_model import PolicyModel
from rlhf.reward_files import load_reward_model, new_reward_model
from rlhf.sampling import generate
from rlhf.sft_settings import SFTConfig
from rlhf.types import SamplingSettings
from tests.rlhf import architectures
from tests.rlhf.alone import decode_alone, log_probs_alone, rows

KINDS = sorted(architectures.SETTINGS)
GREEDY = SamplingSettings(temperature=0.0, max_new_tokens=6)


def responses(folder: Path, tokenizer: PreTrainedTokenizerBase) -> str:
    """Greedy responses to prompts of unequal length together, against each alone."""
    model, plain = load_causal_lm(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    prompts = rows(tokenizer)
    found = generate(model, tokenizer, prompts, strategy="greedy", settings=GREEDY)
    for prompt, [response] in zip(prompts, found, strict=True):
        ids, log_probs = decode_alone(plain, prompt, len(response.response_ids))
        assert response.response_ids == ids
        assert response.logprobs == pytest.approx(log_probs, abs=1e-3)
    return {"added": "exact", "columns": "exact, by columns"}[mask_kind(model)]


@torch.no_grad()
def training(folder: Path, tokenizer: PreTrainedTokenizerBase) -> str:
    """Log-probabilities as PPO, DPO and SFT have them, against a plain forward pass."""
    prompts, given = rows(tokenizer, (2, 30, 5, 12)), rows(tokenizer, (3, 4, 14, 1), seed=6)
    alone = log_probs_alone(AutoModelForCausalLM.from_pretrained(folder).eval(), prompts, given)
    model = PolicyModel(load_causal(folder, torch.float32), reference=None, value_trunk=None)
    nn.init.normal_(model.value_head.weight)
    log_probs, _, values = model(model.batch(prompts, given))
    torch.testing.assert_close(log_probs, alone, rtol=1e-3, atol=1e-3)
    assert values is not None
    assert values.shape == alone.shape
    model.find_sharing()
    torch.testing.assert_close(model(model.branches([Group(p, [a]) for p, a in zip(prompts, given, strict=True)]))[0],
                               alone, rtol=1e-3, atol=1e-3)  # fmt: skip
    return ("packed" if model.packs else "a row each") + (", prompts shared" if model.shares else "")


@torch.no_grad()
def rewards(folder: Path, tokenizer: PreTrainedTokenizerBase) -> str:
    """Scores of responses to a shared prompt together, against each alone."""
    new_reward_model(folder, tokenizer, heads=2).save(folder / "reward", tokenizer, 0.0, 1.0)
    plain = AutoModelForSequenceClassification.from_pretrained(folder / "reward").eval()
    prefix, *branches = rows(tokenizer)
    groups = [Group(prefix, branches), Group([], [rows(tokenizer, (7,), seed=9)[0]])]
    sequences = [[*group.prefix, *branch] for group in groups for branch in group.branches]
    alone = torch.stack([plain(input_ids=torch.tensor([ids])).logits[0, 0] for ids in sequences])
    layout = ""
    for dtype, off in ((torch.bfloat16, 0.3), (torch.float32, 1e-3)):
        model = load_reward_model(folder / "reward", dtype=dtype)
        found = torch.cat(model.score(groups, token_budget=10_000)).mean(dim=1)
        torch.testing.assert_close(found, alone, rtol=off, atol=off)
        layout = model.layout
    return {"packed": "packed, prompts shared", "shared": "a row each, prompts shared", "apart": "a row each"}[layout]


def adapters(folder: Path, tokenizer: PreTrainedTokenizerBase) -> str:
    """`adapter/`, put on the base by peft, against `model/`, both as a finished training writes them."""
    torch.manual_seed(0)
    policy = add_lora(load_causal(folder, torch.float32), 4, 8)
    layers = 0
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
            layers += 1
    config = SFTConfig(model=str(folder), data="-", output=str(folder / "sft"), use_peft=True)
    model = PolicyModel(policy, reference=None, value_trunk=None, values=False)
    save_policy(folder / "sft", model, tokenizer, config, readme="")
    ids = torch.tensor(rows(tokenizer, (30,)))

    @torch.no_grad()
    def logits(of: Any) -> Tensor:
        found: Tensor = of.eval()(input_ids=ids, use_cache=False).logits
        return found

    base = AutoModelForCausalLM.from_pretrained(folder)
    before = logits(base)
    merged = logits(AutoModelForCausalLM.from_pretrained(folder / "sft" / "model"))
    beside = logits(PeftModel.from_pretrained(base, str(folder / "sft" / "adapter")))
    moved = (merged - before).norm()
    assert moved > 1e-3 * before.norm()
    assert (merged - beside).norm() < 1e-5 * merged.norm()
    return f"{layers} layers"


def said(error: InputError) -> str:
    """The reason in the sentence of a refusal."""
    reason = re.search(r"(?:cannot be used [A-Za-z ]+|no reward model can be made of [^:]+): (.*?)(?:;|$)", str(error))
    assert reason, f"says no reason: {error}"
    return f"refused: {reason[1]}"


def row_of(kind: str, folder: Path, tokenizer: PreTrainedTokenizerBase) -> str:
    architectures.save(kind, folder, tokenizer)
    cells = []
    for column in (responses, training, rewards, adapters):
        try:
            cells.append(column(folder, tokenizer))
        except InputError as error:
            cells.append(said(error))
    return f"| {kind} | {' | '.join(cells)} |"


DOCUMENT = (Path(__file__).parents[2] / "docs" / "architectures.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_does_what_its_row_says(kind: str, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    assert row_of(kind, tmp_path, tokenizer) in DOCUMENT.splitlines()


def test_the_table_has_each_kind_once_and_no_other() -> None:
    assert re.findall(r"^\| ([a-z][\w-]+) \|", DOCUMENT, re.MULTILINE) == ["kind", *KINDS]
