"""A database from before there were items and preferences comes through with everything in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from app import models as m
from app.annotation.comparison.settings import ComparisonSettings
from app.db import normalise_url
from app.exports.export import Export
from app.items import plan
from app.labels import turn
from app.models.export_settings import ExportSettings
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.policies import results
from app.projects import instructions
from app.projects import service as projects
from app.prompts import splits, twins
from app.prompts.reading import first_words, split_key
from app.rewards import snapshots
from app.rewards.counting import Counting
from app.runs import queries as runs_queries
from tests.asking import asking
from tests.conftest import _execute

BEFORE = "0009"
# Prompts 1 to 4 train, 5 and 6 are held out. Pair 1 has three people's labels and a revision, pair 2 a tie, pair 3 both
# bad, pair 4 an expired lease and a late, surplus label, pair 5 and 6 labels of the holdout; 7 is an attention check,
# 8 and 9 an evaluation's, twice on one prompt; 10 was asked for again, 11 is withdrawn, 12 is on somebody's screen.
FILL = """
insert into "user" (id, email, name) overriding system value
  select n, 'p' || n || '@example.org', 'Person ' || n from generate_series(1, 4) n;
insert into web_session (user_id, token_hash, expires_at) values (1, md5('token'), now() + interval '1 day');
insert into model (id, kind, name, source, artifact, state) overriding system value
  values (1, 'base', 'base', 'tiny:1', 'models/1', 'ready');
insert into project (id, name, guidelines, base_model_id, answer, sampling, automation, overlap) overriding system value
  values (1, 'Old', 'Be kind.', 1, '{"levels": 2, "tie": true, "both_bad": true, "submit_on_choice": true,
    "comment": "optional", "questions": ["Kinder?"], "reasons": ["Short"]}', '{}', '{}', 3);
insert into member (project_id, user_id, role) select 1, n, 'annotator' from generate_series(1, 4) n;
insert into model (id, project_id, kind, name, parent_id, artifact, state) overriding system value
  values (2, 1, 'policy', 'Policy 1', 1, 'models/2', 'ready');
insert into prompt (id, project_id, messages, content_hash, source, status, split) overriding system value
  select n, 1, jsonb_build_array(jsonb_build_object('role', 'user', 'content',
    'Question ' || n || repeat(', and why so', mod(n, 2)) || '?')), md5(n::text),
    'import', 'active', case when n > 4 then 'holdout' else 'train' end from generate_series(1, 6) n;
insert into run (id, project_id, kind, state, config, model_id, baseline_id, summary) overriding system value values
  (1, 1, 'sampling', 'running', '{"settings": {}, "prompt_ids": [1, 2]}', 1, null, null),
  (2, 1, 'evaluation', 'succeeded', '{"task": "compare", "overlap": 1, "comparisons": 2, "prompt_ids": [5]}', 2, 1,
    '{"pairs": 2, "equal_answers": 1}'),
  (3, 1, 'evaluation', 'running', '{"task": "score", "settings": {}}', 2, null, null),
  (4, 1, 'evaluation', 'succeeded', '{"task": "score", "settings": {}, "rows": [{"prompt": [{"role": "user",
    "content": "Hi"}], "response": "Ho", "response_id": null}]}', 2, null, '{"rows": 1}'),
  (5, 1, 'reward', 'running', '{"settings": {"seed": 3, "heads": 2}, "aggregation": "reliability", "question":
    "Kinder?"}', 1, null, null),
  (6, 1, 'policy', 'queued', '{"settings": {"beta": 0.1}}', 1, null, null);
insert into model (id, kind, name, source, state, error) overriding system value values
  (3, 'base', 'on its way', 'tiny:3', 'preparing', null), (4, 'base', 'gone', '/nowhere', 'failed', 'No such folder.');
insert into response (id, prompt_id, model_id, run_id, text, finish_reason, token_count, strategy)
  overriding system value
  select n, least(6, (n + 1) / 2), case when n in (15, 17) then 2 else 1 end, null, 'Answer ' || n, 'stop', 5, 'greedy'
  from generate_series(1, 24) n;
