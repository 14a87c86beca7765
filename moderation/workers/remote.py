"""A moderator in a process of its own: whatever it does there, the chat goes on."""

import asyncio
from collections.abc import Mapping

from chat.errors import ModeratorError
from chat.types import Verdict
from moderation.base import Manifest, ModerationContext
from moderation.workers.agenda import Check
from moderation.workers.keeper import Keeper, WorkerLimits
from moderation.workers.wire import Task, write_task


class CheckFailed(Exception):
    """A check came to no verdict; the message is one word."""


def ask_manifest(
    name: str,
    module: str,
    attribute: str,
    config: Mapping[str, object],
    *,
    environment: Mapping[str, str],
    path: tuple[str, ...],
    limits: WorkerLimits | None = None,
) -> Manifest:
    """Return the manifest of ``module:attribute`` from a worker that ends then.

    See `RemoteModerator` for the arguments and what it raises. Where the class has a `manifest`,
    it isn't constructed.
    """
    limits = limits or WorkerLimits()
    task = Task(module, attribute, config, path, 0, limits.stuck_s, is_manifest_only=True)
    keeper = Keeper(name, _write(task), environment, limits)
    try:
        return keeper.wait()
    finally:
        keeper.close()


def _write(task: Task) -> bytes:
    try:
        return write_task(task)
    except (TypeError, ValueError) as error:
        raise ModeratorError(f"a setting can't be passed on: {error}") from error


class RemoteModerator:
    """A moderator that is loaded and asked in a worker process, replaced whenever it fails."""

    def __init__(
        self,
        name: str,
        module: str,
        attribute: str,
        config: Mapping[str, object],
        *,
        environment: Mapping[str, str],
        path: tuple[str, ...],
        limits: WorkerLimits | None = None,
    ):
        """Start the worker and wait until it has loaded ``module:attribute``.

        Args:
            name: what the log calls it.
            module: what to import.
            attribute: a class or function in it, called with `config`; or a moderator.
            config: values as TOML has them.
            environment: see `moderation.workers.process.ENVIRONMENT`.
            path: where to look for modules.
            limits: what the worker may take.

        Raises:
            ModeratorError: it can't be loaded, or has no manifest; the message is the cause.
        """
        limits = limits or WorkerLimits()
        task = Task(module, attribute, config, path, limits.num_checks, limits.stuck_s)
        self._keeper = Keeper(name, _write(task), environment, limits)
        try:
            self.manifest = self._keeper.wait()
        except BaseException:  # an interrupt, too
            self.close()
            raise

    async def judge(self, context: ModerationContext, timeout_s: float) -> Verdict:
        """Return the verdict on `context`; one of outcome "error" if it came to none.

        Args:
            context: what to judge.
            timeout_s: how long it may take, from when the worker begins it.
        """
        check = Check(context, timeout_s)
        self._keeper.ask(check)
        return await asyncio.wrap_future(check.verdict)

    def check(self, context: ModerationContext, timeout_s: float = 30.0) -> Verdict:
        """Judge the last message of `context`, as every moderator does.

        Raises:
            CheckFailed: it came to no verdict.
        """
        check = Check(context, timeout_s)
        self._keeper.ask(check)
        verdict = check.verdict.result()
        if verdict.outcome == "error":
            raise CheckFailed(verdict.reason)
        return verdict

    def health(self) -> dict[str, object]:
        """Return how the worker is doing."""
        keeper = self._keeper
        return {"pid": keeper.pid, "restarts": keeper.num_restarts, "state": keeper.state}

    def close(self) -> None:
        """End the worker; a second call does nothing."""
        self._keeper.close()
