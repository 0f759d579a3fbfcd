"""The door of one line: who may come in, how many, and how much of each is taken and kept.

It is served in the event loop that the devices run in, so nothing here waits: what is not read
stays with the caller, and who does not read is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Awaitable
from typing import Any

from rct_collector.control.broker import Broker, Line, Topic
from rct_collector.control.messages import (
    Call,
    Code,
    Lines,
    Mistake,
    TooLongError,
    failure,
    line_of,
    read,
    result,
)
from rct_collector.control.methods import Methods
from rct_collector.control.rights import Rights, rights_of
from rct_collector.errors import RpcError
from rct_collector.lines.holder import Holder, other_end
from rct_collector.trust import GROUP, how_to_join

log = logging.getLogger(__name__)

#: Clients of one device's line at a time.
MOST_CLIENTS = 8

#: Bytes that a client may be behind.
MOST_BEHIND = 1 << 20

#: Seconds in which a client has to say something whole, and to end what it has begun to say.
LINE_S = 10.0

#: Messages that are answered, and seconds of that, before the devices have their turn; and how long
#: they have it while more messages wait, in seconds.
AT_ONCE = 8
WORK_S = 0.002
REST_S = 0.004

#: Calls of one client that may be under way.
MOST_UNDER_WAY = 4

#: Seconds for which it is remembered what somebody may do: to look up groups may take long.
KNOWN_S = 60.0
_MOST_KNOWN = 64


class Workload:
    """What is to be answered at all doors of a process: a little at a time, each client in turn.

    Whoever asks as fast as he can delays others who ask, and no round.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._waiting: deque[Visitor] = deque()
        self._next: asyncio.Handle | None = None

    def add(self, client: Visitor) -> None:
        """A client has said something."""
        self._waiting.append(client)
        if self._next is None:
            self._next = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Answer some of it."""
        loop = asyncio.get_running_loop()
        end = loop.time() + WORK_S
        for _ in range(AT_ONCE):
            client = self._waiting.popleft()
            if client.answer_one():
                self._waiting.append(client)
            if not self._waiting or loop.time() >= end:
                break
        self._next = loop.call_later(REST_S, self._turn) if self._waiting else None


class DoorServer:
    """The door of one line."""

    def __init__(self, broker: Broker, line: Line) -> None:
        """Nobody has called yet.

        Args:
            broker: Of the process.
            line: Which of its lines.
        """
        self.broker = broker
        if broker.workload is None:
            broker.workload = Workload()
        self.workload: Workload = broker.workload
        self.methods = Methods(broker, line)
        self._clients: set[Visitor] = set()
        self._known: dict[tuple[Any, ...], Rights] = {}
        self._forget_at = 0.0

    def admit(self, call: socket.socket) -> None:
        """Take a connection over, if it may come in."""
        try:
            caller = other_end(call)
        except OSError:  # gone
            call.close()
            return
        rights = self._rights(caller)
        if not rights.reads:
            text = (
                f"only root, the user of this process and members of the group {GROUP} may ask:"
                f" {how_to_join(GROUP, caller.uid)}"
            )
            _refuse(call, RpcError(Code.NOT_PERMITTED, text))
        elif len(self._clients) >= MOST_CLIENTS:
            text = f"{MOST_CLIENTS} clients are connected, as many as there may be"
            _refuse(call, RpcError(Code.TOO_OFTEN, text))
        else:
            self._clients.add(Visitor(self, call, caller, rights))
            self.broker.clients += 1

    def gone(self, client: Visitor) -> None:
        """A client has left."""
        if client in self._clients:
            self._clients.remove(client)
            self.broker.clients -= 1

    def close(self) -> None:
        """Hang up on all."""
        for client in list(self._clients):
            client.close()

    def _rights(self, caller: Holder) -> Rights:
        """What somebody may do, who may call very often."""
        now = asyncio.get_running_loop().time()
        if now >= self._forget_at or len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._forget_at = now + KNOWN_S
        who = (caller.uid, caller.groups)
        rights = self._known.get(who)
        if rights is None:
            rights = self._known[who] = rights_of(caller)
        return rights


def _refuse(call: socket.socket, error: RpcError) -> None:
    """Say why, if that is read, and hang up."""
    with call, contextlib.suppress(OSError):
        call.send(line_of(failure(None, error)))


class Visitor(asyncio.Protocol):
    """One client.

    Attributes:
        caller: The process at the other end.
        rights: What it may do.
        follows: The devices that it has subscribed to.
        stays: Whether it waits for an answer that it gets although the door was closed.
    """

    def __init__(
        self, server: DoorServer, call: socket.socket, caller: Holder, rights: Rights
    ) -> None:
        """Take it over; it counts from now on.

        Args:
            server: The door.
            call: The connection.
            caller: The process at the other end.
            rights: What it may do.
        """
        self.caller = caller
        self.rights = rights
        self.follows: set[Topic] = set()
        self.stays = False
        self._is_leaving = False
        self._server = server
        self._lines = Lines()
        self._waits = False
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._loop = loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        connecting = loop.connect_accepted_socket(lambda: self, call)
        self._connecting = loop.create_task(connecting, name="door")
        self._connecting.add_done_callback(lambda _: self._connected(call))

    def _connected(self, call: socket.socket) -> None:
        """Connecting is over; if in vain, even before it began, nobody else closes the call."""
        if self._transport is None:
            call.close()
            self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is ours."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what else could it be
        self._transport = transport
        self._deadline = self._loop.call_later(LINE_S, self._is_slow)

    def connection_lost(self, _error: Exception | None) -> None:
        """The other end has gone, or we have hung up."""
        self._set_deadline(is_needed=False)
        for task in self._tasks:
            task.cancel()
        for topic in self.follows:
            if topic.feed is not None:
                topic.feed.drop(self)
        self.follows.clear()
        self._server.gone(self)

    def data_received(self, data: bytes) -> None:
        """Something was said."""
        self._lines.push(data)
        if not self._waits:
            self._waits = True
            self._server.workload.add(self)
        elif self._transport is not None:  # what comes meanwhile stays with the caller
            self._transport.pause_reading()

    def answer_one(self) -> bool:
        """Answer one of the messages that have come.

        Returns:
            Whether there may be more of them.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        try:
            line = self._lines.pop()
        except TooLongError as error:
            self._hang_up(RpcError(Code.INVALID, str(error)))
            return False
        if line is None:
            self._waits = False
            self._set_deadline(is_needed=self._lines.is_open)
            transport.resume_reading()
            return False
        self._set_deadline(is_needed=False)
        self._hear(line)
        return True

    def _hear(self, line: bytes) -> None:
        """Answer a message: at once, or when all is done that it asks for."""
        said, together = read(line)
        answers = [self._answer(item) for item in said]
        if not any(asyncio.iscoroutine(answer) for answer in answers):
            self._reply(answers, together=together)
            return
        task = self._loop.create_task(self._reply_later(answers, together=together))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _answer(self, said: Call | Mistake) -> Any:  # noqa: ANN401 - an object, None, or either later
        """The answer to a call; None for none."""
        if isinstance(said, Mistake):
            return failure(said.id, said.error)
        try:
            found = self._server.methods.call(self, said)
            if asyncio.iscoroutine(found):
                return self._answer_later(said, found)
        except Exception as error:  # noqa: BLE001 - it is told
            return self._failed(said, error)
        return result(said.id, found) if said.is_answered else None

    async def _answer_later(self, said: Call, found: Awaitable[Any]) -> Any:  # noqa: ANN401
        if len(self._tasks) > MOST_UNDER_WAY:
            found.close()  # type: ignore[attr-defined] # a coroutine, which does not begin
            text = f"{MOST_UNDER_WAY} calls are under way, as many as there may be"
            return failure(said.id, RpcError(Code.TOO_OFTEN, text))
        try:
            value = await found
        except Exception as error:  # noqa: BLE001 - it is told
            return self._failed(said, error)
        return result(said.id, value) if said.is_answered else None

    def _failed(self, said: Call, error: Exception) -> Any:  # noqa: ANN401
        if not isinstance(error, RpcError):
            log.error("bug: %s could not be answered", said.method, exc_info=error)
            error = RpcError(Code.INTERNAL, f"bug: {error!r}")
        return failure(said.id, error) if said.is_answered else None

    async def _reply_later(self, answers: list[Any], *, together: bool) -> None:
        done = [await item if asyncio.iscoroutine(item) else item for item in answers]
        self._reply(done, together=together)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Calls were answered; while others are under way, who waits for theirs stays."""
        self._tasks.discard(task)
        if not self._tasks:
            self.stays = False
            if self._is_leaving:
                self.close()

    def _reply(self, answers: list[Any], *, together: bool) -> None:
        told = [answer for answer in answers if answer is not None]
        if told:
            self.send(line_of(told if together else told[0]))

    def send(self, data: bytes) -> None:
        """Send whole lines; who does not read is cut off."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() <= MOST_BEHIND:
            transport.write(data)
            return
        for topic in self.follows:
            topic.cut += 1
        log.warning("%s does not read what it is told; it is hung up on", self.caller)
        transport.abort()

    def close(self) -> None:
        """Hang up, once what was said is sent, and what is still to be said."""
        if self.stays:
            self._is_leaving = True
        elif self._transport is not None:
            self._transport.close()
            if self._transport.get_write_buffer_size():  # who does not read is not waited for
                self._loop.call_later(LINE_S, self._transport.abort)
        else:
            self._connecting.cancel()

    def _hang_up(self, error: RpcError) -> None:
        self.send(line_of(failure(None, error)))
        self.close()

    def _is_slow(self) -> None:
        self._hang_up(RpcError(Code.INVALID, f"a message is to be whole within {LINE_S:g} s"))

    def _set_deadline(self, *, is_needed: bool) -> None:
        if not is_needed and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        elif is_needed and self._deadline is None:
            self._deadline = self._loop.call_later(LINE_S, self._is_slow)
