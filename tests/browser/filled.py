"""A platform as it looks after some weeks: people, prompts, labels, models, runs and chats, without a worker.

For looking at every page: `fill` writes the rows, `places` are the addresses that are worth a look.
"""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

from sqlalchemy.orm import Session

from app import models as m
from app.settings import get_settings
from tests import factories
from tests.asking import asking
from tests.browser.places import of_parts, of_stages

GUIDELINES = """# Which answer is better?

Prefer the answer that **helps more**: correct first, then complete, then short.

- Choose *Equal* when you cannot tell them apart.
- Choose *Both bad* when neither is of any use.
"""
QUESTIONS = [
    "Why is the sky blue, and why are sunsets red?",
    "Write a limerick about a lighthouse keeper who is afraid of the dark.",
    "My sourdough starter smells of acetone. What should I do?",
    "Explain recursion to a ten-year-old.",
    "What does this do?\n\n```python\nprint(sum(x * x for x in range(10)))\n```",
    "Plan three days in Lisbon with small children, without a car.",
    "Summarise the plot of Hamlet in four sentences.",
    "How do I say no to a colleague who keeps asking for favours?",
    "كيف أتعلم لغة جديدة بسرعة؟",
    "Is it cheaper to lease or to buy a car when I drive 8,000 km a year?",
    "Give me a table of the planets with their diameters and number of moons.",
    "What is the difference between a virus and a bacterium?",
]
ANSWERS = [
    "Sunlight holds all colours. Air scatters **blue** light far more than red: the sky looks blue from everywhere.\n\n"
    "At sunset the light crosses much more air; most of the blue is gone before it arrives, and red is left.",
    "Because of the ocean's reflection.",
    "1. Feed it twice a day with fresh flour and water.\n2. Keep it at 24 °C.\n3. After three days the smell is gone.",
    "Imagine two mirrors that face each other. Each shows the other, smaller and smaller: a thing "
    "that contains itself. A recursive function calls itself on a smaller problem until it "
    "is so small that it is solved at once.",
    "| Planet | Diameter | Moons |\n|---|---|---|\n| Mercury | 4 879 km | 0 |\n"
    "| Earth | 12 742 km | 1 |\n| Jupiter | 139 820 km | 95 |",
    "It depends on how long you keep the car. Up to four years, leasing is usually cheaper at that distance.",
]

BEFORE_AFTER = [  # what is asked, what a policy wrote to it, and what the next one wrote
    ("How many legs does a lobster have?", "It has eight legs, like all insects.",
     "Ten: eight for walking, and the two with the claws."),
    ("Can I freeze cooked rice?", "Rice is a grain that many people like.",
     "Yes, for about a month. Cool it within an hour, freeze it in portions, and heat it until it steams."),
    ("What does *ad hoc* mean?", "It is Latin. Latin is an old language.",
     "Literally *for this*: made for one purpose at hand, without a wider plan."),
    ("Name three rivers that cross a border.", "The Thames, the Rhine and the Seine.",
     "1. The Rhine\n2. The Danube\n3. The Mekong"),
    ("Why do we have leap years?", "Because February is too short.",
     "The Earth takes about 365.24 days around the sun. A day in every fourth year makes up for the quarters."),
    ("Write one sentence in the passive voice.", "I wrote a sentence in the passive voice.",
     "The letter was opened before it reached her."),
    ("What is 15% of 240?", "It is about 15% of the number.", "**36**: a tenth is 24, half of that is 12."),
    ("How do I stop hiccups?", "Hiccups stop.",
     "Hold your breath for ten seconds, or sip cold water slowly. They nearly always go by themselves."),
]  # fmt: skip


@dataclass
class Filled:
    """Who is there, and the addresses to look at, by who looks at them."""

    manager: m.User
    annotator: m.User
    places: dict[str, list[str]] = field(default_factory=dict)
    home: str = ""
    shown: dict[str, str] = field(default_factory=dict)  # pages by what they are about


