"""Names for people that nobody can turn back without the key, the same in every export."""

import hashlib
import hmac
from dataclasses import replace
from functools import lru_cache

from preferences.judgement import Judgement


@lru_cache(maxsize=10_000)
def pseudonym(key: bytes, user_id: str) -> str:
    """Return 16 hex digits that stand for a person: HMAC-SHA256 of the id, cut to 64 bits.

    A plain hash of an id could be found by trying ids; this takes the key. An empty id stays
    empty: it is nobody's.
    """
    assert key, "pseudonyms need a key"
    if not user_id:
        return ""
    digest = hmac.new(key, user_id.encode(errors="surrogatepass"), hashlib.sha256)
    return digest.hexdigest()[:16]


def pseudonymise(judgement: Judgement, key: bytes) -> Judgement:
    """Return the judgement with the annotator and the owner of the chat under pseudonyms."""
    annotator = pseudonym(key, judgement.ranking.annotator_id)
    return replace(
        judgement,
        ranking=replace(judgement.ranking, annotator_id=annotator),
        owner_id=pseudonym(key, judgement.owner_id),
    )
