"""The SQL of quality: counts over all of a project's labels, so that no label but a count of it leaves the database."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_VOTES = text(
    """
    select annotator_id, place, a, neither, b, count(*) as answers from (
        select l.annotator_id, case l.choice when 'a' then 0 when 'b' then 2 else 1 end as place,
               count(*) filter (where l.choice = 'a') over same as a,
               count(*) filter (where l.choice in ('tie', 'both_bad')) over same as neither,
               count(*) filter (where l.choice = 'b') over same as b
        from label l join pair p on p.id = l.pair_id
        where l.project_id = :project and l.superseded_at is null and p.purpose <> 'check'
        window same as (partition by l.pair_id)
    ) votes where a + neither + b > 1 group by annotator_id, place, a, neither, b
    """
)


def vote_tallies(session: Session, project_id: int) -> list[Any]:
    """(annotator_id, place, a, neither, b, answers): how often each person chose a place (0: a, 1: neither, 2: b) on
    pairs that so many people, they among them, chose a, neither and b on. Standing labels of pairs that several people
    answered; attention checks are not among them, since their answer is known."""
    return list(session.execute(_VOTES, {"project": project_id}))


_FURTHER = text(
    """
    select question, a, neither, b, count(*) as pairs from (
        select q.key as question, count(*) filter (where q.value = 'a') as a,
               count(*) filter (where q.value = 'tie') as neither, count(*) filter (where q.value = 'b') as b
        from label l join pair p on p.id = l.pair_id, jsonb_each_text(l.questions) q
        where l.project_id = :project and l.superseded_at is null and p.purpose <> 'check'
        group by q.key, l.pair_id
    ) answers group by question, a, neither, b order by question
    """
)


def question_tallies(session: Session, project_id: int) -> list[Any]:
    """(question, a, neither, b, pairs): on how many pairs so many people answered a further question with a, neither
    and b. Standing labels; attention checks are not among them."""
    return list(session.execute(_FURTHER, {"project": project_id}))


def work_done(session: Session, project_id: int) -> list[Any]:
    """For each annotator: count, median seconds, answers to choose left and right, ties, both bad, late ones, attention
    checks answered and passed, skips, and when they last answered."""
    return list(
        session.execute(
            text(
                """
                select u.id, u.name, m.paused_at, m.pause_reason,
                       count(l.id) as labels,
                       percentile_cont(0.5) within group (order by l.seconds) as pace,
                       count(*) filter (where l.choice = l."left") as chose_left,
                       count(*) filter (where l.choice in ('a', 'b') and l.choice <> l."left") as chose_right,
                       count(*) filter (where l.choice = 'tie') as ties,
                       count(*) filter (where l.choice = 'both_bad') as both_bad,
                       count(*) filter (where l.late) as late,
                       count(p.id) as checks,
                       count(*) filter (where l.choice = p.expected) as passed,
                       max(l.created_at) as last_at,
                       (select count(*) from assignment s where s.annotator_id = u.id and s.project_id = :project
                        and s.state = 'skipped') as skipped
                from label l left join pair p on p.id = l.pair_id and p.purpose = 'check'
                join "user" u on u.id = l.annotator_id
                left join member m on m.user_id = u.id and m.project_id = :project
                where l.project_id = :project and l.superseded_at is null
                group by u.id, u.name, m.paused_at, m.pause_reason order by count(l.id) desc
                """
            ),
            {"project": project_id},
        )
    )
