"""The server that tells, the moment it is stopped, that answers have only so long to end."""

import asyncio
import socket

import uvicorn


class Server(uvicorn.Server):
    """uvicorn's, which waits for open connections at a stop and tells the application only then.

    A page keeps one open for as long as it is shown, so that wait always takes its full time.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event):
        """`stopping` is set as soon as the server begins to stop."""
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, after saying so."""
        self._stopping.set()
        await super().shutdown(sockets)
