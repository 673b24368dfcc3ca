"""What a new installation needs before anybody can sign in: the default base model and a first administrator."""

from dataclasses import dataclass

from app.accounts import service as accounts
from app.db import task_session
from app.models import ModelState
from app.runs import preparation
from app.settings import Settings
from workers.platform import packages


@dataclass(frozen=True)
class FirstRecords:
    """`link` signs the administrator in, once, on the very first start; `missing` says how to get the default base
    model's package where it is needed and not there."""

    link: str | None
    missing: str | None


def ensure_first_records(settings: Settings) -> FirstRecords:
    """Make them where they are missing."""
    with task_session() as session:
        model = preparation.base_model(session, settings.base_model)
        missing = packages.missing_model(settings.base_model) if model.state is ModelState.PREPARING else None
        token = accounts.first_sign_in(session)
    return FirstRecords(sign_in_url(settings, token) if token else None, missing)


def sign_in_url(settings: Settings, token: str) -> str:
    """The address that signs a person in with this token, once."""
    return f"{settings.base_url}/sign-in/{token}"
