"""Signing in and out: the administrator's password, and the way to Hugging Face's own sign-in."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.auth import CookieKeys, Doorman, Identity, read_key
from webapp.settings import Platform, Settings

log = logging.getLogger(__name__)

HUGGING_FACE = "/oauth/huggingface/login"
DELAY_S = 0.5
MAX_FAILURES = 5
FORGET_AFTER_S = 300.0
MAX_ADDRESSES = 10_000

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
    """Remembers wrong passwords per address, for a while and for so many addresses at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._failures: MutableMapping[str, deque[float]] = {}

    def wait_s(self, address: str) -> float:
        """Return how long `address` has to wait before its next attempt; 0 is not at all."""
        times = self._recent(address)
        if len(times) < MAX_FAILURES:
            return 0.0
        return max(0.0, times[0] + FORGET_AFTER_S - self._clock())

    def count_failure(self, address: str) -> None:
        """Note a wrong password."""
        if len(self._failures) >= MAX_ADDRESSES:
            self._failures.pop(next(iter(self._failures)))
        times = self._failures.setdefault(address, deque(maxlen=MAX_FAILURES))
        times.append(self._clock())

    def forget(self, address: str) -> None:
        """Forget the wrong passwords of `address`: it knew the right one."""
        self._failures.pop(address, None)

    def _recent(self, address: str) -> deque[float]:
        times = self._failures.get(address, deque())
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
        fields = parse_qs((await request.body()).decode(errors="replace"))
        target = safe_path(fields.get("next", ["/"])[0])
        address = request.client.host if request.client else ""
        if wait_s := tries.wait_s(address):
            error = f"Too many wrong passwords; wait {wait_s / 60:.0f} minutes and try again."
            page = _page(doorman, request, target, error=error, status=429)
            page.headers["retry-after"] = str(int(wait_s) + 1)
            return page
        # Noted before the answer is known: guesses sent side by side count too.
        tries.count_failure(address)
        await asyncio.sleep(delay_s)
        if not doorman.matches_password(fields.get("password", [""])[0]):
            error = "That is not the administrator's password."
            return _page(doorman, request, target, error=error, status=403)
        tries.forget(address)
        response = RedirectResponse(target, status_code=303)
        is_https = request.url.scheme == "https"
        response.headers.append("set-cookie", doorman.admin_header(is_https=is_https))
        return response

    @routes.post("/logout")
    async def log_out(request: Request) -> Response:
        response = RedirectResponse("/", status_code=303)
        for header in doorman.leave_headers(is_https=request.url.scheme == "https"):
            response.headers.append("set-cookie", header)
        return response

    return routes


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
