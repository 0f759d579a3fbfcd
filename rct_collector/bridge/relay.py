"""From a command to the door of its device, once, and back with what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from weakref import WeakValueDictionary

from rct_collector.bridge.commands import (
    Message,
    Misread,
    SetCommand,
    TopicNames,
    accepted,
    command_of,
    outcome,
    refusal,
    typed,
)
from rct_collector.bridge.journal import CommandJournal
from rct_collector.bridge.judge import Attention, asleep, objection
from rct_collector.control.messages import Code, Id
from rct_collector.device.folder import UnsafeFileError
from rct_collector.errors import RpcError, TransportError

log = logging.getLogger(__name__)

#: Commands that wait for their turn at one device, and at all of them.
MOST_EACH, MOST_ALL = 8, 32

#: Seconds that a door may take for its first answer, and a unit until a value shows.
ANSWER_S = 30.0
OUTCOME_S = 300.0

#: The state that is told where nobody knows.
UNKNOWN = "unknown"


class OpenDoor(Protocol):
    """A connection with the door of a device."""

    notifications: AsyncIterator[tuple[str, dict[str, Any]]]

    async def call(
        self, method: str, params: dict[str, Any] | None = None, *, timeout: float = 30.0
    ) -> Any:
        """Call a method; see :class:`rct_collector.control.client.Client`."""
        ...


#: Opens the door of a device. Raises RpcError where there is none, or it is not known which.
Opened = Callable[[str], AbstractAsyncContextManager[OpenDoor]]


class Relay:
    """Does what messages want."""

    def __init__(
        self,
        *,
        topics: TopicNames,
        journal: CommandJournal,
        opened: Opened,
        publish: Callable[[str, bytes], None],
        renew: Callable[[], int],
        say: Callable[[int, str, str], object],
        show: Callable[[str, str, Any], None],
        wall: Callable[[], float],
        awake: Callable[[], float],
    ) -> None:
        """Begin.

        Args:
            topics: Their names.
            journal: What outlives this process.
            opened: Opens the door of a device.
            publish: Publishes an answer: topic and payload.
            renew: Makes a new connection with the broker; returns the number of the old one.
            say: Logs: level, kind, text.
            show: Told of present values: device, setting, value.
            wall: Unix seconds.
            awake: Seconds that go on while the system is asleep.
        """
        self._topics = topics
        self._journal = journal
        self._opened = opened
        self._publish = publish
        self._renew = renew
        self._say = say
        self._show = show
        self._wall = wall
        self._clock = asyncio.get_running_loop().time
        self._attention = Attention(awake)
        self._doubted = -1  # the last connection of which plain values may be old
        self._waiting: Counter[str] = Counter()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self) -> None:
        """See whether we were at work all the time; to be called every ``LOOK_S``."""
        if self._attention.lapsed():
            self._doubted = self._renew()
            text = "this process was not at work for a while; the connection is made anew"
            self._say(logging.WARNING, "lapse", text)

    def take_up(self) -> None:
        """Tell what nobody knows of the commands that an earlier process has begun."""
        for item in self._journal.left():
            source, name, key = item.get("source"), item.get("name"), item.get("id")
            if isinstance(source, str) and isinstance(name, str) and isinstance(key, Id):
                self._tell(source, name, key, _unknown("the bridge was ended"))

    def take(self, message: Message) -> None:
        """Take what has come: do it, or tell why not."""
        self.look()
        try:
            command = command_of(self._topics, message)
        except Misread as error:
            self._say(logging.WARNING, "misread", f"{message.topic[:200]!r}: {error}")
            if error.source:
                self._publish(self._topics.result(error.source), refusal(error.error, error.id))
            return
        try:
            self._admit(message, command)
        except RpcError as error:
            self._refuse(command, error)
            return
        self._waiting[command.source] += 1
        task = asyncio.get_running_loop().create_task(self._do(message, command, self._clock()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _admit(self, message: Message, command: SetCommand) -> None:
        """Refuse what need not wait for its turn.

        Raises:
            RpcError: It is refused.
        """
        if command.is_plain and message.connection <= self._doubted:
            raise asleep()
        self._judge(message, command, 0.0)
        if self._waiting[command.source] >= MOST_EACH or len(self._tasks) >= MOST_ALL:
            raise RpcError(Code.TOO_OFTEN, "too many commands wait already")

    def _judge(self, message: Message, command: SetCommand, waited: float) -> None:
        error = objection(message, command, self._journal.seen, self._wall(), waited)
        if error is not None:
            raise error

    async def _do(self, message: Message, command: SetCommand, come: float) -> None:
        try:
            async with self._turn(command.source):
                self._judge(message, command, self._clock() - come)
                async with self._opened(command.source) as door:
                    await self._set(door, command)
        except RpcError as error:
            self._refuse(command, error)
        except TransportError as error:
            self._refuse(command, RpcError(Code.AWAY, str(error)))
        except Exception:
            log.exception("bug: %s", command.text)
            self._refuse(command, RpcError(Code.INTERNAL, "a defect of the bridge; see its log"))
        finally:
            self._waiting -= Counter([command.source])

    @asynccontextmanager
    async def _turn(self, source: str) -> AsyncIterator[None]:
        """One command of a device at a time."""
        turn = self._turns.setdefault(source, asyncio.Lock())
        async with turn:
            yield

    async def _set(self, door: OpenDoor, command: SetCommand) -> None:
        """Send a command, once.

        Raises:
            RpcError: It was not done.
            TransportError: The door was lost before it was sent.
        """
        params = {"source": command.source, "name": command.name}
        params["value"] = await self._value(door, command)
        if command.expect:
            (params["expect"],) = command.expect
        try:
            key = self._journal.begin(command)
        except (OSError, UnsafeFileError) as error:
            text = f"it cannot be noted, and so is not done: {error}"
            raise RpcError(Code.INTERNAL, text) from error
        try:
            said = await self._send(door, command, params)
        except asyncio.CancelledError:
            self._tell(command.source, command.name, command.id, _unknown("the bridge was ended"))
            raise
        else:
            self._tell(command.source, command.name, command.id, said)
        finally:
            self._journal.end(key)

    async def _value(self, door: OpenDoor, command: SetCommand) -> Any:
        """The value as the door wants it."""
        if not command.is_plain:
            return command.value
        answer = await door.call("settings", {"source": command.source}, timeout=ANSWER_S)
        settings = {setting["name"]: setting for setting in answer["settings"]}
        if command.name not in settings:
            known = ", ".join(settings) or "none"
            text = f"there is no setting {command.name}; there are: {known}"
            raise RpcError(Code.PARAMS, text)
        return typed(command, settings[command.name])

    async def _send(
        self, door: OpenDoor, command: SetCommand, params: dict[str, Any]
    ) -> dict[str, Any]:
        """Call the door, and wait until it tells the end; what it has told.

        Raises:
            RpcError: It has refused.
        """
        try:
            answer = await door.call("set", params, timeout=ANSWER_S)
        except TransportError as error:
            return _unknown(str(error))
        self._publish(self._topics.result(command.source), accepted(command, answer))
        ticket = answer.get("ticket")
        with contextlib.suppress(TimeoutError, TransportError):
            async with asyncio.timeout(OUTCOME_S):
                async for method, said in door.notifications:
                    if method == "setting" and said.get("ticket") == ticket:
                        return said
        return _unknown("the device's door has told no end")

    def _tell(self, source: str, name: str, key: Id, said: dict[str, Any]) -> None:
        """Tell what became of a command."""
        state, why = said.get("state"), said.get("why")
        text = f"{source}: {name}: {state}{f' ({why})' if why else ''}"
        self._say(logging.WARNING if state == UNKNOWN else logging.INFO, "done", text)
        self._publish(
            self._topics.result(source), outcome(key, {**said, "source": source, "name": name})
        )
        self._show(source, name, said.get("after"))

    def _refuse(self, command: SetCommand, error: RpcError) -> None:
        self._say(logging.WARNING, "refused", f"{command.text}: {error.message}")
        text = refusal(error, command.id, command.name)
        self._publish(self._topics.result(command.source), text)

    async def stop(self) -> None:
        """End all that is under way; what became of it is told as unknown."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _unknown(why: str) -> dict[str, Any]:
    """What is told of a command that may have been done: it is not done again."""
    return {"state": UNKNOWN, "why": f"{why}; it may have been done, and is not done again"}
