"""Chats that outlive the disk: changed rows go to another place, and come back from there.

Every changed row is written to a file in the other place, and no file is ever changed again. The
chats are all files' records applied in the order of the files' names, whoever wrote them. So a
file that is pushed twice does no harm, and one that turns up late (from the container that a
restart replaces) is applied with all that came after it.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chat.errors import PalaverError, SetupError
from webapp.auth import merge_keys, read_key
from webapp.hub.changes import (
    DamagedFile,
    Names,
    Record,
    decode,
    encode,
    is_change_file,
    time_of,
)
from webapp.hub.manifest import check_empty, read_manifest, write_manifest
from webapp.hub.remote import KEY, MANIFEST, Remote, RemoteUnavailable
from webapp.hub.seen import Seen
from webapp.hub.synced import SyncedStore

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
        self._lock = threading.Lock()
        self._seen = Seen(data_dir / "sync.json", remote.target)
        self._damaged: frozenset[str] = frozenset()
        self._needs_snapshot = False
        self._has_tombstones = False
        self._has_compacted = False
        self._connected_at: datetime | None = None
        self._opened_at = self._pulled_at = datetime.min.replace(tzinfo=UTC)
        self._pushed_at: datetime | None = None
        self._num_failures = 0
        self._note = ""
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
        self._store.track_changes()
        self._seen.load()
        self._needs_snapshot = not self._seen.names and not self._store.is_empty()
        try:
            with self._lock:
                self._connect()
            self._note_success()
        except SetupError:
            raise
        except PalaverError as error:
            self._note_failure(str(error))

    def exchange(self) -> bool:
        """Push what has changed here, and pull what is new there; say whether that worked.

        What can't be done now is noted, and done at a later call.
        """
        try:
            with self._lock:
                if self._connected_at is None:
                    self._connect()
                elif self._clock() - self._opened_at > LOOK_EVERY:
                    self._open()
                self._push()
                if self._is_time_to_pull():
                    self._pull(self._remote.list())
                self._compact_if_due()
            self._note_success()
        except PalaverError as error:
            self._note_failure(str(error))
        except Exception as error:
            log.exception("Syncing failed")
            self._note_failure(f"Something unexpected went wrong ({type(error).__name__}).")
        return self._num_failures == 0

    @property
    def num_failures(self) -> int:
        """How many times in a row it failed."""
        return self._num_failures

    def status(self) -> dict[str, object]:
        """Return how it goes: kind, target, state (ok, behind or failing), last_push, pending."""
        try:
            is_pending = bool(self._store.read_changes(1).records)
        except PalaverError:
            is_pending = True  # the database can't be asked, which is told elsewhere
        is_failing = self._num_failures > 0 or bool(self._damaged)
        return {
            "kind": self._remote.kind,
            "target": self._remote.target,
            "state": "failing" if is_failing else "behind" if is_pending else "ok",
            "last_push": self._pushed_at.isoformat() if self._pushed_at else None,
            "pending": is_pending,
            "note": self._note or self._damage,
        }

    @property
    def banner(self) -> str:
        """One sentence for the page, or nothing when all is well."""
        if self._connected_at is None:
            return "Earlier chats couldn't be fetched yet; they appear once that works."
        if self._damaged:
            return "Some earlier chats couldn't be read; the log and /health name the files."
        # One failure may be a hiccup, and the next round is soon.
        if self._num_failures > 1:
            return "New chats can't be kept safe right now: a restart would lose the latest ones."
        return ""

    # Connecting

    def _open(self) -> None:
        # Now and then again: somebody may have made the place public meanwhile.
        self._remote.open()
        self._opened_at = self._clock()

    def _connect(self) -> None:
        self._open()
        names = self._remote.list()
        schema = self._check_manifest(names)
        self._exchange_keys(names)
        if self._needs_snapshot:
            self._write_parts(self._store.snapshot())
            self._needs_snapshot = False
        self._push()
        self._pull(self._remote.list())
        if schema != self._store.schema_revision():
            self._remote.write({MANIFEST: write_manifest(self._store.schema_revision())})
        self._connected_at = self._clock()

    def _check_manifest(self, names: frozenset[str]) -> str:
        ours = self._store.schema_revision()
        if MANIFEST not in names:
            check_empty(names, self._remote.target)
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
        while (changes := self._store.read_changes(NUM_RECORDS)).records:
            self._has_tombstones |= any(record.get("deleted") for record in changes.records)
            self._write_parts(changes.records)
            self._store.forget_changes(changes.last)

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
        self._seen.add(files)
        self._pushed_at = self._clock()
        return list(files)

    # Pulling

    def _is_time_to_pull(self) -> bool:
        assert self._connected_at is not None
        now = self._clock()
        return now - self._connected_at < OVERLAP or now - self._pulled_at > LOOK_EVERY

    def _pull(self, names: frozenset[str]) -> None:
        files = sorted(filter(is_change_file, names))
        unseen = [name for name in files if name not in self._seen.names | self._damaged]
        if unseen:
            self._replay([name for name in files if name >= unseen[0]])
        if not self._seen.names <= set(files):  # somebody made many files one
            self._seen.replace(self._seen.names & set(files))
        self._pulled_at = self._clock()

    def _replay(self, files: Sequence[str]) -> None:
        contents = self._remote.read(files)
        whole = [name for name in files if self._is_whole(name, contents[name])]
        records = (record for name in whole for record in decode(name, contents[name]))
        try:
            self._store.apply_changes(records)
        except PalaverError as error:
            raise RemoteUnavailable(
                f"Earlier chats couldn't be brought back ({error}) {self._damage}".strip()
            ) from error
        self._seen.add(whole)
        log.info("Brought back %d files of chats from %s", len(whole), self._remote.target)

    def _is_whole(self, name: str, content: bytes) -> bool:
        try:
            records = decode(name, content)
        except DamagedFile as error:
            # It stays where it is, for somebody to look at: nothing is made one while it is there.
            self._damaged |= {name}
            log.warning("%s It is left out and left alone.", error)
            return False
        self._has_tombstones |= any(record.get("deleted") for record in records)
        return True

    @property
    def _damage(self) -> str:
        if not self._damaged:
            return ""
        return f"Damaged, left out and left alone: {', '.join(sorted(self._damaged))}."

    # Making many files one

    def _compact_if_due(self) -> None:
        assert self._connected_at is not None
        now = self._clock()
        # Not while another container may still write: what it adds to a chat that was deleted
        # here must meet that deletion.
        seen = self._seen.names
        if not seen or self._damaged or now - self._connected_at < OVERLAP:
            return
        most = NUM_FILES_RUNNING if self._has_compacted else NUM_FILES
        is_deleted_long_ago = self._has_tombstones and now - time_of(min(seen)) > PURGE_AFTER
        if len(seen) > most or is_deleted_long_ago:
            self._compact()
        self._has_compacted = True

    def _compact(self) -> None:
        """Replace all files by the rows as they are now; what was deleted is then gone.

        Stopped half-way it has only written rows twice: the old files go last, oldest first, so
        that no deletion is forgotten before what it deletes.
        """
        names = self._remote.list()
        old = sorted(filter(is_change_file, names))
        if self._damaged or not self._seen.names >= set(old):
            return
        parts = self._write_parts(self._store.snapshot())
        manifest = write_manifest(self._store.schema_revision())
        self._remote.write({MANIFEST: manifest}, delete=old)
        self._seen.replace(parts)
        self._has_tombstones = False
        self._remote.squash()
        log.info("Made %d files of chats %d", len(old), len(parts))

    def _note_failure(self, note: str) -> None:
        self._num_failures += 1
        self._note = note
        log.warning("Chats aren't in step with %s: %s", self._remote.target, note)

    def _note_success(self) -> None:
        if self._num_failures:
            log.info("Chats are in step with %s again", self._remote.target)
        self._num_failures = 0
        self._note = ""
