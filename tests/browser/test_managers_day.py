"""A manager's day in a real browser, on all the real processes of `hone up`, with a tiny model: what the pages say is
what the database has. Then a project from its beginning to its clone, and a promotion while people chat."""

import re
import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import func, select, true

from app.accounts import service as accounts
from app.accounts import sessions
from app.accounts.scopes import Scope
from app.models import (
    Label,
    Member,
    Model,
    ModelKind,
    Project,
    Prompt,
    PromptStatus,
    Run,
    RunMetric,
    RunState,
    TrainingConfig,
    Turn,
    TurnRole,
    User,
)
from app.policies import results
from app.policies.queries import items_by_prompt
from app.web.csrf import SESSION_COOKIE
from app.web.filters import decimal, percent
from app.web.signing import digest
from rlhf.tiny_model import tiny_model
from tests import factories
from tests.faults import loop
from tests.faults.annotators import Annotator
from tests.faults.platform import Platform

LABELS, ITEMS = 60, 40


@pytest.fixture(scope="module")
def project_id(platform: Platform) -> int:
    """Forty pairs for two people each."""
    made = loop.make_project(platform, "A day", ITEMS, overlap=2)
    loop.wait_for_items(platform, made, ITEMS - 4)
    return made


@pytest.fixture(scope="module")
def people(platform: Platform, project_id: int) -> list[int]:
    """Six annotators."""
    with platform.session() as session:
        people = [factories.user(session) for _ in range(6)]
        for person in people:
            factories.member(session, session.get_one(Project, project_id), person)
        return [person.id for person in people]


@pytest.fixture(scope="module")
def tokens(platform: Platform, people: list[int]) -> list[str]:
    """Their API tokens."""
    with platform.session() as session:
        return [
            accounts.create_token(session, session.get_one(User, each), "test", [Scope.LABEL])[1] for each in people
        ]


@pytest.fixture(scope="module")
def browsers(platform: Platform, people: list[int]) -> list[str]:
    """The sessions of their browsers, which are signed in."""
    with platform.session() as session:
        return [sessions.start(session, session.get_one(User, each), "test") for each in people]


def annotate(platform: Platform, project_id: int, browsers: list[str], count: int) -> int:
    """People give `count` labels or a few more; how many."""
    people = [Annotator(f"{platform.url}/projects/{project_id}/label", each) for each in browsers]
    for person in people:
        person.thread.start()
    platform.wait_for(lambda: sum(len(person.answered) for person in people) >= count, 60)
    for person in people:
        person.enough.set()
        person.thread.join(20)
    return sum(len(person.answered) for person in people)


def add_policy(platform: Platform, project_id: int, name: str, seed: int) -> int:
    """Register a policy that says something else than the base model."""
    model, tokenizer = tiny_model(seed)
    for part in (model, tokenizer):
        part.save_pretrained(platform.folder / "store/models" / name)
    with platform.session() as session:
        project = session.get_one(Project, project_id)
        return factories.model(session, project, name=name, artifact=f"models/{name}").id


def test_a_managers_day(platform: Platform, platform_page: Page, project_id: int, browsers: list[str]) -> None:
    page, base = platform_page, f"{platform.url}/projects/{project_id}"
    page.on("dialog", lambda dialog: dialog.accept())
    _sign_in(platform, page)
    _set_automation(page, base)
    _watch_labels_and_the_training_that_follows(platform, page, base, project_id, browsers)
    first = _train_a_policy(page, base)
    second = _copy_cancel_and_resume(platform, page, base, first)
    _compare(platform, page, base, [first, second])
    rival = add_policy(platform, project_id, "Rival", seed=3)  # the PPO's best may still be the base model
    _promote_without_evaluation(page, base, rival)
    policy_id = _evaluate(platform, page, base, project_id, second, browsers)
    _promote_and_roll_back(platform, page, base, project_id, policy_id, rival)


def test_a_new_project_is_filled_joined_cleaned_up_and_cloned(
    platform: Platform, platform_page: Page, browser: Browser
) -> None:
    page = platform_page
    page.on("dialog", lambda dialog: dialog.accept())
    _sign_in(platform, page)
    base = _begin(platform, page)
    _import(platform, page, base)
    _invite(platform, page, base, browser)
    _withdraw_many(platform, page, base)
    _clone(platform, page, base)


