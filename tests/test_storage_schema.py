"""Databases of other versions: older ones are upgraded, newer and foreign ones refused."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from chat.errors import SetupError, StorageError
from storage.connection import Database, parse_url
from storage.models import Base
from storage.postgresql import PostgresDatabase
from storage.schema import MIGRATIONS, _configure, prepare_schema
from storage.sqlite import SqliteDatabase
from storage.store import Store
from tests.storage_kit import fill, make_turn, postgres_url, run_at_once

ASSETS = Path(__file__).parent / "assets" / "databases"

# A later revision that rebuilds a table which others point to, the way SQLite needs it.
_LATER = """
import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "{head}"


def upgrade() -> None:
    recreate = "always" if op.get_bind().dialect.name == "sqlite" else "auto"
    with op.batch_alter_table("users", recreate=recreate) as table:
        table.add_column(sa.Column("nickname", sa.Text(), server_default="none", nullable=False))
    {more}
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    database: Database
    if request.param == "sqlite":
        database = SqliteDatabase(parse_url(f"sqlite:///{tmp_path}/chat.db"), 5)
    else:
        url = postgres_url()
        with Store.open(url) as store, store._database.write() as session:
            session.execute(text("DROP SCHEMA IF EXISTS empty CASCADE"))
            session.execute(text("CREATE SCHEMA empty"))
        database = PostgresDatabase(parse_url(f"{url}&options=-csearch_path%3Dempty"), 5)
    yield database
    database.close()


def find_differences(connection: Connection) -> list[object]:
    """Return what alembic would change to bring the tables to the models."""
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return list(compare_metadata(context, Base.metadata))


def add_later_revision(folder: Path, more: str = "") -> Path:
    migrations = folder / "migrations"
    shutil.copytree(MIGRATIONS, migrations)
    heads = sorted(path.name[:4] for path in (migrations / "versions").glob("0*.py"))
    later = _LATER.format(head=heads[-1], more=more)
    (migrations / "versions" / "9999_later.py").write_text(later)
    return migrations


def test_fresh_database_matches_the_models(empty: Database):
    prepare_schema(empty)
    with empty.alter() as connection:
        assert find_differences(connection) == []


def test_migrations_from_nothing_match_the_models(empty: Database):
    with empty.alter() as connection:
        command.upgrade(_configure(connection, MIGRATIONS), "head")
        assert find_differences(connection) == []
        migrated = _read_sql(connection)
    prepare_schema(empty)
    if migrated:
        with Store.open("sqlite://") as fresh, fresh._database.alter() as connection:
            assert migrated == _read_sql(connection)


def _read_sql(connection: Connection) -> set[str]:
    """Return the statements of a SQLite schema; with check constraints, which alembic ignores."""
    if connection.dialect.name != "sqlite":
        return set()
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
    found = connection.exec_driver_sql(query).scalars()
    # SQLite puts a table that was renamed in quotes.
    plain = (statement.replace(",", " ").replace('"', "") for statement in found)
    return {" ".join(sorted(statement.split())) for statement in plain}


@pytest.mark.parametrize("asset", sorted(path.name for path in ASSETS.glob("*.db")))
def test_database_of_every_version_is_upgraded(tmp_path: Path, asset: str):
    path = tmp_path / asset
    shutil.copy(ASSETS / asset, path)
    with Store.open(f"sqlite:///{path}") as store:
        branch = store.read_branch("ann", "tea")
        assert [step.message.content for step in branch] == ["What is tea? ☕", "A drink."]
        assert store.list_conversations("ann")[0].title == "Tea"
        assert store.read_consents("ann") == {"training": True}
        (ranked,) = store.export_rankings()
        assert len(ranked.ranking.groups) == 2
        assert store.read_ratings("ann", "tea")[0].value == 1
        assert len(store.read_verdicts("ann", "tea")) == 2
        store.record_turn("ann", make_turn("tea", branch[-1].id))
        with store._database.alter() as connection:
            assert find_differences(connection) == []


