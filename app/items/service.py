"""The rules of the items in the queue: how it is filled and ordered, and what takes them out. Who gets which is in
`app.labels.leases`."""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.annotation import KINDS
from app.items import filling, plan, queries, queue
from app.models import (
    Item,
    ItemResponse,
    Level,
    Project,
    Prompt,
    PromptStatus,
    Purpose,
    Response,
    Run,
    SamplingConfig,
    Strategy,
    User,
)
from app.prompts import queries as prompt_queries
from app.runs import service as runs
from app.web.cache import Cache
from app.web.errors import Conflict, NotFound
from app.web.markdown import rendering, to_html, to_kept_html

_draw = random.SystemRandom()
_counted: Cache[dict[str, int]] = Cache()


def counts(session: Session, project: Project) -> tuple[dict[str, int], datetime | None]:
    """How many items there are by state, as `queries.counts` has them; and when they were counted, where that was a
    while ago: of a million they are not counted for everybody who looks."""
    return _counted.aged((project.id, project.overlap), lambda: queries.counts(session, project))


def withdraw_prompts(session: Session, project: Project, actor: User, prompt_ids: Sequence[int]) -> int:
    """Take prompts and their items out of the loop. Labels stay; open leases on the items end."""
    old = [PromptStatus.ACTIVE, PromptStatus.REVIEW, PromptStatus.REFUSED]
    moved = prompt_queries.set_status(session, project.id, prompt_ids, old, PromptStatus.WITHDRAWN)
    if moved:
        items = queue.withdraw(session, project.id, prompt_ids=moved)
        told: dict[str, Any] = {"prompts": moved[:1000], "count": len(moved), "items": len(items)}
        audit.record(session, actor, "prompts.withdrawn", project_id=project.id, **told)
    return len(moved)


def withdraw_items(session: Session, project: Project, actor: User, item_ids: Sequence[int]) -> int:
    """Take items out of the queue; their labels stay."""
    ids = queue.withdraw(session, project.id, item_ids=item_ids)
    if ids:
        audit.record(session, actor, "items.withdrawn", project_id=project.id, items=ids[:1000], count=len(ids))
    return len(ids)


def ask_again(session: Session, project: Project, actor: User, item_ids: Sequence[int], extra: int = 1) -> int:
    """Ask for `extra` more labels on these items, by people who have not seen them; how many items."""
    changed = queue.raise_overlap(session, project.id, item_ids, extra)
    if not changed:
        raise Conflict("None of these pairs can be asked for again.")
    audit.record(session, actor, "items.asked_again", project_id=project.id, items=changed[:1000], count=len(changed))
    return len(changed)


def ask_done_again(session: Session, project: Project, actor: User, item_ids: Sequence[int]) -> int:
    """Ask for one more label on those of these items that wait for none, so that asking twice asks once; how many."""
    changed = queue.raise_overlap(session, project.id, item_ids, 1, done=True)
    if changed:
        audit.record(
            session, actor, "items.asked_again", project_id=project.id, items=changed[:1000], count=len(changed)
        )
    return len(changed)


def put_first(session: Session, project: Project, actor: User, item_ids: Sequence[int]) -> int:
    """Let those of these items that wait for a label come before the others; how many."""
    changed = queue.put_first(session, project.id, item_ids)
    if changed:
        audit.record(session, actor, "items.put_first", project_id=project.id, items=changed[:1000], count=len(changed))
    return len(changed)


def adopt_overlap(session: Session, project: Project, actor: User) -> int:
    """Ask for the project's number of labels on items that wait for another number; how many changed."""
    count = queue.adopt_overlap(session, project.id, project.overlap)
    if count:
        audit.record(session, actor, "items.overlap_changed", project_id=project.id, count=count, now=project.overlap)
    return count