def _begin(platform: Platform, page: Page) -> str:
    """The checklist of an empty project says what comes first."""
    page.goto(platform.url)
    page.get_by_role("link", name="New project").click()
    page.get_by_label("Name").fill("From scratch")
    page.get_by_label("Begin with the starter prompts").uncheck()
    page.get_by_role("button", name="Create project").click()
    page.wait_for_url(re.compile(r"/projects/\d+$"))
    steps = page.get_by_role("region", name="First steps")
    expect(steps).to_contain_text("0 of 6 done")
    expect(steps.get_by_role("link", name="Open prompts")).to_be_visible()
    return page.url


def _import(platform: Platform, page: Page, base: str) -> None:
    """Prompts from a file; the overview ticks the step without being loaded again."""
    lines = [f"Name {number} things that fly." for number in range(2, 14)]
    page.goto(f"{base}/imports")
    page.get_by_label("File").set_input_files(
        {"name": "mine.txt", "mimeType": "text/plain", "buffer": "\n".join(lines).encode()}
    )
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Import mine.txt")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url(re.compile(r"/imports/\d+$"))
    page.goto(base)
    steps = page.get_by_role("region", name="First steps")
    expect(steps).to_contain_text(f"{len(lines)} prompts", timeout=60_000)
    with platform.session() as session:
        project_id = int(base.rsplit("/", 1)[1])
        found = session.scalar(select(func.count()).select_from(Prompt).where(Prompt.project_id == project_id))
    assert found == len(lines)


def _invite(platform: Platform, page: Page, base: str, browser: Browser) -> None:
    """Somebody without an account joins by the link, in a browser of their own."""
    page.goto(f"{base}/people")
    page.get_by_label("For whom").fill("Grace")
    page.get_by_role("button", name="Create link").click()
    link = page.get_by_label("Link", exact=True).input_value()
    with browser.new_context() as theirs:
        other = theirs.new_page()
        other.goto(link)
        other.get_by_label("Name").fill("Grace")
        other.get_by_label("E-mail").fill("grace@example.org")
        other.get_by_label("Password").fill("a few words in a row")
        other.get_by_role("button", name="Create account and join").click()
        expect(other.get_by_role("link", name="Compare answers")).to_be_visible()
    page.goto(f"{base}/people")
    expect(page.get_by_role("row", name=re.compile("grace@example.org"))).to_contain_text("annotator")


def _withdraw_many(platform: Platform, page: Page, base: str) -> None:
    """All that a search finds, after the page has asked with their number."""
    page.goto(f"{base}/prompts?search=1")
    for mark in page.get_by_label(re.compile("^Mark prompt")).all():
        mark.check()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_role("heading", name="Withdraw 4 prompts?")).to_be_visible()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Withdraw: 4 prompts.")).to_be_visible()
    with platform.session() as session:
        project_id = int(base.rsplit("/", 1)[1])
        gone = select(func.count()).where(Prompt.project_id == project_id, Prompt.status == PromptStatus.WITHDRAWN)
        assert session.scalar(gone) == 4


def _clone(platform: Platform, page: Page, base: str) -> None:
    """With its people, its prompts and its automation, and none of its labels."""
    page.goto(f"{base}/settings")
    page.get_by_role("link", name="Clone project").click()
    page.get_by_label("Name").fill("The next day")
    page.get_by_label("People").check()
    page.get_by_role("button", name="Clone project").click()
    page.wait_for_url(re.compile(r"/projects/\d+$"))
    expect(page.get_by_role("heading", name="The next day", level=1)).to_be_visible()
    with platform.session() as session:
        clone, source = (session.get_one(Project, int(url.rsplit("/", 1)[1])) for url in (page.url, base))
        assert clone.automation == source.automation
        members, prompts = (
            [
                session.scalar(select(func.count()).where(table.project_id == each.id, wanted))
                for each in (source, clone)
            ]
            for table, wanted in ((Member, true()), (Prompt, Prompt.status == PromptStatus.ACTIVE))
        )
        assert (members, prompts) == ([2, 2], [8, 8])
        assert session.scalar(select(func.count()).where(Label.project_id == clone.id)) == 0


def _sign_in(platform: Platform, page: Page) -> None:
    token = uuid4().hex
    with platform.session() as session:
        manager, until = session.get_one(User, 1), datetime.now(UTC) + timedelta(hours=1)
        factories.web_session(session, manager, token_hash=digest(token), expires_at=until)
    page.context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": platform.url}])


