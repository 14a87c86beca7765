"""Addresses as settings name them: sites, and the networks of proxies."""

import ipaddress
import re
from collections.abc import Sequence

_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def check_origins(names: Sequence[str]) -> None:
    """See that each of `names` is a site or *.

    Raises:
        ValueError: one isn't.
    """
    for name in names:
        if name != "*" and not _ORIGIN.fullmatch(name):
            raise ValueError(
                f"{name[:60]!r} is no site; allowed are a scheme, a host and perhaps a port, with "
                "nothing behind them, as in https://example.org or http://localhost:3000"
            )


def check_networks(names: str) -> None:
    """See that `names`, separated by commas, are addresses, networks or *.

    Raises:
        ValueError: one isn't.
    """
    for name in (part.strip() for part in names.split(",") if part.strip()):
        if name != "*" and not _is_network(name):
            raise ValueError(
                f"{name[:60]!r} is no address; allowed are addresses, networks such as "
                "10.0.0.0/8, and *, separated by commas"
            )


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
