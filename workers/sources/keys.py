"""The keys of endpoints: a JSON file of {name: key} that HONE_ENDPOINT_KEYS names. Read by whoever asks an endpoint, at
each request for one, so that a key is changed without a restart; never by the web process."""

import json

from app.settings import get_settings
from workers.sources.errors import GivenUp

HIDDEN = "[key]"


def key_of(name: str | None) -> str | None:
    """The key of this name; None where none is needed. Raises GivenUp with a sentence."""
    if name is None:
        return None
    path = get_settings().endpoint_keys
    if path is None:
        raise GivenUp(f"It needs the key “{name}”, and there is no list of keys: HONE_ENDPOINT_KEYS is not set.")
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise GivenUp(f"The list of keys, HONE_ENDPOINT_KEYS, cannot be read ({reason}).") from None
    except ValueError:
        raise GivenUp("The list of keys, HONE_ENDPOINT_KEYS, is not valid JSON.") from None
    key = listed.get(name) if isinstance(listed, dict) else None
    if not isinstance(key, str) or not key.strip() or not key.strip().isascii() or not key.strip().isprintable():
        raise GivenUp(f"The list of keys, HONE_ENDPOINT_KEYS, has no key named “{name}”.")
    return key.strip()