def _set_automation(page: Page, base: str) -> None:
    page.goto(f"{base}/settings")
    form = page.locator("#automation")
    form.get_by_label("Train reward models").check()
    form.get_by_label("New labels between reward models").fill(str(LABELS))
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def _watch_labels_and_the_training_that_follows(
    platform: Platform, page: Page, base: str, project_id: int, browsers: list[str]
) -> None:
    """All on the overview, which is not loaded again."""
    page.goto(base)
    training = page.get_by_role("group", name="Train the reward model")
    expect(training).to_contain_text(f"Waits for {LABELS} more labels.")
    given = annotate(platform, project_id, browsers[:2], LABELS)
    expect(_figure(page, "Labels")).to_have_text(str(given))
    with platform.session() as session:
        assert session.scalar(select(func.count()).where(Label.project_id == project_id)) == given
    expect(training.get_by_role("link", name=re.compile(r"run \d+"))).to_be_visible(timeout=30_000)
    expect(training).to_contain_text(re.compile("on holdout|succeeded"), timeout=120_000)
    with platform.session() as session:
        model = session.scalars(
            select(Model).where(Model.project_id == project_id, Model.kind == ModelKind.REWARD)
        ).one()
        run = session.get_one(Run, model.run_id)
        assert (run.automatic, run.method) == (True, "reward")
        measured = model.metrics.get("eval_accuracy")  # None where all holdout labels happen to be ties
        accuracy = percent(measured)
    outcome = "succeeded" if measured is None else f"reached {accuracy} on holdout"
    expect(training).to_contain_text(f"run {run.id} {outcome}")
    expect(_figure(page, "Reward models")).to_have_text(accuracy)


def _figure(page: Page, stage: str) -> Locator:
    found = page.locator(".stage").filter(has=page.get_by_role("link", name=stage, exact=True))
    return found.locator(".stat b")


def _train_a_policy(page: Page, base: str) -> int:
    page.goto(f"{base}/policies")
    page.get_by_role("link", name="Train a policy with PPO").click()
    page.get_by_label("Episodes").fill("16")
    page.get_by_label("Batch size").fill("8")
    page.get_by_label("Longest response").fill("8")
    page.get_by_role("button", name="Train").click()
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    expect(page.locator("#panel .badge")).to_have_text("succeeded", timeout=120_000)
    return int(page.url.rsplit("/", 1)[1])


def _copy_cancel_and_resume(platform: Platform, page: Page, base: str, first: int) -> int:
    page.get_by_role("link", name="Change and run again").click()
    expect(page.get_by_label("Longest response")).to_have_value("8")
    page.get_by_label("Episodes").fill("120")
    page.get_by_label("Batch size").fill("4")
    page.get_by_text("Advanced").click()
    page.get_by_label("Evaluate every").fill("10")
    page.get_by_role("button", name="Train").click()
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    run_id, badge = int(page.url.rsplit("/", 1)[1]), page.locator("#panel .badge")
    expect(page.locator("#panel")).to_contain_text(re.compile(r"[1-9]\d* of 30 updates"), timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    expect(badge).to_have_text("cancelled", timeout=60_000)
    done = loop.steps(platform, run_id, "objective/kl")
    assert 0 < len(done) < 30
    page.get_by_role("button", name="Resume").click()
    expect(badge).to_have_text("succeeded", timeout=120_000)
    assert loop.steps(platform, run_id, "objective/kl") == list(range(1, 31))
    run = loop.run_of(platform, run_id)
    assert (run.parent_id, run.attempt) == (first, 2)
    assert run.asked(TrainingConfig).settings["batch_size"] == 4
    return run_id


def _compare(platform: Platform, page: Page, base: str, run_ids: list[int]) -> None:
    """Both runs in one chart; the table has their last values, the newest run first."""
    run_ids = sorted(run_ids, reverse=True)
    page.goto(f"{base}/runs/compare")
    for run_id in run_ids:
        page.get_by_label(f"PPO {run_id}").check()
    page.get_by_role("button", name="Show").click()
    chart = page.locator(".chart", has_text="KL to the reference").first
    expect(chart.locator("canvas")).to_be_visible()
    for run_id in run_ids:
        expect(chart.locator(".legend")).to_contain_text(f"PPO {run_id}: Training KL")
    with platform.session() as session:
        for name in ("objective/kl", "objective/scores"):
            found = select(RunMetric.value).where(RunMetric.name == name).order_by(RunMetric.step.desc()).limit(1)
            last = [decimal(session.scalars(found.where(RunMetric.run_id == run_id)).one(), 4) for run_id in run_ids]
            row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))
            expect(row.get_by_role("cell")).to_have_text(last)


def _promote_without_evaluation(page: Page, base: str, policy_id: int) -> None:
    """It is asked twice."""
    page.goto(f"{base}/policies/{policy_id}")
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_text("has no blind evaluation against tiny 1")).to_be_visible()
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_text("chat and sampling answer with it from now on")).to_be_visible()


