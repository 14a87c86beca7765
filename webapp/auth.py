"""Who is asking: visitors by a signed cookie, programs by a Bearer key, administrators twice."""

import hmac
import os
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from itsdangerous import BadData, BadSignature, Signer, URLSafeTimedSerializer
from starlette.requests import HTTPConnection

from chat.errors import SettingsError

COOKIE = "palaver_visitor"
ACCOUNT_COOKIE = "palaver_account"
ADMIN_COOKIE = "palaver_admin"
DAY_S = 24 * 3600
COOKIE_LIFETIME_S = 400 * DAY_S  # browsers cap a cookie's life at 400 days
ACCOUNT_LIFETIME_S = 14 * DAY_S
ADMIN_LIFETIME_S = DAY_S
API_OWNER = "api"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# What proxies and tunnels add to a request, each its own.
FORWARDED = ("forwarded", "via", "true-client-ip", "x-real-ip", "x-client-ip")
FORWARDED_KINDS = ("x-forwarded-", "x-original-", "x-envoy-", "cf-", "fly-", "fastly-")
# How a cookie lives where the page is shown in another site's frame: not there, in a jar of that
# frame's own, or in the one jar that the page's own address uses too.
Frame = Literal["none", "partitioned", "shared"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends a request. `id` owns conversations; `name` is empty for people not signed in."""

    id: str
    name: str = ""
    is_admin: bool = False

    @property
    def audience(self) -> str:
        """Which of the policy's rules hold for them: those for guest, member or admin."""
        return "admin" if self.is_admin else "member" if self.name else "guest"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody signed in with Hugging Face; `subject` stays when they change their name."""

    subject: str
    name: str

    @property
    def user_id(self) -> str:
        """The id that owns this account's conversations."""
        return f"hf:{self.subject}"


class CookieKeys:
    """The keys of cookies: the first one signs, and what any of them signed is believed."""

    def __init__(self, *keys: bytes):
        assert keys
        self.all = keys

    def add(self, lines: bytes) -> None:
        """Believe the keys in `lines` (see `read_key`) too, from now on."""
        self.all = tuple(dict.fromkeys([*self.all, *lines.split()]))

    @property
    def newest_last(self) -> list[bytes]:
        """The keys in the order that itsdangerous wants: it signs with the last one."""
        return list(reversed(self.all))


def read_key(data_dir: Path) -> bytes:
    """Read the key that signs cookies, making it at first: 32 random bytes as hex, mode 0600.

    It lives beside the database because it is part of the same memory: without it nobody gets
    back to their earlier chats. There may be several, a line each, when two memories were joined.

    Raises:
        SettingsError: the folder can't be written, or the file isn't such a key.
    """
    path = data_dir / "cookie.key"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create_key(path)
        key = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(
            f"The cookie key {path.name} can't be read or made ({error.strerror}); "
            "point PALAVER_DATA_DIR at a folder that can be written."
        ) from error
    if _shortest(key) < 64:
        raise SettingsError(
            f"The cookie key {path.name} is damaged: {_shortest(key)} characters instead of 64. "
            "Restore it from a backup, or delete it to begin anew (visitors lose their history)."
        )
    return key


def _shortest(lines: bytes) -> int:
    return min((len(line) for line in lines.split()), default=0)


def merge_keys(data_dir: Path, theirs: bytes) -> bytes:
    """Join the keys in `data_dir` and `theirs`, which come first; write and return all of them.

    Raises:
        SettingsError: the folder can't be written, or one of the two isn't such a key; nothing is
            written then.
    """
    path = data_dir / "cookie.key"
    theirs = theirs.strip()
    if theirs and _shortest(theirs) < 64:
        raise SettingsError(
            f"The cookie key {path.name} is damaged in the copy of the chats: {_shortest(theirs)} "
            "characters instead of 64. Take it away there; the one that is here takes its place."
        )
    ours = read_key(data_dir) if path.exists() or not theirs else b""
    merged = b"\n".join(dict.fromkeys([*theirs.split(), *ours.split()]))
    if merged != ours:
        _replace(path, merged)
    return merged


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        raise SettingsError(
            f"The cookie key {path.name} can't be written ({error.strerror}); "
            "point PALAVER_DATA_DIR at a folder that can be written."
        ) from error


def _create_key(path: Path) -> None:
    # Written apart and then linked: a second process never sees half a key, nor replaces one.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


class VisitorCookie:
    """Reads and writes the cookie that owns conversations. Only its signature makes it true."""

    def __init__(self, keys: CookieKeys, *, in_frame: bool = False):
        """`in_frame`: the page is shown in another site's frame, as on a Space."""
        self._signer = Signer(keys.newest_last, salt="palaver.visitor")
        self._frame: Frame = "partitioned" if in_frame else "none"

    def read(self, value: str | None) -> str | None:
        """Return the visitor's id, or None if the cookie is absent, altered or foreign."""
        try:
            return self._signer.unsign(value or "").decode()
        except BadSignature:
            return None

    def header(self, visitor_id: str, *, is_https: bool) -> str:
        """Return the Set-Cookie header that makes a browser remember `visitor_id`."""
        value = self._signer.sign(visitor_id).decode()
        return cookie_header(COOKIE, value, COOKIE_LIFETIME_S, is_https=is_https, frame=self._frame)


class Seal:
    """Signs a small value for one purpose, for a limited time."""

    def __init__(self, keys: CookieKeys, *, purpose: str, lifetime_s: int):
        self._serializer = URLSafeTimedSerializer(keys.newest_last, salt=f"palaver.{purpose}")
        self.lifetime_s = lifetime_s

    def close(self, value: object) -> str:
        """Return `value` (JSON-ready) as text that only this key can have made."""
        return str(self._serializer.dumps(value))

    def open(self, text: str | None) -> Any:
        """Return the value, or None if the text is absent, altered, foreign or too old."""
        try:
            return self._serializer.loads(text or "", max_age=self.lifetime_s)
        except BadData:
            return None


def cookie_header(
    name: str, value: str, lifetime_s: int, *, is_https: bool, frame: Frame = "none"
) -> str:
    """Return a Set-Cookie header out of scripts' reach; a lifetime of 0 deletes the cookie."""
    parts = [f"{name}={value}", "Path=/", f"Max-Age={lifetime_s}", "HttpOnly"]
    if frame == "none":
        parts += ["SameSite=Lax", *(["Secure"] if is_https else [])]
    else:
        parts += ["SameSite=None", "Secure", *(["Partitioned"] if frame == "partitioned" else [])]
    return "; ".join(parts)


@dataclass(frozen=True)
class Doorman:
    """Tells from a request's cookies who sent it, and whether they may administer.

    An administrator has given `admin_password` at /login, or is signed in with Hugging Face under
    a name (or an id, as ``hf:ID``) of `admins`. Where neither is set, whoever sits at this machine
    itself is one, but for what is seen to come through a proxy (see `is_local`).
    """

    keys: CookieKeys = field(repr=False)
    admin_password: str = field(default="", repr=False)
    admins: Collection[str] = ()
    can_sign_in: bool = False
    in_frame: bool = False

    @property
    def visitors(self) -> VisitorCookie:
        """The cookie of people who aren't signed in."""
        return VisitorCookie(self.keys, in_frame=self.in_frame)

    @property
    def accounts(self) -> Seal:
        """What signs the cookie of people who are signed in."""
        return Seal(self.keys, purpose="account", lifetime_s=ACCOUNT_LIFETIME_S)

    @property
    def administrators(self) -> Seal:
        """What signs the administrator's cookie; another password makes it void."""
        password = self.admin_password.encode()
        keys = CookieKeys(*(hmac.digest(key, password, "sha256") for key in self.keys.all))
        return Seal(keys, purpose="admin", lifetime_s=ADMIN_LIFETIME_S)

    @property
    def handover(self) -> Seal:
        """What signs a visitor's id for the form that signs in out of a frame: in the new tab
        that it opens, the frame's cookies aren't there to tell whose chats to take along."""
        return Seal(self.keys, purpose="handover", lifetime_s=DAY_S)

    def identify(self, request: HTTPConnection, visitor_id: str) -> Identity:
        """Return who sends `request`, whose visitor's cookie says `visitor_id`."""
        account = self.read_account(request)
        if account is None:
            return Identity(visitor_id, is_admin=self._is_admin(request, None))
        return Identity(account.user_id, account.name, self._is_admin(request, account))

    def read_account(self, request: HTTPConnection) -> Account | None:
        """Return the account that is signed in, if one is."""
        value = self.accounts.open(request.cookies.get(ACCOUNT_COOKIE))
        if not self.can_sign_in or not isinstance(value, dict):
            return None
        return Account(str(value["sub"]), str(value["name"]))

    def account_header(self, account: Account, *, is_https: bool) -> str:
        """Return the Set-Cookie header that signs `account` in."""
        value = self.accounts.close({"sub": account.subject, "name": account.name})
        return self._header(ACCOUNT_COOKIE, value, ACCOUNT_LIFETIME_S, is_https)

    def admin_header(self, *, is_https: bool) -> str:
        """Return the Set-Cookie header that makes its browser the administrator's."""
        value = self.administrators.close("admin")
        return self._header(ADMIN_COOKIE, value, ADMIN_LIFETIME_S, is_https)

    def leave_headers(self, *, is_https: bool) -> list[str]:
        """Return the Set-Cookie headers that sign out of everything."""
        return [self._header(name, "", 0, is_https) for name in (ACCOUNT_COOKIE, ADMIN_COOKIE)]

    def matches_password(self, given: str) -> bool:
        """Say whether `given` is the administrator's password, in constant time."""
        matches = secrets.compare_digest(given.encode(), self.admin_password.encode())
        return bool(self.admin_password) and matches

    def _header(self, name: str, value: str, lifetime_s: int, is_https: bool) -> str:
        # The one jar: who signs in at the page's own address is signed in inside the frame too,
        # where the browser lets them.
        frame: Frame = "shared" if self.in_frame else "none"
        return cookie_header(name, value, lifetime_s, is_https=is_https, frame=frame)

    def _is_admin(self, request: HTTPConnection, account: Account | None) -> bool:
        if not self.admin_password and not self.admins:
            return is_local(request)
        if account and _is_named(account, self.admins):
            return True
        is_known = self.administrators.open(request.cookies.get(ADMIN_COOKIE)) == "admin"
        return bool(self.admin_password) and is_known


def _is_named(account: Account, admins: Collection[str]) -> bool:
    names = {name.casefold() for name in admins}
    return bool(names & {account.name.casefold(), account.user_id.casefold()})


def new_visitor_id() -> str:
    """Return an id for somebody who was never seen before."""
    return uuid.uuid4().hex


def is_local(request: HTTPConnection) -> bool:
    """Say whether a request comes from this machine, through no proxy and to its own name.

    The name matters because a page elsewhere may point its own at 127.0.0.1 (DNS rebinding). A
    proxy gives itself away by what it adds, by HTTP/1.0, or by the page's address in what a
    browser sends; a bare tunnel doesn't, so who opens one has to set a password first.
    """
    client = request.client.host if request.client else ""
    is_named = client in LOOPBACK and request.url.hostname in LOOPBACK
    return is_named and not _is_forwarded(request)


def _is_forwarded(request: HTTPConnection) -> bool:
    names = request.headers.keys()
    if any(name in FORWARDED or name.startswith(FORWARDED_KINDS) for name in names):
        return True
    pages = (request.headers.get(name, "") for name in ("origin", "referer"))
    is_elsewhere = any(_host_of(page) not in LOOPBACK for page in pages if page)
    return is_elsewhere or request.scope.get("http_version") == "1.0"


def _host_of(page: str) -> str:
    try:
        return urlsplit(page).hostname or ""
    except ValueError:
        return ""
