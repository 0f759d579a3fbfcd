"""The one gate through which a setting of a unit is written.

::

    name, value ─► known? allowed? of this shape? not too often? ─► denied
                        │
                        ▼
                   read the present value ─► equal: not written, since the unit's memory wears out
                        │
                        ▼
                   by the rules of the unit? ─► denied
                        │
                        ▼
                   Approved ─► sent, once ─► "no": refused
                        │
                        ▼
                   read back until it shows: written; or not in time: unconfirmed

Only an :class:`~rct_collector.drivers.base.Approved` becomes bytes, and only :func:`approve` makes
one. It is never sent again, by nobody: where its answer was lost, reading back tells what happened.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Container, Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from rct_collector.device.inquiry import Inquiry
from rct_collector.drivers.base import Answer, Approved, Facts, Refused, Setting
from rct_collector.errors import TransportError

log = logging.getLogger(__name__)

#: One write in so many seconds, and so many in a day: the memory of units wears out.
APART_S = 10.0
MOST_A_DAY = 20
DAY_S = 86400.0

#: Seconds from the write to the readings of the value; then as often as the last of them says.
LOOK_AFTER_S = (2.0, 5.0, 10.0)


class Denied(NamedTuple):
    """A value that must not be written, and why.

    Attributes:
        rule: What stands against it, in words.
    """

    rule: str


class State(StrEnum):
    """What became of a setting."""

    DENIED = "denied"  #: nothing was sent: a rule stands against it
    UNCHANGED = "unchanged"  #: nothing was sent: the unit has this value
    WRITTEN = "written"  #: it shows in the unit
    REFUSED = "refused"  #: the unit said "no"
    UNCONFIRMED = "unconfirmed"  #: sent, but it does not show: perhaps not yet, perhaps never


class Result(NamedTuple):
    """What became of a setting.

    Attributes:
        state: What became of it.
        before: The value before; None where it was not read.
        after: The value that the unit showed last; None where it was not read.
        why: The reason in words, "" when it was written.
    """

    state: State
    before: Any = None
    after: Any = None
    why: str = ""


class Journal:
    """When something was written, on a monotonic clock."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._times: deque[float] = deque(maxlen=MOST_A_DAY)

    def wrote(self, now: float) -> None:
        """Something was written."""
        self._times.append(now)

    def objection(self, now: float) -> str:
        """Why nothing more may be written now; "" when it may."""
        times = self._times
        if times and now - times[-1] < APART_S:
            return f"the last write was {now - times[-1]:.0f} s ago; {APART_S:.0f} s must pass"
        if len(times) == MOST_A_DAY and now - times[0] < DAY_S:
            return f"{MOST_A_DAY} writes within a day are enough: the memory of the unit wears out"
        return ""


def approve(setting: Setting, value: Any, facts: Facts) -> Approved | Denied:
    """Decide whether a value may be written. Nobody else makes an ``Approved``.

    Args:
        setting: What is to be set.
        value: To what.
        facts: What is known of the unit, with what it has just answered.
    """
    rule = _misfit(setting, value) or setting.rule(value, facts)
    return Denied(rule) if rule else Approved(setting, value)


def _misfit(setting: Setting, value: Any) -> str:
    """Why a value is none that a setting takes, and what would be right."""
    if setting.choices:
        right = " or ".join(setting.choices)
        fits = isinstance(value, str) and value in setting.choices
    else:
        right = f"a number from {setting.low:g} to {setting.high:g}"
        if setting.step:
            right += f" in steps of {setting.step:g}"
        fits = _is_number(value) and setting.low <= value <= setting.high
        if fits and setting.step:
            steps = (value - setting.low) / setting.step
            fits = math.isclose(steps, round(steps), abs_tol=1e-6)
    return "" if fits else f"{setting.name} takes {right}, not {value!r}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_same(one: Any, other: Any) -> bool:
    if _is_number(one) and _is_number(other):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)
    return bool(one == other)