def _evaluate(platform: Platform, page: Page, base: str, project_id: int, ppo: int, browsers: list[str]) -> int:
    """Launch, have people judge every pair in the ordinary screen, read the result."""
    with platform.session() as session:
        policy_id = session.scalars(select(Model.id).where(Model.run_id == ppo)).one()
    page.goto(f"{base}/policies/{policy_id}")
    page.get_by_label("Comparisons").fill("6")
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url(re.compile(r"/evaluations/\d+$"))
    evaluation, run_id = page.url, int(page.url.rsplit("/", 1)[1])
    assert loop.wait_for_end(platform, run_id).state is RunState.SUCCEEDED
    with platform.session() as session:
        waiting = sum(items_by_prompt(session, run_id).values())
    annotate(platform, project_id, browsers[2:], waiting)
    with platform.session() as session:
        result = results.evaluation_result(session, session.get_one(Run, run_id))
    assert result.judged == result.items > 0
    page.goto(evaluation)
    expect(page.get_by_text(f"{result.judged} of {result.items} pairs judged")).to_be_visible()
    assert result.rate is not None
    shown = page.get_by_role("region", name="Result").locator(".stat").first
    expect(shown).to_contain_text(percent(result.rate, 1))
    expect(shown).to_contain_text(f"{percent(result.low, 1)} to {percent(result.high, 1)}")
    return policy_id


def _promote_and_roll_back(
    platform: Platform, page: Page, base: str, project_id: int, policy_id: int, before: int
) -> None:
    def current() -> int | None:
        with platform.session() as session:
            return session.get_one(Project, project_id).policy_id

    page.goto(f"{base}/policies/{policy_id}")
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_text("chat and sampling answer with it from now on")).to_be_visible()
    assert current() == policy_id
    page.goto(f"{base}/policies")
    expect(page.get_by_role("region", name="Current policy")).to_contain_text("Policy 2")
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("Rival is the current policy again.")).to_be_visible()
    assert current() == before


class Chatter:
    """Somebody who chats on and on: (sent at, status, the model of the answer, its state)."""

    def __init__(self, url: str, token: str, enough: Event) -> None:
        self.url, self.token, self.enough = url, token, enough
        self.heard: list[tuple[float, int, int | None, str]] = []
        self.thread = Thread(target=self.chat, daemon=True)
        self.thread.start()

    def chat(self) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, timeout=60) as client:
            while not self.enough.wait(0.1):
                sent = time.monotonic()
                answer = client.post(self.url, json={"content": "Say something."})
                turn = answer.json()["turns"][-1] if answer.is_success else {"model_id": None, "state": answer.text}
                self.heard.append((sent, answer.status_code, turn["model_id"], turn["state"]))


def test_no_chat_request_fails_while_a_policy_is_promoted(
    platform: Platform, project_id: int, tokens: list[str]
) -> None:
    with platform.session() as session:
        project = session.get_one(Project, project_id)
        old = project.policy_id or project.base_model_id
        manager = accounts.create_token(session, session.get_one(User, 1), "promotes", list(Scope))[1]
    policy_id = add_policy(platform, project_id, "Another", seed=2)
    enough, api = Event(), f"{platform.url}/api/v1/projects/{project_id}"
    people = [Chatter(f"{api}/chat", token, enough) for token in tokens]
    try:
        platform.wait_for(lambda: all(len(person.heard) >= 2 for person in people), 60)
        promoted = httpx.post(
            f"{api}/policies/{policy_id}/promote",
            json={"confirm_without_evaluation": True},
            headers={"Authorization": f"Bearer {manager}"},
            timeout=30,
        )
        done = time.monotonic()
        assert promoted.status_code == 200, promoted.text
        platform.wait_for(lambda: all(sum(each[0] > done for each in person.heard) >= 2 for person in people), 60)
    finally:
        enough.set()
        for person in people:
            person.thread.join(60)
    heard = [each for person in people for each in person.heard]
    assert {(status, state) for _, status, _, state in heard} == {(201, "done")}
    assert {model_id for sent, _, model_id, _ in heard if sent > done} == {policy_id}
    assert {model_id for _, _, model_id, _ in heard} == {old, policy_id}
    with platform.session() as session:
        written = select(Turn.model_id, func.count()).where(Turn.role == TurnRole.ASSISTANT).group_by(Turn.model_id)
        counts = {row[0]: row[1] for row in session.execute(written.where(Turn.model_id.in_([old, policy_id])))}
        assert session.scalar(select(func.count()).where(Turn.role == TurnRole.ASSISTANT, Turn.model_id.is_(None))) == 0
    assert counts[policy_id] == sum(model_id == policy_id for _, _, model_id, _ in heard)
