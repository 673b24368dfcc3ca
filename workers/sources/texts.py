"""What an API sends as text: whether people can judge it, without our key in it, and about how many tokens it has."""

from app.models import Messages
from workers.sources.errors import Unusable
from workers.sources.keys import HIDDEN

MOST_CHARACTERS = 400_000  # of one answer, as of a prompt


def judge(text: str, reason: str | None, refusal: str | None = None, *, calls_tool: bool = False) -> None:
    """Raise Unusable unless there is a text that people can judge. A refusal in plain words is one."""
    if reason == "content_filter":
        raise Unusable("Its content filter held the answer back.")
    if refusal and not text.strip():
        raise Unusable("It refuses to answer this prompt.")
    if reason in ("tool_calls", "function_call") or (calls_tool and not text.strip()):
        raise Unusable("It wants to call a tool in place of an answer.")
    if len(text) > MOST_CHARACTERS:
        raise Unusable(f"Its answer has {len(text):,} characters, more than the {MOST_CHARACTERS:,} that are taken.")
    if not text.strip():
        spent = " Its tokens were spent before it wrote anything; allow longer answers." if reason == "length" else ""
        raise Unusable(f"Its answer is empty.{spent}")


def count(text: str) -> int:
    """About how many tokens a text has: one for four octets, which is too many for English rather than too few."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def estimate(messages: Messages) -> int:
    """The same for a prompt, with a few for each message's frame."""
    return sum(count(message["content"]) + 8 for message in messages)


def clean(text: str, key: str | None) -> str:
    """The text without the key, should an API send it back, and with nothing that cannot be written down."""
    if key:
        text = text.replace(key, HIDDEN)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")


def begun(text: str, key: str | None) -> int:
    """How many characters at the end of a text may be the beginning of the key, or half of a character."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return 1
    whole = text.replace(key, "") if key else text
    return next((n for n in range(min(len(key or "") - 1, len(whole)), 0, -1) if (key or "").startswith(whole[-n:])), 0)
