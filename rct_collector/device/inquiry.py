"""One request beside the rounds: alone on the line, sent once, and its answer waited for.

History and settings ask like this. A round asks what comes next; here somebody waits for just this
answer, and is told when there is none.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from rct_collector.drivers.base import Answer, Ask, Garbled, Query, Refused
from rct_collector.errors import TransportError
from rct_collector.lines.port import Port

#: An answer is never waited for longer, in seconds, even of a family that rounds ask nothing of.
LONGEST_S = 30.0

#: Times that a thing is asked whose answers are none: a text that fills its field to the last byte
#: is believed when it came three times.
ATTEMPTS = 4


class Inquiry:
    """Asks one unit, one thing at a time.

    Attributes:
        query: What is waited for; None for nothing.
        asked: Questions that were sent so far.
    """

    __slots__ = (
        "_answer",
        "_argument",
        "_gap",
        "_owed",
        "_port",
        "_timeout",
        "asked",
        "query",
    )

    def __init__(self, port: Port, timeout: float, *, gap: float = 0.0) -> None:
        """Ask nothing yet.

        Args:
            port: The unit's end of its line.
            timeout: Seconds that an answer is waited for.
            gap: Least seconds after what was heard last.
        """
        self._port = port
        self._gap = gap
        self._timeout = min(timeout, LONGEST_S)
        self._answer: asyncio.Future[Answer | Refused] | None = None
        self._argument: object = None
        self._owed: Ask | None = None
        self.query: Query | None = None
        self.asked = 0

    @property
    def connection(self) -> int:
        """Number of the connection over which is asked now: who answers over another may differ."""
        return self._port.opened

    async def ask(
        self,
        query: Query,
        argument: object = None,
        *,
        latest: float = math.inf,
        connection: int | None = None,
        confirm: Callable[[], Awaitable[None]] | None = None,
        sent: Callable[[], object] | None = None,
    ) -> Answer | Refused:
        """Ask, once.

        Args:
            query: What is asked.
            argument: What goes with it; see :class:`rct_collector.drivers.base.Ask`.
            latest: When it may be sent at the latest, in monotonic seconds.
            connection: Over which it is to be sent, and over no other; None for any.
            confirm: Makes sure, at the last moment, that it may be sent; raises TransportError if
                not.
            sent: Called when it has been sent.

        Raises:
            TransportError: The line is not open or was lost, or the answer did not come in time;
                the kind of the latter is ``timeout``. What was asked may have arrived all the same.
                Of an answer that came and is none, where that can be told, it is ``garbled``; of a
                line that others had until it was too late, ``busy``; and of a question that was not
                sent since its answer could be taken for that to the one before, ``alike``.
            RefusedFrameError: The driver does not send such a frame.
        """
        ask = Ask(query, self._port.unit, argument)
        async with self._port.turn():
            loop = asyncio.get_running_loop()
            if self._gap:
                await self._quiet()
            if confirm is not None:
                await confirm()
            if loop.time() > latest:
                raise TransportError("others had the line all the time", "busy")
            if connection is not None and self._port.opened != connection:
                raise TransportError("the line was opened anew meanwhile: it may be another unit's")
            if self._port.confuses(query):
                raise TransportError("the answer could be taken for another one", "alike")
            self._port.ask(ask, loop.time())
            self.asked += 1
            if sent is not None:
                sent()
            answer: asyncio.Future[Answer | Refused]
            answer = self._answer = loop.create_future()
            self.query, self._argument = query, argument
            try:
                async with asyncio.timeout(self._timeout):
                    return await answer
            except TimeoutError:
                if answer.done() and not answer.cancelled():
                    return answer.result()  # it came in the same look as the end of the time
                text = f"{query.label} was not answered within {self._timeout:g} s"
                raise TransportError(text, "timeout") from None
            finally:
                self.query = self._answer = self._argument = None
                if not answer.done() or answer.cancelled():
                    self._owed = ask
                if not answer.done() or answer.cancelled() or answer.exception() is not None:
                    self._port.abandon(ask)

    async def insist(self, query: Query, argument: object, attempts: int) -> Answer | Refused:
        """Ask, and again while what comes is no answer.

        Args:
            query: What is asked.
            argument: What goes with it.
            attempts: Times that nothing at all may come.

        Raises:
            TransportError: There is no answer, or the line was lost.
            RefusedFrameError: The driver does not send such a frame.
        """
        left = {"timeout": attempts, "garbled": ATTEMPTS}
        while True:
            try:
                return await self.ask(query, argument)
            except TransportError as error:
                left[error.kind] = left.get(error.kind, 1) - 1
                if not left[error.kind]:
                    raise

    async def _quiet(self) -> None:
        """Wait until the gap after what was heard last is over.

        Raises:
            TransportError: The line was lost meanwhile.
        """
        loop = asyncio.get_running_loop()
        while (left := self._port.heard_at + self._gap - loop.time()) > 0:
            await asyncio.sleep(left)
        if not self._port.is_open:
            raise TransportError(self._port.last_error or "the line is not open")

    def take(self, event: Answer | Refused) -> bool:
        """An answer came.

        Returns:
            Whether it was waited for here; nobody else needs it then.
        """
        if event.query is not self.query or self._answer is None or self._answer.done():
            return False
        if type(event) is Answer and not event.query.is_answer(self._argument, event.value):
            return False
        self._answer.set_result(event)
        return True

    def was_late(self, event: Answer) -> bool:
        """Whether an answer was waited for here, but came too late; it is nobody else's either."""
        owed = self._owed
        if owed is None or event.query is not owed.query:
            return False
        if not event.query.is_answer(owed.argument, event.value):
            return False
        self._owed = None
        return True

    def spoilt(self, event: Garbled) -> None:
        """A frame came that is no answer; if it was to be the one, there is nothing to wait for."""
        if event.query is None or event.query is not self.query:
            return
        if self._answer is not None and not self._answer.done():
            text = f"what came for {self.query.label} is no answer: wrong {event.kind}"
            self._answer.set_exception(TransportError(text, "garbled"))

    def line_lost(self, reason: str) -> None:
        """The line is gone: nothing will be answered any more."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(TransportError(reason or "the line was lost"))