def plan_sampling(
    session: Session,
    project: Project,
    actor: User | None = None,
    automatic: bool = True,
    count: int | None = None,
) -> Run | None:
    """Queue a sampling run where fewer items wait than the project keeps; None where there is nothing to do.

    It asks the models of the project's plan, on the prompts sampled least often. `count` asks for
    so many prompts whatever the queue holds. Asked for by a person (not `automatic`), refusals say why.
    """
    if project.archived_at:
        return None
    queries.lock_project(session, project.id)
    amount = filling.decide(session, project, count).amount if automatic else _asked_for(session, project, count)
    kind, amount = _lacking(session, project, amount)
    if amount > 0 and not plan.wanted(project, kind):
        _add_unsampled(session, project, kind, amount)
        return None
    parts = plan.parts(session, project, _draw.randrange(2**31), plan.wanted(project, kind))
    prompt_ids = queries.prompts_to_sample(session, project.id, parts[0].model.id, amount) if amount > 0 else []
    if not prompt_ids:
        if automatic or amount <= 0:
            return None
        raise Conflict("There are no prompts to sample answers for. Import prompts first.")
    config = plan.config(parts, project.plan.compare == "across", kind, prompt_ids)
    return runs.create(session, project, config, model=parts[0].model, created_by=actor, automatic=automatic)


def _add_unsampled(session: Session, project: Project, kind: str, count: int) -> None:
    """Put prompts into the queue as they are, for a kind of items that shows no sampled responses."""
    for prompt in queries.prompts_without(session, project.id, kind, count):
        render_prompt(prompt)
        control = _draw.random() < project.control_share
        more = {"purpose": Purpose.TRAIN, "rank": _draw.random(), "control": control}
        add(session, kind, prompt, [], overlap=project.overlap, **more)


def _lacking(session: Session, project: Project, amount: int) -> tuple[str, int]:
    """The kind of items that the queue is furthest below its share of, and how many of `amount` are to be of it."""
    asked = project.answer.asked
    if len(asked) == 1:
        return next(iter(asked)), amount
    waiting = queries.open_by_kind(session, project.id)
    total = sum(waiting.get(kind, 0) for kind in asked) + amount
    lacks = {kind: asked[kind] * total - waiting.get(kind, 0) for kind in asked}
    kind = max(lacks, key=lambda each: lacks[each])
    return kind, min(amount, max(1, round(lacks[kind])))


def _asked_for(session: Session, project: Project, count: int | None) -> int:
    """How many prompts a person's request comes to; 0 while a sampling run is under way."""
    if queries.sampling_is_active(session, project.id):
        return 0
    if (model := plan.unready(session, project)) is not None:
        raise Conflict(f"{model.name} is not ready ({model.state.value}), so nothing can be sampled from it.")
    if count is not None:
        return count
    newest_only = plan.newest(session, project) if project.automation.refresh_pairs else None
    return project.queue_depth - queries.open_items(session, project.id, project.queue_depth, newest_only)


def sampling_rows(session: Session, run: Run) -> list[dict[str, Any]]:
    """What the sampler gets: {"id", "prompt": messages} for each prompt of the run that is still active."""
    prompt_ids = run.asked(SamplingConfig).prompt_ids
    prompts = queries.prompts_in_order(session, runs.project_of(run), prompt_ids)
    return [{"id": prompt.id, "prompt": prompt.messages} for prompt in prompts]


def add_sampled(
    session: Session,
    run: Run,
    prompt_id: int,
    sampled: Sequence[Sequence[dict[str, Any]]],
    wanted: Sequence[plan.Place] | None = None,
) -> Item | None:
    """Keep what the models of a run's plan gave to a prompt, in the plan's order, and put some of it into the queue:
    what is `wanted`, or else by chance.

    The item that is there already where it comes again; None where fewer different responses are left than an item of
    the run's kind shows, or the prompt was withdrawn meanwhile: there is nothing to judge.
    """
    project = session.get_one(Project, run.project_id)
    prompt = prompt_queries.get(session, project.id, prompt_id)
    if prompt is None or prompt.status is not PromptStatus.ACTIVE:
        return None
    known = queries.sampled_item(session, run.id, prompt.id)
    if known is not None:
        return known
    texts = [[each["text"] for each in group] for group in sampled]
    config = run.asked(SamplingConfig)
    kind = config.item_kind
    draw = random.Random(f"{run.id}/{prompt.id}")  # noqa: S311  the same each time
    shown = plan.wanted(project, kind)
    chosen = wanted or plan.choose(texts, shown, config.across, draw, KINDS[kind].responses.start)
    if chosen is None:
        return None
    models = [part.model.id for part in plan.parts_of(session, run)]
    responses = {
        (source, place): sampled_response(run, models[source], prompt.id, each)
        for source, group in enumerate(sampled)
        for place, each in enumerate(group)
    }
    render_prompt(prompt)
    try:
        with session.begin_nested():
            session.add_all(responses.values())
            item = add(
                session,
                kind,
                prompt,
                [responses[each] for each in sorted(chosen)],
                run_id=run.id,
                purpose=Purpose.TRAIN,
                rank=_draw.random(),
                control=_draw.random() < project.control_share,
                chosen=wanted is not None,
                overlap=project.overlap,
            )
    except IntegrityError:  # another worker was first
        return queries.sampled_item(session, run.id, prompt.id)
    return item


