"""The keys that programs show at /v1: made once, known here by their hash alone, and revoked."""

import asyncio
import hashlib
import secrets
import uuid
from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from chat.errors import InvalidRequest, Unauthorized
from chat.text import clean_text
from storage.records import ApiKey
from storage.store import Store
from webapp.auth import API_OWNER, is_local

PREFIX = "pal-"
NUM_RANDOM_BYTES = 30  # 40 characters, 240 bits
MOST_NAME = 100


class Keys:
    """The keys in the store, and the one of the settings.

    All methods but `authorize` block. A key that was revoked still counts as one that was made:
    revoking the last one doesn't open /v1 again.
    """

    def __init__(self, store: Store, *, fixed_key: str = ""):
        """`fixed_key` is one more key, which isn't in the store: that of the settings."""
        self._store = store
        self._fixed_key = fixed_key

    def create(self, name: str) -> tuple[ApiKey, str]:
        """Make a key; return what is known of it, and the key itself, which nothing shows again.

        Raises:
            InvalidRequest: the name is empty or too long.
        """
        name = " ".join(clean_text(name).split())
        if not 0 < len(name) <= MOST_NAME:
            raise InvalidRequest(
                f"The key's name has {len(name)} characters; allowed are 1 to {MOST_NAME}.",
                param="name",
            )
        secret = PREFIX + secrets.token_urlsafe(NUM_RANDOM_BYTES)
        key = ApiKey(uuid.uuid4().hex, name, _digest(secret), datetime.now(UTC))
        self._store.record_api_key(key)
        return key, secret

    def find(self, secret: str) -> ApiKey | None:
        """Return the key whose secret this is, unless it was revoked."""
        return self._store.find_api_key(_digest(secret))

    def list(self) -> list[ApiKey]:
        """Return all keys, those that were revoked too."""
        return self._store.list_api_keys()

    def revoke(self, key_id: str) -> None:
        """Make a key void from now on.

        Raises:
            NotFound: there is no such key.
        """
        self._store.revoke_api_key(key_id)

    def exist(self) -> bool:
        """Say whether any key was ever made: from then on one is needed, on this machine too."""
        return bool(self._fixed_key or self.list())

    async def authorize(self, request: HTTPConnection) -> str:
        """Return who owns what a request to /v1 makes.

        Until there is a key, /v1 is open to this machine alone, whatever its clients send as a
        key: most of them have to send something.

        Raises:
            Unauthorized: a key is needed and missing, wrong or revoked, or /v1 is closed.
        """
        secret = _read_bearer(request)
        if secret:
            if self._fixed_key and secrets.compare_digest(secret, self._fixed_key.encode()):
                return API_OWNER
            key = await asyncio.to_thread(self.find, secret.decode())
            if key is not None:
                return f"key:{key.id}"
        if await asyncio.to_thread(self.exist):
            raise Unauthorized(
                "The API key is missing or wrong; send it as 'Authorization: Bearer KEY'.",
                code="invalid_api_key",
            )
        if is_local(request):
            return API_OWNER
        raise Unauthorized(
            "The API is closed: it has no key yet, so it answers this machine alone. "
            "Its operator can make a key, or set PALAVER_API_KEY.",
            code="invalid_api_key",
        )


def _digest(secret: str) -> str:
    # The secret is random and long, so a plain hash can't be searched, and needs no salt.
    return hashlib.sha256(secret.encode()).hexdigest()


def _read_bearer(request: HTTPConnection) -> bytes:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip().encode() if scheme.lower() == "bearer" else b""