def fill(session: Session) -> Filled:
    """Write the rows. The project has the number that `places` speak of."""
    manager = factories.user(session, name="Mira Vogel", email="mira@example.org", is_admin=True)
    people = [
        factories.user(session, name=name, email=f"{name.split()[0].lower()}{number}@example.org")
        for number, name in enumerate(["Ada Okafor", "Bob Lindqvist", "Bob Lindqvist", "Chiara Di Benedetto-Hohenfels"])
    ]
    base = factories.base_model(
        session, name="SmolLM2-135M-Instruct", source="builtin:smollm2-135m-instruct", offered=True
    )
    project = factories.project(
        session,
        name="Helpful answers",
        guidelines=GUIDELINES,
        base_model_id=base.id,
        overlap=2,
        check_share=0.05,
        answer=asking(
            levels=3, questions=["Which is more honest?"], reasons=["More correct", "Clearer", "Safer"],
            kinds={"ranking": {"share": 20}},
        ),
    )  # fmt: skip
    empty = factories.project(session, name="Just begun", base_model_id=base.id)
    for each in (project, empty):
        factories.member(session, each, manager, m.Role.MANAGER)
    for number, person in enumerate(people):
        paused = datetime.now(UTC) if number == 3 else None
        reason = "Missed 3 of the last 10 attention checks" if paused else None
        factories.member(session, project, person, paused_at=paused, pause_reason=reason)
    session.add(
        m.Quota(project_id=project.id, tokens=1_000_000, tokens_used=870_000, storage_bytes=50 * 10**9, runs_at_once=4)
    )
    factories.invitation(session, project, manager, note="Grace, from the evening shift")
    factories.api_token(session, manager, name="laptop")
    endpoint = factories.endpoint(session, name="A large model elsewhere")
    items = _items(session, project, base, people)
    rewards, policies = _models(session, project)
    runs = _runs(session, project, rewards, policies, people)
    project.policy_id = policies[0].id
    chat = _chat(session, project, manager, policies[0])
    _events(session, project, manager, people, runs, policies)
    session.flush()
    home = f"/projects/{project.id}"
    shown = {"ppo": f"{home}/runs/{runs['ppo'].id}", "policy": f"{home}/policies/{policies[1].id}"}
    places = of_stages(project, empty, endpoint, items, rewards, policies, runs, chat)
    for who, more in of_parts(session, project, manager, people[0], items[1]).items():
        places[who] += more
    return Filled(manager, people[0], places, home, shown)


def _items(session: Session, project: m.Project, base: m.Model, people: list[m.User]) -> list[m.Item]:
    made = []
    outcomes = cycle([m.Outcome.FIRST, m.Outcome.FIRST, m.Outcome.TIE, m.Outcome.SECOND, m.Outcome.BOTH_BAD])
    for number, (question, answer) in enumerate(zip(QUESTIONS * 2, islice(cycle(ANSWERS), 24), strict=True)):
        split = m.Split.HOLDOUT if number % 6 == 5 else m.Split.TRAIN
        row = factories.prompt(session, project, question if number < 12 else f"{question} ({number})", split=split)
        texts = (answer, ANSWERS[(number + 1) % len(ANSWERS)])
        responses = [
            factories.response(session, row, base, text=text, token_count=12 + 40 * place + number)
            for place, text in enumerate(texts)
        ]
        done = number < 14
        check = number == 13
        made.append(
            factories.item(
                session,
                row,
                base,
                responses=responses,
                overlap_target=2,
                slots_left=0 if done else 2,
                rank=0.1 * number,
                purpose=m.Purpose.CHECK if check else m.Purpose.TRAIN,
                expected={"best": 0} if check else None,
            )
        )
        for place, person in enumerate(people[:3] if done else []):
            if (number + place) % 3:
                comment = "The second one repeats itself, and never says why." if number % 5 == 0 else ""
                outcome = next(outcomes)
                decisive = outcome in (m.Outcome.FIRST, m.Outcome.SECOND)
                factories.label(
                    session, made[-1], person, outcome, seconds=8.0 + 7 * place + number, comment=comment,
                    strength=1 + number % 3 if decisive else None,
                )  # fmt: skip
    for flags in (["e-mail address"], []):
        text = "Write to anna@example.org that I am ill." if flags else "What should I cook from leeks and rice?"
        factories.prompt(session, project, text, status=m.PromptStatus.REVIEW, source=m.PromptSource.CHAT, flags=flags)
    return made


