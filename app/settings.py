"""Every environment variable Hone reads, typed and explained. Knows nothing of what the values are used for."""

import os
import re
import secrets
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_HOST = re.compile(r"(?=.*[a-z])[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)  # a name, no address


class Settings(BaseSettings):
    """Configuration from the environment; a variable is named `HONE_<FIELD>` unless an alias says otherwise."""

    model_config = SettingsConfigDict(env_prefix="HONE_", env_ignore_empty=True, extra="ignore", populate_by_name=True)

    data_dir: Path = Field(
        Path(".hone"), description="Folder for embedded services, artifacts, logs and the secret key"
    )
    host: str = Field("127.0.0.1", description="Address the web server listens on")
    port: int = Field(8000, ge=1, le=65535, description="Port of the web server")
    public_url: str | None = Field(None, description="Address people use, where a proxy stands in front")
    database_url: str | None = Field(
        None,
        alias="DATABASE_URL",
        description="PostgreSQL 15 or later; unset: an embedded server in the data folder",
    )
    database_pooler: Literal["session", "transaction"] | None = Field(
        None,
        description="The pool_mode of the PgBouncer, or its like, that DATABASE_URL leads to; unset: there is none",
    )
    redis_url: str | None = Field(
        None,
        alias="REDIS_URL",
        description="Redis 7 / Valkey 8 or later; unset: an embedded server in the data folder",
    )
    store_dir: Path | None = Field(None, description="Folder of models and run outputs; unset: <data folder>/store")
    secret_key: str | None = Field(
        None, min_length=32, description="Signs cookies; unset: made once in the data folder"
    )
    base_model: str = Field(
        "builtin:smollm2-135m-instruct",
        description="Base model of new projects: builtin:..., tiny:<seed>, a local folder, or a hub id",
    )
    model_folders: str = Field(
        "", description="Folders that administrators may take models from, with colons; unset: none"
    )
    reward_functions: str = Field(
        "",
        description="Functions (module:function), with commas, that managers may have policies paid by; unset: none",
    )
    extensions: str = Field("", description="Python modules, with commas, that add kinds of items, methods or sources")
    inference_url: str | None = Field(
        None, description="An OpenAI-compatible server (…/v1) to use in place of Hone's own inference server"
    )
    inference_secret: str | None = Field(
        None, min_length=16, description="Asked of everybody who talks to the inference server; unset: nobody is asked"
    )
    inference_hosts: str = Field(
        "", description="Names, with commas, by which other machines reach Hone's own inference server"
    )
    inference_port: int | None = Field(None, description="Port of Hone's own inference server; unset: web port + 1")
    endpoint_keys: Path | None = Field(
        None,
        description="JSON file of {name: key} for endpoints that ask for one; only workers and the inference server "
        "read it",
    )
    endpoint_allow: str = Field(
        "",
        description="Hosts and networks (10.0.0.0/8), with commas, that endpoints may have beside public addresses",
    )
    trainings_per_project: int = Field(
        1, ge=1, description="Trainings of a project by one method that may be queued or running"
    )
    runs_per_project: int = Field(
        8, ge=1, description="Sampling runs of a project that may be queued or running, and as many evaluations"
    )
    runs_per_hour: int = Field(60, ge=1, description="Runs that one person may start or resume in an hour")
    projects_per_person: int = Field(
        20, ge=1, description="Projects that are not archived, made by one person who is no administrator"
    )
    quota_runs_at_once: int | None = Field(
        None, ge=1, description="Quota of new projects: runs that may be queued or running; unset: no limit"
    )
    quota_runs_per_day: int | None = Field(
        None, ge=1, description="Quota of new projects: runs that may begin in 24 hours; unset: no limit"
    )
    quota_storage_bytes: int | None = Field(
        None, ge=1, description="Quota of new projects: bytes of their files in the store; unset: no limit"
    )
    quota_tokens: int | None = Field(
        None, ge=1, description="Quota of new projects: tokens that they may spend on endpoints; unset: no limit"
    )
    export_days: int = Field(7, ge=1, le=365, description="Days for which the file of an export run is kept")
    web_processes: int = Field(1, ge=1, description="uvicorn worker processes")
    trusted_proxies: str = Field(
        "", description="Addresses or networks (10.0.0.0/8), with commas, of proxies whose X-Forwarded-* are believed"
    )
    secure_cookies: bool = Field(False, description="Send cookies over HTTPS only; set it where HTTPS is served")
    metrics_token: str | None = Field(
        None, min_length=16, description="Asked of whoever reads /metrics; unset: it is read on this machine only"
    )
    log_level: str = Field("info", description="debug, info, warning or error")
    log_format: Literal["text", "json"] = Field(
        "text", description="json: an object a line, with the ids of request and run; trainers' logs too"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for one in filter(None, (part.strip() for part in value.split(","))):
            ip_network(one)  # says what is wrong with it
        return value

    @field_validator("endpoint_allow")
    @classmethod
    def _hosts_and_networks(cls, value: str) -> str:
        for one in filter(None, (part.strip() for part in value.split(","))):
            if not _HOST.fullmatch(one):
                ip_network(one)
        return value

    @property
    def allowed_endpoints(self) -> tuple[set[str], list[IPv4Network | IPv6Network]]:
        """The hosts and the networks of `endpoint_allow`."""
        given = [one for part in self.endpoint_allow.split(",") if (one := part.strip())]
        hosts = {one.lower() for one in given if _HOST.fullmatch(one)}
        return hosts, [ip_network(one) for one in given if not _HOST.fullmatch(one)]

    @property
    def proxies(self) -> list[str]:
        """The trusted proxies one by one."""
        return [one for part in self.trusted_proxies.split(",") if (one := part.strip())]

    @property
    def store(self) -> Path:
        """Root of the artifact store; addresses in the registry are relative to it."""
        return self.store_dir or self.data_dir / "store"

    @property
    def base_url(self) -> str:
        """Address of the web application without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def inference_base_url(self) -> str:
        """Address of the OpenAI-compatible API that chat talks to, ending in /v1."""
        return (self.inference_url or f"http://127.0.0.1:{self.inference_port or self.port + 1}/v1").rstrip("/")

    @property
    def allowed_model_folders(self) -> list[Path]:
        """The folders of `model_folders`."""
        return [Path(each) for each in self.model_folders.split(os.pathsep) if each]

    @property
    def allowed_reward_functions(self) -> set[str]:
        """The functions of `reward_functions`."""
        return {name for part in self.reward_functions.split(",") if (name := part.strip())}

    @property
    def extension_modules(self) -> list[str]:
        """The modules of `extensions`."""
        return [name for part in self.extensions.split(",") if (name := part.strip())]

    @property
    def inference_names(self) -> set[str]:
        """The names by which Hone's own inference server is called from elsewhere."""
        given = {name.strip().lower() for name in self.inference_hosts.split(",")}
        return {name for name in (*given, urlsplit(self.inference_url or "").hostname) if name}

    @property
    def inference_headers(self) -> dict[str, str]:
        """What a request to the inference server carries."""
        return {"Authorization": f"Bearer {self.inference_secret}"} if self.inference_secret else {}

    def signing_key(self) -> str:
        """The secret key, made once and kept with mode 600 where none is set."""
        if self.secret_key:
            return self.secret_key
        path = self.data_dir / "secret_key"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside = path.with_name(f"secret_key.{secrets.token_hex(4)}")
            beside.touch(mode=0o600)
            beside.write_text(secrets.token_urlsafe(48))
            try:
                path.hardlink_to(beside)  # atomic: where two processes start at once, the first one's key stays
            except FileExistsError:
                pass
            finally:
                beside.unlink()
            return path.read_text().strip()


@lru_cache
def get_settings() -> Settings:
    """The settings of this process, read once. `hone up` hands its children the services' addresses."""
    return Settings()
