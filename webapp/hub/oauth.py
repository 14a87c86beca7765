"""Sign in with Hugging Face: OpenID Connect's code flow, with PKCE.

The Hub's own library has these routes too, but they redirect wherever a link says, and keep the
person's access token in a cookie. Here nothing is kept but who it is.
"""

import base64
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from webapp.auth import COOKIE, Account, Doorman, Seal, cookie_header
from webapp.login import plain_page, read_form, safe_path
from webapp.settings import OAuthClient, Platform

log = logging.getLogger(__name__)

LOGIN = "/oauth/huggingface/login"
CALLBACK = "/oauth/huggingface/callback"
LOGOUT = "/oauth/huggingface/logout"
FLOW_COOKIE = "palaver_sign_in"
FLOW_LIFETIME_S = 600
TIMEOUT_S = 15.0
ENDPOINTS_LIFETIME_S = 3600.0

MoveUser = Callable[[str, str], object]


class SignInFailed(Exception):
    """Hugging Face couldn't be asked, or said no."""


class Provider:
    """Hugging Face, as an OpenID provider."""

    def __init__(self, client: OAuthClient, clock: Callable[[], float] = time.monotonic):
        self.client = client
        self._clock = clock
        # To read the certificates takes 30 ms, in which nobody else would be served.
        self._tls = httpx.create_ssl_context()
        self._endpoints: dict[str, str] = {}
        self._read_at = -ENDPOINTS_LIFETIME_S

    async def read_endpoints(self) -> dict[str, str]:
        """Return where to send people, and where to ask; it is asked for once an hour.

        Raises:
            SignInFailed: they couldn't be read.
        """
        if not self._endpoints or self._clock() - self._read_at >= ENDPOINTS_LIFETIME_S:
            url = f"{self.client.provider_url}/.well-known/openid-configuration"
            async with self._open() as http:
                found = await _ask(http.get(url))
            names = ("authorization", "token", "userinfo")
            self._endpoints = {name: str(found[f"{name}_endpoint"]) for name in names}
            self._read_at = self._clock()
        return self._endpoints

    async def read_account(self, code: str, verifier: str, redirect_uri: str) -> Account:
        """Return who came back with `code`.

        Raises:
            SignInFailed: the code is wrong or used up, or the provider can't be reached.
        """
        fields = {"grant_type": "authorization_code", "code": code}
        fields |= {"redirect_uri": redirect_uri, "code_verifier": verifier}
        fields["client_id"] = self.client.client_id
        endpoints = await self.read_endpoints()
        async with self._open() as http:
            auth = (self.client.client_id, self.client.client_secret)
            token = await _ask(http.post(endpoints["token"], data=fields, auth=auth))
            bearer = {"authorization": f"Bearer {token.get('access_token', '')}"}
            person = await _ask(http.get(endpoints["userinfo"], headers=bearer))
        subject, name = person.get("sub"), person.get("preferred_username")
        if not isinstance(subject, str) or not isinstance(name, str) or not subject or not name:
            raise SignInFailed("the account has no id or no name")
        return Account(subject, name)

    def _open(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIMEOUT_S, verify=self._tls)


async def _ask(request: Any) -> dict[str, Any]:
    try:
        response = await request
        response.raise_for_status()
        found = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise SignInFailed(type(error).__name__) from error
    if not isinstance(found, dict):
        raise SignInFailed("the answer can't be understood")
    return found


def router(doorman: Doorman, platform: Platform, move_user: MoveUser) -> APIRouter:
    """Return the routes of the sign-in; `move_user(from_id, to_id)` moves a visitor's chats.

    GET of the login is the plain way. POST is the way out of another site's frame: it opens the
    page's own address in a new tab and takes along who is chatting in the frame, because the
    cookies of the two don't see one another. A foreign page can't send it (see `SameOrigin`), so
    nobody's chats land in somebody else's account.
    """
    assert platform.oauth is not None
    flow = _Flow(doorman, platform, Provider(platform.oauth))
    routes = APIRouter(include_in_schema=False)

    @routes.get(LOGIN)
    async def begin(request: Request, next: str = "/") -> Response:
        visitor_id = doorman.visitors.read(request.cookies.get(COOKIE)) or ""
        return await flow.begin(request, visitor_id, safe_path(next), is_from_frame=False)

    @routes.post(LOGIN)
    async def begin_from_frame(request: Request) -> Response:
        fields = await read_form(request)
        if fields is None:
            return plain_page("Not signed in", "<p>That form is too long.</p>", status=413)
        visitor_id = doorman.handover.open(fields.get("visitor"))
        return await flow.begin(request, str(visitor_id or ""), "/", is_from_frame=True)

    @routes.get(CALLBACK)
    async def finish(request: Request) -> Response:
        return await flow.finish(request, move_user)

    @routes.api_route(LOGOUT, methods=["GET", "POST"])
    async def leave(request: Request) -> Response:
        # A link of ours may sign out; an image in another site's page may not.
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return RedirectResponse("/login", status_code=303)
        response = RedirectResponse("/", status_code=303)
        for header in doorman.leave_headers(is_https=bool(platform.url)):
            response.headers.append("set-cookie", header)
        return response

    return routes


