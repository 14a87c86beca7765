"""What running Palaver needs: personas, API keys, counts."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from chat.errors import InvalidRequest, NotFound
from chat.types import Persona
from storage.clock import Clock
from storage.records import ApiKey, Count
from storage.store import Store
from tests.storage_kit import record_chain, run_at_once, store_fixture

store = store_fixture()


def test_persona_comes_back_as_it_was(store: Store):
    pirate = Persona(
        "pirate", "Pirate 🏴‍☠️", "Arr", "You are {{ name }}.", {"temperature": 1.5, "top_k": 3},
        ("Where is the gold?", "Sing!"), "strict", True,
    )  # fmt: skip
    plain = Persona("plain", "Plain")
    store.save_persona(pirate)
    store.save_persona(plain)
    assert store.list_personas() == [pirate, plain]
    changed = replace(pirate, title="Corsair", starters=())
    store.save_persona(changed)
    assert store.list_personas() == [changed, plain]
    store.delete_persona("pirate")
    assert store.list_personas() == [plain]
    with pytest.raises(NotFound, match="no persona 'pirate'"):
        store.delete_persona("pirate")


def test_deleted_persona_leaves_its_answers(store: Store):
    store.save_persona(Persona("pirate", "Pirate"))
    record_chain(store, 1)
    store.delete_persona("pirate")
    assert len(store.read_branch("ann", "c")) == 2


DIGEST = "ab" * 32


def test_api_key_is_found_by_its_digest_until_it_is_revoked(store: Store):
    store.record_api_key(ApiKey("k1", "laptop", DIGEST))
    store.record_api_key(ApiKey("k2", "phone", "cd" * 32, datetime(2026, 1, 1, tzinfo=UTC)))
    found = store.find_api_key(DIGEST)
    assert found and (found.id, found.name, found.revoked_at) == ("k1", "laptop", None)
    assert found.created_at
    assert store.find_api_key("ef" * 32) is None
    assert [key.id for key in store.list_api_keys()] == ["k2", "k1"]
    store.revoke_api_key("k1")
    assert store.find_api_key(DIGEST) is None
    _, revoked = store.list_api_keys()
    assert revoked.revoked_at and revoked.revoked_at > found.created_at
    store.revoke_api_key("k1")
    assert store.list_api_keys()[1] == revoked
    with pytest.raises(NotFound, match="no API key 'k3'"):
        store.revoke_api_key("k3")


def test_api_key_that_is_there_already_is_refused(store: Store):
    store.record_api_key(ApiKey("k1", "laptop", DIGEST))
    store.revoke_api_key("k1")
    for again in (ApiKey("k1", "other", "cd" * 32), ApiKey("k2", "other", DIGEST)):
        with pytest.raises(InvalidRequest, match="there already"):
            store.record_api_key(again)
    assert len(store.list_api_keys()) == 1


def test_no_count_of_eight_threads_is_lost(store: Store):
    def count(number: int) -> None:
        for _ in range(10):
            store.count("turns")
            store.count("tokens", 2**33 + number)

    assert run_at_once(count) == []
    tokens, turns = store.read_counts()
    assert (turns.kind, turns.amount) == ("turns", 80)
    assert tokens.amount == 80 * 2**33 + 10 * sum(range(8))


def test_days_are_counted_apart_and_in_order(store: Store, monkeypatch: pytest.MonkeyPatch):
    for moment in (
        datetime(2026, 3, 2, 0, 0, tzinfo=UTC),
        datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC),
    ):
        monkeypatch.setattr(Clock, "now", lambda _, moment=moment: moment)
        store.count("turns", 2)
        store.count("refusals", 0)
        store.count("turns")
    assert store.read_counts() == [
        Count(date(2026, 3, 1), "refusals", 0),
        Count(date(2026, 3, 1), "turns", 3),
        Count(date(2026, 3, 2), "refusals", 0),
        Count(date(2026, 3, 2), "turns", 3),
    ]