def test_there_are_old_databases():
    found = {path.stem for path in ASSETS.glob("*.db")}
    revisions = {int(path.name[:4]) for path in (MIGRATIONS / "versions").glob("0*.py")}
    assert found == {f"v{revision}" for revision in revisions}


def test_what_the_second_version_added_is_kept(tmp_path: Path):
    path = tmp_path / "v2.db"
    shutil.copy(ASSETS / "v2.db", path)
    with Store.open(f"sqlite:///{path}") as store:
        thread = store.read_thread("ann", "tea", annotator_id="ann")
        assert thread.conversation.training_consent is True
        generation = thread.messages[1].generation
        assert generation and (generation.system_prompt, generation.persona) == (
            "Be brief.",
            "butler",
        )
        assert [persona.title for persona in store.list_personas()] == ["Butler"]
        assert [key.name for key in store.list_api_keys()] == ["laptop"]
        assert [count.amount for count in store.read_counts()] == [2]
        assert store.read_changes().last == 4


def test_what_the_third_version_added_is_kept(tmp_path: Path):
    path = tmp_path / "v3.db"
    shutil.copy(ASSETS / "v3.db", path)
    with Store.open(f"sqlite:///{path}") as store:
        refused, asked = store.list_verdicts().verdicts
        assert (refused.text, refused.num_words) == ("What was refused.", 2)
        assert [word.mark for word in refused.reviews] == ["false_positive"]
        assert (asked.text, asked.num_words) == ("What is tea? ☕", 0)
        (row,) = store.export_reviews()
        assert (row.text, row.labels) == ("What was refused.", {"profanity": 0})
        (rule,) = store.list_rules()
        assert (rule.id, rule.patterns, rule.is_active) == ("rivals", ("acme",), True)


def test_what_the_fourth_version_added_is_kept(tmp_path: Path):
    path = tmp_path / "v4.db"
    shutil.copy(ASSETS / "v4.db", path)
    with Store.open(f"sqlite:///{path}") as store:
        (ranked,) = store.export_rankings()
        assert (ranked.ranking.strength, ranked.ranking.elapsed_s) == (0.75, 12.5)
        shown = store.read_comparison("ann", "drawn")
        assert (shown.origin, shown.probability) == ("studio", 0.25)
        assert shown.draw == {"sources": [{"model": "toy", "settings": {"temperature": 0.9}}]}
        assert "A plant, and a drink." in [m.message.content for m in store.read_tree("ann", "tea")]


def test_what_the_fifth_version_added_is_kept(tmp_path: Path):
    path = tmp_path / "v5.db"
    shutil.copy(ASSETS / "v5.db", path)
    with Store.open(f"sqlite:///{path}") as store:
        (ranked,) = store.export_rankings()
        assert ranked.ranking.is_none_acceptable and not ranked.ranking.acceptable


# As the first version wrote them: ids of consents and verdicts were numbers.
_FIRST_ROWS = """
INSERT INTO users VALUES ('ann', '2026-01-01 00:00:00');
INSERT INTO conversations VALUES ('c', 'ann', '', 'a', '2026-01-01 00:00:00',
    '2026-01-01 00:00:00');
INSERT INTO messages VALUES ('q', 'c', NULL, 'user', 'q', NULL, '2026-01-01 00:00:00');
INSERT INTO messages VALUES ('a', 'c', 'q', 'assistant', 'a', 'stop', '2026-01-01 00:00:01');
INSERT INTO generations VALUES ('a', 'm', '{}', 1, 2, 0, 0, 0, 0)
"""