insert into pair (id, project_id, prompt_id, response_a_id, response_b_id, run_id, purpose, expected, priority,
    overlap_target, slots_left, withdrawn_at) overriding system value
  select n, 1, case when n in (8, 9) then 5 else least(6, n) end, 2 * n - 1, 2 * n,
    case when n in (1, 2) then 1 when n in (8, 9) then 2 end,
    case n when 7 then 'check' when 8 then 'evaluation' when 9 then 'evaluation' else 'train' end,
    case n when 7 then 'b' end,
    case n when 7 then 1e9 when 8 then 10 when 9 then 10 when 10 then 5 else n / 20.0 end,
    3, case when n in (10, 11) then 3 when n = 12 then 2 when n in (2, 3, 4, 5, 6) then 2 else 0 end,
    case n when 11 then now() end
  from generate_series(1, 12) n;
insert into assignment (id, project_id, pair_id, annotator_id, "left", state, expires_at) overriding system value values
  (1, 1, 1, 1, 'a', 'labelled', now()), (2, 1, 1, 2, 'b', 'labelled', now()), (3, 1, 1, 3, 'a', 'labelled', now()),
  (4, 1, 2, 1, 'b', 'labelled', now()), (5, 1, 3, 1, 'a', 'labelled', now()), (6, 1, 4, 1, 'b', 'expired', now()),
  (7, 1, 4, 2, 'b', 'labelled', now()), (8, 1, 5, 1, 'a', 'labelled', now()), (9, 1, 6, 2, 'b', 'labelled', now()),
  (10, 1, 7, 1, 'a', 'labelled', now()), (11, 1, 7, 2, 'a', 'labelled', now()), (12, 1, 8, 1, 'b', 'labelled', now()),
  (13, 1, 9, 1, 'a', 'labelled', now()), (14, 1, 12, 3, 'b', 'open', now() + interval '1 hour');
insert into label (id, project_id, pair_id, annotator_id, assignment_id, choice, questions, strength, reasons, comment,
    seconds, "left", late, surplus, superseded_at) overriding system value values
  (1, 1, 1, 1, 1, 'b', '{}', 1, '[]', null, 2, 'a', false, false, now()),
  (2, 1, 1, 1, 1, 'a', '{"Kinder?": "b", "Older?": "tie"}', 2, '["Short"]', 'well', 4, 'a', false, false, null),
  (3, 1, 1, 2, 2, 'a', '{"Kinder?": "a"}', 1, '[]', null, 3, 'b', false, false, null),
  (4, 1, 1, 3, 3, 'b', '{}', 1, '[]', null, 3, 'a', false, false, null),
  (5, 1, 2, 1, 4, 'tie', '{}', null, '[]', null, 3, 'b', false, false, null),
  (6, 1, 3, 1, 5, 'both_bad', '{}', null, '[]', null, 3, 'a', false, false, null),
  (7, 1, 4, 2, 7, 'b', '{}', 2, '[]', null, 3, 'b', true, true, null),
  (8, 1, 5, 1, 8, 'a', '{}', 1, '[]', null, 3, 'a', false, false, null),
  (9, 1, 6, 2, 9, 'b', '{}', 1, '[]', null, 3, 'b', false, false, null),
  (10, 1, 7, 1, 10, 'b', '{}', 1, '[]', null, 3, 'a', false, false, null),
  (11, 1, 7, 2, 11, 'a', '{}', 1, '[]', null, 3, 'a', false, false, null),
  (12, 1, 8, 1, 12, 'a', '{}', 1, '[]', null, 3, 'b', false, false, null),
  (13, 1, 9, 1, 13, 'b', '{}', 1, '[]', null, 3, 'a', false, false, null);
insert into snapshot (id, project_id, content_hash, label_count, train_pair_count, holdout_pair_count)
  overriding system value values (1, 1, 'before', 7, 3, 2);
