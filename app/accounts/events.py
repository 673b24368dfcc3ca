"""The audit trail in sentences: "Hone queued sampling run 13", "Ana made Bob a manager".

Each action has its sentence here. Names of people and models are those of today; what an event itself recorded (a name
that was, a reason, a number) comes from its details. Knows no stage.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import queries
from app.models import AuditEvent, Model, RunKind, User
from app.web.filters import plural
from app.web.pages import Page

LONGEST = 80  # characters of a value in a sentence
ABBREVIATION = 4  # letters that a method's name has at most where it is one, such as PPO


@dataclass(frozen=True)
class Told:
    """An event with its sentence, which begins with who did it."""

    id: int
    at: datetime
    sentence: str
    action: str
    actor_id: int | None
    actor_name: str | None
    project_id: int | None
    subject_type: str | None
    subject_id: int | None
    details: Mapping[str, Any]


class Words(dict[str, Any]):
    """What a sentence may name: `who`, `subject`, `id`, `person`, `previous`, and the event's details."""

    def __missing__(self, name: str) -> str:
        return "an unknown " + name.replace("_", " ")

    def counted(self, name: str, one: str, many: str | None = None) -> str:
        """`3 labels`, of a number or of a list; `count` says how long that was, where only its beginning is kept."""
        value = self.get(name) or 0
        return plural(self.get("count", len(value)) if isinstance(value, list) else value, one, many)

    def after(self, name: str, before: str) -> str:
        """What was recorded under this name, after these words; nothing where it was empty."""
        value = self.get(name)
        return f"{before}{_short(value)}" if value not in (None, "") else ""


CALLED = {"overlap": "labels per pair", "queue_depth": "open pairs to keep ready", "control_share": "random share"}

Sentence = str | Callable[[Words], str]


def tell(session: Session, events: Page[AuditEvent]) -> Page[Told]:
    """A page of events in sentences."""
    people: set[Any] = {event.subject_id for event in events.items if event.subject_type == User.__tablename__}
    people |= {event.details.get("user_id") for event in events.items}
    models: set[Any] = {event.subject_id for event in events.items if event.subject_type == Model.__tablename__}
    models |= {event.details.get("previous") for event in events.items}
    names = queries.names(session, _numbers(people), _numbers(models))
    return Page([_told(event, names) for event in events.items], events.before)


def _numbers(ids: Iterable[Any]) -> list[int]:
    return sorted(each for each in ids if isinstance(each, int))


def _told(event: AuditEvent, names: Mapping[tuple[str, int], str]) -> Told:
    details: dict[str, Any] = dict(event.details)
    kind = (event.subject_type or "").replace("_", " ")
    called = names.get((event.subject_type or "", event.subject_id or 0))
    words = Words(details)
    words["who"] = event.actor.shown if event.actor else "Hone"
    if event.subject_id:
        words["id"] = event.subject_id
        words["subject"] = called or f"{kind} {event.subject_id}"
    for name, table, number in (
        ("person", User.__tablename__, details.get("user_id")),
        ("previous", Model.__tablename__, details.get("previous")),
    ):
        if number:
            words[name] = names.get((table, number), f"{table} {number}")
    sentence = SENTENCES.get(event.action, _unknown)
    return Told(
        id=event.id,
        at=event.at,
        sentence=sentence.format_map(words) if isinstance(sentence, str) else sentence(words),
        action=event.action,
        actor_id=event.actor_id,
        actor_name=event.actor.shown if event.actor else None,
        project_id=event.project_id,
        subject_type=event.subject_type,
        subject_id=event.subject_id,
        details=details,
    )


