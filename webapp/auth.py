"""Who is asking: visitors by a signed cookie, programs by a Bearer key."""

import os
import secrets
import uuid
from pathlib import Path

from itsdangerous import BadSignature, Signer
from starlette.requests import HTTPConnection

from chat.errors import SettingsError, Unauthorized

COOKIE = "palaver_visitor"
COOKIE_LIFETIME_S = 400 * 24 * 3600  # browsers cap a cookie's life at 400 days
API_OWNER = "api"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def read_key(data_dir: Path) -> bytes:
    """Read the key that signs cookies, making it at first: 32 random bytes as hex, mode 0600.

    It lives beside the database because it is part of the same memory: without it nobody gets
    back to their earlier chats.

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
    if len(key) < 64:
        raise SettingsError(
            f"The cookie key {path.name} is damaged: {len(key)} characters instead of 64. "
            "Restore it from a backup, or delete it to begin anew (visitors lose their history)."
        )
    return key


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

    def __init__(self, key: bytes, *, in_frame: bool = False):
        """`in_frame`: the page is shown in another site's frame, as on a Space."""
        self._signer = Signer(key, salt="palaver.visitor")
        self._in_frame = in_frame

    def read(self, value: str | None) -> str | None:
        """Return the visitor's id, or None if the cookie is absent, altered or foreign."""
        try:
            return self._signer.unsign(value or "").decode()
        except BadSignature:
            return None

    def header(self, visitor_id: str, *, is_https: bool) -> str:
        """Return the Set-Cookie header that makes a browser remember `visitor_id`."""
        value = self._signer.sign(visitor_id).decode()
        parts = [f"{COOKIE}={value}", "Path=/", f"Max-Age={COOKIE_LIFETIME_S}", "HttpOnly"]
        if self._in_frame:
            parts += ["SameSite=None", "Secure", "Partitioned"]
        else:
            parts += ["SameSite=Lax", *(["Secure"] if is_https else [])]
        return "; ".join(parts)


def new_visitor_id() -> str:
    """Return an id for somebody who was never seen before."""
    return uuid.uuid4().hex


def is_local(request: HTTPConnection) -> bool:
    """Say whether a request comes from this machine, through no proxy and to its own name.

    The name matters because a page elsewhere may point its own at 127.0.0.1 (DNS rebinding).
    """
    client = request.client.host if request.client else ""
    is_forwarded = any(name in request.headers for name in FORWARDED)
    return client in LOOPBACK and not is_forwarded and request.url.hostname in LOOPBACK


def check_api_key(request: HTTPConnection, expected: str) -> None:
    """Let a request to /v1 pass, or say why not.

    Without a key in the settings, /v1 is open to this machine alone.

    Raises:
        Unauthorized: a key is needed and missing or wrong, or /v1 is closed.
    """
    if not expected:
        if is_local(request):
            return
        raise Unauthorized(
            "The API is closed: it has no key yet, so it answers this machine alone. "
            "Its operator can set PALAVER_API_KEY.",
            code="invalid_api_key",
        )
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    matches = secrets.compare_digest(given.strip().encode(), expected.encode())
    if scheme.lower() != "bearer" or not matches:
        raise Unauthorized(
            "The API key is missing or wrong; send it as 'Authorization: Bearer KEY'.",
            code="invalid_api_key",
        )
