"""Which addresses this server may be sent to: public ones, unless the operator says otherwise.

A URL in a setting, or a name server that changes its mind, must not reach what only this machine
can see: its own services, the network around it, or a cloud's metadata (server-side request
forgery). So the check is made on the very address that is then connected to.
"""

import ipaddress
import socket
import threading
from urllib.parse import SplitResult, urlsplit

from chat.errors import ModeratorError

# IPv6 that stands for an IPv4 address: 6to4, and NAT64.
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What the standard library takes for public, and is not: IETF assignments (one is a cloud's
# metadata), the platform's own address in Azure, site-local and documentation.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(net)
    for net in ("192.0.0.0/24", "168.63.129.16/32", "fec0::/10", "3fff::/20")
)


class RefusedAddress(Exception):
    """A name stands for no address that may be connected to."""


class UnknownHost(Exception):
    """A name stands for no address at all, or nobody said in time."""


def is_public(text: str) -> bool:
    """Say if the address `text` belongs to the internet at large."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _SIX_TO_FOUR:
            inner = ipaddress.IPv4Address(address.packed[2:6])
        elif inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[12:])
        if inner is not None:
            return _is_global(inner)
    return _is_global(address)


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    is_listed = any(address in net for net in _NOT_PUBLIC)
    is_special = address.is_multicast or address.is_reserved
    return address.is_global and not is_special and not is_listed


def check_url(moderator: str, url: object, *, allow_private: bool) -> SplitResult:
    """Return the parts of a URL from the settings.

    Raises:
        ModeratorError: it is no URL of a service, or says openly that it is a private one.
    """
    # What urlsplit would drop, or the call couldn't send.
    is_plain = isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(str(url) if is_plain else "")
        port_is_given = parts.port != 0
    except ValueError:
        parts, port_is_given = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_given:
        shown = "no address" if "@" in str(url) else repr(url)  # there may be a password in it
        raise ModeratorError(
            f"url of the moderator {moderator!r} is {shown}; allowed is an address like "
            "https://guard.example.com/v1, in ASCII."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ModeratorError(
            f"url of the moderator {moderator!r} has a name, password, query or fragment in it; "
            "give the bare address, and the key as api_key or api_key_file."
        )
    if not allow_private and _is_private_by_name(parts.hostname):
        raise ModeratorError(
            f"url of the moderator {moderator!r} leads to {parts.hostname}, which is not on the "
            "public internet; if that is meant, set allow_private = true for it."
        )
    return parts


def _is_private_by_name(host: str) -> bool:
    name = host.rstrip(".").lower()
    is_literal = name[-1:].isdigit() or ":" in name
    return (
        name == "localhost"
        or name.endswith((".localhost", ".local", ".internal"))
        or (is_literal and not is_public(name))
    )


def resolve(host: str, port: int, *, allow_private: bool, timeout_s: float) -> list[str]:
    """Return the addresses of `host` that may be connected to.

    Raises:
        RefusedAddress: it has only private ones.
        UnknownHost: it has none, or they weren't found out in time.
    """
    found: list[str] = []

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(str(row[4][0]) for row in rows))

    # In a thread, because a look-up can't be given a time.
    thread = threading.Thread(target=look_up, name="look-up", daemon=True)
    thread.start()
    thread.join(max(timeout_s, 0.0))
    addresses = list(found)
    if not addresses:
        raise UnknownHost(host)
    allowed = [address for address in addresses if allow_private or is_public(address)]
    if not allowed:
        raise RefusedAddress(host)
    return allowed
