"""From labels of every kind to models: people label through the services, and real trainings of a tiny model read what
they said. What each reads is its files."""

import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from app import models as m
from app.annotation import RawLabel
from app.db import task_session
from app.labels import leases
from app.labels import service as labels
from app.labels.new_label import read_label
from app.methods import METHODS
from app.methods.metrics import metric
from app.models.project_settings import SamplingSettings
from app.policies import measures
from app.registry import service as registry
from app.runs import charts, figures, folders, readable_log, service, training
from app.settings import get_settings
from rlhf.tiny_model import tiny_model
from tests import factories
from tests.asking import asking
from workers.runs.execution import execute

GRADES = ("a very good answer", "a good answer", "a plain answer", "a bad answer")  # the best first
LEARNED, HELD_OUT = 4, 2  # prompts of each sort of items on either side
QUICK = {"max_steps": "2", "train_batch_size": "4", "eval_steps": "1"}
SHORT = {"total_episodes": "8", "batch_size": "4", "num_generations": "2", "max_new_tokens": "8", "eval_steps": "1"}


@dataclass(frozen=True)
class World:
    """A project of which everything is labelled."""

    project_id: int
    holdout: frozenset[str]  # what its held-out prompts ask


def graded(sort: str, number: int, grade: str) -> str:
    """A response whose text tells how good it is."""
    return f"{grade} to {sort} {number}"


def grade_of(text: str) -> int:
    return next(place for place, grade in enumerate(GRADES) if text.startswith(grade))


def answer_of(kind: str, texts: list[str], question: str) -> RawLabel:
    """What a person says who tells the grades."""
    if kind == "comparison":
        return RawLabel("left" if grade_of(texts[0]) < grade_of(texts[1]) else "right")
    if kind == "ranking":
        return RawLabel(
            ">".join(str(place + 1) for place in sorted(range(len(texts)), key=lambda i: grade_of(texts[i])))
        )
    return RawLabel(f"an ideal answer to {question}")


def stored(session: Session, model: m.Model, seed: int) -> Path:
    """The folder of a model, with a tiny language model of this seed in it."""
    folder = get_settings().store / str(model.artifact)
    made, tokenizer = tiny_model(seed)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def world(database: str) -> World:
    """Comparisons, rankings of four, improved and written responses, all labelled by one person."""
    with task_session() as session:
        base = factories.base_model(session, source="tiny:1")
        stored(session, base, 1)
        kinds = {"ranking": {"share": 1}, "demonstration": {"share": 1}}
        project = factories.project(session, base_model=base, answer=asking(kinds, share=1))
        held_out = set()
        for sort, kind, shown in (
            ("comparison", "comparison", 2), ("ranking", "ranking", 4), ("improving", "demonstration", 1),
            ("writing", "demonstration", 0),
        ):  # fmt: skip
            for number in range(LEARNED + HELD_OUT):
                split = m.Split.TRAIN if number < LEARNED else m.Split.HOLDOUT
                prompt = factories.prompt(session, project, f"{sort} {number}", split=split)
                responses = [
                    factories.response(session, prompt, base, text=graded(sort, number, grade))
                    for grade in GRADES[-shown:][:shown]
                ]
                factories.item(session, prompt, base, kind=kind, responses=responses)
                if split is m.Split.HOLDOUT:
                    held_out.add(f"{sort} {number}")
        person = factories.user(session)
        while (task := leases.claim_item(session, project, person)) is not None:
            given = answer_of(task.kind, [shown.text for shown in task.responses], task.messages[-1]["content"])
            answer = read_label(project.answer, task.kind, given)
            assert labels.submit(session, project, person, None, task.id, answer).label_id
        found = World(project.id, frozenset(held_out))
    return found


def trained(world: World, method: str, **settings: str) -> int:
    """The number of a run that has trained by a method."""
    with task_session() as session:
        project, chosen = session.get_one(m.Project, world.project_id), METHODS[method]
        wanted = training.checked(chosen, settings if method in ("rloo", "grpo") else QUICK | settings)
        run_id = training.start(session, project, None, chosen, wanted).id
    state = execute(run_id, "here:1", "CPU", Event())
    with task_session() as session:
        run = session.get_one(m.Run, run_id)
        assert state is m.RunState.SUCCEEDED, f"{run.error}\n{readable_log.tail(run)}"
    return run_id


def read(run_id: int, names: tuple[str, ...] = ("data", "eval_data", "choose_data")) -> dict[str, list[dict[str, Any]]]:
    """The rows of the files that a run gave its command, by their names."""
    with task_session() as session:
        folder = folders.workspace(session.get_one(m.Run, run_id))
    paths = {name: folder / f"{name}.jsonl" for name in names}
    return {name: _lines(path) for name, path in paths.items() if path.exists()}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked(rows: list[dict[str, Any]]) -> set[str]:
    """What the prompts of these rows ask."""
    return {row["prompt"][-1]["content"] for row in rows}


