"""URLs of databases: what is allowed, and what is said of the rest."""

import sys

import pytest
from sqlalchemy import text

from chat.errors import SettingsError, StorageError
from storage.connection import parse_url
from storage.store import Store
from tests.storage_kit import make_turn, postgres_url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "chat.db",
        "mysql://u:secret@host/db",
        "sqlite+aiosqlite:///x.db",
        "postgresql+psycopg2://u:secret@host/db",
        "postgresql://u:secret@host:port/db",
        "://secret",
        "http://u:secret@host/",
    ],
)
def test_url_of_another_kind_is_refused_without_its_password(url: str):
    with pytest.raises(SettingsError, match="allowed are sqlite:///") as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_the_same_driver(scheme: str):
    assert parse_url(f"{scheme}://u:p@host/db").drivername == "postgresql+psycopg"


def test_missing_driver_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install \"psycopg\[binary\]\""):
        Store.open("postgresql://localhost/db")


def test_unreachable_server_is_told_without_the_password():
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError, match="The database chat cannot be reached") as caught:
        Store.open("postgresql://u:secret@127.0.0.1:1/chat")
    assert "secret" not in str(caught.value)


def test_read_only_postgresql_is_told():
    url = postgres_url()
    Store.open(url).close()
    separator = "&" if "?" in url else "?"
    read_only = f"{url}{separator}options=-c%20default_transaction_read_only=on"
    with Store.open(read_only) as store:
        with pytest.raises(StorageError, match="read-only"):
            store.record_turn("ann", make_turn("never"))
        assert store.check()["ok"] is False
        assert store.list_conversations("nobody") == []


def test_locked_postgresql_is_told():
    url = postgres_url()
    with Store.open(url) as holder, Store.open(url, busy_timeout_s=0.05) as store:
        holder.record_turn("locker", make_turn("held"))
        with holder._database.write() as session:
            session.execute(text("SELECT * FROM conversations FOR UPDATE"))
            with pytest.raises(StorageError, match="locked"):
                store.rename_conversation("locker", "held", "new")
        store.rename_conversation("locker", "held", "new")


def test_lost_connections_of_postgresql_are_made_anew():
    with Store.open(postgres_url()) as store:
        assert store.check()["ok"] is True
        with store._database.write() as session:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            session.execute(
                text(f"{others} WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
            )
        assert store.check()["ok"] is True
