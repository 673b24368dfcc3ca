"""The SQL of accounts."""

from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.models import ApiToken, User, WebSession

_TOKEN_SEEN_EVERY = timedelta(minutes=1)


def user_of_session(session: Session, token_hash: str) -> User | None:
    """The person a session's cookie stands for, while neither has ended."""
    return session.scalar(
        select(User)
        .join(WebSession, WebSession.user_id == User.id)
        .where(WebSession.token_hash == token_hash, WebSession.expires_at > func.now(), User.disabled_at.is_(None))
    )


def user_of_api_token(session: Session, token_hash: str) -> User | None:
    """The person an API token stands for. Its last use is kept to the minute, not written on every request."""
    row = session.execute(
        select(User, ApiToken)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(ApiToken.token_hash == token_hash, ApiToken.revoked_at.is_(None), User.disabled_at.is_(None))
    ).first()
    if row is None:
        return None
    user, token = row.tuple()
    session.execute(
        update(ApiToken)
        .where(
            ApiToken.id == token.id,
            or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < func.now() - _TOKEN_SEEN_EVERY),
        )
        .values(last_used_at=func.now())
        .execution_options(synchronize_session=False)
    )
    return user
