"""A file of recorded lines in place of a line: what was said in it comes with its own times.

A recording holds many lines, and both directions of each; every one of them has a session of its
own. It is read as fast as what comes of it is taken over: what an agent has no room for is handed
over again, so nothing is lost between a large file and a slow agent. At its end, unless it is
followed, nothing more comes, and the place stays as it is: it is not read again.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from rct_collector.capture.files import Files
from rct_collector.capture.flows import Wanted
from rct_collector.drivers.base import Event, Record, Reply, Session
from rct_collector.drivers.tools import Run
from rct_collector.errors import CaptureError, TransportError
from rct_collector.lines.conversation import Conversation
from rct_collector.lines.kept import KeptLine
from rct_collector.lines.port import Attached, Port
from rct_collector.lines.reconnect import Link
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports
from rct_collector.transport import Address
from rct_collector.transport.base import Lost, Receive
from rct_collector.transport.paths import path_of

log = logging.getLogger(__name__)

#: Read at a time, in bytes: what comes of them is what all other lines wait for.
PIECE = 1 << 14

#: Sessions that are kept at a time; the one whose turn was longest ago gives way.
MOST_SESSIONS = 4096

#: What could not be taken over is handed over again after so many seconds.
AGAIN_S = 1.0

#: So often it is handed over, and then left out: perhaps nobody will ever take it.
MOST_AGAIN = 3600


def wanted_of(address: Address) -> Wanted:
    """Which connections of captures are meant by an address of a file."""
    ports = address.options.get("ports", "")
    magic = bytes.fromhex(address.options.get("magic", ""))
    return Wanted(frozenset(map(int, filter(None, ports.split(",")))), magic)


class _Telling(Conversation):
    """What is told of a file. Nobody in it waits for a reply.

    Attributes:
        receipts: Of records that were handed over and are not known to be taken over yet.
    """

    def __init__(self, wall_ns: Callable[[], int], reports: Reports) -> None:
        """Begin; see the base class. Each line in the file has a session of its own."""
        nobody = cast("Session", _Nobody())
        super().__init__(nobody, _no_delivery, wall_ns=wall_ns, reports=reports)
        self.receipts: list[Receipt] = []

    def reply(self, reply: Reply, receipt: Receipt | None) -> None:
        """Keep the receipt; see the base class."""
        if receipt is not None:
            self.receipts.append(receipt)


class _Player:
    """A file that is being read."""

    def __init__(self, files: Files, lost: Lost, ended: asyncio.Event) -> None:
        self._files = files
        self._lost = lost
        self._ended = ended
        self.task: asyncio.Task[None] | None = None

    def begin(self, reading: asyncio.Task[None]) -> None:
        """Read from now on."""
        self.task = reading
        reading.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self.task is not None:
            self.close()
            self._lost(str(error) if isinstance(error, CaptureError) else f"bug: {error!r}")
            self._ended.set()

    def close(self) -> None:
        """Read no more."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
        self._files.close()


