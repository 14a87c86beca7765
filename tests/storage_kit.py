"""Stores, turns to fill them with, and a throw-away PostgreSQL."""

import atexit
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from chat.errors import StorageError
from chat.review import Review
from chat.types import (
    Comparison,
    GenerationConfig,
    Message,
    Ranking,
    Rating,
    Timings,
    Turn,
    Usage,
    Verdict,
)
from storage.models import Base
from storage.store import Store


def make_turn(conversation_id: str = "c", parent_id: str | None = None, **changes: Any) -> Turn:
    """Return a small turn with new ids; `question` and `answer` may be given as strings."""
    for name, role in (("question", "user"), ("answer", "assistant")):
        said = changes.get(name, f"an {name}")
        if isinstance(said, str):
            changes[name] = Message(role, said)  # type: ignore[arg-type]
    values: dict[str, Any] = {
        "question_id": uuid4().hex,
        "answer_id": uuid4().hex,
        "finish_reason": "stop",
        "usage": Usage(3, 5),
        "config": GenerationConfig(stop=("###",), seed=7),
        "model": "tiny",
        "timings": Timings(1.0, 2.0, 3.5),
        "num_dropped": 2,
    }
    return Turn(conversation_id=conversation_id, parent_id=parent_id, **values | changes)


def find_postgres_binaries() -> Path | None:
    """Return the folder with initdb and pg_ctl, where Debian or the path has them."""
    on_path = shutil.which("pg_ctl")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates = [*folders, *([Path(on_path).parent] if on_path else [])]
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@contextmanager
def run_postgres(binaries: Path) -> Iterator[str]:
    """Run a new cluster without network or fsync, and give the URL of a database in it."""
    with tempfile.TemporaryDirectory(prefix="palaver-pg-") as folder:
        # PostgreSQL refuses to run as root, so root runs it as the account that came with it.
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if prefix:
            shutil.chown(folder, "postgres")

        def run(program: str, *arguments: str) -> None:
            command = [*prefix, str(binaries / program), *arguments]
            subprocess.run(command, check=True, cwd=folder, capture_output=True, timeout=60)

        data = f"{folder}/data"
        run("initdb", "-D", data, "-U", "palaver", "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync", "--no-instructions")  # fmt: skip
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB"
        run("pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://palaver@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")


@cache
def start_postgres() -> str | None:
    """Return the URL of a server for the whole test run; None where there isn't any."""
    binaries = find_postgres_binaries()
    if binaries is None:
        return None
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(run_postgres(binaries))


def postgres_url() -> str:
    """Return the same URL, or skip the test."""
    pytest.importorskip("psycopg")
    return start_postgres() or pytest.skip("PostgreSQL isn't installed")


def store_fixture() -> Any:
    """Return a fixture `store`: an empty store on each kind of database."""

    @pytest.fixture(params=["sqlite", "postgresql"])
    def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
        is_sqlite = request.param == "sqlite"
        with Store.open(f"sqlite:///{tmp_path}/chat.db" if is_sqlite else postgres_url()) as opened:
            if not is_sqlite:
                _empty(opened)
            yield opened

    return store


def _empty(store: Store) -> None:
    with store._database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(text(f"DELETE FROM {table.name}"))


def record_chain(store: Store, num_turns: int, conversation_id: str = "c") -> list[Turn]:
    turns: list[Turn] = []
    for _ in range(num_turns):
        turns.append(make_turn(conversation_id, turns[-1].answer_id if turns else None))
        store.record_turn("ann", turns[-1])
    return turns


def run_at_once(work: Callable[[int], None], num_threads: int = 8) -> list[BaseException]:
    """Run `work` in so many threads that start together; return what they raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(num_threads)

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def fill(store: Store, owner_id: str, conversation_id: str) -> None:
    """Record two answers to one question, and everything that can be thought of them."""
    verdicts = (Verdict("words", "1", "input"), Verdict("words", "1", "output"))
    first = make_turn(conversation_id, verdicts=verdicts, refused="what it had said")
    second = replace(make_turn(conversation_id), question_id=first.question_id)
    store.record_turn(owner_id, first)
    store.record_turn(owner_id, second)
    answers = (second.answer_id, first.answer_id)
    comparison_id = f"cmp-{conversation_id}"
    store.record_comparison(
        owner_id, Comparison(comparison_id, conversation_id, first.question_id, answers)
    )
    groups = tuple((answer_id,) for answer_id in answers)
    store.record_ranking(owner_id, Ranking(comparison_id, owner_id, groups, frozenset(answers)))
    store.record_rating(owner_id, Rating(first.answer_id, owner_id, 1))
    verdict_id = store.list_verdicts(limit=1).verdicts[0].id
    store.record_review(Review(verdict_id, owner_id, "missed", ("spam",)))


@contextmanager
def refusal(match: str, path: Path) -> Iterator[None]:
    """Expect a StorageError with these words, and nothing of where the file lies."""
    with pytest.raises(StorageError, match=match) as caught:
        yield
    assert str(path.parent) not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not isinstance(caught.value.__cause__, sqlite3.Error | SQLAlchemyError)


@contextmanager
def limit_files_to(num_bytes: int) -> Iterator[None]:
    """Let no file of this process grow further, as a full disk would."""
    resource = pytest.importorskip("resource", reason="there are no such limits here")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
