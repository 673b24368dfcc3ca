"""The SQL of quality: counts over all of a project's labels, and what the newest of them say one by one."""

from typing import Any, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.models import Item, Label, Purpose
from app.models.values import LabelValue

_VOTES = text(
    """
    select kind, annotator_id, place, a, neither, b, count(*) as choices from (
        select p.kind, l.annotator_id, case f.outcome when 'first' then 0 when 'second' then 2 else 1 end as place,
               count(*) filter (where f.outcome = 'first') over same as a,
               count(*) filter (where f.outcome in ('tie', 'both_bad')) over same as neither,
               count(*) filter (where f.outcome = 'second') over same as b
        from label l join preference f on f.label_id = l.id and f.question = '' join item p on p.id = l.item_id
        where l.project_id = :project and l.superseded_at is null and p.purpose not in ('check', 'chat')
        window same as (partition by l.item_id, f.first, f.second)
    ) votes where a + neither + b > 1 group by kind, annotator_id, place, a, neither, b
    """
)


def vote_tallies(session: Session, project_id: int) -> list[Any]:
    """(kind, annotator_id, place, a, neither, b, choices): how often each person chose a place (0: a, 1: neither, 2: b)
    on items that so many people, they among them, chose a, neither and b on. Standing labels of items that several
    people labelled; attention checks are not among them, since the right choice is known, nor choices made in chat."""
    return list(session.execute(_VOTES, {"project": project_id}))


_KINDS = text(
    """
    select p.kind, count(*) as labels from label l join item p on p.id = l.item_id
    where l.project_id = :project and l.superseded_at is null and l.assignment_id is not null
    group by p.kind order by p.kind
    """
)


def kinds_labelled(session: Session, project_id: int) -> dict[str, int]:
    """Kind of items -> its standing labels of what the queue asked."""
    return {row.kind: row.labels for row in session.execute(_KINDS, {"project": project_id})}


def judged(session: Session, project_id: int, kind: str) -> list[list[tuple[LabelValue, list[int]]]]:
    """What several people said of each item of a kind, with the order in which each saw it; attention checks and chats
    are not among them."""
    several = (
        select(Label.item_id)
        .join(Item, Item.id == Label.item_id)
        .where(
            Label.project_id == project_id, Label.superseded_at.is_(None), Item.kind == kind,
            Item.purpose.in_([Purpose.TRAIN, Purpose.EVALUATION]),
        )
        .group_by(Label.item_id)
        .having(func.count() > 1)
    )  # fmt: skip
    found = select(Label.item_id, Label.value, Label.order).where(
        Label.item_id.in_(several), Label.superseded_at.is_(None)
    )
    items: dict[int, list[tuple[LabelValue, list[int]]]] = {}
    for row in session.execute(found.order_by(Label.item_id, Label.id)):
        items.setdefault(row.item_id, []).append((row.value, row.order))
    return list(items.values())


_AGREED = text(
    """
    select question, kind, tallies, count(*) as prompts from (
        select question, p.kind, array_agg(array[a, neither, b] order by a, neither, b) as tallies from (
            select l.item_id, f.question, count(*) filter (where f.outcome = 'first') as a,
                   count(*) filter (where f.outcome in ('tie', 'both_bad')) as neither,
                   count(*) filter (where f.outcome = 'second') as b
            from label l join preference f on f.label_id = l.id
            where l.project_id = :project and l.superseded_at is null
            group by l.item_id, f.first, f.second, f.question having count(*) > 1
        ) pairs join item p on p.id = pairs.item_id and p.purpose not in ('check', 'chat')
        group by p.prompt_id, p.kind, question
    ) prompts group by question, kind, tallies order by question, kind, tallies
    """
)


def prompt_tallies(session: Session, project_id: int) -> list[Any]:
    """(question, kind, tallies, prompts): of how many prompts several people judged just these pairs of responses, by
    a question (empty: the main one) on items of a kind; `tallies` has for each pair how many said a, neither and b.
    Standing labels; neither attention checks nor choices made in chat are among them."""
    return list(session.execute(_AGREED, {"project": project_id}))


