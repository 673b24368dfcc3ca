"""The stages of the demo, in order. Each one can be entered again: what `Memory` knows to be done is not done twice."""

import json
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.models import Messages
from app.prompts.reading import read
from app.prompts.service import STARTER
from workers.demo.annotators import Annotator, label
from workers.demo.browser import Browser, Page, PageProblem
from workers.demo.platform import Memory
from workers.demo.progress import Board
from workers.demo.report import shortcomings
from workers.demo.sizes import Sizes
from workers.demo.taste import DESCRIPTION
from workers.demo.watch import Watched, watch

PREPARE_SECONDS = 600.0


class LoopOpen(Exception):
    """The loop did not close; the message says where it stopped and why."""


@dataclass
class Demo:
    """One walk through the loop. `report` fills as it goes."""

    sizes: Sizes
    manager: Browser
    memory: Memory
    board: Board
    base_url: str
    report: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    annotators: list[Annotator] = field(default_factory=list)
    project: str = ""  # its address

    def walk(self) -> None:
        """All stages. Raises LoopOpen or PageProblem where one fails."""
        self.report["seconds"] = dict(self.memory.values.get("seconds") or {})  # type: ignore[call-overload]
        with self._stage("project"):
            self._make_project()
            self._invite()
        with self._stage("sampling"):
            self._wait_for_items()
        with self._stage("chat before"):
            self.report["before"] = self._once("before", self._talk)
        with self._stage("labels"):
            self._label()
        with self._stage("reward model"):
            reward = self._train("reward", self.sizes.reward, "Training the reward model")
            self._note_reward(reward)
        with self._stage("policy"):
            policy = self._train("ppo", self.sizes.policy, "Training the policy (PPO)")
            self.report |= {"kl": policy.summary["kl"], "kl_budget": policy.summary["kl_budget"]}
            self.report["policy_run"] = policy.summary
        with self._stage("evaluation"):
            self._evaluate(policy.made)
        with self._stage("promotion"):
            self._promote(policy.made)
        with self._stage("chat after"):
            self.report["after"] = self._once("after", self._talk)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        seconds = self.report["seconds"]
        seconds[name] = round(seconds.get(name, 0.0) + time.monotonic() - began, 1)
        self.memory.keep(seconds=seconds)

    def _once(self, name: str, act: Callable[[], Any]) -> Any:
        if name not in self.memory.values:
            self.memory.keep(**{name: act()})
        return self.memory.values[name]

    def _make_project(self) -> None:
        known = str(self.memory.values.get("project", ""))
        if known:
            try:
                self.manager.get(known)
            except PageProblem:
                self.memory.forget()  # deleted meanwhile, or of another database: begin anew
                self.memory.keep(sizes=self.sizes.name)
                known = ""
        self.project = known or self._new_project()
        self.memory.keep(project=self.project)
        if "prompts" not in self.memory.values:
            self._settings("sampling", **self.sizes.sampling)
            self._settings("queue", queue_depth=self.sizes.labels + self.sizes.labels // 16)
            self._settings("automation", keep_queue_filled=True, retrain_reward=False, refresh_pairs=False)
            self._import_prompts()
            self.memory.keep(prompts="starter")

    def _new_project(self) -> str:
        form = self.manager.get("/projects/new").form("/projects/new")
        form.set(name=self.sizes.project, guidelines=f"{DESCRIPTION}\n", starter_prompts=False)
        page = form.set(base_model=self.sizes.base_model).send()
        found = re.search(r"/projects/\d+", page.url)
        if found is None:
            raise LoopOpen(f"The project could not be created.{page.says}")
        return found.group()

    def _import_prompts(self) -> None:
        """The starter prompts, through the import page."""
        messages = [turns for _, turns in read(STARTER.read_bytes()).good]
        if self.sizes.instruction:
            first: Messages = [{"role": "system", "content": self.sizes.instruction}]
            messages = [turns if turns[0]["role"] == "system" else first + turns for turns in messages]
        text = "\n".join(json.dumps({"messages": turns}, ensure_ascii=False) for turns in messages)
        page = self.manager.get(f"{self.project}/imports").form("/imports").set(text=text).send(action="import")
        if (found := re.search(r"/imports/(\d+)$", page.url)) is None:
            raise LoopOpen(f"The prompts could not be imported.{page.says}")
        with self.board.task("Importing prompts") as task:
            self._succeeded(watch(self.manager, f"{self.project}/runs/{found.group(1)}", task))

    def _settings(self, part: str, **values: Any) -> None:
        self.manager.get(f"{self.project}/settings").form(f"/settings/{part}").set(**values).send()

    def _invite(self) -> None:
        people = list(self.memory.values.get("annotators") or [])  # type: ignore[call-overload]
        while len(people) < self.sizes.annotators:
            number = len(people) + 1
            page = self.manager.get(f"{self.project}/people").form("/invitations").set(role="annotator").send()
            link = next(
                found.group(1)
                for node in page.html.css("input[readonly]")
                if (found := re.search(r"(/invitations/[^/\s]+)$", node.attributes.get("value") or ""))
            )
            who = {
                "name": f"Simulated annotator {number}",
                "email": f"simulated-{number}-{secrets.token_hex(4)}@example.org",
                "password": secrets.token_urlsafe(18),
            }
            with Browser(self.base_url) as browser:
                browser.get(link).form(link).set(**who).send()
            people.append(who)
            self.memory.keep(annotators=people)
        for number, who in enumerate(people):
            browser = Browser(self.base_url)
            login = browser.get("/sign-in").form("/sign-in").set(email=who["email"], password=who["password"])
            login.send()
            rng = random.Random(f"{self.sizes.seed}/{number}")  # noqa: S311  noise of taste, no secret
            self.annotators.append(Annotator(who["name"], browser, self.project, rng))

    def _wait_for_items(self) -> None:
        """The platform samples by itself once the base model is prepared, a pair to each prompt in a run."""
        if "sampled" in self.memory.values:
            return
        run = None
        while run is None or self._open_items() < self.sizes.labels:
            with self.board.task("Preparing the base model" if run is None else "Waiting for more pairs") as task:
                run = self._next_sampling(after=run)
                task.done()
            with self.board.task("Sampling pairs of answers") as task:
                self._succeeded(watch(self.manager, run, task))
        self._settings("automation", keep_queue_filled=False)  # these pairs are enough
        self.memory.keep(sampled=run)

    def _next_sampling(self, after: str | None) -> str:
        deadline = time.monotonic() + PREPARE_SECONDS
        while (run := self._newest_run("kind=sampling")) in (None, after):
            if time.monotonic() > deadline:
                raise LoopOpen("No sampling run began. `hone doctor` and the system page say what is wrong.")
            time.sleep(1)
        return str(run)

    def _asked(self, path: str) -> Any:
        """What a call of the project's API answers."""
        return self.manager.json(f"/api/v1{self.project}/{path}")

    def _open_items(self) -> int:
        """How many pairs wait for an answer."""
        return int(self._asked("loop")["open_items"])

    def _newest_run(self, of: str) -> str | None:
        found = self._asked(f"runs?{of}&limit=1")["items"]
        return f"{self.project}/runs/{found[0]['id']}" if found else None

    def _label(self) -> None:
        if "labels" not in self.memory.values:
            known = self._label_count()
            with self.board.task("Simulated annotators choose", self.sizes.labels, "pairs") as task:
                task.advance(known)
                label(self.annotators, max(0, self.sizes.labels - known), task.advance)
            self.memory.keep(labels=self._label_count())
        self.report["labels"] = self.memory.values["labels"]

    def _label_count(self) -> int:
        """Labels that the platform counts: pairs to learn from, pairs to measure on, and those left out."""
        counts = self._asked("rewards/labels")
        return sum(int(counts[name]) for name in ("train", "holdout", "both_bad"))

    def _train(self, method: str, settings: dict[str, Any], title: str) -> Watched:
        """Start a training from its form, or go on with the one of the interrupted demo, and wait for its end."""
        known = self.memory.values.get(f"{method}_run") or self._newest_run(f"method={method}")
        if known is None:
            path = f"/train/{method}"
            page = self.manager.get(f"{self.project}{path}").form(path).set(**settings).send()
            known = self._run_of(page)
        self.memory.keep(**{f"{method}_run": known})
        with self.board.task(title) as task:
            run = self._succeeded(watch(self.manager, str(known), task))
        self.curves[method] = self.manager.json(f"{known}/points")
        return run

    @staticmethod
    def _run_of(page: Page) -> str:
        found = re.search(r"/projects/\d+/runs/\d+$", page.url)
        if found is None:
            raise LoopOpen(f"The run could not be started.{page.says}")
        return found.group()

    @staticmethod
    def _succeeded(run: Watched) -> Watched:
        if run.state != "succeeded":
            raise LoopOpen(f"{run.title} ended as {run.state}. {run.error}".strip())
        return run

    def _note_reward(self, run: Watched) -> None:
        summary = run.summary
        self.report["reward_holdout_accuracy"] = summary["eval_accuracy"]
        self.report["reward_holdout_accuracy_low"] = summary["eval_accuracy_low"]
        self.report["reward_holdout_accuracy_high"] = summary["eval_accuracy_high"]
        self.report["reward_run"] = summary

    def _evaluate(self, policy: str) -> None:
        known = self.memory.values.get("evaluation")
        if known is None:
            page = self.manager.get(policy)
            begun = page.html.css_first('a[href*="/policies/evaluations/"]')
            if begun is None:
                page = page.form("/evaluations").set(comparisons=self.sizes.comparisons, overlap=1).send()
                known = re.sub(r"https?://[^/]+", "", page.url).partition("?")[0]
            else:
                known = begun.attributes.get("href")
            self.memory.keep(evaluation=known)
        run = str(known).replace("/policies/evaluations/", "/runs/")
        with self.board.task("Sampling holdout answers of both") as task:
            self._succeeded(watch(self.manager, run, task))
        result = self._result(str(known))
        with self.board.task("Blind comparison, new against base", result["items"], "pairs") as task:
            task.advance(result["judged"])
            while result["judged"] < result["items"]:
                if not label(self.annotators, result["items"] - result["judged"], task.advance):
                    raise LoopOpen("The annotators found no more pairs of the evaluation to answer.")
                result = self._result(str(known))
        self.report["policy_win_rate"] = result["rate"]
        self.report["policy_win_rate_low"] = result["low"]
        self.report["policy_win_rate_high"] = result["high"]
        self.report["comparisons"] = result["judged"] + result["equal"]
        self.report["equal_answers"] = result["equal"]

    def _result(self, evaluation: str) -> dict[str, Any]:
        """What is known so far of an evaluation, by its address."""
        found: dict[str, Any] = self._asked(evaluation.removeprefix(f"{self.project}/"))["result"]
        return found

    def _promote(self, policy: str) -> None:
        """Make the new policy the current one, if the comparison speaks for it."""
        for failing in shortcomings(self.sizes, self.report):
            raise LoopOpen(f"The policy was not promoted: {failing}")
        if "promoted" not in self.memory.values:
            self.manager.get(policy).form("/promote").send()
            self.memory.keep(promoted=policy)
        if policy != f"{self.project}/policies/{self._asked('loop')['in_use_id']}":
            raise LoopOpen("The policy was promoted, but another one is the current policy.")

    def _talk(self) -> list[dict[str, str]]:
        """Ask the current policy, as a person would in chat."""
        said = []
        with self.board.task("Asking the model", len(self.sizes.questions), "questions") as task:
            for question in self.sizes.questions:
                page = self._ask(question)
                response = page.one("[data-chat-answer]").text(separator=" ")
                by = page.one(".answered .by").text().split("·")[0]
                said.append({"question": question, "answer": " ".join(response.split()), "model": " ".join(by.split())})
                task.advance(1)
        return said

    def _ask(self, question: str) -> Page:
        for left in (2, 1, 0):
            page = self.manager.get(f"{self.project}/chat").form("/chat").set(content=question).send()
            if page.has("[data-chat-answer]"):
                return page
            if left:
                time.sleep(5)
        raise LoopOpen(f"The model did not answer in chat.{page.says}")
