"""Which addresses an endpoint may have. Who sends requests elsewhere for others could be made to ask this network's own
services: what is not public is refused, unless HONE_ENDPOINT_ALLOW names it.

A base URL is held against this when it is registered, and each address that its name stands for when a connection is
opened (`workers.sources.egress`): a name may stand for another address by then.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from httpx import URL, InvalidURL

from app.settings import get_settings
from app.web.errors import Invalid

Address = IPv4Address | IPv6Address

LONGEST = 500
_NAMED_ONLY = "Only an operator can permit it, by HONE_ENDPOINT_ALLOW."
# Addresses of IPv6 that hold one of IPv4: mapped, compatible, translated, NAT64, Teredo, 6to4. Refused whole, so that
# nothing hangs on which one is read from them.
_HOLDING = "::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 2001::/32 2002::/16"
_WRAPPING = [IPv6Network(network) for network in _HOLDING.split()]
# Public by their number, and yet a cloud's own: the metadata of machines.
_METADATA = {ip_address("168.63.129.16"), ip_address("169.254.169.254"), ip_address("fd00:ec2::254")}


def refusal(host: str, address: Address) -> str | None:
    """Why nothing may be sent to `address`, which `host` stands for; None where it may be."""
    hosts, networks = get_settings().allowed_endpoints
    if any(address in network for network in networks):
        return None
    if _is_public(address):
        return None
    # A host that an operator trusts may be on this network or this machine; where it points to the machine's own
    # metadata, somebody else has had a say in it.
    never = address.is_link_local or address.is_multicast or address in _METADATA
    if host.rstrip(".").lower() in hosts and not never:
        return None
    where = f"The address {address}" if host == str(address) else f"{host} stands for {address}, which"
    return f"{where} is not a public address. {_NAMED_ONLY}"


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and any(address in network for network in _WRAPPING):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address in _METADATA)


def base_url(text: str) -> str:
    """The base URL of an API in the one form that is kept, without a slash at its end. Raises Invalid with a sentence
    where it is none, or where what it says in plain figures may not be asked."""
    text = text.strip()
    if len(text) > LONGEST or not text.isprintable() or any(letter in text for letter in " \\"):
        raise _wrong("Give the base URL of an API, such as https://api.example.com/v1.")
    try:
        url = URL(text)
        host = url.raw_host.decode("ascii")
        port = url.port
    except (InvalidURL, ValueError, TypeError):
        raise _wrong("This is not a URL that can be read. Give one such as https://api.example.com/v1.") from None
    if url.scheme not in ("http", "https") or not host:
        raise _wrong("Give a URL that begins with https:// or http://, and has a host.")
    if port is not None and not 0 < port < 65536:
        raise _wrong("A port is a number from 1 to 65535.")
    if url.userinfo or "@" in text:
        raise _wrong("A URL may not hold a user or a password. Name a key instead.")
    if url.query or url.fragment or "?" in text or "#" in text:
        raise _wrong("Leave out what stands after ? or #: only the base URL is needed.")
    _refuse_host(host)
    shown = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{shown}{'' if port is None else f':{port}'}{url.path}".rstrip("/")


def _refuse_host(host: str) -> None:
    address: Address | None = None
    try:
        address = ip_address(host)
    except ValueError:
        # The last part of a name is no number; what the system would take for an address must be written as one.
        last = host.rstrip(".").rsplit(".", 1)[-1].lower()
        if not last or last.isdigit() or (last.startswith("0x") and all(c in "0123456789abcdef" for c in last[2:])):
            raise _wrong("Write an address as four numbers with dots, or name a host.") from None
        if not all(letter.isalnum() or letter in "-._" for letter in host):
            raise _wrong("This host's name has characters that no host's name has.") from None
    if address is not None and getattr(address, "scope_id", None):
        raise _wrong("An address with a zone stands for this network only. Leave the zone out.")
    if address is not None and (reason := refusal(host, address)):
        raise _wrong(reason)


def _wrong(message: str) -> Invalid:
    return Invalid(message, field="base_url")
