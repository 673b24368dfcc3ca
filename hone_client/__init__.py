"""A client of Hone's JSON API: `Client`. Needs httpx and pydantic, and nothing else of this distribution.

`models` are the shapes of what calls answer with; `errors` is what they raise. `operations` and `models` are written
from the API's document by `make client`.
"""

from hone_client import models
from hone_client.client import Client
from hone_client.errors import (
    Conflict,
    HoneError,
    Invalid,
    NotAllowed,
    NotFound,
    Refused,
    RunEnded,
    SignInNeeded,
    StillRunning,
    TooMany,
    Unavailable,
    Unreachable,
)
from hone_client.files import Download
from hone_client.paging import Pages

__all__ = [
    "Client", "Conflict", "Download", "HoneError", "Invalid", "NotAllowed", "NotFound", "Pages", "Refused", "RunEnded",
    "SignInNeeded", "StillRunning", "TooMany", "Unavailable", "Unreachable", "models",
]  # fmt: skip