def test_numbers_of_the_first_version_become_ids_in_the_same_order(empty: Database):
    with empty.alter() as connection:
        command.upgrade(_configure(connection, MIGRATIONS), "0001")
        for statement in _FIRST_ROWS.split(";"):
            connection.exec_driver_sql(statement)
        for number in range(12):
            connection.exec_driver_sql(
                "INSERT INTO consents (user_id, purpose, granted, version, created_at) VALUES "
                f"('ann', 'training', {number % 2 == 0}, 'v{number}', '2026-01-01 00:00:00')"
            )
            connection.exec_driver_sql(
                "INSERT INTO verdicts (message_id, moderator, version, stage, scores, spans, "
                "outcome, reason, action, category, latency_ms, policy_version, created_at) VALUES "
                f"('a', 'm{number}', '1', 'output', '{{}}', '[]', 'judged', '', 'allow', '', 1, "
                "'', '2026-01-01 00:00:00')"
            )
    prepare_schema(empty)
    store = Store(empty)
    consents = [record for record in store.export_user("ann") if record["kind"] == "consent"]
    assert [record["version"] for record in consents] == [f"v{number}" for number in range(12)]
    verdicts = store.read_verdicts("ann", "c")["a"]
    assert [verdict.moderator for verdict in verdicts] == [f"m{number}" for number in range(12)]
    assert store.read_consents("ann") == {"training": False}
    store.set_consent("ann", "training", True)
    assert store.read_consents("ann") == {"training": True}
    with empty.alter() as connection:
        assert find_differences(connection) == []


def test_upgrade_keeps_every_row_though_it_rebuilds_tables(empty: Database, tmp_path: Path):
    prepare_schema(empty)
    store = Store(empty)
    fill(store, "ann", "c")
    before, tree = store.stats(), store.read_tree("ann", "c")
    prepare_schema(empty, add_later_revision(tmp_path))
    assert (store.stats(), store.read_tree("ann", "c")) == (before, tree)
    with empty.read() as session:
        assert session.scalar(text("SELECT nickname FROM users")) == "none"
    store.delete_user("ann")
    assert set(store.stats().values()) == {0}


def test_database_of_a_newer_version_is_refused_untouched(empty: Database, tmp_path: Path):
    prepare_schema(empty)
    prepare_schema(empty, add_later_revision(tmp_path))
    with pytest.raises(SetupError, match=r"newer Palaver .revision 'later'.; update the program"):
        prepare_schema(empty)
    with empty.read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == "later"


@pytest.mark.parametrize("more", ["raise RuntimeError", "op.execute('SELECT nonsense')"])
def test_upgrade_that_fails_changes_nothing(empty: Database, tmp_path: Path, more: str):
    prepare_schema(empty)
    store = Store(empty)
    fill(store, "ann", "c")
    with pytest.raises((RuntimeError, StorageError)):
        prepare_schema(empty, add_later_revision(tmp_path, more))
    prepare_schema(empty)
    assert len(store.read_tree("ann", "c")) == 3
    with empty.alter() as connection:
        assert find_differences(connection) == []


def test_upgrade_that_would_orphan_rows_changes_nothing(tmp_path: Path):
    database = SqliteDatabase(parse_url(f"sqlite:///{tmp_path}/chat.db"), 5)
    prepare_schema(database)
    store = Store(database)
    fill(store, "ann", "c")
    migrations = add_later_revision(tmp_path, 'op.execute("DELETE FROM users")')
    with pytest.raises(StorageError, match="would have lost what they belong to"):
        prepare_schema(database, migrations)
    assert len(store.read_tree("ann", "c")) == 3
    database.close()


def test_database_of_another_program_is_refused_untouched(tmp_path: Path):
    path = tmp_path / "cookies.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE cookies (id)")
    with pytest.raises(SetupError, match=r"belongs to another program .it has a table 'cookies'"):
        Store.open(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("cookies",)]


def test_eight_threads_may_open_a_new_database_at_once(tmp_path: Path):
    def work(number: int) -> None:
        with Store.open(f"sqlite:///{tmp_path}/chat.db") as store:
            store.record_turn("ann", make_turn(f"c{number}"))

    assert run_at_once(work) == []
    with Store.open(f"sqlite:///{tmp_path}/chat.db") as store:
        assert store.stats()["conversations"] == 8


def test_it_works_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with Store.open("sqlite:///data/chat.db") as store:
        monkeypatch.chdir("/")
        store.record_turn("ann", make_turn())
        assert store.stats()["messages"] == 2
    assert (tmp_path / "data" / "chat.db").exists()
