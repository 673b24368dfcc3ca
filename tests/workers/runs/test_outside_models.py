"""Models from elsewhere through real workers: a reward model of another trainer, with another tokenizer, is fetched,
scores the project's responses and trains a policy that was registered as well; what is downloaded loads."""

import io
import tarfile
from pathlib import Path
from threading import Event

import pytest
import torch
from sqlalchemy import select
from sqlalchemy.orm import Session
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from app import models as m
from app.catalog import service as catalog
from app.catalog.forms import RegisteredModel
from app.db import task_session
from app.policies import service as policies
from app.policies.ppo import PPO
from app.registry import service as registry
from app.registry.download import Tar
from app.runs import queries as runs_queries
from app.runs import training
from app.settings import get_settings
from rlhf.tiny_model import tiny_model
from tests import factories
from tests.rlhf.test_outside_reward import as_its_author_does, classifier
from tests.rlhf.tokenizers import chatml
from workers.runs.execution import execute

SHORT = {"total_episodes": "8", "batch_size": "4", "max_new_tokens": "8", "eval_steps": "1"}


@pytest.fixture
def project_id(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A project with a base model, a labelled pair and prompts, and folders that models may be taken from."""
    monkeypatch.setenv("HONE_MODEL_FOLDERS", str(tmp_path / "allowed"))
    get_settings.cache_clear()
    with task_session() as session:
        project = factories.project(session)
        factories.user(session, is_admin=True, email="admin@example.org")
        base = get_settings().store / str(project.base_model.artifact)
        model, tokenizer = tiny_model(1)
        model.save_pretrained(base)
        tokenizer.save_pretrained(base)
        for number in range(8):
            split = m.Split.HOLDOUT if number % 2 else m.Split.TRAIN
            prompt = factories.prompt(session, project, f"Question {number}?", split=split)
            item = factories.item(session, prompt, project.base_model)
            factories.label(session, item, factories.user(session))
        return int(project.id)


def register(project_id: int, kind: str, folder: Path) -> int:
    with task_session() as session:
        project, admin = session.get_one(m.Project, project_id), session.query(m.User).filter_by(is_admin=True).one()
        wanted = RegisteredModel.model_validate({"kind": kind, "source": str(folder), "name": f"Their {kind}"})
        return catalog.register(session, project, admin, wanted).id


def work(project_id: int, kind: m.RunKind) -> m.RunState | None:
    """Do the one queued run of a kind."""
    with task_session() as session:
        [run] = runs_queries.active(session, project_id, kind)
        run_id = run.id
    return finish(run_id)


def finish(run_id: int) -> m.RunState | None:
    """Work on a run to its end: on a busy machine it may be given back in between."""
    for _ in range(5):
        if (state := execute(run_id, "here:1", "CPU", Event())) is not m.RunState.QUEUED:
            break
    return state


def unpacked(session: Session, model_id: int, folder: Path) -> Path:
    tar = Tar(registry.artifact_path(session.get_one(m.Model, model_id)), "model")
    content = b"".join(tar)
    assert len(content) == tar.length
    assert str(get_settings().store).encode() not in content
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        opened.extractall(folder, filter="data")
    return folder / "model"


def test_a_policy_is_trained_against_a_reward_model_both_from_elsewhere(project_id: int, tmp_path: Path) -> None:
    tokenizer = chatml()
    tokenizer.pad_token = "<|endoftext|>"
    theirs = classifier(tmp_path / "allowed/reward", tokenizer)
    sft, own = tiny_model(9)
    sft.save_pretrained(tmp_path / "allowed/sft")
    own.save_pretrained(tmp_path / "allowed/sft")

    reward_id = register(project_id, "reward", theirs)
    assert work(project_id, m.RunKind.PREPARATION) is m.RunState.SUCCEEDED
    assert work(project_id, m.RunKind.SCORING) is m.RunState.SUCCEEDED  # its evaluation begins by itself
    with task_session() as session:
        reward = session.get_one(m.Model, reward_id)
        assert reward.metrics["report"]["holdout"]["labels"] == 4
        for score, response, prompt in session.execute(
            select(m.ResponseScore.score, m.Response, m.Prompt)
            .join(m.Response, m.Response.id == m.ResponseScore.response_id)
            .join(m.Prompt, m.Prompt.id == m.Response.prompt_id)
            .limit(3)
        ):
            assert score == pytest.approx(as_its_author_does(theirs, prompt.messages, response.text), abs=0.2)

    policy_id = register(project_id, "policy", tmp_path / "allowed/sft")
    assert work(project_id, m.RunKind.PREPARATION) is m.RunState.SUCCEEDED
    with task_session() as session:
        project, admin = session.get_one(m.Project, project_id), session.query(m.User).filter_by(is_admin=True).one()
        policies.promote(session, project, admin, session.get_one(m.Model, policy_id), confirm_without_evaluation=True)
        run = training.start(
            session, project, admin, PPO, training.checked(PPO, SHORT | {"reward_model_id": reward_id})
        )
        assert (run.model_id, run.reward_model_id) == (policy_id, reward_id)
        run_id = run.id
    state = finish(run_id)
    with task_session() as session:
        assert state is m.RunState.SUCCEEDED, session.get_one(m.Run, run_id).error
        made = session.scalars(select(m.Model).where(m.Model.run_id == run_id)).one()
        folder = unpacked(session, made.id, tmp_path / "policy")
        scorer = unpacked(session, reward_id, tmp_path / "reward")
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    ids = AutoTokenizer.from_pretrained(folder)("Hello", return_tensors="pt")
    assert bool(torch.isfinite(loaded(**ids).logits).all())
    before, after = (AutoModelForSequenceClassification.from_pretrained(each) for each in (theirs, scorer))
    assert torch.equal(before.score.weight, after.score.weight)


def test_a_folder_that_is_no_reward_model_fails_with_a_sentence_and_can_be_tried_again(
    project_id: int, tmp_path: Path
) -> None:
    folder = classifier(tmp_path / "allowed/two", chatml(), num_labels=2)
    reward_id = register(project_id, "reward", folder)
    assert work(project_id, m.RunKind.PREPARATION) is m.RunState.FAILED
    with task_session() as session:
        model = session.get_one(m.Model, reward_id)
        assert model.state is m.ModelState.FAILED
        assert "a sequence classifier with one label" in str(model.error)
        classifier(folder, chatml())
        catalog.retry(session, session.query(m.User).filter_by(is_admin=True).one(), model)
    assert work(project_id, m.RunKind.PREPARATION) is m.RunState.SUCCEEDED
    with task_session() as session:
        assert session.get_one(m.Model, reward_id).state is m.ModelState.READY
