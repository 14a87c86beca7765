"""Syncing beside the serving: which place the settings mean, and a task that keeps in step."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from chat.errors import SettingsError
from webapp.hub.remote import FolderRemote, Remote
from webapp.hub.sync import Sync
from webapp.hub.synced import SyncedStore
from webapp.settings import Platform, Settings

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 900.0
LAST_PUSH_S = 25.0  # a container that is stopped is killed soon after
WIPED = (
    "Chats here are wiped when this Space restarts; its operator can keep them with PALAVER_SYNC."
)


class NoSync:
    """Chats are on this disk alone."""

    def __init__(self, banner: str = ""):
        self.banner = banner
        self.on_key: Callable[[bytes], None] = lambda key: None

    def status(self) -> dict[str, object]:
        """Return that there is none, in the same shape as where there is one."""
        nothing = {"state": "off", "last_push": None, "pending": False}
        return {"kind": "none", **nothing, "note": self.banner}


def open_sync(settings: Settings, platform: Platform, store: SyncedStore) -> "Sync | NoSync":
    """Return what keeps the chats in the place that PALAVER_SYNC names, after bringing back what
    is there. Call it before the key that signs cookies is read: that comes back too.

    Raises:
        SetupError: the place can't be used; what to do is in the message.
    """
    if not settings.sync:
        # What changes from now on isn't noted, so no copy can follow it later on.
        store.leave_places()
        is_wiped = bool(platform.space_id) and settings.database_url.startswith("sqlite")
        return NoSync(WIPED if is_wiped else "")
    if not settings.database_url.startswith("sqlite"):
        raise SettingsError(
            "PALAVER_SYNC copies a SQLite database, and PALAVER_DATABASE_URL is another one; "
            "leave one of the two out."
        )
    remote = choose_remote(settings.sync, platform)
    sync = Sync(store, remote, data_dir=settings.data_dir, carries_key=not settings.cookie_key)
    sync.restore()
    return sync


def choose_remote(target: str, platform: Platform) -> Remote:
    """Return the place called `target`: a folder begins with ``/``, ``.`` or ``~``.

    Raises:
        SettingsError: it is neither a folder nor a dataset's name, or a dataset without a token.
    """
    if target.startswith(("/", ".", "~")):
        return FolderRemote(Path(target).expanduser())
    if target.count("/") != 1 or not all(target.split("/")) or " " in target:
        raise SettingsError(
            f"PALAVER_SYNC is {target!r}; it has to be a dataset NAME/REPO on the Hugging Face "
            "Hub, or a folder that begins with / or ./"
        )
    # Imported only here: nothing else of serving needs the Hub's library.
    from webapp.hub.dataset import DatasetRemote

    return DatasetRemote(target, token=platform.hub_token, endpoint=platform.hub_endpoint)


@asynccontextmanager
async def keeping_in_step(
    sync: "Sync | NoSync", *, every_s: float, stopping: asyncio.Event
) -> AsyncIterator[None]:
    """Push and pull every `every_s` seconds while the block runs, and push once more at its end.

    When `stopping` is set, it pushes at once: the time until the block ends, which belongs to
    answers under way, may be all that is left. Leave the block when the last turn is stored and
    before the store is closed.
    """
    if isinstance(sync, NoSync):
        yield
        return
    task = asyncio.create_task(_keep_in_step(sync, every_s, stopping))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await _push_at_last(sync)


async def _keep_in_step(sync: Sync, every_s: float, stopping: asyncio.Event) -> None:
    is_stopping = False
    while not is_stopping:
        # Failing makes it wait longer and longer, up to a quarter of an hour.
        pause_s = every_s * 2 ** min(max(sync.num_failures - 1, 0), 10)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), min(pause_s, max(every_s, LONGEST_PAUSE_S)))
        is_stopping = stopping.is_set()
        await asyncio.to_thread(sync.exchange, is_stopping=is_stopping)


async def _push_at_last(sync: Sync) -> None:
    push = asyncio.to_thread(sync.exchange, is_stopping=True)
    try:
        is_done = await asyncio.wait_for(push, LAST_PUSH_S)
    except TimeoutError:
        is_done = False
    if not is_done:
        log.error("The latest chats couldn't be copied before the stop; they are on this disk")