@dataclass(frozen=True)
class _Flow:
    """One sign-in from the button to the account's cookie; what it must know is in a cookie."""

    doorman: Doorman
    platform: Platform
    provider: Provider

    @property
    def seal(self) -> Seal:
        return Seal(self.doorman.keys, purpose="sign-in", lifetime_s=FLOW_LIFETIME_S)

    async def begin(
        self, request: Request, visitor_id: str, target: str, *, is_from_frame: bool
    ) -> Response:
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        try:
            endpoints = await self.provider.read_endpoints()
        except (SignInFailed, KeyError) as error:
            return self._explain("Hugging Face can't be reached now; try again later.", error)
        url = f"{endpoints['authorization']}?{urlencode(self._query(request, state, verifier))}"
        response: Response = RedirectResponse(url, status_code=302)
        if is_from_frame:
            # A form may not lead off this site (form-action), not even by redirects; a page may.
            head = f'<meta http-equiv="refresh" content="0;url={escape(url)}">'
            link = f'{head}<p><a href="{escape(url)}">Go on to Hugging Face</a></p>'
            response = plain_page("Signing in", link)
        row = {"state": state, "verifier": verifier, "visitor": visitor_id, "next": target}
        cookie = self._cookie(request, self.seal.close(row), FLOW_LIFETIME_S)
        response.headers.append("set-cookie", cookie)
        return response

    async def finish(self, request: Request, move_user: MoveUser) -> Response:
        row = self.seal.open(request.cookies.get(FLOW_COOKIE))
        given = request.query_params
        if not isinstance(row, dict) or not _is_same(row["state"], given.get("state", "")):
            return self._explain(
                "The sign-in got lost on the way: it took too long, or the browser keeps no "
                "cookies of this site inside another one's page."
            )
        try:
            code = given.get("code", "")
            callback = self._callback(request)
            account = await self.provider.read_account(code, row["verifier"], callback)
        except (SignInFailed, KeyError) as error:
            return self._explain("Hugging Face didn't confirm the sign-in.", error)
        if row["visitor"]:
            await run_in_threadpool(move_user, row["visitor"], account.user_id)
        response = RedirectResponse(safe_path(row["next"]), status_code=303)
        is_https = self._callback(request).startswith("https:")
        cookie = self.doorman.account_header(account, is_https=is_https)
        response.headers.append("set-cookie", cookie)
        response.headers.append("set-cookie", self._cookie(request, "", 0))
        return response

    def _callback(self, request: Request) -> str:
        # A Space knows its own name. The Hub sends codes to registered addresses alone.
        return f"{self.platform.url or str(request.base_url).rstrip('/')}{CALLBACK}"

    def _query(self, request: Request, state: str, verifier: str) -> dict[str, str]:
        digest = hashlib.sha256(verifier.encode()).digest()
        client = self.provider.client
        return {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": self._callback(request),
            "scope": client.scopes,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }

    def _cookie(self, request: Request, value: str, lifetime_s: int) -> str:
        # Lax: the way back is a plain link from the Hub, in the tab that the sign-in began in.
        is_https = self._callback(request).startswith("https:")
        return cookie_header(FLOW_COOKIE, value, lifetime_s, is_https=is_https)

    def _explain(self, reason: str, error: Exception | None = None) -> Response:
        if error is not None:
            log.warning("A sign-in failed: %s", error)
        url = escape(f"{self.platform.url}{LOGIN}")
        link = f'<p>{reason}</p><p><a href="{url}" target="_blank">Try again in a new tab</a></p>'
        return plain_page("Not signed in", link, status=400)


def _is_same(ours: str, theirs: str) -> bool:
    return secrets.compare_digest(ours.encode(), theirs.encode())
