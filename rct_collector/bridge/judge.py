"""Which commands may be done now: those that are said now, here, for the first time. Pure.

MQTT tells no time. A command in JSON tells it, and has an id. A plain value has neither, so what
the broker says of it counts: it must not be one that was retained, nor one that was delivered
before. Nothing else can be old: the session is a clean one, for which the broker keeps nothing
while we are away. Only in our own system something may lie for long, while it is asleep or we are
stopped; :class:`Attention` notices that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TypeGuard

from rct_collector.bridge.commands import Message, SetCommand
from rct_collector.control.messages import Code
from rct_collector.errors import RpcError

#: Seconds that a command may be old, and those by which the sender's clock may be fast.
OLDEST_S = 60.0
AHEAD_S = 10.0

#: Commands that are remembered; more of them within a minute are no commands of people.
MOST = 1000

#: Seconds between two looks at the clock; after twice as many we were not at work.
LOOK_S = 10.0

#: A time that lies so far ahead was taken from a clock that was wrong then.
_ABSURD_S = 86400.0


class Attention:
    """Whether we have been at work all the time, or something may have become old unnoticed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin now.

        Args:
            clock: Seconds that go on while the system is asleep.
        """
        self._clock = clock
        self._last = clock()

    def lapsed(self) -> bool:
        """Whether nobody has looked for long; asked every :data:`LOOK_S`, and before each deed."""
        before, self._last = self._last, self._clock()
        return self._last - before > 2 * LOOK_S


class Remembered:
    """The commands that were done, by device and id.

    What is forgotten is no longer needed: whatever has its time, or an earlier one, is too old by
    the clock, and remains so when the clock is set back.
    """

    def __init__(self, floor: float = -math.inf) -> None:
        """Begin with none.

        Args:
            floor: What was said by then may have been done, Unix seconds.
        """
        self._times: dict[str, float] = {}
        self._floor = floor

    def objection(self, command: SetCommand, now: float) -> RpcError | None:
        """Why a command in JSON must not be done; None when it may.

        Args:
            command: One that tells its time.
            now: Unix seconds.
        """
        assert command.time is not None  # noqa: S101 - so the caller has made sure
        if now - command.time > OLDEST_S:
            return _refused("age", f"it is {now - command.time:.0f} s old", f"{OLDEST_S:.0f} s")
        if command.time - now > AHEAD_S:
            text = f"its time is {command.time - now:.0f} s ahead of this host's clock"
            return _refused("age", text, "clocks that agree")
        self._forget(now)
        if _key(command) in self._times:
            return _refused("replay", "a command with this id came before", "an id of its own")
        if command.time <= self._floor:
            return _refused("replay", "it may have been done before", "one that is said now")
        if len(self._times) >= MOST:
            return RpcError(Code.TOO_OFTEN, f"{MOST} commands a minute are enough")
        return None

    def add(self, command: SetCommand) -> None:
        """It is being done."""
        if command.time is not None:
            self._times[_key(command)] = command.time

    def _forget(self, now: float) -> None:
        old = {key: time for key, time in self._times.items() if now - time > OLDEST_S}
        for key, time in old.items():
            del self._times[key]
            self._floor = max(self._floor, time)
        if self._floor > now + _ABSURD_S:
            self._floor = -math.inf

    # -- what outlives the process

    def to_json(self) -> dict[str, object]:
        """For the journal."""
        floor = self._floor if math.isfinite(self._floor) else None
        return {"times": self._times, "floor": floor}

    @classmethod
    def from_json(cls, said: object) -> Remembered:
        """What the journal has kept; what is none is left out.

        Args:
            said: Anything.
        """
        found = cls()
        if isinstance(said, dict):
            times, floor = said.get("times"), said.get("floor")
            if isinstance(times, dict):
                kept = {key: float(t) for key, t in times.items() if _is_time(t)}
                found._times = dict(list(kept.items())[-MOST:])
            if _is_time(floor):
                found._floor = float(floor)
        return found


def objection(
    message: Message, command: SetCommand, seen: Remembered, now: float, waited: float
) -> RpcError | None:
    """Why a command must not be done; None when it may.

    Args:
        message: That brought it.
        command: What it wants.
        seen: What was done before.
        now: Unix seconds.
        waited: Seconds since it has come.
    """
    if message.retained:
        text = "the broker had kept it, and nobody can tell since when"
        return _refused("retained", text, "commands that are not retained")
    if waited > OLDEST_S:
        return _refused("age", f"it has waited for {waited:.0f} s", f"{OLDEST_S:.0f} s")
    if not command.is_plain:
        return seen.objection(command, now)
    if message.repeated:
        text = "the broker has delivered it before, and it has no id"
        return _refused("replay", text, "a command in JSON, with an id")
    return None


def asleep() -> RpcError:
    """The refusal of a plain value that may have lain in our own system."""
    return _refused("age", "this host has been asleep, and it does not tell its time", "a new one")


def _refused(rule: str, why: str, right: str) -> RpcError:
    return RpcError(Code.REFUSED, f"refused: {why}", {"rule": rule, "right": right})


def _key(command: SetCommand) -> str:
    return json.dumps([command.source, command.id])


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