def preferred(numbers: range) -> set[tuple[str, str]]:
    """(chosen, rejected) of all that the person said."""
    found = set()
    for number in numbers:
        found.add((graded("comparison", number, GRADES[2]), graded("comparison", number, GRADES[3])))
        found |= {
            (graded("ranking", number, better), graded("ranking", number, worse))
            for better, worse in combinations(GRADES, 2)
        }
        found.add((f"an ideal answer to improving {number}", graded("improving", number, GRADES[3])))
    return found


def written(numbers: range) -> list[dict[str, Any]]:
    questions = [f"{sort} {number}" for sort in ("improving", "writing") for number in numbers]
    return [row for question in questions for row in written_by(question)]


def written_by(question: str) -> list[dict[str, Any]]:
    answer = {"role": "assistant", "content": f"an ideal answer to {question}"}
    return [{"prompt": [{"role": "user", "content": question}], "completion": [answer]}]


def by_prompt(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        ({"prompt": row["prompt"], "completion": row["completion"]} for row in rows),
        key=lambda row: str(row["prompt"]),
    )


LEARN, HOLD = range(LEARNED), range(LEARNED, LEARNED + HELD_OUT)


def test_reward_model_and_dpo_read_all_preferences_and_sft_what_people_wrote(world: World) -> None:
    runs = {name: trained(world, name) for name in ("reward", "sft", "dpo")}
    files = {name: read(run_id) for name, run_id in runs.items()}
    for name, parts in files.items():
        learned, measured = parts["data"], [*parts["eval_data"], *parts.get("choose_data", [])]
        assert not asked(learned) & world.holdout, name
        assert asked(measured) <= world.holdout, name
    for name in ("reward", "dpo"):
        learned, measured = files[name]["data"], [*files[name]["eval_data"], *files[name].get("choose_data", [])]
        assert {(row["chosen"], row["rejected"]) for row in learned} == preferred(LEARN)
        assert len(learned) == LEARNED * (1 + 6 + 1)
        assert {(row["chosen"], row["rejected"]) for row in measured} == preferred(HOLD)
        assert {row["preference"] for row in learned} == {1.0}
    assert by_prompt(files["sft"]["data"]) == by_prompt(written(LEARN))
    measured = [*files["sft"]["eval_data"], *files["sft"].get("choose_data", [])]
    assert by_prompt(measured) == by_prompt(written(HOLD))
    with task_session() as session:
        held = {session.get_one(m.Run, run_id).snapshot_id for run_id in runs.values()}
        assert len(held) == 1  # the same labels, frozen once, whoever learns from which of them
        snapshot = session.get_one(m.Snapshot, held.pop())
        assert snapshot.label_count == 4 * (LEARNED + HELD_OUT)
    for name, kind, called, said in (
        ("reward", m.ModelKind.REWARD, "Reward model 1", "on holdout"),
        ("sft", m.ModelKind.POLICY, "Policy 1", "nats a token"),
        ("dpo", m.ModelKind.POLICY, "Policy 2", "of the holdout pairs"),
    ):
        shown(world, runs[name], kind, called, said)


def shown(world: World, run_id: int, kind: m.ModelKind, called: str, said: str) -> None:
    """What a run made loads, and its curves and outcome are told."""
    with task_session() as session:
        run = session.get_one(m.Run, run_id)
        made = session.scalars(select(m.Model).where(m.Model.run_id == run_id)).one()
        assert (made.kind, made.name) == (kind, called)
        assert made.parent_id == session.get_one(m.Project, world.project_id).base_model_id
        loads = AutoModelForSequenceClassification if kind is m.ModelKind.REWARD else AutoModelForCausalLM
        assert loads.from_pretrained(registry.artifact_path(made)).config.model_type == "llama"
        assert run.total_steps == run.step == 2
        method = METHODS[str(run.method)]
        assert said in str(method.outcome(run.summary or {}))
        names = figures.curve_names(session, run_id)
        assert [name for name in names if not metric(name).help] == []
        drawn = charts.charts_of(run, names)
        assert [chart.title for chart in drawn if not chart.folded] == [chart.title for chart in method.charts]


