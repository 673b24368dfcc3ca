"""A run's log as its page shows it: it moves, and holds what is for people."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from app.models import Run, RunState
from app.runs import events, folders, readable_log
from app.settings import get_settings
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def run(session: Session, cast: Cast, as_: As) -> Run:
    made: Run = factories.training(session, cast.project, "ppo", state=RunState.RUNNING, workspace="attempt-1-ab")
    return made


def write(run: Run, text: str) -> Path:
    folder = folders.workspace(run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.txt").write_bytes(text.encode())
    return folder


def test_a_progress_bar_stands_where_it_is_now(as_: As, cast: Cast, run: Run) -> None:
    write(run, "begun\n 10%|#    \r 50%|###  \r100%|#####\ndone <b>\n")
    assert readable_log.tail(run) == "begun\n100%|#####\ndone <b>\n"
    assert readable_log.tail(run, 12) == "done <b>\n"
    page = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}").text
    assert "done &lt;b&gt;" in page
    whole = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}/log")
    assert whole.headers["content-type"].startswith("text/plain")


def test_lines_as_objects_read_the_same(run: Run) -> None:
    said = ["begun", "  0%|   | 0/24", " 50%|#  | 12/24", "100%|###| 24/24", "ended", '{\\"rows\\": 24}']
    write(run, "".join(f'{{"time": "2026-11-29T15:05:51Z", "run": 1, "message": "{line}"}}\n' for line in said))
    assert readable_log.tail(run) == "begun\n100%|###| 24/24\nended\n"


def test_warnings_about_libraries_places_on_the_server_and_the_summary_stay_out(run: Run) -> None:
    folder = write(run, "")
    store = get_settings().store
    write(
        run,
        f"{folder}/train.jsonl: 395 rows\n"
        "/opt/hone/.venv/lib/python3.11/site-packages/transformers/modeling_utils.py:3303: FutureWarning: `x` is "
        "deprecated.\n"
        "  warnings.warn(\n"
        "<frozen importlib._bootstrap>:1: note\n"
        f"{store}/tool.py:7: UserWarning: This one is for people.\n"
        "  warn('This one is for people.')\n"
        '  File "/opt/hone/.venv/lib/python3.11/site-packages/torch/nn.py", line 7, in forward\n'
        f"error: the weights in {store}/models/12/model.safetensors cannot be read\n"
        f'{{"rows": 24, "output": "{folder}/scores.jsonl"}}\n',
    )
    assert readable_log.tail(run) == (
        "train.jsonl: 395 rows\n"
        "<frozen importlib._bootstrap>:1: note\n"
        "UserWarning: This one is for people.\n"
        '  File "torch/nn.py", line 7, in forward\n'
        "error: the weights in model.safetensors cannot be read\n"
    )


def test_who_watches_a_run_is_told_of_its_log_as_it_grows(session: Session, run: Run) -> None:
    look = events.run_look(run.id)
    seen, told = look(session, None)
    assert not any("event: log" in each for each in told)
    write(run, "  0%|  | 0/24\r")
    seen, told = look(session, seen)
    assert [each for each in told if "event: log" in each] == ["event: log\ndata:   0%|  | 0/24\n\n"]
    write(run, "  0%|  | 0/24\r 50%|# | 12/24\r")
    seen, told = look(session, seen)
    assert ["12/24" in each for each in told] == [True]
    assert look(session, seen)[1] == []
