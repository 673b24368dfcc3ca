"""A worker that is cut off from the database, or stopped with its child, while another host is idle: the other goes on
from the last checkpoint, both never work at once, and whoever lost its claim writes nothing more."""

import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from app.models import Run, RunState
from app.settings import get_settings
from app.web import presence
from tests.alerts import firing, scrape
from tests.faults.hosts import Host, trainers
from tests.faults.work import PROMPTS, STEPS, World, answers, curves, ended, files, now, tidied, under_way, until
from workers.runs.deadlines import LEASE_SECONDS, STALE

CUT_SECONDS, STOPPED_SECONDS = 40.0, 60.0


class Watch:
    """Looks at some runs all the time: how far they are, and how many processes that are not stopped work on each."""

    def __init__(self, run_ids: list[int]) -> None:
        self.run_ids = run_ids
        self.steps: dict[int, list[int]] = {each: [] for each in run_ids}
        self.most: dict[int, list[str]] = {each: [] for each in run_ids}
        self._enough = Event()
        self._thread = Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._enough.wait(0.25):
            for run_id in self.run_ids:
                self.steps[run_id].append(now(run_id).step)
                awake = [each for each in trainers(run_id) if each.info["status"] != psutil.STATUS_STOPPED]
                self.most[run_id] = max(self.most[run_id], [str(each.info) for each in awake], key=len)


def alike(found: list[tuple[int, str, str]], straight: list[tuple[int, str, str]]) -> float:
    """The share of an undisturbed run's pairs that another run drew to the letter. Rows that are computed beside others
    differ by bfloat16's rounding, and then now and again in a token; drawn anew none would be the same."""
    return len({*found} & {*straight}) / len(straight)


@pytest.mark.timeout(600)
def test_another_host_goes_on_and_the_first_writes_nothing_more(world: World, tmp_path: Path) -> None:
    """At once, since most of it is waiting: a training and a sampling whose host loses its cable for 40 s, and a
    training and a sampling whose worker and child are stopped for 60 s."""
    with ExitStack() as everything:
        hosts = [
            everything.enter_context(Host(queue, tmp_path / "hosts.log")) for queue in ("training", "sampling") * 2
        ]
        # What is cut off has to last longer than its lease, or it would end by itself; what is stopped
        # has to be at work still when its turn comes.
        to_cut = [world.train(5 * STEPS), world.sample(30 * PROMPTS)]
        to_stop = [world.train(2 * STEPS), world.sample(2 * PROMPTS)]
        ids = [*to_stop, *to_cut]
        watch = everything.enter_context(Watch(ids))
        cut, stopped = [], []
        at_the_fault: dict[int, Run] = {}
        while len(at_the_fault) < len(ids):
            run_id = until(lambda: next((each for each in ids if each not in at_the_fault and under_way(each)), None))
            host = next(host for host in hosts if host.trainers(run_id))
            at_the_fault[run_id] = now(run_id)
            if run_id in to_cut:
                host.pull()
                cut.append(host)
            else:
                host.stop()
                stopped.append(host)
            assert now(run_id).state is RunState.RUNNING, "the run ended before its fault"
        began = time.monotonic()

        for queue in ("training", "sampling"):  # which were idle all the time
            everything.enter_context(Host(queue, tmp_path / "hosts.log", isolated=False))
        until(lambda: not any(host.trainers(each) for host in cut for each in ids), LEASE_SECONDS + 10)
        alone = time.monotonic() - began
        assert alone < STALE.total_seconds(), "a trainer that is cut off outlives its claim"
        until(lambda: all(now(each).claim != at_the_fault[each].claim for each in ids), 60)
        print(f"without a trainer after {alone:.0f} s, taken over after {time.monotonic() - began:.0f} s")

        time.sleep(max(0.0, CUT_SECONDS - (time.monotonic() - began)))
        assert len(presence.workers(get_settings())) == 2
        assert len(presence.silent(get_settings())) == 4, "workers of one queue on one host are told apart"
        assert "HoneWorkerSilent" in firing([scrape()], tmp_path, lasting=65)
        for host in cut:
            host.plug()
        for run in [ended(each) for each in to_stop]:
            until(lambda run=run: tidied(run))
        time.sleep(max(0.0, STOPPED_SECONDS - (time.monotonic() - began)))
        before = {each: files(each) for each in to_stop}
        for host in stopped:
            host.wake()
        until(lambda: not any(host.trainers(each) for host in stopped for each in ids), 10)
        time.sleep(3)  # for what they might still do
        assert {each: files(each) for each in to_stop} == before

        for each in ids:
            run = ended(each)
            assert (run.state, run.error, run.attempt) == (RunState.SUCCEEDED, None, 2)
            assert run.worker != at_the_fault[each].worker
            assert len(watch.most[each]) == 1, watch.most[each]
            assert watch.steps[each] == sorted(watch.steps[each])
            until(lambda run=run: tidied(run))
        for host in hosts:
            assert host.process.poll() is None, "a worker did not outlive the fault"
        undisturbed = [ended(world.train(2 * STEPS)).id, ended(world.sample(2 * PROMPTS)).id]

    assert curves(to_stop[0]) == curves(undisturbed[0])
    straight = answers(undisturbed[1])
    assert alike(answers(to_stop[1]), straight) > 0.5
    assert [step for name, step, _ in curves(to_cut[0]) if name == "loss"] == [*range(1, 5 * STEPS + 1)]
    found = answers(to_cut[1])
    assert len(found) == len({prompt for prompt, _, _ in found}) > 4 * PROMPTS
    assert alike(found, straight[: len(straight) // 2]) > 0.5
    said = (tmp_path / "hosts.log").read_text()
    assert said.count(f"given back: the database did not answer for {LEASE_SECONDS:.0f} s") >= len(to_cut)