def started(world: World, method: str, **settings: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """A run that is queued, with the rows that its command would read."""
    with task_session() as session:
        project, chosen = session.get_one(m.Project, world.project_id), METHODS[method]
        run = training.start(session, project, None, chosen, training.checked(chosen, settings))
        service.request_cancel(session, None, run)
        return run.id, dict(chosen.data(session, run).files)


def test_a_copy_learns_from_the_same_labels_though_there_are_more(world: World) -> None:
    first, learned = started(world, "sft")
    with task_session() as session:
        project = session.get_one(m.Project, world.project_id)
        prompt = factories.prompt(session, project, "writing later")
        factories.item(session, prompt, project.base_model, kind="demonstration", responses=[])
        person = factories.user(session)
        task = leases.claim_item(session, project, person)
        assert task is not None
        answer = read_label(project.answer, task.kind, RawLabel("an ideal answer to writing later"))
        assert labels.submit(session, project, person, None, task.id, answer).label_id
    assert started(world, "sft", parent_id=str(first), same_inputs="true")[1] == learned
    fresh = started(world, "sft", parent_id=str(first))[1]
    assert by_prompt(fresh["data"]) == by_prompt([*learned["data"], *written_by("writing later")])
    assert fresh["eval_data"] == learned["eval_data"]


@pytest.fixture
def judge(world: World) -> int:
    """A reward model of the world's labels that has learned nothing."""
    with task_session() as session:
        project = session.get_one(m.Project, world.project_id)
        project.sampling = SamplingSettings(max_new_tokens=8)
        snapshot = factories.snapshot(session, project)
        run = factories.training(session, project, "reward", state=m.RunState.SUCCEEDED, snapshot_id=snapshot.id)
        parent = {"parent_id": project.base_model_id, "run_id": run.id}
        model = factories.model(session, project, kind=m.ModelKind.REWARD, **parent)
        folder = stored(session, model, 1)
        config = AutoConfig.from_pretrained(folder)
        config.num_labels = 1
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
        return int(model.id)


@pytest.mark.parametrize("method", ["rloo", "grpo"])
def test_a_policy_is_trained_against_a_reward_model_without_a_value_model(
    world: World, judge: int, method: str
) -> None:
    run_id = trained(world, method, **SHORT)
    files = read(run_id, ("prompts", "eval_prompts", "choose_prompts"))
    assert not asked(files["prompts"]) & world.holdout
    assert asked([*files["eval_prompts"], *files.get("choose_prompts", [])]) == world.holdout
    with task_session() as session:
        run = session.get_one(m.Run, run_id)
        assert run.reward_model_id == judge
        made = session.scalars(select(m.Model).where(m.Model.run_id == run_id)).one()
        assert (made.kind, made.name) == (m.ModelKind.POLICY, "Policy 1")
        names = figures.curve_names(session, run_id)
        assert [name for name in names if not metric(name).help] == []
        drawn = charts.charts_of(run, names)
        titles = [chart.title for chart in drawn if not chart.folded]
        assert [title for title in titles if title in ("Reward", "KL to the reference", "Clip fraction")] == [
            "Reward", "KL to the reference", "Clip fraction",
        ]  # fmt: skip


def test_policies_are_measured_side_by_side_on_the_same_labels(world: World, judge: int) -> None:
    with task_session() as session:
        project = session.get_one(m.Project, world.project_id)
        snapshot_id = session.get_one(m.Run, session.get_one(m.Model, judge).run_id).snapshot_id
        for seed, method, inputs in ((2, "dpo", {"snapshot_id": snapshot_id}), (1, "ppo", {"reward_model_id": judge})):
            run = factories.training(session, project, method, state=m.RunState.SUCCEEDED, **inputs)
            stored(session, factories.model(session, project, run_id=run.id), seed)
        run_id = measures.start(session, project, factories.user(session)).id
    assert execute(run_id, "here:1", "CPU", Event()) is m.RunState.SUCCEEDED
    with task_session() as session:
        table = measures.table(session, session.get_one(m.Project, world.project_id))
        assert table is not None
        assert table.scored_by is not None
        assert table.scored_by.id == judge
        assert [row.method for row in table.rows] == ["DPO", "PPO"]
        other, same = (row.measure for row in table.rows)
        assert other is not None
        assert same is not None
        for found in (other, same):
            assert found["prompts"] == len(world.holdout)
            assert 1 <= found["answer_tokens"] <= 8
            assert found["reward_error"] is not None
        assert same["kl"] == pytest.approx(0, abs=1e-4)  # it is the base model itself
        assert same["reward"] == pytest.approx(same["baseline_reward"])
        assert other["baseline_reward"] == pytest.approx(same["baseline_reward"])
        assert other["kl"] is not None
        assert other["kl"] > 0.1
        assert other["reward"] != pytest.approx(other["baseline_reward"])


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_responses_that_are_all_too_long_end_in_a_sentence(world: World, method: str) -> None:
    with task_session() as session:
        project, chosen = session.get_one(m.Project, world.project_id), METHODS[method]
        wanted = training.checked(chosen, QUICK | {"max_length": "16"})
        run_id = training.start(session, project, None, chosen, wanted).id
    assert execute(run_id, "here:1", "CPU", Event()) is m.RunState.FAILED
    with task_session() as session:
        run = session.get_one(m.Run, run_id)
        assert "of 16 tokens or more" in str(run.error).replace("about ", "")
        assert "raise --max_length" in str(run.error)
        assert session.scalars(select(m.Model).where(m.Model.run_id == run_id)).all() == []
