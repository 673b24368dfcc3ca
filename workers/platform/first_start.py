"""What a new installation needs before anybody can sign in: the default base model and a first administrator."""

from app.accounts import service as accounts
from app.db import task_session
from app.runs import preparation
from app.settings import Settings


def ensure_first_records(settings: Settings) -> str | None:
    """Make them where they are missing; the administrator's one-time sign-in link on the very first start."""
    with task_session() as session:
        preparation.base_model(session, settings.base_model)
        token = accounts.first_sign_in(session)
    return sign_in_url(settings, token) if token else None


def sign_in_url(settings: Settings, token: str) -> str:
    """The address that signs a person in with this token, once."""
    return f"{settings.base_url}/sign-in/{token}"
