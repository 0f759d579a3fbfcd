"""The process: its files, the server, and the overview, from begin to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rct_collector.errors import TransportError
from rct_collector.tasks import first_of, keep_running
from rct_collector.web.guard import Guard
from rct_collector.web.overview import Overview
from rct_collector.web.server import PageServer, serve
from rct_collector.web.tokens import Tokens, load, note

#: Seconds until the overview begins anew after a bug.
_AGAIN_S = 10.0


class WebPlace(NamedTuple):
    """Where the page is.

    Attributes:
        host: Address of this host to listen at.
        port: There.
        public: Addresses by which people reach it by way of a proxy.
        folder: Where the tokens are.
    """

    host: str
    port: int
    public: tuple[str, ...]
    folder: Path

    @property
    def address(self) -> str:
        """What people type."""
        if self.public:
            return self.public[0].rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def run(place: WebPlace, *, cells: bool, ready: Callable[[], None]) -> None:
    """Serve the page until SIGTERM, or Ctrl-C.

    Args, and what is raised, are those of :func:`serve_at`.
    """

    async def until_told() -> None:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        await first_of(serve_at(place, cells=cells, ready=ready), _waited(told))

    asyncio.run(until_told())


async def _waited(told: asyncio.Event) -> None:
    await told.wait()


async def serve_at(place: WebPlace, *, cells: bool, ready: Callable[[], None]) -> None:
    """Serve the page until cancelled.

    Args:
        place: Where.
        cells: As for :class:`.overview.Overview`.
        ready: Told when it can be reached.

    Raises:
        ConfigError: The tokens, or an address, cannot be used.
        TransportError: It cannot be listened there.
    """
    guard = Guard(place.port, place.public)
    tokens = Tokens(load(place.folder, make=True))
    overview = Overview(cells=cells)
    try:
        runner = await serve(PageServer(overview, tokens, guard), place.host, place.port)
    except OSError as error:
        where = f"{place.host}, port {place.port}"
        raise TransportError(f"cannot listen at {where}: {error.strerror or error}") from error
    try:
        note(place.folder, place.address)
        ready()
        await keep_running(overview.run, pause=_AGAIN_S, what="the overview of devices")
    finally:
        await runner.cleanup()
