"""uvicorn on a socket of ours, with its signals left to the lifecycle, and a drain that no client notices."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE_SECONDS = 75
"""Longer than the idle time of common load balancers (60 s): they must be the ones to close."""
LINGER_SECONDS = 3.0
"""How long a draining server still answers on connections that are open, telling each to close."""
LAST_WORDS_SECONDS = 1.0
POLL_SECONDS = 0.05
BACKLOG = 2048


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and tells."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The lifecycle owns the signals."""
        yield


class ApiServer:
    """The API port."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._address = (host, port)
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            backlog=BACKLOG,
        )
        self._uvicorn = _Uvicorn(config)
        self._serving: asyncio.Task[None] | None = None
        self.port = port

    async def start(self) -> None:
        """Listen; OSError when the port is taken."""
        listener = _listen(*self._address)
        self.port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._uvicorn.serve([listener]), name="api")
        await self._uvicorn.listening.wait()

    @property
    def open_requests(self) -> int:
        """Connections on which something is being answered, or may be."""
        return len(self._uvicorn.server_state.connections)

    async def closed(self) -> None:
        """Return when it ends by itself."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def drain(self) -> None:
        """No new connections; answers on open ones say `Connection: close`; then end."""
        for server in self._uvicorn.servers:
            server.close()
        # An idle connection may carry a request that is on its way: closing it now would lose that one.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self._uvicorn.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(POLL_SECONDS)
        self._uvicorn.should_exit = True
        await self.closed()

    async def stop(self) -> None:
        """End soon, whatever is open: requests that were failed just now get a moment to tell their clients."""
        self._uvicorn.should_exit = True
        if self._serving is None:
            return
        await asyncio.wait((self._serving,), timeout=LAST_WORDS_SECONDS)
        self._uvicorn.force_exit = True
        self._serving.cancel()
        await asyncio.wait((self._serving,))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
