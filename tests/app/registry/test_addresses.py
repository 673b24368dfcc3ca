"""What an endpoint's base URL may be: nothing that is not public, however it is spelled."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.registry import addresses
from app.settings import Settings, get_settings
from app.web.errors import Invalid

# Each stands for something on this machine, on this network, or in a cloud's own.
SPELLINGS = (Path(__file__).parent / "spellings.txt").read_text(encoding="utf-8").split()
NO_ADDRESSES = [
    "", "api.example.com/v1", "ftp://api.example.com/v1", "file:///etc/passwd", "gopher://api.example.com", "https://",
    "https:///v1", "javascript:alert(1)", "unix:/run/x.sock", "https://api.example.com/v1?key=x",
    "https://api.example.com/v1#x", "https://api.example.com:99999/v1", "https://api.exa mple.com/v1",
    "https://api.example.com/v1\nHost: x", "https://ap\u200bi.example.com/v1", "https://[api.example.com]/v1",
    "https://api.example.com" + "/v" * 300, "https://u:p@api.example.com/v1", "https://a_!b.example.com/v1",
]  # fmt: skip


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch):
    def set_(text: str) -> None:
        monkeypatch.setenv("HONE_ENDPOINT_ALLOW", text)
        get_settings.cache_clear()

    set_("")
    yield set_
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.mark.parametrize("url", SPELLINGS)
def test_what_is_not_public_is_refused_however_it_is_spelled(allow: Callable[[str], None], url: str):
    with pytest.raises(Invalid) as caught:
        addresses.base_url(url)
    assert caught.value.errors["base_url"].endswith(".")


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_base_url(allow: Callable[[str], None], url: str):
    with pytest.raises(Invalid):
        addresses.base_url(url)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        (" HTTPS://API.Example.COM:8443/v1/ ", "https://api.example.com:8443/v1"),
        ("https://api.example.com", "https://api.example.com"),
        ("https://93.184.215.14/v1", "https://93.184.215.14/v1"),
        ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8443/v1", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8443/v1"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://a-b_c.example/openai/v1", "https://a-b_c.example/openai/v1"),
    ],
)  # fmt: skip
def test_the_form_that_is_kept(allow: Callable[[str], None], given: str, kept: str):
    assert addresses.base_url(given) == kept


def refused(host: str, address: str) -> bool:
    return addresses.refusal(host, ip_address(address)) is not None


def test_a_network_that_is_named(allow: Callable[[str], None]):
    allow("10.1.0.0/16, ::1")
    assert not refused("models.lan", "10.1.2.3")
    assert refused("models.lan", "10.2.2.3")
    assert not refused("::1", "::1")
    assert refused("x", "::ffff:10.1.2.3")
    assert addresses.base_url("http://10.1.2.3:8000/v1") == "http://10.1.2.3:8000/v1"


def test_a_host_that_is_named_may_be_here_but_is_no_cloud_s_metadata(allow: Callable[[str], None]):
    allow("Models.lan")
    assert not refused("models.lan", "10.1.2.3")
    assert not refused("MODELS.lan.", "127.0.0.1")
    assert refused("other.lan", "10.1.2.3")
    for address in ("169.254.169.254", "fe80::1", "168.63.129.16", "fd00:ec2::254", "224.0.0.1"):
        assert refused("models.lan", address)


def test_public_addresses_need_no_word(allow: Callable[[str], None]):
    assert not refused("api.example.com", "93.184.215.14")
    assert not refused("api.example.com", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.1/8", "http://x", "1.2.3"])
def test_a_setting_that_means_nothing_is_refused(text: str):
    with pytest.raises(ValueError, match="endpoint_allow"):
        Settings(endpoint_allow=text)
