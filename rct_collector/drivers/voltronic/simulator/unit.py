"""One simulated unit: a line of a request and a time in, an answer out. No line, no clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from rct_collector.drivers.voltronic.simulator import framing, pi16, pi17, pi18, pi30
from rct_collector.drivers.voltronic.simulator.answer import Maker, Saying
from rct_collector.drivers.voltronic.simulator.moment import VoltronicMoment
from rct_collector.drivers.voltronic.simulator.scenario import SCENARIOS, VoltronicScenario
from rct_collector.drivers.voltronic.simulator.setup import taken
from rct_collector.drivers.voltronic.simulator.world import VoltronicWorld

#: What changes something in a unit, in any dialect; a collector sends none of it unasked.
_WRITES = re.compile(
    r"\^S|P(?!I|QSE)[A-Z]|POP|MU?N?CHGC|F[56]0|V\d|DAT|BTA|RTEY|RTDL|ATE|Q?LED[A-Z]"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a unit understands, and what it says.

    Attributes:
        read: Bytes before CR → text of the request; None of what it does not understand.
        maker: Text of a request → what makes the answer; None of what it does not know.
        refusal: What it says instead.
        consent: What it says to what sets something.
        order: Bytes before CR → text of what sets something.
    """

    read: Callable[[bytes], str | None]
    maker: Callable[[str], Maker | None]
    refusal: Saying
    consent: Saying = pi30.ACK
    order: Callable[[bytes], str | None] = framing.checked


_SUMMED = ("QALL", "PQSE", "PSET", "QLITH0")
_COUNTED = re.compile(r"\^P(\d{3})(.+)")
_ORDER = re.compile(r"\^S(\d{3})(.+)")
_DATED = re.compile(r"(Q?E[DMYH]\d{4,8})(\d{3})")


def _revo(line: bytes) -> str | None:
    """A request of the Revo: some carry one byte of a sum in place of the checksum."""
    text = framing.plain(line[:-1])
    if text in _SUMMED:
        return text if framing.revo_check(line[:-1]) == line[-1:] else None
    found = framing.checked(line)
    return None if found in _SUMMED else found


def _pi18(line: bytes) -> str | None:
    """A request of PI18: a head that counts what follows, and the checksum."""
    return _counted(framing.checked(line) or "", behind=3)


def _pi18_order(line: bytes) -> str | None:
    """What sets something in PI18, which counts alike."""
    found = _ORDER.fullmatch(framing.checked(line) or "")
    return found[2] if found and int(found[1]) == len(found[2]) + 3 else None


def _pi17(line: bytes) -> str | None:
    """A request of PI17: a head that counts what follows; a decimal sum behind dates."""
    return _counted(framing.plain(line) or "", behind=1, summed=True)


def _counted(text: str, behind: int, *, summed: bool = False) -> str | None:
    found = _COUNTED.fullmatch(text)
    if found is None:
        return None
    count, command = int(found[1]), found[2]
    if count != pi18.HEADS.get(command, len(command) + behind):
        return None
    return _without_sum(command, text) if summed else command


def _pi16(line: bytes) -> str | None:
    """A request of PI16: no checksum, but a decimal sum behind dates."""
    text = framing.plain(line) or ""
    return _without_sum(text, text)


def _without_sum(command: str, text: str) -> str | None:
    """A request without the three digits behind a date; None where they are wrong."""
    dated = _DATED.fullmatch(command)
    if dated is None:
        return command or None
    return dated[1] if framing.decimal_sum(text[:-3]) == dated[2] else None


def _dialect(scenario: VoltronicScenario) -> Dialect:
    """What a unit of that dialect understands and says."""
    word = scenario.dialect
    if word == "pi18":
        return Dialect(_pi18, pi18.PI18, pi18.NO, pi18.YES, _pi18_order)
    if word == "pi17":
        return Dialect(_pi17, pi17.PI17, pi18.NO)
    if word == "pi16":
        return Dialect(_pi16, pi16.PI16, pi30.NAK)
    read = _revo if word == "pi30revo" else framing.checked
    return Dialect(read, pi30.VOCABULARIES[word, scenario.wide], pi30.NAK)


class Heard(NamedTuple):
    """A request as the unit understood it.

    Attributes:
        text: Its text; "" of what it did not understand.
        answer: What it says to it.
        writes: It would change something, if it were obeyed.
        offends: It is one letter, which a UPS with the same USB id obeys.
    """

    text: str
    answer: Saying
    writes: bool = False
    offends: bool = False


class VoltronicUnit:
    """One unit.

    Attributes:
        world: The system that it is a part of.
        number: Which unit of the system it is, from 0 on.
        start: Unix time at which the simulation begins.
        shows_after: Seconds of its world until what was set shows.
    """

    def __init__(
        self,
        scenario: VoltronicScenario | str = "sbu",
        *,
        seed: int = 0,
        start: float = 1782036000.0,  # a June morning, 2026-06-21 10:00 UTC
        zone: tzinfo | None = UTC,
        sun: float | None = None,
        number: int = 0,
        shows_after: float = 1.0,
        **clock: Any,
    ) -> None:
        """Build it.

        Args:
            scenario: What the installation has, or the name of that in :data:`SCENARIOS`.
            seed: Weather, household, serial numbers and noise follow from it.
            start: Unix time at which the simulation begins.
            zone: Time zone of the unit's clock; None for that of this host.
            sun: Hour of day at which the sun stands at the start; None for the local time.
            number: Which unit of the system it is, from 0 on.
            shows_after: Seconds of its world until what was set shows.
            clock: ``fast`` and ``drift`` of the unit's clock.

        Raises:
            KeyError: No scenario has that name.
            ValueError: The system has not so many units.
        """
        if isinstance(scenario, str):
            scenario = SCENARIOS[scenario]
        if not 0 <= number < scenario.units:
            raise ValueError(f"unit {number} of {scenario.units}: they count from 0 on")
        self.world = VoltronicWorld(scenario, seed=seed, start=start, zone=zone, sun=sun, **clock)
        self.number = number
        self.start = start
        self.shows_after = shows_after
        self._dialect = _dialect(scenario)

    @property
    def scenario(self) -> VoltronicScenario:
        """What the installation has."""
        return self.world.scenario

    @property
    def serial(self) -> str:
        """Its serial number."""
        return self.world.serial(self.number)

    def moment(self, unix: float) -> VoltronicMoment:
        """The unit at one Unix time."""
        return VoltronicMoment(self.world, self.number, unix)

    def hear(self, line: bytes, unix: float) -> Heard:
        """Take what stands before the end of a line.

        Args:
            line: Bytes, without CR.
            unix: Unix time in the unit's world.
        """
        text = self._dialect.read(line)
        bare = framing.checked(line) or framing.plain(line) or ""
        marks = {
            "writes": _WRITES.match(bare) is not None,
            "offends": len(bare) == 1,
        }
        maker = self._dialect.maker(text) if text is not None else None
        if maker is not None:
            return Heard(text or "", maker(self.moment(unix)), **marks)
        order = self._dialect.order(line)
        if order is not None and self._set(order, unix):
            return Heard(order, self._dialect.consent, **marks)
        return Heard(text or order or "", self._dialect.refusal, **marks)

    def _set(self, order: str, unix: float) -> bool:
        """Take what sets something, if the unit knows it; it shows some time later."""
        found = taken(order, self.moment(unix))
        if found is None:
            return False
        number = self.number if found.unit is None else found.unit
        for name, value in found.changes.items():
            self.world.set(number, name, value, unix + self.shows_after)
        return True