def _share(labels: int, accuracy: float) -> dict[str, float]:
    room = 1 / math.sqrt(labels)
    return {"labels": labels, "accuracy": accuracy, "low": max(0.0, accuracy - room), "high": min(1.0, accuracy + room)}


def _models(session: Session, project: m.Project) -> tuple[list[m.Model], list[m.Model]]:
    labels = list(session.query(m.Label).where(m.Label.project_id == project.id).order_by(m.Label.id))
    report = {
        "labels": 420,
        "holdout": _share(60, 0.7),
        "calibration": [_share(12, 0.5 + 0.05 * step) | {"confidence": 0.525 + 0.05 * step} for step in range(9)],
        "by_length": [
            {"from": low, "to": high, **_share(14, accuracy)}
            for low, high, accuracy in (
                (None, -50, 0.5), (-49, -10, 0.6), (-9, 10, 0.7), (11, 50, 0.8), (51, None, 0.9),
            )
        ],
        "by_annotator": [
            {"annotator_id": person, **_share(20, 0.65 + 0.05 * place)}
            for place, person in enumerate(sorted({label.annotator_id for label in labels}))
        ],
        "agreement": {"comparisons": 88, "share": 0.78, "low": 0.7, "high": 0.86},
        "disputed": [{"label_id": label.id, "gap": 2.5 - 0.3 * place} for place, label in enumerate(labels[:7])],
    }  # fmt: skip
    rewards = []
    for number, (pairs, accuracy) in enumerate([(120, 0.61), (260, 0.67), (420, 0.7)], 1):
        metrics = {
            "pairs": pairs, "eval_accuracy": accuracy, "eval_accuracy_low": accuracy - 0.09,
            "eval_accuracy_high": accuracy + 0.08, "eval_ece": 0.05, "eval_loss": 0.61,
            "eval_length_only_accuracy": 0.58,
        }  # fmt: skip
        kind, name = m.ModelKind.REWARD, f"Reward model {number}"
        rewards.append(
            factories.model(
                session, project, kind=kind, name=name, metrics=metrics | ({"report": report} if number == 3 else {})
            )
        )
    policies = []
    for number, (kl, gain) in enumerate([(2.1, 0.4), (5.8, 0.9)], 1):
        metrics = {
            "kl": kl, "kl_budget": 10.0, "reward_before": -0.12, "reward_after": -0.12 + gain, "reward_gain": gain,
            "reward_gain_low": gain - 0.3, "reward_gain_high": gain + 0.3, "reward_prompts": 40,
            "reward_prompts_chose": False, "episodes": 2048, "updates": 64, "seconds": 5400.0, "stop_reason": None,
        }  # fmt: skip
        parent = policies[-1].id if policies else project.base_model_id
        policies.append(factories.model(session, project, name=f"Policy {number}", metrics=metrics, parent_id=parent))
    for model in (project.base_model, *rewards, *policies):
        folder = get_settings().store / str(model.artifact)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
    return rewards, policies