class PlayedLine(KeptLine):
    """A file, or a folder of files, that is read; see :class:`.kept.KeptLine`."""

    ended: asyncio.Event

    def __init__(
        self,
        name: str,
        address: Address,
        session: Callable[[], Session],
        *,
        wall_ns: Callable[[], int],
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            name: For messages, until somebody is attached.
            address: Where the file is.
            session: Makes a session for each direction of each line.
            wall_ns: Tells the time, in nanoseconds since the epoch, of what has none.
        """
        super().__init__(name, None)  # any number of processes may read a file
        self._session = session
        self._wall_ns = wall_ns
        self._sessions: dict[int, Session] = {}
        reports = self.ports.reports
        self._telling = _Telling(wall_ns, reports)
        again = "can be read again"
        link = Link(reports, self._open, address, _nothing, self._changed, again=again)
        self._telling.wire = self.link = link
        self.ended = asyncio.Event()

    def attach(self, unit: str, attached: Attached, *, many: bool = False) -> Port:
        """Make a port, which hears nothing before it is opened; see :class:`.kept.KeptLine`."""
        return Port(self, unit, attached, self._telling, many=many)

    def why_silent(self, _port: Port) -> str:
        """Why the file is not read, or was not the last time; "" while all is well."""
        return self.link.last_error

    def _joined(self, port: Port) -> None:
        if self.link.is_open:
            port.line_opened()

    def _changed(self, is_open: bool) -> None:  # noqa: FBT001 - a callback
        self._sessions.clear()
        self._telling.opened(None)
        for port in self.ports:
            if is_open:
                port.line_opened()
            else:
                port.line_lost()

    # -- reading ---------------------------------------------------------------------------

    async def _open(
        self, address: Address, _receive: Receive, lost: Lost, _timeout: float
    ) -> _Player:
        """Open the file, and begin to read it.

        Raises:
            TransportError: It cannot be read.
        """
        follow = address.options.get("follow") == "yes"
        files = Files(Path(path_of(address)), wanted_of(address), follow=follow, piece=PIECE)
        player = _Player(files, lost, self.ended)
        try:
            files.open()
        except CaptureError as error:
            self.ended.set()
            raise TransportError(str(error)) from error
        self.ended.clear()
        name = f"reading of {address}"
        player.begin(asyncio.create_task(self._read(files, address), name=name))
        return player

    async def _read(self, files: Files, address: Address) -> None:
        await asyncio.sleep(0)  # the line is to be open
        while (runs := files.read()) is not None:
            for run in runs:
                await self._take(run)
            while files.trouble:
                text = files.trouble.pop(0)
                self.ports.reports.say(log, logging.WARNING, "capture", "%s", text)
            await asyncio.sleep(files.wait_s if runs == () else 0)
        self.link.proven()
        log.info("%s: %s was read to its end", self.ports.reports.name, address.place)
        self.ended.set()

    async def _take(self, run: Run) -> None:
        """Hand over what became of some bytes, until it was taken over."""
        session = self._sessions.pop(run.flow, None) or self._session()
        events = _given_up(session) if run.lost else []
        wall_ns = self._wall_ns() if run.time_ns is None else run.time_ns
        events += session.receive(run.data, wall_ns)
        if run.over:
            events += _given_up(session)
        if not run.over:
            if len(self._sessions) >= MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[run.flow] = session  # as the last one
        for _ in range(MOST_AGAIN):
            if await self._hand_over(events, len(run.data)):
                return
            await asyncio.sleep(AGAIN_S)
        text = "what is read could not be handed over for %.0f min; it is left out"
        minutes = MOST_AGAIN * AGAIN_S / 60
        self.ports.reports.say(log, logging.ERROR, "stuck", text, minutes)

    async def _hand_over(self, events: list[Event], size: int) -> bool:
        """Hand events over; False where they are to be handed over once more."""
        telling = self._telling
        telling.heard_at = now = asyncio.get_running_loop().time()
        last = next((event for event in reversed(events) if type(event) is Record), None)
        if last is not None:
            events = [*events, Reply(b"", last.unit)]  # whose receipt tells of all before it
        self.ports.deliver(telling, events, size, now)
        receipts, telling.receipts = telling.receipts, []
        for receipt in receipts:
            if receipt.is_pending:
                settled = asyncio.Event()
                receipt.then(partial(_set, settled))
                await settled.wait()
        return not any(receipt.is_lost for receipt in receipts)


def _given_up(session: Session) -> list[Event]:
    """What a session makes of bytes whose rest is missing: as if the line fell silent for ever."""
    found: list[Event] = session.pull(math.inf) if hasattr(session, "pull") else []
    session.reset()
    return found


class _Nobody:
    """The session of nobody: each line in the file has one of its own."""

    def reset(self) -> None:
        """There is nothing to forget."""


def _set(event: asyncio.Event, _taken: bool) -> None:  # noqa: FBT001 - a callback
    event.set()


def _no_delivery(*_: object) -> None:
    """Nothing comes over a line."""


def _nothing(_data: bytes) -> None:
    """Nothing comes but from the file."""
