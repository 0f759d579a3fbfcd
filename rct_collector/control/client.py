"""Asks whoever on this host collects from a device.

::

    async with await Client.connect(address) as client:
        print(await client.call("status"))
        await client.call("subscribe")
        async for method, params in client.notifications:
            …
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

from rct_collector.control.messages import Id, Lines, line_of, parse, request
from rct_collector.errors import NobodyError, RpcError, TransportError
from rct_collector.lines.holder import Holder, look_up, other_end
from rct_collector.lines.lock import MOST_NAMES, lock_name
from rct_collector.transport import Address

#: Bytes that a line from the door may have: everything that a device of many units has.
LONGEST_ANSWER = 16 << 20

#: Notifications that wait; when there are more of them, nothing is read until some were taken.
MOST_WAITING = 256

_READ_BYTES = 64 << 10

#: Seconds until a door is tried again that too many others wait at.
_AGAIN_S = 0.05

_CLOSED = "whoever collects from the device has hung up"


class Client:
    """A connection to a door.

    Attributes:
        owner: Who collects from the device.
        notifications: What is told unasked, method and params; ends when the door is closed. Who
            subscribes must take them, or answers come no more either.
    """

    def __init__(self, connection: socket.socket, owner: Holder) -> None:
        """Use :meth:`connect`."""
        self.owner = owner
        self._loop = asyncio.get_running_loop()
        # No transport: it would close at the first byte that cannot be sent, and lose what was
        # said before the other end was closed, which tells why.
        self._socket = connection
        self._sending = asyncio.Lock()
        self._last_id = 0
        self._waiting: dict[Id, asyncio.Future[Any]] = {}
        self._told: asyncio.Queue[tuple[str, dict[str, Any]] | None]
        self._told = asyncio.Queue(MOST_WAITING)
        self._end: Exception | None = None
        self.notifications: AsyncIterator[tuple[str, dict[str, Any]]] = self._taken()
        self._reading = asyncio.create_task(self._read(), name="door client")

    @classmethod
    async def connect(cls, name: bytes | Address, *, timeout: float = 5.0) -> Self:
        """Connect to the door of a device.

        Who is not trusted is not asked, whatever it has bound the name for; see :mod:`.trust`.

        Args:
            name: Where the device is, or the name of the door; see :func:`.doors.doors`.
            timeout: Seconds.

        Raises:
            NobodyError: Nobody on this host collects from it, or nobody who is trusted.
            TransportError: Somebody does, and does not take us in in time.
        """
        try:
            async with asyncio.timeout(timeout):
                connection, owner = await _found(name)
        except TimeoutError:
            text = f"whoever collects from {_where(name)} takes nobody in within {timeout:g} s"
            raise TransportError(text, "timeout") from None
        return cls(connection, owner)

    async def __aenter__(self) -> Self:
        """Close it at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def call(
        self, method: str, params: dict[str, Any] | None = None, *, timeout: float = 30.0
    ) -> Any:  # noqa: ANN401 - anything that JSON has
        """Ask, and wait for the answer.

        Args:
            method: What is to be done.
            params: With what.
            timeout: Seconds.

        Raises:
            RpcError: The answer is an error.
            TransportError: The door is closed, or nothing was answered in time (``timeout``).
        """
        if self._end is not None:
            raise self._end
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout):
                await self._send(line_of(request(number, method, params)))
                return await answer
        except TimeoutError:
            raise TransportError(
                f"{method} was not answered within {timeout:g} s", "timeout"
            ) from None
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Hang up."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._socket.close()  # where nothing has been waited for yet, nobody has begun to read

    async def _send(self, line: bytes) -> None:
        async with self._sending:
            try:
                await self._loop.sock_sendall(self._socket, line)
            except OSError:
                pass  # why, those who read find out
            except asyncio.CancelledError:
                self._reading.cancel()  # half a line may have gone
                raise

    async def _taken(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        while (told := await self._told.get()) is not None:
            yield told
        self._told.put_nowait(None)  # for who asks again

    async def _read(self) -> None:
        """Take what comes, until nothing does."""
        end: Exception = TransportError(_CLOSED)
        lines = Lines(LONGEST_ANSWER)
        try:
            while data := await self._loop.sock_recv(self._socket, _READ_BYTES):
                lines.push(data)
                while line := lines.pop():
                    end = await self._take(parse(line)) or end
        except (RpcError, ValueError) as error:
            end = TransportError(f"whoever collects from the device is not understood: {error}")
        except OSError:  # it has hung up on something that was not read
            pass
        finally:
            self._end = end
            self._socket.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(end)
            if self._told.full():
                self._told.get_nowait()
            self._told.put_nowait(None)

    async def _take(self, said: Any) -> RpcError | None:  # noqa: ANN401 - anything that JSON has
        """Take one message.

        Returns:
            Why the door is closed, where that is said.
        """
        if not isinstance(said, dict):
            return None
        if isinstance(method := said.get("method"), str):
            await self._told.put((method, said.get("params") or {}))
            return None
        error = _error(said)
        answer = self._waiting.get(said.get("id"))
        if answer is None or answer.done():
            return error if said.get("id") is None else None
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(said.get("result"))
        return None


def _error(said: dict[str, Any]) -> RpcError | None:
    error = said.get("error")
    if not isinstance(error, dict):
        return None
    return RpcError(int(error.get("code", 0)), str(error.get("message", "")), error.get("data"))


def _where(name: bytes | Address) -> str:
    return name.place if isinstance(name, Address) else name.decode(errors="replace").strip("\0")


async def _found(name: bytes | Address) -> tuple[socket.socket, Holder]:
    """A connection to the first one who is trusted, as those who take the lock look for it.

    Raises:
        NobodyError: There is none.
    """
    strangers, free = [], 0
    for candidate in _names(name):
        connection, owner = await _called(candidate)
        if owner is None:
            free += 1
            if free > 1:  # a stranger in front may have left just now
                break
        elif connection is not None:
            return connection, owner
        else:
            strangers.append(owner)
    if strangers:
        text = f"nobody who is trusted collects from {_where(name)}; its name is held by"
        raise NobodyError(f"{text} {strangers[0]}")
    raise NobodyError(f"nobody on this host collects from {_where(name)}")


def _names(name: bytes | Address) -> list[bytes]:
    if isinstance(name, bytes):
        return [name]
    return [lock_name(name.key, number) for number in range(MOST_NAMES)]


async def _called(name: bytes) -> tuple[socket.socket | None, Holder | None]:
    """A connection to a name, where somebody has it who is trusted, and who has it."""
    with contextlib.ExitStack() as undo:
        connection = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connection.setblocking(False)
        while True:
            try:
                connection.connect(name)
            except BlockingIOError:  # too many others wait, so that nobody says who it is
                owner = look_up(name)
                if owner is not None and not owner.is_obeyed:
                    return None, owner
                await asyncio.sleep(_AGAIN_S)
            except OSError:
                return None, None
            else:
                break
        owner = other_end(connection)
        if not owner.is_obeyed:
            return None, owner
        undo.pop_all()
        return connection, owner
