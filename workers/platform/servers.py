"""Servers that the environment names (DATABASE_URL, REDIS_URL): are they there, and are they recent enough?"""

from typing import Any

import psycopg
import redis
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.settings import get_settings
from workers.platform.folder import Unusable

OLDEST_POSTGRES = 15
OLDEST_REDIS = 7


class UnnamedPooler(Unusable):
    """Between us and the database stands what would mix up our sessions."""


def refuse_unnamed_pooler(url: str) -> None:
    """As `check_postgres`, for a process that may start before the database does."""
    try:
        check_postgres(url)
    except UnnamedPooler:
        raise
    except Unusable:
        pass


def check_postgres(url: str) -> str:
    """The server's version; Unusable with a sentence where it cannot be used. The password is never shown."""
    try:
        parts = make_url(url)
        shown = parts.set(drivername="postgresql").render_as_string(hide_password=True)
        plain = parts.set(drivername="postgresql").render_as_string(hide_password=False)
    except ArgumentError:
        raise Unusable("DATABASE_URL is not an address. It reads postgresql://user:password@host:5432/name.") from None
    if not parts.drivername.startswith("postgres"):
        raise Unusable(f"DATABASE_URL names {parts.drivername}; Hone needs PostgreSQL {OLDEST_POSTGRES} or later.")
    try:
        with psycopg.connect(plain, connect_timeout=5) as connection:
            version = connection.info.server_version
            pooled = _is_pooled(connection)
    except (psycopg.Error, ValueError) as error:
        raise Unusable(
            f"DATABASE_URL ({shown}): {_postgres_reason(str(error), parts.username, parts.database)}"
        ) from None
    if version < OLDEST_POSTGRES * 10_000:
        raise Unusable(
            f"DATABASE_URL ({shown}) is PostgreSQL {version // 10_000}; Hone needs {OLDEST_POSTGRES} or later. "
            "Upgrade that server, or unset DATABASE_URL to use the embedded one."
        )
    if pooled and get_settings().database_pooler is None:
        raise UnnamedPooler(
            f"DATABASE_URL ({shown}) leads to a pooler, such as PgBouncer. Set HONE_DATABASE_POOLER to its pool_mode "
            "(transaction or session), or let DATABASE_URL name the server itself."
        )
    return f"{version // 10_000}.{version % 10_000}"


def _is_pooled(connection: "psycopg.Connection[Any]") -> bool:
    """A server's process has the number that it gave when the connection was made; a pooler gives one of its own."""
    row = connection.execute("select pg_backend_pid()").fetchone()
    return row is not None and row[0] != connection.info.backend_pid


def _postgres_reason(message: str, user: str | None, database: str | None) -> str:
    if "password authentication failed" in message or "no password supplied" in message:
        return f"the server refuses the password of user {user}. Correct it in DATABASE_URL."
    if f'database "{database}" does not exist' in message:
        return f"there is no database {database}. Create it: createdb {database}"
    if "does not exist" in message and "role" in message:
        return f"there is no user {user}. Create it: createuser --pwprompt {user}"
    if "pg_hba.conf" in message:
        return "the server does not accept connections from here. Allow this machine in its pg_hba.conf."
    return f"no PostgreSQL server answers there. Start it, or correct the address. ({' '.join(message.split())})"


def check_redis(url: str) -> str:
    """The server's version; Unusable with a sentence where it cannot be used. The password is never shown."""
    try:
        kept = redis_address(url)
    except ValueError:
        raise Unusable("REDIS_URL is not an address. It reads redis://:password@host:6379/0.") from None
    shown = f"{kept.get('host') or kept.get('path') or 'localhost'}:{kept.get('port', 6379)}"
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            about = client.info("server")
    except redis.AuthenticationError:
        raise Unusable(f"REDIS_URL ({shown}): the server refuses the password. Correct it in REDIS_URL.") from None
    except redis.RedisError as error:
        reason = str(error)
        if "NOAUTH" in reason or "WRONGPASS" in reason:
            raise Unusable(f"REDIS_URL ({shown}): the server wants another password. Correct REDIS_URL.") from None
        raise Unusable(
            f"REDIS_URL ({shown}): no Redis or Valkey answers there. Start it, or correct the address. ({reason})"
        ) from None
    version = str(about.get("valkey_version") or about["redis_version"])
    if int(str(about["redis_version"]).split(".")[0]) < OLDEST_REDIS:
        raise Unusable(
            f"REDIS_URL ({shown}) is Redis {version}; Hone needs Redis 7 or Valkey 8, or later. "
            "Upgrade that server, or unset REDIS_URL to use the embedded one."
        )
    return version


def redis_address(url: str) -> dict[str, Any]:
    """The parts of a Redis address: host, port, password, db. ValueError where it is none."""
    return dict(redis.connection.parse_url(url))  # type: ignore[no-untyped-call]