insert into snapshot_label (snapshot_id, label_id) select 1, n from unnest(array[1, 3, 4, 5, 6, 7, 8, 9]) n;
insert into audit_event (action, project_id) values ('pairs.withdrawn', 1);
"""


@pytest.fixture
def old(postgres_url: str, template_database: str) -> Iterator[Engine]:
    """A database as 0009 left it, filled."""
    name = f"old_{template_database}"
    _execute(postgres_url, f'create database "{name}"')
    engine = create_engine(make_url(normalise_url(postgres_url)).set(database=name))
    _upgrade(engine, BEFORE)
    with engine.begin() as connection:
        for statement in FILL.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        for table in ("label", "assignment", "pair", "response", "prompt", "run"):
            connection.exec_driver_sql(f"select setval(pg_get_serial_sequence('{table}', 'id'), 100)")
    try:
        yield engine
    finally:
        engine.dispose()
        _execute(postgres_url, f'drop database "{name}" with (force)')


def _upgrade(engine: Engine, revision: str) -> None:
    config = Config(toml_file=str(Path(__file__).parents[2] / "pyproject.toml"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _downgrade(engine: Engine, revision: str) -> None:
    config = Config(toml_file=str(Path(__file__).parents[2] / "pyproject.toml"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def _old_rows(connection: Connection, question: str) -> list[dict[str, Any]]:
    """The training rows as the code before read them: the mean of the raters, by pair."""
    said = "l.choice" if not question else "l.questions ->> :question"
    found = connection.execute(
        text(
            f"""
            select p.id, q.split, q.messages, a.text as a, b.text as b,
                   array_agg({said} order by l.annotator_id) as said
            from snapshot_label s join label l on l.id = s.label_id join pair p on p.id = l.pair_id
            join prompt q on q.id = p.prompt_id join response a on a.id = p.response_a_id
            join response b on b.id = p.response_b_id where {said} is not null
            group by p.id, q.split, q.messages, a.text, b.text order by p.id
            """
        ),
        {"question": question},
    )
    rows = []
    for pair in found:
        values = [{"a": 1.0, "tie": 0.5, "b": 0.0}[each] for each in pair.said if each != "both_bad"]
        if values:
            p = sum(values) / len(values)
            chosen, rejected = (pair.a, pair.b) if p >= 0.5 else (pair.b, pair.a)
            shown = {"prompt": pair.messages, "chosen": chosen, "rejected": rejected, "preference": max(p, 1.0 - p)}
            rows.append(shown | {"weight": 1.0, "pair_id": pair.id, "raters": len(values)})
    return rows


def _old_trl(connection: Connection) -> list[tuple[str, str]]:
    found = connection.execute(
        text(
            """
            select l.choice, a.text as a, b.text as b from label l join pair p on p.id = l.pair_id
            join response a on a.id = p.response_a_id join response b on b.id = p.response_b_id
            where l.superseded_at is null and p.purpose not in ('check', 'evaluation') and l.choice in ('a', 'b')
            order by l.id
            """
        )
    )
    return [(row.a, row.b) if row.choice == "a" else (row.b, row.a) for row in found]


def test_everything_comes_through(old: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with old.connect() as connection:
        rows = {question: _old_rows(connection, question) for question in ("", "Kinder?")}
        trl = _old_trl(connection)
        sides = {row.id: row.split for row in connection.execute(text("select id, split from prompt"))}
        labels = connection.execute(text('select id, choice, "left", questions, strength from label order by id')).all()
    _upgrade(old, "head")
    with Session(old) as session:
        snapshot = session.get_one(m.Snapshot, 1)
        for question, expected in rows.items():
            train, holdout = snapshots.training_rows(session, snapshot, Counting(question))
            found = sorted(
                ({name: value for name, value in row.items() if name != "chooses"} for row in [*train, *holdout]),
                key=lambda row: int(row["pair_id"]),
            )
            assert found == expected
            assert {row["pair_id"] for row in holdout} <= {5, 6}
        assert (snapshot.raters, snapshot.levels) == ({}, 0)
        signed_in = session.get_one(m.WebSession, 1)
        assert (signed_in.device, signed_in.last_used_at) == (None, None)
        project = session.get_one(m.Project, 1)
        assert project.answer == asking(levels=2, questions=["Kinder?"], reasons=["Short"])
        assert project.first_round_hidden  # it has a policy: its first round is over
        export = Export(project, ExportSettings(layout="trl"))
        lines = b"".join(export.pieces(session)).splitlines()
        assert [tuple(json.loads(line)[name] for name in ("chosen", "rejected")) for line in lines] == trl
        _labels_are_the_same(session, labels)
        _queue_is_the_same(session)
        assert {response.origin for response in session.query(m.Response)} == {m.Origin.MODEL}
        assert {(label.run_id, label.imported_annotator_id) for label in session.query(m.Label)} == {(None, None)}
        assert {model.answers_from for model in session.query(m.Model)} == {m.FOLDER}
        run = session.get_one(m.Run, 1)  # it goes on as it began: its own model, twice
        assert project.plan == SamplingPlan(sources=[PlannedSource(responses=2)])
        assert [(part.model.id, part.settings.n) for part in plan.parts_of(session, run)] == [(1, 2)]
        result = results.evaluation_result(session, session.get_one(m.Run, 2))
        assert (result.items, result.judged, result.equal) == (2, 0, 1)  # each waits for two more labels
        assert session.scalar(text("select action from audit_event")) == "items.withdrawn"
        _runs_are_the_same(session)
        _versions_begin(session)
        _prompts_stay_where_they_are(session, sides)
        assert all(user.keys == {} for user in session.query(m.User))


def _prompts_stay_where_they_are(session: Session, before: dict[int, str]) -> None:
    """Each on its side, which decides for what begins like it from now on."""
    prompts = session.query(m.Prompt).all()
    assert {prompt.id: prompt.split.value for prompt in prompts} == before
    assert all(prompt.split_key == split_key(prompt.messages) for prompt in prompts)
    assert all(prompt.twin_keys == twins.keys(first_words(prompt.messages)) for prompt in prompts)
    assert {len(prompt.twin_keys) for prompt in prompts} == {0, twins.BANDS}
    for prompt in prompts:
        after = [*prompt.messages, {"role": "assistant", "content": "So."}, {"role": "user", "content": "Why?"}]
        assert splits.assigned(session, prompt.project_id, {"it": after})["it"]["split"] is prompt.split


def _versions_begin(session: Session) -> None:
    """Each project has a first version of what it tells and asks; labels that were there name none. It is in use until
    something is changed: saving the same again, or how often a kind comes, makes no other."""
    project = session.get_one(m.Project, 1)
    version = instructions.get(session, project, 1)
    assert (project.version, version.guidelines) == (1, "Be kind.")
    assert version.asked == {
        "questions": [{"id": "Kinder?", "text": "Kinder?"}],
        "reasons": [{"id": "Short", "text": "Short"}],
        "comment": "optional",
        "kinds": {"comparison": {"levels": 2, "tie": True, "both_bad": True, "submit_on_choice": True}},
    }
    assert not any(label.instructions_id for label in session.query(m.Label))
    assert not any(lease.skip_reason or lease.skip_note for lease in session.query(m.Assignment))
    manager = session.get_one(m.User, 1)
    assert projects.change_settings(session, project, manager, "comparison", ComparisonSettings(levels=2, share=9))
    assert project.version == 1
    projects.change_guidelines(session, project, manager, "Be kinder.")
    assert project.version == 2
    projects.change_guidelines(session, project, manager, "Be kind.")
    assert project.version == 1


def _runs_are_the_same(session: Session) -> None:
    """Each with its config typed by its kind, so that it can be claimed and gone on with."""
    runs = {run.id: run for run in session.query(m.Run)}
    assert [runs[number].kind.value for number in range(1, 7)] == [
        "sampling", "evaluation", "scoring", "scoring", "training", "training",
    ]  # fmt: skip
    assert runs[1].asked(m.SamplingConfig) == m.SamplingConfig(
        prompt_ids=[1, 2], item_kind="comparison", settings=m.SamplerSettings(n=2, seed=0)
    )
    compared = runs[2].asked(m.EvaluationConfig)
    assert (compared.prompt_ids, compared.comparisons, compared.overlap) == ([5], 2, 1)
    assert runs[3].asked(m.ScoringConfig).texts is None
    assert runs[4].asked(m.ScoringConfig).texts == [
        m.TextToScore(prompt=[{"role": "user", "content": "Hi"}], response="Ho")
    ]
    reward, ppo = runs[5].asked(m.TrainingConfig), runs[6].asked(m.TrainingConfig)
    assert (runs[5].method, runs[5].state.value, runs[6].method) == ("reward", "running", "ppo")
    assert (reward.settings, reward.options) == (
        {"seed": 3, "heads": 2}, {"aggregation": "reliability", "question": "Kinder?"},
    )  # fmt: skip
    assert (ppo.settings, ppo.options) == ({"beta": 0.1}, {})
    waiting, failed = (runs_queries.preparation_of(session, model_id) for model_id in (3, 4))
    assert waiting is not None
    assert failed is not None
    assert (waiting.state.value, waiting.project_id, waiting.asked(m.PreparationConfig).source) == (
        "queued", None, "tiny:3",
    )  # fmt: skip
    assert (failed.state.value, failed.error) == ("failed", "No such folder.")


def _labels_are_the_same(session: Session, before: Any) -> None:
    stored = {"a": "first", "b": "second"}
    shown = {("a", "a"): "first", ("b", "b"): "first", ("a", "b"): "second", ("b", "a"): "second"}
    now = session.query(m.Label).order_by(m.Label.id).all()
    assert len(now) == len(before)
    for label, was in zip(now, before, strict=True):
        assert label.order == ([0, 1] if was.left == "a" else [1, 0])
        assert label.value.model_dump(mode="json") == {
            "kind": "comparison",
            "choice": shown.get((was.choice, was.left), was.choice),
            "strength": was.strength,
            "questions": {key: shown.get((value, was.left), value) for key, value in was.questions.items()},
        }
        said = {"": was.choice} | was.questions
        assert {stated.question: stated.outcome for stated in label.preferences} == {
            question: stored.get(choice, choice) for question, choice in said.items()
        }
        assert {stated.strength for stated in label.preferences if not stated.question} == {was.strength}
    assert {label.id: label.passed for label in now if label.passed is not None} == {10: True, 11: False}
    assert (now[1].reasons, now[1].comment, now[0].superseded_at is not None) == (["Short"], "well", True)


def _queue_is_the_same(session: Session) -> None:
    items = {item.id: item for item in session.query(m.Item)}
    assert [items[n].level for n in (1, 8, 9, 10)] == [
        m.Level.TRAIN,
        m.Level.EVALUATION,
        m.Level.EVALUATION,
        m.Level.AGAIN,
    ]
    assert (items[7].expected, items[8].ordinal, items[9].ordinal) == ({"best": 1}, 0, 1)
    assert [response.id for response in items[4].responses] == [7, 8]
    held = turn.claim(session, turn.searching(1, 3, 30, range(8)))
    assert held is not None
    assert (held.id, held.item_id, held.order) == (14, 12, (1, 0))
    assert [shown.text for shown in held.responses] == ["Answer 24", "Answer 23"]
    came = []
    while task := turn.claim(session, turn.searching(1, 4, 30, range(8))):
        came.append(task.item_id)
        session.get_one(m.Assignment, task.id).state = m.AssignmentState.LABELLED
        session.flush()
    assert came == [10, 12, 6, 5, 4, 3, 2]  # the one asked for again, then as they were ranked


def test_responses_of_people_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0018")
    with old.begin() as connection:
        connection.exec_driver_sql("insert into response (prompt_id, author_id, text) values (1, 1, 'By hand.')")
    with pytest.raises(RuntimeError, match="1 of the responses are by people or imported"):
        _downgrade(old, "0017")
    with old.begin() as connection:
        connection.exec_driver_sql("delete from response where author_id is not null")
    _downgrade(old, "0017")
    with old.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from response").scalar() == 24


def test_written_responses_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0022")
    with old.begin() as connection:
        connection.exec_driver_sql(
            "insert into item_response (item_id, position, response_id, label_id) values (1, 8, 3, 3)"
        )
    with pytest.raises(RuntimeError, match="1 of the responses were written as labels"):
        _downgrade(old, "0021")
    with old.begin() as connection:
        connection.exec_driver_sql("delete from item_response where position = 8")
    _downgrade(old, "0021")


def test_labels_from_chats_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0019")
    with old.begin() as connection:
        connection.exec_driver_sql(
            "insert into label (project_id, item_id, annotator_id, value, \"order\") values (1, 11, 4, '{}', '{0,1}')"
        )
    with pytest.raises(RuntimeError, match="1 of the labels were given outside the queue"):
        _downgrade(old, "0018")
    with old.begin() as connection:
        connection.exec_driver_sql("delete from label where assignment_id is null")
    _downgrade(old, "0018")


def test_labels_that_name_a_version_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0028")
    with old.begin() as connection:
        connection.exec_driver_sql("update label set instructions_id = (select id from instructions) where id = 2")
    with pytest.raises(RuntimeError, match="1 of the labels name a version"):
        _downgrade(old, "0027")
    with old.begin() as connection:
        connection.exec_driver_sql("update label set instructions_id = null")
    _downgrade(old, "0027")


def test_reasons_to_skip_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0029")
    with old.begin() as connection:
        connection.exec_driver_sql("update assignment set state = 'skipped', skip_note = 'Latin.' where id = 6")
    with pytest.raises(RuntimeError, match="1 of the skipped items have a reason"):
        _downgrade(old, "0028")
    with old.begin() as connection:
        connection.exec_driver_sql("update assignment set skip_note = null")
    _downgrade(old, "0028")


def test_live_heads_that_choose_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0030")
    with old.begin() as connection:
        assert connection.scalar(text("select queue_order || ' ' || pair_choice from project")) == "random random"
        connection.execute(text("update project set queue_order = 'uncertain'"))
        connection.execute(text("update item set rank = -0.5 where id = 1"))
    with pytest.raises(RuntimeError, match="Live heads choose what is asked in 1 of the projects"):
        _downgrade(old, "0029")
    with old.begin() as connection:
        connection.execute(text("update project set queue_order = 'random'"))
    _downgrade(old, "0029")
    with old.begin() as connection:
        assert 0 <= connection.scalar(text("select rank from item where id = 1")) < 1


def test_what_snapshots_know_of_annotators_has_no_way_back(old: Engine) -> None:
    _upgrade(old, "0031")
    with old.begin() as connection:
        connection.exec_driver_sql("update snapshot set levels = 3")
    with pytest.raises(RuntimeError, match="1 of the snapshots keep"):
        _downgrade(old, "0030")
    with old.begin() as connection:
        connection.exec_driver_sql("update snapshot set levels = 0")
    _downgrade(old, "0030")


def test_models_fetched_for_one_project_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0034")
    with old.begin() as connection:
        connection.exec_driver_sql(
            "insert into run (project_id, kind, state, config, model_id) select 1, 'preparation', 'queued',"
            """ '{"kind": "preparation", "source": "org/x"}', base_model_id from project where id = 1"""
        )
    with pytest.raises(RuntimeError, match="1 runs have fetched a model for one project"):
        _downgrade(old, "0033")
    with old.begin() as connection:
        connection.exec_driver_sql("delete from run where kind = 'preparation' and project_id is not null")
    _downgrade(old, "0033")


def test_flags_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0037")
    with old.begin() as connection:
        connection.exec_driver_sql("insert into flag (project_id, item_id, person_id) values (1, 1, 1)")
        connection.exec_driver_sql("insert into flag_message (flag_id, author_id, text) select id, 1, 'Why?' from flag")
    with pytest.raises(RuntimeError, match="1 flags have no place"):
        _downgrade(old, "0036")
    with old.begin() as connection:
        connection.exec_driver_sql("delete from flag")
    _downgrade(old, "0036")


def test_there_is_no_way_back(old: Engine) -> None:
    _upgrade(old, "head")
    with pytest.raises(RuntimeError, match="restore the dump"):
        _downgrade(old, BEFORE)


def test_snapshots_that_lost_labels_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0038")
    with old.begin() as connection:
        connection.exec_driver_sql("""update snapshot set deleted = '{"labels": 1, "hash": "x", "verified": true}'""")
    with pytest.raises(RuntimeError, match="1 of the snapshots have lost labels"):
        _downgrade(old, "0037")
    with old.begin() as connection:
        connection.exec_driver_sql("update snapshot set deleted = null")
    _downgrade(old, "0037")


def test_named_runs_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0042")
    with old.begin() as connection:
        found = connection.exec_driver_sql("select distinct name, tags, note from run").all()
        assert [tuple(row) for row in found] == [("", [], "")]
        named = "update run set tags = '{long}' where id = (select min(id) from run)"
        connection.exec_driver_sql(named)
    with pytest.raises(RuntimeError, match="1 of the runs have names, tags or notes"):
        _downgrade(old, "0041")
    with old.begin() as connection:
        connection.exec_driver_sql("update run set tags = '{}'")
    _downgrade(old, "0040")


def test_projects_that_are_being_deleted_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0048")
    with old.begin() as connection:
        connection.exec_driver_sql("update project set archived_at = now(), goes_since = now() where id = 1")
    with pytest.raises(RuntimeError, match="1 projects are being deleted"):
        _downgrade(old, "0047")
    with old.begin() as connection:
        connection.exec_driver_sql("update project set goes_since = null")
    _downgrade(old, "0047")


def test_quotas_have_no_way_back(old: Engine) -> None:
    _upgrade(old, "0045")
    with old.begin() as connection:
        assert connection.scalar(text("select count(*) from quota")) == 0, "projects from before have none"
        connection.execute(text("insert into quota (project_id, tokens) select min(id), 5 from project"))
    with pytest.raises(RuntimeError, match="1 projects have quotas"):
        _downgrade(old, "0044")
    with old.begin() as connection:
        connection.execute(text("update quota set tokens = null"))
    _downgrade(old, "0044")