def _short(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    text = ("on" if value else "off") if isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _changes(words: Words) -> str:
    """What was changed, from what to what, after a colon; long texts and lists by name alone."""
    said = []
    for name, value in words.items():
        if isinstance(value, list) and len(value) == 2:
            told = CALLED.get(name, name.replace("_", " "))
            plain = all(each is None or isinstance(each, str | bool | int | float) for each in value)
            if plain and all(len(str(each)) <= LONGEST for each in value):
                told += f" from {_short(value[0])} to {_short(value[1])}"
            said.append(told)
    return ": " + ", ".join(said) if said else ""


def _unknown(words: Words) -> str:
    return f"{words['who']} did something to {words['subject']} that this version of Hone has no words for"


def _a(role: Any) -> str:
    return f"an {role}" if str(role)[:1] in "aeiou" else f"a {role}"


def _promoted(words: Words) -> str:
    if words.get("rolled_back"):
        return f"{words['who']} rolled back from {words['previous']} to {words['subject']}"
    evidence = words.get("evaluation")
    if evidence:
        shown = f": {evidence['rate']:.0%} blind wins" if evidence.get("rate") is not None else ""
        return f"{words['who']} promoted {words['subject']} in place of {words['previous']}{shown}"
    return f"{words['who']} promoted {words['subject']} in place of {words['previous']}, without evidence"


def _refreshed(words: Words) -> str:
    told = f"{words['who']} withdrew {words.counted('withdrawn', 'untouched pair')} of the model before"
    return told + words.after("run", ", and queued run ") + (" for new ones" if words.get("run") else "")


def _imported(words: Words) -> str:
    told = f"{words['who']} imported {words.counted('imported', 'prompt')}"
    told += f", left out {words.counted('duplicates', 'duplicate')}" if words.get("duplicates") else ""
    return told + (f", skipped {words.counted('refused', 'invalid line')}" if words.get("refused") else "")


def _refused_label(words: Words) -> str:
    reason = "it belongs to somebody else" if words.get("reason") == "foreign" else words["reason"]
    return f"An answer by {words['who']} was refused: {reason}"


def _paused(words: Words) -> str:
    name = words.get("name") or words["person"]
    return f"{words['who']} paused {name}" + words.after("reason", ": ")


def _queued(kind: RunKind) -> Sentence:
    def sentence(words: Words) -> str:
        method = words.get("method")
        if not method:
            return f"{words['who']} queued {kind.value} run {words['id']}"
        name = str(method).upper() if len(str(method)) <= ABBREVIATION else str(method).replace("_", " ")
        return f"{words['who']} queued {name} training, run {words['id']}"

    return sentence


SENTENCES: dict[str, Sentence] = {
    "answer.refused": _refused_label,
    "api_token.created": "{who} created the API token “{name}”",
    "api_token.revoked": "{who} revoked the API token “{name}”",
    "base_model.offered": "{who} offered the base model {subject} to managers",
    "chat.labels_withdrawn": lambda words: (
        f"{words['who']} took back {words.counted('labels', 'label')} made in chat, with the consent to share them"
    ),
    "check.missed": lambda words: f"{words['who']} missed an attention check ({words['recent']} of the latest)",
    "checks.added": lambda words: f"{words['who']} added {words.counted('count', 'attention check')}",
    "endpoint.changed": lambda words: f"{words['who']} changed the endpoint {words['subject']}{_changes(words)}",
    "endpoint.registered": "{who} registered the endpoint {subject}",
    "endpoint.retired": "{who} retired the endpoint {subject}",
    "flag.answered": "{who} answered a flag on pair {item}",
    "flag.closed": "{who} closed a flag on pair {item}",
    "flag.raised": "{who} flagged pair {item}",
    "import.rest": "{who} had the rest of import run {id} imported, without its invalid lines",
    "invitation.accepted": lambda words: f"{words['who']} accepted an invitation as {_a(words['role'])}",
    "invitation.created": lambda words: (
        f"{words['who']} made an invitation for {_a(words['role'])}" + words.after("note", ": ")
    ),
    "invitation.withdrawn": "{who} withdrew invitation {id}",
    "items.asked_again": lambda words: f"{words['who']} asked for one more label on {words.counted('items', 'pair')}",
    "items.overlap_changed": lambda words: (
        f"{words['who']} asked for {words.counted('now', 'label')} each on {words.counted('count', 'pair')} that waited"
    ),
    "items.put_first": lambda words: f"{words['who']} put {words.counted('items', 'pair')} before the others",
    "items.withdrawn": lambda words: f"{words['who']} withdrew {words.counted('items', 'pair')}",
    "labels.exported": "{who} exported the labels: layout {layout}, format {format}",
    "member.paused": _paused,
    "member.removed": "{who} removed {name} from the project",
    "member.resumed": "{who} resumed {name}",
    "member.role_changed": lambda words: f"{words['who']} made {words['name']} {_a(words['role'])}",
    "members.copied": lambda words: (
        f"{words['who']} took {words.counted('copied', 'person', 'people')} over from the project {words['source']}"
    ),
    "model.archived": "{who} retired {subject}",
    "model.offered": "{who} offered the model {subject} to managers",
    "model.registered": "{who} registered {subject} from {source}",
    "pairs.refreshed": _refreshed,
    "password.changed": "{who} changed their password",
    "policy.promoted": _promoted,
    "policy.registered": "{who} added {subject}, made by run {run}",
    "project.archived": "{who} archived the project",
    "project.base_model_changed": "{who} changed the base model from {previous} to {subject}",
    "project.cloned": "{who} made it like the project {source}",
    "project.created": "{who} created the project {name}",
    "project.deleted": "{who} deleted project {number}",
    "project.first_round_hidden": "{who} hid the first steps",
    "project.first_round_shown": "{who} had the first steps shown again",
    "project.guidelines_changed": "{who} changed the guidelines",
    "project.quotas_changed": lambda words: f"{words['who']} changed the quotas{_changes(words)}",
    "project.renamed": "{who} renamed the project from {before} to {now}",
    "project.settings_changed": lambda words: (
        f"{words['who']} changed the {words['section']} settings{_changes(words)}"
    ),
    "project.unarchived": "{who} restored the project",
    "prompt.restored": "{who} restored {subject}",
    "prompts.admitted": lambda words: f"{words['who']} added {words.counted('prompts', 'prompt')} from chat",
    "prompts.copied": lambda words: (
        f"{words['who']} copied {words.counted('copied', 'prompt')} from the project {words['source']}"
    ),
    "prompts.imported": _imported,
    "prompts.refused": lambda words: f"{words['who']} rejected {words.counted('prompts', 'prompt')} from chat",
    "prompts.restored": lambda words: f"{words['who']} restored {words.counted('prompts', 'prompt')}",
    "prompts.withdrawn": lambda words: (
        f"{words['who']} withdrew {words.counted('prompts', 'prompt')} and {words.counted('items', 'open pair')}"
    ),
    "retention.applied": lambda words: (
        f"{words['who']} deleted by age: {words.counted('runs', 'folder')} of runs, "
        f"{words.counted('conversations', 'conversation')}"
    ),
    "reward_model.registered": "{who} added {subject}, made by run {run}",
    "run.cancelled": "{who} cancelled run {id}",
    "run.deleted": "{who} deleted {kind} run {id}",
    "run.described": "{who} changed the {changed} of run {id}",
    "run.resumed": "{who} resumed run {id}",
    "session.ended": "{who} signed out of another browser",
    "session.ended_elsewhere": lambda words: f"{words['who']} signed out of {words.counted('count', 'other browser')}",
    "session.started": lambda words: f"{words['who']} signed in" + words.after("how", " by "),
    "user.admin_removed": "{who} took the rights of an administrator from {subject}",
    "user.created": "{who} created an account",
    "user.deleted": lambda words: (
        f"{words['who']} deleted the account of person {words['id']}"
        + (", with their labels" if words.get("labels") == "deleted" else "")
    ),
    "user.disabled": "{who} disabled the account of {subject}",
    "user.email_changed": "{who} changed their e-mail",
    "user.enabled": "{who} enabled the account of {subject}",
    "user.made_admin": "{who} made {subject} an administrator",
    "user.signed_out": lambda words: f"{words['who']} signed {words['subject']} out everywhere",
    "user.sign_in_reset": "{who} made a sign-in link for {subject}, whose old password ended",
}
SENTENCES |= {f"{kind.value}_run.queued": _queued(kind) for kind in RunKind}
