"""Signing in and out: the administrator's password, and the way to Hugging Face's own sign-in."""

import asyncio
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.auth import (
    COOKIE_LIFETIME_S,
    CookieKeys,
    Doorman,
    Frame,
    Identity,
    Seal,
    cookie_header,
    read_key,
)
from webapp.settings import Platform, Settings

log = logging.getLogger(__name__)

HUGGING_FACE = "/oauth/huggingface/login"
DELAY_S = 0.5
# So many wrong passwords cost no more than the delay; each further one doubles it.
FREE_FAILURES = 5
MAX_FAILURES = 32
MOST_SLOWNESS = 60
MAX_WAITING = 5
FORGET_AFTER_S = 300.0
MAX_SOURCES = 10_000
MAX_FORM_BYTES = 10_240
KNOWN_COOKIE = "palaver_known"

NO_STORE = {"cache-control": "no-store"}

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid;
  place-items: center; background: light-dark(#f6f7f8, #14171a);
  color: light-dark(#15191c, #eceff1); }
main { box-sizing: border-box; width: min(24rem, 100%); padding: 1.5rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
label { display: block; margin-bottom: .25rem; }
input, button, .button { box-sizing: border-box; width: 100%; font: inherit; padding: .65rem .8rem;
  border-radius: .5rem; border: 1px solid light-dark(#767c82, #8d949a); }
input { background: light-dark(#fff, #1d2226); color: inherit; margin-bottom: .75rem; }
button, .button { display: block; text-align: center; text-decoration: none; cursor: pointer;
  background: light-dark(#0b6b50, #7fd6b8); color: light-dark(#fff, #0d1512); border: 0;
  margin-bottom: .75rem; }
a { color: light-dark(#0b6b50, #7fd6b8); }
a.button { color: light-dark(#fff, #0d1512); }
.error { color: light-dark(#a3181c, #ff9c96); font-weight: 600; }
:focus-visible { outline: 3px solid light-dark(#1a5fd0, #8ab8ff); outline-offset: 2px; }
"""


def make_doorman(settings: Settings, platform: Platform) -> Doorman:
    """Return who tells visitors, accounts and administrators apart, as the settings say.

    On a Space whose operator names nobody, its author and its creator are the administrators.

    Raises:
        SettingsError: the key that signs cookies can't be read or made.
    """
    can_sign_in = platform.oauth is not None
    if settings.admins and not can_sign_in:
        log.warning("PALAVER_ADMINS counts for nothing: nobody can sign in with Hugging Face here")
    admins = settings.admins or (platform.owners if can_sign_in else ())
    lines = settings.cookie_key.encode() or read_key(settings.data_dir)
    return Doorman(
        keys=CookieKeys(*lines.split()),
        admin_password=settings.admin_password,
        admins=admins,
        can_sign_in=can_sign_in,
        in_frame=bool(platform.space_id),
    )


def safe_path(target: str) -> str:
    """Return `target` if it is a path of this site, else ``/``: no sign-in leads elsewhere."""
    is_plain = target.isascii() and target.isprintable() and "\\" not in target
    is_local = target.startswith("/") and not target.startswith("//")
    return target if is_plain and is_local else "/"


class Attempts:
    """Remembers wrong passwords per source, for a while and of so many sources at most.

    A source is an address, or a browser that knew the password before. Each wrong password makes
    the next attempt of its source wait longer, and only a few may wait at once; nobody is shut
    out, because many people may have one address.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._failures: MutableMapping[str, deque[float]] = {}
        self._num_waiting: Counter[str] = Counter()

    def slowness(self, source: str) -> int:
        """Return how many times the usual delay the next attempt of `source` takes."""
        num_more = max(0, len(self._recent(source)) - FREE_FAILURES)
        return int(min(2**num_more, MOST_SLOWNESS))

    @contextmanager
    def waiting(self, source: str) -> Iterator[bool]:
        """Yield whether `source` may wait for its answer as well; it does as long as the block."""
        self._num_waiting[source] += 1
        try:
            yield self._num_waiting[source] <= MAX_WAITING
        finally:
            self._num_waiting -= Counter({source: 1})

    def count_failure(self, source: str) -> None:
        """Note a wrong password."""
        if len(self._failures) >= MAX_SOURCES:
            self._failures.pop(next(iter(self._failures)))
        times = self._failures.setdefault(source, deque(maxlen=MAX_FAILURES))
        times.append(self._clock())

    def forget(self, source: str) -> None:
        """Forget the wrong passwords of `source`: it knew the right one."""
        self._failures.pop(source, None)

    def _recent(self, source: str) -> deque[float]:
        times = self._failures.get(source, deque())
        while times and times[0] + FORGET_AFTER_S <= self._clock():
            times.popleft()
        return times


def router(
    doorman: Doorman, *, delay_s: float = DELAY_S, attempts: Attempts | None = None
) -> APIRouter:
    """Return GET and POST /login, and POST /logout. They need no JavaScript."""
    tries = attempts or Attempts()
    routes = APIRouter(include_in_schema=False)

    @routes.get("/login")
    async def show_login(request: Request, next: str = "/") -> Response:
        return _page(doorman, request, safe_path(next))

    @routes.post("/login")
    async def log_in(request: Request) -> Response:
        source = _find_source(doorman, request)
        with tries.waiting(source) as is_heard:
            if not is_heard:
                error = "Too many attempts at once; try again in a moment."
                page = _page(doorman, request, "/", error=error, status=429)
                page.headers["retry-after"] = "30"
                return page
            fields = await read_form(request)
            if fields is None:
                error = "That is longer than any password."
                return _page(doorman, request, "/", error=error, status=413)
            pause_s = delay_s * tries.slowness(source)
            # Noted before the answer is known: guesses sent side by side count too.
            tries.count_failure(source)
            await asyncio.sleep(pause_s)
        target = safe_path(fields.get("next", "/"))
        if not doorman.matches_password(fields.get("password", "")):
            error = "That is not the administrator's password."
            return _page(doorman, request, target, error=error, status=403)
        tries.forget(source)
        response = RedirectResponse(target, status_code=303)
        is_https = request.url.scheme == "https"
        response.headers.append("set-cookie", doorman.admin_header(is_https=is_https))
        response.headers.append("set-cookie", _known_header(doorman, is_https=is_https))
        return response

    @routes.post("/logout")
    async def log_out(request: Request) -> Response:
        response = RedirectResponse("/", status_code=303)
        for header in doorman.leave_headers(is_https=request.url.scheme == "https"):
            response.headers.append("set-cookie", header)
        return response

    return routes


async def read_form(request: Request) -> dict[str, str] | None:
    """Return the fields of a small form, the first of each name; None if it is a large one."""
    body = await request.body()
    if len(body) > MAX_FORM_BYTES:
        return None
    fields = parse_qs(body.decode(errors="replace"))
    return {name: values[0] for name, values in fields.items()}


def _find_source(doorman: Doorman, request: Request) -> str:
    # A browser that knew the password is on its own, whoever guesses at its address: see
    # "device cookies" at owasp.org. Guessing with its cookie is slowed down just the same.
    known = _known_browsers(doorman).open(request.cookies.get(KNOWN_COOKIE))
    address = request.client.host if request.client else ""
    return f"browser {known}" if known else f"address {address}"


def _known_browsers(doorman: Doorman) -> Seal:
    return Seal(doorman.keys, purpose="known browser", lifetime_s=COOKIE_LIFETIME_S)


def _known_header(doorman: Doorman, *, is_https: bool) -> str:
    value = _known_browsers(doorman).close(secrets.token_hex(16))
    frame: Frame = "shared" if doorman.in_frame else "none"
    return cookie_header(KNOWN_COOKIE, value, COOKIE_LIFETIME_S, is_https=is_https, frame=frame)


def _page(
    doorman: Doorman, request: Request, target: str, *, error: str = "", status: int = 200
) -> HTMLResponse:
    identity: Identity = request.state.identity
    parts = [f'<p class="error" role="alert">{escape(error)}</p>' if error else ""]
    if identity.is_admin or identity.name:
        parts.append(_signed_in(identity))
    if not identity.is_admin:
        parts.append(_ways_in(doorman, identity, target))
    return HTMLResponse(_frame("".join(parts)), status_code=status, headers=NO_STORE)


def _signed_in(identity: Identity) -> str:
    name = f"You are signed in as {identity.name}. " if identity.name else ""
    role = "You are an administrator here." if identity.is_admin else ""
    return (
        f"<p>{escape(name + role)}</p>"
        '<form method="post" action="/logout"><button>Sign out</button></form>'
    )


def _ways_in(doorman: Doorman, identity: Identity, target: str) -> str:
    ways = []
    if doorman.can_sign_in and not identity.name:
        ways.append(_hugging_face(doorman, identity))
    if doorman.admin_password:
        ways.append(
            '<form method="post" action="/login">'
            f'<input type="hidden" name="next" value="{escape(target)}">'
            '<label for="password">Administrator\'s password</label>'
            '<input id="password" name="password" type="password" required '
            'autocomplete="current-password">'
            "<button>Sign in as administrator</button></form>"
        )
    if not ways and not identity.name:
        ways.append(
            "<p>There is no sign-in here. Whoever opens this page on the machine that serves it "
            "is its administrator; elsewhere its operator can set PALAVER_ADMIN_PASSWORD.</p>"
        )
    return "".join(ways)


def _hugging_face(doorman: Doorman, identity: Identity) -> str:
    """Return the way to Hugging Face: it shows itself in no frame, so a frame opens a new tab."""
    label = "Sign in with Hugging Face"
    if not doorman.in_frame:
        return f'<a class="button" href="{HUGGING_FACE}">{label}</a>'
    token = escape(doorman.handover.close(identity.id))
    return (
        f'<form method="post" action="{HUGGING_FACE}" target="_blank">'
        f'<input type="hidden" name="visitor" value="{token}"><button>{label}</button></form>'
    )


def _frame(content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sign in to Palaver</title><style>{STYLE}</style></head>"
        f'<body><main><h1>Sign in to Palaver</h1>{content}<p><a href="/">Back to the chat</a></p>'
        "</main></body></html>"
    )


def plain_page(title: str, content: str, *, status: int = 200) -> HTMLResponse:
    """Return a small page of its own with HTML `content`, readable in dark and light."""
    page = _frame(content).replace("Sign in to Palaver", escape(title))
    return HTMLResponse(page, status_code=status, headers=NO_STORE)