_WORK = text(
    """
    with said as (
        select l.annotator_id,
               count(*) filter (where clear and chose_earlier) as chose_left,
               count(*) filter (where clear and not chose_earlier) as chose_right,
               count(*) filter (where outcome = 'tie') as ties,
               count(*) filter (where outcome = 'both_bad') as both_bad
        from label l join preference f on f.label_id = l.id and f.question = '' and f.second < 8,
            lateral (select f.outcome in ('first', 'second') as clear,
                            (f.outcome = 'first') = (array_position(l."order", f.first)
                                                     < array_position(l."order", f.second)) as chose_earlier) shown
        where l.project_id = :project and l.superseded_at is null and l.assignment_id is not null
        group by l.annotator_id
    ), done as (
        select annotator_id, count(*) as labels, percentile_cont(0.5) within group (order by seconds) as pace,
               count(*) filter (where late) as late, count(passed) as checks, count(*) filter (where passed) as passed,
               max(created_at) as last_at
        from label where project_id = :project and superseded_at is null and assignment_id is not null
        group by annotator_id
    )
    select u.id, m.paused_at, m.pause_reason, done.*, coalesce(said.chose_left, 0) as chose_left,
           coalesce(said.chose_right, 0) as chose_right, coalesce(said.ties, 0) as ties,
           coalesce(said.both_bad, 0) as both_bad,
           (select count(*) from assignment s where s.annotator_id = u.id and s.project_id = :project
            and s.state = 'skipped') as skipped
    from done join "user" u on u.id = done.annotator_id left join said on said.annotator_id = u.id
    left join member m on m.user_id = u.id and m.project_id = :project order by done.labels desc
    """
)


def work_done(session: Session, project_id: int) -> list[Any]:
    """For each annotator, of what the queue asked them: count, median seconds, how often the response shown earlier (on
    the left) and later was the better one, ties, both bad, late ones, attention checks labelled and passed, skips, and
    when they last labelled. A written response was at no place, so that nobody chose it by that."""
    return list(session.execute(_WORK, {"project": project_id}))


NEWEST = 200_000  # labels that are looked at one by one
AT_ONCE = 2_000  # items whose responses are looked up by one statement

_EACH = text(
    """
    with newest as (
        select l.id, l.annotator_id, l.item_id, l.passed, l.seconds, l."order" from label l
        where l.project_id = :project and l.superseded_at is null and l.assignment_id is not null
        order by l.id desc limit :newest
    )
    select l.id as label_id, l.annotator_id as who, l.item_id, p.prompt_id, f.first, f.second, l.passed, l.seconds,
           p.slots_left = 0 as complete,
           case f.outcome when 'first' then 0 when 'second' then 2 else 1 end as place,
           case when f.outcome in ('first', 'second') then
                (f.outcome = 'first') = (array_position(l."order", f.first) < array_position(l."order", f.second))
           end as chose_left
    from newest l join preference f on f.label_id = l.id and f.question = '' and f.second < 8
    join item p on p.id = l.item_id and p.purpose <> 'chat'
    where p.purpose <> 'check' or l.passed is not null
    order by l.id, f.first, f.second
    """
)
_SHOWN = text(
    """
    select i.item_id, i.position, i.response_id, octet_length(r.text) as length
    from item_response i join response r on r.id = i.response_id where i.item_id = any(:items)
    """
)


class Vote(NamedTuple):
    """What a label says of two responses. passed: of a check; complete: the item has all labels it asks for;
    chose_left: of a clear choice; lengths in bytes."""

    label_id: int
    who: int
    item_id: int
    prompt_id: int
    first: int
    second: int
    passed: bool | None
    seconds: float | None
    complete: bool
    place: int
    chose_left: bool | None
    first_response: int
    first_length: int
    second_response: int
    second_length: int


def votes(session: Session, project_id: int) -> list[Vote]:
    """What each of the newest labels of the queue says of each two responses, in order of label.

    Responses are looked up once an item, and in parts: beside each label it takes longer, and all at once the database
    reads every response that there is."""
    rows = session.execute(_EACH, {"project": project_id, "newest": NEWEST}).all()
    item, first, second = map(Vote._fields.index, ("item_id", "first", "second"))  # quicker than by name
    items = sorted({row[item] for row in rows})
    shown = {}
    for start in range(0, len(items), AT_ONCE):
        for id_, place, *response in session.execute(_SHOWN, {"items": items[start : start + AT_ONCE]}).all():
            shown[id_, place] = response
    return [Vote._make((*row, *shown[row[item], row[first]], *shown[row[item], row[second]])) for row in rows]
