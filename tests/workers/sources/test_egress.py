"""Connections are checked when they are opened: what a name stands for then, and nothing else, is asked."""

import asyncio
import socket
from typing import Any

import httpx2
import pytest

from app.settings import get_settings
from tests.app.registry.test_addresses import SPELLINGS
from tests.endpoint_server import EndpointServer
from tests.workers.sources.test_client import ask
from workers.sources.egress import Forbidden, Transport
from workers.sources.errors import GivenUp


@pytest.fixture
def closed(api: EndpointServer, monkeypatch: pytest.MonkeyPatch) -> EndpointServer:
    """The API, on an address that is not permitted."""
    monkeypatch.setenv("HONE_ENDPOINT_ALLOW", "")
    get_settings.cache_clear()
    return api


def test_this_machine_is_not_asked(closed: EndpointServer):
    with pytest.raises(GivenUp, match=r"The address 127\.0\.0\.1 is not a public address\. .*HONE_ENDPOINT_ALLOW"):
        ask(closed, "good")
    assert not closed.asked


@pytest.mark.parametrize("url", SPELLINGS)
def test_no_spelling_gets_through_even_where_it_was_registered(closed: EndpointServer, url: str):
    """As if registration had let it pass: the connection itself is refused, or the URL cannot be read."""

    async def get() -> None:
        async with httpx2.AsyncClient(transport=Transport(None), trust_env=False) as client:
            await client.get(url)

    with pytest.raises((Forbidden, httpx2.ConnectError, httpx2.InvalidURL)):
        asyncio.run(get())


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have rebinding.example stand for other addresses each time it is asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != "rebinding.example":
            return real(host, port, *more, **named)
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_name_that_stands_for_this_machine(closed: EndpointServer, monkeypatch: pytest.MonkeyPatch):
    names(monkeypatch, ["127.0.0.1"])
    with pytest.raises(GivenUp, match=r"rebinding\.example stands for 127\.0\.0\.1, which is not a public address"):
        ask(closed, "good", base_url=f"http://rebinding.example:{closed.port}/v1")
    assert not closed.asked


def test_one_bad_address_among_good_ones_is_enough(closed: EndpointServer, monkeypatch: pytest.MonkeyPatch):
    names(monkeypatch, ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(GivenUp, match="not a public address"):
        ask(closed, "good", base_url=f"http://rebinding.example:{closed.port}/v1")
    assert not closed.asked


def test_what_was_checked_is_what_is_asked(api: EndpointServer, monkeypatch: pytest.MonkeyPatch):
    """A name is asked for once: its second answer, after the check, is never wanted."""
    monkeypatch.setenv("HONE_ENDPOINT_ALLOW", "127.0.0.1/32")
    get_settings.cache_clear()
    asked = names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    assert ask(api, "good", base_url=f"http://rebinding.example:{api.port}/v1").text
    assert asked == ["rebinding.example"]
    assert api.asked[0][0]["host"] == f"rebinding.example:{api.port}"
    with pytest.raises(GivenUp, match=r"127\.0\.0\.2"):
        ask(api, "good", base_url=f"http://rebinding.example:{api.port}/v1")


def test_no_way_over_a_socket_of_this_machine():
    async def get() -> None:
        await Transport(None)._pool._network_backend.connect_unix_socket("/run/postgresql")

    with pytest.raises(Forbidden):
        asyncio.run(get())
