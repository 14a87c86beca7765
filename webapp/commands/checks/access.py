"""Who gets in: the port, the API, the administrator, proxies, a Space."""

import http.client
import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from chat.errors import PalaverError
from webapp.auth import LOOPBACK
from webapp.commands.checks.finding import Finding, ok, problem, warning
from webapp.commands.paper import amount

if TYPE_CHECKING:
    from webapp.settings import Settings

_SHORT_KEY, _SHORT_PASSWORD = 16, 8
_TIMEOUT_S = 2.0


def check_port(settings: "Settings") -> Iterator[Finding]:
    """See that the port can be listened on, or that Palaver does so already."""
    from webapp.listener import explain_bind

    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            failure = error
        else:
            yield ok("port", f"{host}:{port} is free")
            return
    if model := ask_health(host, port):
        yield ok("port", f"Palaver is running on {host}:{port}, with the model {model}")
    else:
        yield problem("port", explain_bind(failure, host, port))


def ask_health(host: str, port: int) -> str:
    """Return the model of the Palaver that listens there; empty if it is something else."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(target, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        return str(json.loads(connection.getresponse().read(1_000_000))["model"])
    except (OSError, ValueError, http.client.HTTPException, KeyError, TypeError):
        return ""
    finally:
        connection.close()


def check_api(settings: "Settings") -> Iterator[Finding]:
    """See for whom /v1 is open."""
    yield _judge_keys(settings)
    if "*" in settings.allowed_origins:
        yield warning(
            "api",
            "PALAVER_ALLOWED_ORIGINS is *: every site's pages may call this one",
            "Name the sites that should.",
        )


def _judge_keys(settings: "Settings") -> Finding:
    num_made, num_valid = count_keys(settings)
    if settings.api_key and len(settings.api_key) < _SHORT_KEY:
        return warning(
            "api",
            f"PALAVER_API_KEY has {len(settings.api_key)} characters, which can be guessed",
            "Take a long random one, or make keys by: python -m webapp keys create NAME",
        )
    if settings.api_key or num_valid:
        names = ["PALAVER_API_KEY"] if settings.api_key else []
        names += [amount(num_valid, "key") + " of `keys list`"] if num_valid else []
        return ok("api", f"/v1 asks for {' or '.join(names)}")
    if num_made:
        return warning("api", "/v1 is closed: all keys are revoked", "Make one by keys create.")
    if settings.host not in LOOPBACK:
        return warning(
            "api",
            f"{settings.host} without a key: /v1 is closed to other machines",
            "Nothing, if only the page is to be used; otherwise set PALAVER_API_KEY, or make a "
            "key by: python -m webapp keys create NAME",
        )
    return ok("api", "/v1 is open to this machine alone")


def count_keys(settings: "Settings") -> tuple[int, int]:
    """Return how many keys were made, and how many of them are valid."""
    from webapp.commands.database import open_for_reading

    try:
        with open_for_reading(settings.database_url) as store:
            keys = store.list_api_keys()
    except PalaverError:  # The database has a check of its own, which says what is wrong.
        return 0, 0
    return len(keys), sum(key.revoked_at is None for key in keys)


def check_admin(settings: "Settings") -> Iterator[Finding]:
    """See who can administer."""
    from webapp.settings import read_platform

    password, platform = settings.admin_password, read_platform()
    if password and len(password) < _SHORT_PASSWORD:
        yield warning(
            "administrator",
            f"PALAVER_ADMIN_PASSWORD has {len(password)} characters, which can be guessed",
            "Take a longer one.",
        )
    elif password or settings.admins:
        yield ok("administrator", "whoever the settings name")
    elif platform.oauth and platform.owners:
        yield ok("administrator", "the author and the creator of this Space, once signed in")
    elif settings.host in LOOPBACK:
        yield ok("administrator", "whoever opens the page on this machine")
    else:
        yield warning(
            "administrator",
            f"{settings.host} without PALAVER_ADMIN_PASSWORD or PALAVER_ADMINS: only this machine "
            "itself can administer",
            "Set one of them to administer from elsewhere.",
        )


def check_proxies(settings: "Settings") -> Iterator[Finding]:
    """Look at the proxies before this server, and between it and the network."""
    if settings.forwarded_allow_ips.strip() == "*":
        yield warning(
            "proxy",
            "PALAVER_FORWARDED_ALLOW_IPS is *: anybody can claim any address",
            "Name the address of your proxy.",
        )
    else:
        yield ok("proxy", f"X-Forwarded-* is believed from {settings.forwarded_allow_ips}")
    outgoing = {kind: url for kind, url in urllib.request.getproxies().items() if kind != "no"}
    if outgoing:
        yield ok("proxy", f"this machine reaches others through a proxy ({', '.join(outgoing)})")


def check_space(settings: "Settings") -> Iterator[Finding]:
    """See that on a Space, whose disk is wiped at each restart, chats are kept elsewhere."""
    from webapp.settings import read_platform

    platform = read_platform()
    is_dataset = bool(settings.sync) and not settings.sync.startswith(("/", "./", "~"))
    if is_dataset and not platform.hub_token:
        yield problem(
            "space",
            f"PALAVER_SYNC is {settings.sync}, but there is no HF_TOKEN to write it with",
            "Add a token with write access to that dataset as the secret HF_TOKEN.",
        )
    elif settings.sync:
        yield ok("space", f"chats are also kept in {settings.sync}")
    elif platform.space_id:
        yield warning(
            "space",
            "the disk of a Space is wiped at each restart, and the chats with it",
            "Set PALAVER_SYNC to a private dataset; see docs/hosting.md.",
        )
