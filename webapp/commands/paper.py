"""What a command writes on: the terminal, and files that appear whole or not at all."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from chat.errors import InvalidRequest

NEVER_AGREED = (
    "Warning: people who never agreed to that are among them; use it only as the law and your word "
    "to them allow."
)


def tell(text: str) -> None:
    """Say something about the work, beside its result."""
    print(text, file=sys.stderr)


def amount(count: int, noun: str) -> str:
    """Return how many there are of a regular noun: "1 chat", "2,000 chats"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print `rows` in columns as wide as they need; the first row holds the titles."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def print_pairs(pairs: Mapping[str, str]) -> None:
    """Print names and values below one another."""
    width = max(map(len, pairs))
    for name, value in pairs.items():
        lines = printable(value).splitlines() or [""]
        print(f"{name.ljust(width)}  {lines[0]}".rstrip())
        for line in lines[1:]:
            print(f"{'':{width}}  {line}")


def printable(text: str) -> str:
    """Return `text` without characters that would command a terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def to_line(record: Any) -> bytes:
    """Return `record` as a line of JSON in UTF-8."""
    try:
        return (json.dumps(record, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can say
        return (json.dumps(record) + "\n").encode()


@contextmanager
def new_file(path: Path, *, is_forced: bool = False) -> Iterator[BinaryIO]:
    """Open a file that takes its name when it is complete; only its owner may read it.

    Raises:
        InvalidRequest: there is such a file and `is_forced` isn't set, or it can't be written.
    """
    check_free(path, is_forced=is_forced)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with naming(path):
            part.unlink(missing_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, naming(path):
            yield file
            file.flush()
            os.fsync(file.fileno())
        with naming(path):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_free(path: Path, *, is_forced: bool) -> None:
    """Refuse a file that is there already, unless the person insists.

    Raises:
        InvalidRequest: it is there, or is a folder.
    """
    if path.is_dir():
        raise InvalidRequest(f"{path} is a folder; name a file in it.")
    if path.exists() and not is_forced:
        raise InvalidRequest(f"{path} exists already; name another file, or add --force.")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say in one sentence what the system refused to do with `path`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read or written ({error.strerror}); check the folder, or name "
            "another one."
        ) from error


class Bar:
    """How many of so many things are done, on a terminal; silent where nobody watches."""

    def __init__(self, total: int):
        self._total = total
        self._is_watched = sys.stderr.isatty()

    def watch(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield `items`, showing how far it is."""
        self._draw(0)
        for count, item in enumerate(items, 1):
            yield item
            self._draw(count)
        if self._is_watched:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _draw(self, count: int) -> None:
        if self._is_watched:
            share = min(1.0, count / max(self._total, 1))
            line = f"\r[{'#' * round(30 * share):30}] {count} of {self._total}"
            print(line, end="", file=sys.stderr, flush=True)


class Progress:
    """Counts on a terminal; stays silent where nobody watches, as in a log."""

    def __init__(self, noun: str, *, every: int = 100):
        self._noun = noun
        self._every = every
        self._is_watched = sys.stderr.isatty()
        self.count = 0

    def watch(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield `items`, counting them."""
        for item in items:
            yield item
            self.count += 1
            if self._is_watched and self.count % self._every == 0:
                print(
                    f"\r{amount(self.count, self._noun)} ...", end="", file=sys.stderr, flush=True
                )
        if self._is_watched and self.count >= self._every:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