def _runs(
    session: Session, project: m.Project, rewards: list[m.Model], policies: list[m.Model], people: list[m.User]
) -> dict[str, m.Run]:
    now = datetime.now(UTC)
    ended = {
        "state": m.RunState.SUCCEEDED,
        "created_at": now - timedelta(hours=2, minutes=3),
        "started_at": now - timedelta(hours=2),
        "ended_at": now - timedelta(hours=1),
    }
    runs = {
        "sampling": factories.run(session, project, automatic=True, step=50, total_steps=50, unit="prompts", **ended),
        "reward": factories.training(session, project, step=120, total_steps=120, unit="batches", **ended),
        "ppo": factories.training(
            session, project, "ppo", reward_model_id=rewards[2].id, state=m.RunState.RUNNING, step=40, total_steps=64,
            unit="updates", created_at=now - timedelta(minutes=51), started_at=now - timedelta(minutes=50),
            heartbeat_at=now, worker="worker:1",
            device="CPU, 2 cores", attempt=1, steps_per_second=0.02,
        ),
        "failed": factories.training(
            session, project, state=m.RunState.FAILED, created_at=now - timedelta(hours=3, minutes=2),
            started_at=now - timedelta(hours=3), ended_at=now,
            error="The process was killed for want of memory. Choose a smaller batch, or a machine with more.",
        ),
        "evaluation": factories.run(
            session, project, m.RunKind.EVALUATION, model_id=policies[1].id, baseline_id=policies[0].id, **ended
        ),
    }  # fmt: skip
    for step in range(1, 41):
        for name, value in (
            ("objective/scores", 0.02 * step + 0.1 * math.sin(step)), ("objective/kl", 0.12 * step),
            ("objective/entropy", 3.0 - 0.02 * step), ("loss/value_avg", 1.0 / step), ("episode", 32.0 * step),
        ):  # fmt: skip
            factories.run_metric(session, runs["ppo"], step, value, name)
        factories.run_metric(session, runs["reward"], step * 3, 0.7 - 0.004 * step)
    for step in (20, 40):
        for question, answer in list(zip(QUESTIONS, ANSWERS, strict=False))[:3]:
            prompt = [{"role": "user", "content": question}]
            factories.run_sample(session, runs["ppo"], step, prompt=prompt, response=answer, score=0.4)
    rewards[2].run_id = runs["reward"].id
    for number in range(16):
        asked, *written = BEFORE_AFTER[number % 8]
        row = factories.prompt(
            session, project, asked if number < 3 or number > 10 else f"{asked} ({number})", split=m.Split.HOLDOUT
        )
        pair = [factories.response(session, row, each, text=text) for each, text in zip(policies, written, strict=True)]
        judged = number >= 3
        item = factories.item(
            session, row, project.base_model, responses=pair, purpose=m.Purpose.EVALUATION,
            run_id=runs["evaluation"].id, slots_left=0 if judged else 1, rank=number / 16,
        )  # fmt: skip
        if judged:
            outcome = m.Outcome.FIRST if number in (5, 11) else m.Outcome.TIE if number == 8 else m.Outcome.SECOND
            factories.label(session, item, people[number % 2], outcome, seconds=14.0 + number)
    return runs


def _chat(session: Session, project: m.Project, person: m.User, policy: m.Model) -> m.Conversation:
    chat = factories.conversation(session, project, person, title="Why is the sky blue?", consent=True)
    turns = [
        (QUESTIONS[0], ANSWERS[0]),
        ("And on Mars?", "Little air and much dust: a pale butterscotch."),
    ]
    for number, (asked, answer) in enumerate(turns):
        factories.turn(session, chat, 2 * number, content=asked)
        factories.turn(
            session,
            chat,
            2 * number + 1,
            role=m.TurnRole.ASSISTANT,
            content=answer,
            model_id=policy.id,
            thumb=m.Thumb.UP,
        )
    return chat


def _events(
    session: Session,
    project: m.Project,
    manager: m.User,
    people: list[m.User],
    runs: dict[str, m.Run],
    policies: list[m.Model],
) -> None:
    from app.accounts.audit import record

    here = {"project_id": project.id}
    record(session, manager, "project.created", **here, subject=project, name=project.name)
    record(session, manager, "prompts.imported", **here, source="import", imported=24, duplicates=2, refused=2)
    record(session, None, "sampling_run.queued", **here, subject=runs["sampling"], automatic=True)
    record(session, manager, "member.role_changed", **here, subject=people[1], name=people[1].name, role="manager")
    record(session, manager, "project.settings_changed", **here, subject=project, section="queue", overlap=[1, 2])
    record(
        session, None, "member.paused", **here, user_id=people[3].id, reason="Missed 3 of the last 10 attention checks"
    )
    record(
        session, manager, "policy.promoted", **here, subject=policies[0], previous=project.base_model_id,
        evaluation={"rate": 0.62, "low": 0.53, "high": 0.7}, confirmed=False,
    )  # fmt: skip
