"""Chats that outlive the disk: changed rows go to another place, and come back from there.

Every changed row is written to a file in the other place, and no file is ever changed again. The
chats are all files' records applied in the order of the files' names, whoever wrote them. So a
file that is pushed twice does no harm, and one that turns up late (from the container that a
restart replaces) is applied with all that came after it.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chat.errors import PalaverError, SetupError, StorageError
from webapp.auth import merge_keys, read_key
from webapp.hub.changes import (
    DamagedFile,
    Names,
    Record,
    decode,
    encode,
    has_deletions,
    is_change_file,
    time_of,
)
from webapp.hub.condition import Condition
from webapp.hub.manifest import check_empty, read_manifest, write_manifest
from webapp.hub.remote import KEY, MANIFEST, Remote, RemoteUnavailable
from webapp.hub.synced import Changes, SyncedStore

log = logging.getLogger(__name__)

NUM_RECORDS = 5_000  # read at once
NUM_PARTS = 4  # of a snapshot, written at once
NUM_FILES = 100  # at boot; more are made one
NUM_FILES_RUNNING = 500
# How long what people deleted may still lie in older files.
PURGE_AFTER = timedelta(days=1)
# A container that is being replaced may still write this long; afterwards a look now and then.
OVERLAP = timedelta(minutes=10)
LOOK_EVERY = timedelta(minutes=15)


class Sync:
    """Keeps a store's chats in a `Remote` too. Its methods block; one of them runs at a time."""

    def __init__(
        self,
        store: SyncedStore,
        remote: Remote,
        *,
        data_dir: Path,
        carries_key: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        """`carries_key`: the key that signs cookies in `data_dir` is kept in the remote too."""
        self._store = store
        self._remote = remote
        self._data_dir = data_dir
        self._carries_key = carries_key
        self._clock = clock
        self._names = Names(clock)
        self._condition = Condition(remote.kind, remote.target)
        self._lock = threading.Lock()
        # The files that are in the database, and whether each holds deletions.
        self._seen: dict[str, bool] = {}
        # The notes up to here are in the other place, in files not all of which may be noted yet.
        self._pushed_to = 0
        self._unmarked: dict[str, bool] = {}
        self._has_compacted = False
        self._connected_at: datetime | None = None
        self._opened_at = self._pulled_at = datetime.min.replace(tzinfo=UTC)
        self.on_key: Callable[[bytes], None] = lambda key: None

    # What the application calls

    def restore(self) -> None:
        """Bring the chats of the other place here, and begin to note changes.

        When the place can't be reached, the application starts all the same and `exchange` tries
        again.

        Raises:
            SetupError: the place can never be used like this; what to do is in the message.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._seen = dict(self._store.join_place(self._remote.target))
        try:
            with self._lock:
                self._connect()
            self._condition.note_success()
        except SetupError:
            raise
        except PalaverError as error:
            self._condition.note_failure(str(error))

    def exchange(self, *, is_stopping: bool = False) -> bool:
        """Push what has changed here, and pull what is new there; say whether that worked.

        What can't be done now is noted, and done at a later call. `is_stopping` leaves out what
        can wait for the next start.
        """
        try:
            with self._lock:
                if self._connected_at is None:
                    self._connect()
                elif self._clock() - self._opened_at > LOOK_EVERY:
                    self._open()
                self._push()
                if not is_stopping:
                    if self._is_time_to_pull():
                        self._look()
                    self._compact_if_due()
            self._condition.note_success()
        except PalaverError as error:
            self._condition.note_failure(str(error))
        except Exception as error:
            log.exception("Syncing failed")
            self._condition.note_failure(
                f"Something unexpected went wrong ({type(error).__name__})."
            )
        return self._condition.num_failures == 0

    @property
    def num_failures(self) -> int:
        """How many times in a row it failed."""
        return self._condition.num_failures

    def status(self) -> dict[str, object]:
        """Return how it goes, in words for everybody (see `Condition.status`)."""
        try:
            is_pending = self._store.has_changes(after=self._pushed_to)
        except PalaverError:
            is_pending = True  # the database can't be asked, which is told elsewhere
        return self._condition.status(is_pending=is_pending)

    @property
    def banner(self) -> str:
        """One sentence for the page, or nothing when all is well."""
        return self._condition.banner

    # Connecting

    def _open(self) -> None:
        # Now and then again: somebody may have made the place public meanwhile.
        self._remote.open()
        self._opened_at = self._clock()

    def _connect(self) -> None:
        self._open()
        names = self._list()
        schema = self._check_manifest(names)
        self._exchange_keys(names)
        self._push()
        self._pull(self._list())
        if schema != self._store.schema_revision():
            self._remote.write({MANIFEST: write_manifest(self._store.schema_revision())})
        self._connected_at = self._clock()
        self._condition.is_connected = True

    def _list(self) -> frozenset[str]:
        """Return all names; what is written from now on comes after them."""
        names = self._remote.list()
        self._names.follow(names)
        if self._seen and not (MANIFEST in names and any(map(is_change_file, names))):
            log.warning("%s was emptied; all chats go there anew", self._remote.target)
            self._store.leave_places()
            self._store.join_place(self._remote.target)
            self._seen = {name: has for name, has in self._seen.items() if name in names}
        return names

    def _check_manifest(self, names: frozenset[str]) -> str:
        ours = self._store.schema_revision()
        if MANIFEST not in names:
            check_empty(names - self._seen.keys(), self._remote.target)
            self._remote.write({MANIFEST: write_manifest(ours)})
            return ours
        content = self._remote.read([MANIFEST])[MANIFEST]
        return read_manifest(content, self._remote.target, newest=ours)

    def _exchange_keys(self, names: frozenset[str]) -> None:
        if not self._carries_key:
            return
        theirs = self._remote.read([KEY])[KEY] if KEY in names else b""
        merged = merge_keys(self._data_dir, theirs)
        if merged != theirs:
            self._remote.write({KEY: merged})
        self.on_key(read_key(self._data_dir))

    # Pushing

    def _push(self) -> None:
        while changes := self._read_changes():
            has_any = has_deletions(changes.records)
            self._unmarked |= dict.fromkeys(self._write_parts(changes.records), has_any)
            # Even if the disk is full and the notes stay, they aren't pushed again.
            self._pushed_to = changes.last
            self._seen |= self._unmarked
            self._forget()
        if self._unmarked:
            self._forget()

    def _read_changes(self) -> Changes | None:
        changes = self._store.read_changes(NUM_RECORDS, after=self._pushed_to)
        return changes if changes.records else None

    def _forget(self) -> None:
        place = self._remote.target
        self._store.forget_changes(self._pushed_to, place=place, files=self._unmarked)
        self._unmarked = {}

    def _write_parts(self, records: Iterable[Record]) -> list[str]:
        written = []
        batch: dict[str, bytes] = {}
        for content in encode(records):
            batch[self._names.next()] = content
            if len(batch) == NUM_PARTS:
                written += self._write(batch)
                batch = {}
        return written + (self._write(batch) if batch else [])

    def _write(self, files: Mapping[str, bytes]) -> list[str]:
        self._remote.write(files)
        self._condition.pushed_at = self._clock()
        return list(files)

    # Pulling

    def _is_time_to_pull(self) -> bool:
        assert self._connected_at is not None
        now = self._clock()
        return now - self._connected_at < OVERLAP or now - self._pulled_at > LOOK_EVERY

    def _look(self) -> None:
        names = self._list()
        if MANIFEST in names:
            self._pull(names)
        else:
            self._connect()

    def _pull(self, names: frozenset[str]) -> None:
        files = sorted(filter(is_change_file, names))
        known = self._seen.keys() | self._condition.damaged
        unseen = [name for name in files if name not in known]
        if unseen:
            self._replay([name for name in files if name >= unseen[0]], files)
        if not self._seen.keys() <= set(files):  # somebody made many files one
            self._replace_seen({name: self._seen[name] for name in files if name in self._seen})
        self._pulled_at = self._clock()

    def _replay(self, late: Sequence[str], files: Sequence[str]) -> None:
        try:
            try:
                self._apply(late)
            except StorageError:
                # What a late file rests on may have been deleted in an earlier one.
                if len(late) == len(files):
                    raise
                self._apply(files)
        except PalaverError as error:
            raise RemoteUnavailable(
                f"Earlier chats couldn't be brought back ({error}) {self._condition.damage}".strip()
            ) from error

    def _apply(self, files: Sequence[str]) -> None:
        # Filled while the records are read, which is done before anything is written.
        found: dict[str, bool] = {}
        records = self._read_records(files, found)
        self._store.apply_changes(records, place=self._remote.target, files=found)
        self._seen |= found
        log.info("Brought back %d files of chats from %s", len(found), self._remote.target)

    def _read_records(self, files: Sequence[str], found: dict[str, bool]) -> Iterator[Record]:
        contents = dict(self._remote.read(files))
        for name in files:
            there = self._decode(name, contents.pop(name))
            if there is not None:
                found[name] = has_deletions(there)
                yield from there

    def _decode(self, name: str, content: bytes) -> list[Record] | None:
        try:
            return decode(name, content)
        except DamagedFile as error:
            # While it is there, nothing is made one.
            self._condition.note_damage(name, str(error))
            return None

    def _replace_seen(self, files: dict[str, bool]) -> None:
        self._seen = files
        self._store.replace_files(self._remote.target, files)

    # Making many files one

    def _compact_if_due(self) -> None:
        assert self._connected_at is not None
        now = self._clock()
        # Not while another container may still write: what it adds to a chat that was deleted
        # here must meet that deletion.
        seen = self._seen
        if not seen or self._condition.damaged or now - self._connected_at < OVERLAP:
            return
        most = NUM_FILES_RUNNING if self._has_compacted else NUM_FILES
        is_deleted_long_ago = any(seen.values()) and now - time_of(min(seen)) > PURGE_AFTER
        if len(seen) > most or is_deleted_long_ago:
            self._compact()
        self._has_compacted = True

    def _compact(self) -> None:
        """Replace all files by the rows as they are now; what was deleted is then gone.

        Stopped half-way it has only written rows twice: the old files go last, oldest first, so
        that no deletion is forgotten before what it deletes.
        """
        old = sorted(filter(is_change_file, self._list()))
        if not old or self._condition.damaged or not self._seen.keys() >= set(old):
            return
        # Nobody is here and nobody was deleted: then this database isn't the one it should be.
        if self._store.is_empty() and not any(self._seen.values()):
            log.warning("What is in %s isn't here; nothing is removed", self._remote.target)
            return
        parts = dict.fromkeys(self._write_parts(self._store.snapshot()), False)
        manifest = write_manifest(self._store.schema_revision())
        self._remote.write({MANIFEST: manifest}, delete=old)
        self._replace_seen(parts)
        self._remote.squash()
        log.info("Made %d files of chats %d", len(old), len(parts))