class Gate:
    """The settings of one unit."""

    def __init__(
        self,
        name: str,
        settings: Iterable[Setting],
        allowed: Container[str],
        inquiry: Inquiry,
        facts: Callable[[], Facts],
    ) -> None:
        """Write nothing yet.

        Args:
            name: Name of the device, for messages.
            settings: What the family has.
            allowed: Names of those that the user lets be written; none unless named.
            inquiry: Asks the unit.
            facts: Tells what is known of the unit.
        """
        self._name = name
        self.settings = {setting.name: setting for setting in settings}
        self._allowed = allowed
        self._inquiry = inquiry
        self._facts = facts
        self._journal = Journal()
        self._busy = asyncio.Lock()

    async def get(self, name: str) -> Any:
        """The present value of a setting.

        Raises:
            KeyError: There is none of that name.
            TransportError: It cannot be read.
        """
        setting = self.settings[name]
        return setting.shown(await self._read(setting))

    async def set(self, name: str, value: Any) -> Result:
        """Write a setting, if nothing stands against it, and see whether it shows.

        Args:
            name: Name of the setting.
            value: What it is to be.
        """
        async with self._busy:
            result = await self._set(name, value)
        text = "%s: %s: %r was to become %r: %s%s"
        why = f" ({result.why})" if result.why else ""
        log.log(
            logging.INFO if result.state is State.WRITTEN else logging.WARNING,
            text,
            self._name,
            name,
            result.before,
            value,
            result.state,
            why,
        )
        return result

    async def _set(self, name: str, value: Any) -> Result:
        setting = self.settings.get(name)
        if setting is None:
            known = ", ".join(self.settings) or "none"
            return Result(State.DENIED, why=f"there is no setting {name}; there are: {known}")
        if name not in self._allowed:
            return Result(State.DENIED, why=f"{name} is not among the settings that may be written")
        loop = asyncio.get_running_loop()
        objection = self._journal.objection(loop.time())
        if rule := objection or _misfit(setting, value):
            return Result(State.DENIED, why=rule)
        try:
            raw = await self._read(setting)
        except TransportError as error:
            return Result(State.DENIED, why=f"the present value cannot be read: {error}")
        before = setting.shown(raw)
        if _is_same(before, value):
            return Result(State.UNCHANGED, before, before, "the unit has this value")
        approved = approve(setting, value, {**self._facts(), setting.shown_by.name: raw})
        if isinstance(approved, Denied):
            return Result(State.DENIED, before, before, approved.rule)
        self._journal.wrote(loop.time())
        try:
            answer = await self._inquiry.ask(setting.query, approved)
        except TransportError as error:
            # It may have arrived. It is not sent again: reading tells.
            return await self._look(setting, approved, before, str(error))
        if isinstance(answer, Refused):
            return Result(State.REFUSED, before, before, "the unit says no")
        return await self._look(setting, approved, before, "accepted, but not visible")

    async def _look(self, setting: Setting, approved: Approved, before: Any, why: str) -> Result:
        """Read back until the value shows, or does not in time."""
        loop = asyncio.get_running_loop()
        begun, shown, number = loop.time(), None, 0
        end = begun + setting.visible_s
        while True:
            pause = LOOK_AFTER_S[min(number, len(LOOK_AFTER_S) - 1)]
            if loop.time() + pause > end and number:
                return Result(State.UNCONFIRMED, before, shown, why)
            number += 1
            await asyncio.sleep(pause)
            try:
                shown = setting.shown(await self._read(setting))
            except TransportError:
                continue
            if _is_same(shown, approved.value):
                return Result(State.WRITTEN, before, shown)

    async def _read(self, setting: Setting) -> Any:
        """The answer that tells the present value."""
        answer = await self._inquiry.ask(setting.shown_by)
        if isinstance(answer, Answer):
            return answer.value
        raise TransportError(f"the unit refuses {setting.shown_by.label}")
