"""One browser that looks on: what it is told, in order, and what it asks for."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType

from rct_collector.control.messages import notification
from rct_collector.tasks import first_of
from rct_collector.web.overview import Overview, text_of
from rct_collector.web.tokens import Right

if TYPE_CHECKING:
    from aiohttp import web

    from rct_collector.web.rpc import WebCaller

#: Characters that may wait for a browser that does not read; then it is cut off.
MOST_WAITING = 1 << 20


class Browser:
    """The other end of one WebSocket."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport, caller: WebCaller
    ) -> None:
        """Tell it nothing yet.

        Args:
            socket: Prepared.
            transport: What it goes over.
            caller: Makes its calls.
        """
        self._socket = socket
        self._transport = transport
        self._caller = caller
        self._waiting: deque[str] = deque()
        self._size = 0
        self._more = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()

    async def attend(self, overview: Overview, right: Right) -> None:
        """Tell it the whole state, then what changes, and answer it, until it has gone.

        Args:
            overview: What it looks at.
            right: What it may do, which it is told, too.
        """
        with overview.listening(self.tell):
            self.tell(text_of(notification("right", {"sets": right >= Right.SET})))
            self.tell(overview.state_text())
            try:
                await first_of(self._write(), self._read())
            finally:
                for call in self._calls:
                    call.cancel()
                await asyncio.gather(*self._calls, return_exceptions=True)

    def tell(self, text: str) -> None:
        """Tell it something, unless it has not heard what was told before."""
        self._waiting.append(text)
        self._size += len(text)
        self._more.set()
        if self._size > MOST_WAITING:
            self._waiting.clear()
            # Nothing more can be said to who does not read, not even that it is over.
            abort = getattr(self._transport, "abort", self._transport.close)
            abort()

    async def _write(self) -> None:
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                while self._waiting:
                    text = self._waiting.popleft()
                    await self._socket.send_str(text)
                    self._size -= len(text)
        except ConnectionError:
            return

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
                return
            call = asyncio.create_task(self._answer(message.data.encode()))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _answer(self, said: bytes) -> None:
        answer = await self._caller.answer(said)
        if answer is not None:
            self.tell(text_of(answer))