def add(
    session: Session, kind: str, prompt: Prompt, responses: Sequence[Response], *, overlap: int, **more: Any
) -> Item:
    """Put a prompt with these responses into the queue: the one place where items are made."""
    item = Item(
        project_id=prompt.project_id, prompt_id=prompt.id, kind=kind, overlap_target=overlap, slots_left=overlap, **more
    )
    item.item_responses = [
        ItemResponse(position=position, response=response) for position, response in enumerate(responses)
    ]
    session.add(item)
    session.flush()
    return item


def render_prompt(prompt: Prompt) -> None:
    """Keep the HTML of a prompt that is about to be compared, unless what is kept is up to date."""
    if prompt.html_by != rendering():
        prompt.html = [to_html(message["content"], "message") for message in prompt.messages]
        prompt.html_by = rendering()


def sampled_response(run: Run, model_id: int, prompt_id: int, sampled: dict[str, Any]) -> Response:
    """A row for one answer as the sampler wrote it."""
    return Response(
        prompt_id=prompt_id,
        model_id=model_id,
        run_id=run.id,
        text=sampled["text"],
        html=to_kept_html(sampled["text"]),
        html_by=rendering(),
        finish_reason=sampled["finish_reason"],
        token_count=sampled["tokens"],
        strategy=Strategy(sampled["strategy"]),
        temperature=sampled.get("temperature"),
        top_p=sampled.get("top_p"),
        top_k=sampled.get("top_k"),
        seed=sampled.get("seed"),
    )


CHECK_SLOTS = 1_000_000  # everybody may meet a check once


def add_checks(session: Session, project: Project, actor: User, count: int) -> int:
    """Make up to `count` attention checks out of responses that are there: responses to the prompt and among them one
    to another prompt, which nobody who reads them all prefers. Their kinds are those that the project asks, by their
    shares. How many were made; Conflict where there is no material."""
    asked = {name: share for name, share in project.answer.asked.items() if KINDS[name].checks}
    if not asked:
        raise Conflict("There are no attention checks of what this project asks.")
    made = 0
    for prompt_id, own, foreign in queries.material_for_checks(session, project.id, count):
        fitting = {name: share for name, share in asked.items() if len(own) >= KINDS[name].responses.start - 1}
        if not fitting:
            continue
        kind = KINDS[_draw.choices([*fitting], [*fitting.values()])[0]]
        ids = own[: kind.wanted(project.answer.kinds[kind.name]) - 1]
        shown, odd = [session.get_one(Response, id_) for id_ in ids], session.get_one(Response, foreign)
        if odd.text.strip() in [response.text.strip() for response in shown]:
            continue
        place = _draw.randint(0, len(ids))
        shown.insert(place, odd)
        add(
            session,
            kind.name,
            session.get_one(Prompt, prompt_id),
            shown,
            purpose=Purpose.CHECK,
            expected=kind.expects(place),
            overlap=CHECK_SLOTS,
        )
        made += 1
    if not made:
        raise Conflict("There are not enough finished answers to make attention checks of. Sample some pairs first.")
    audit.record(session, actor, "checks.added", project_id=project.id, count=made)
    return made


def ask_soon(session: Session, project: Project, actor: User, item: Item) -> None:
    """Send an item to one more person, before those that only train."""
    if item.slots_left > 0:
        raise Conflict("This pair waits for another label already.")
    ask_again(session, project, actor, [item.id])
    item.level = min(item.level, Level.AGAIN)
    session.flush()


def get(session: Session, project: Project, item_id: int) -> Item:
    """The item, or NotFound."""
    item = queries.get(session, project.id, item_id)
    if item is None:
        raise NotFound("This pair does not exist.")
    return item
