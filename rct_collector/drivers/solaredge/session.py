"""What units say over one line, and what they are answered.

A unit that calls home posts records, and waits for an acknowledgement; it asks for the time; and a
unit that encrypts offers a session key before anything else. Whatever it posts it repeats until it
is acknowledged, so even what is of no use is: but behind its records, so that it comes again when
nobody could take them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from rct_collector.catalog import TooManySeriesError
from rct_collector.drivers.base import Ask, Event, Fault, Garbled, Record, Reply, Resync
from rct_collector.drivers.solaredge import request, table
from rct_collector.drivers.solaredge.batteries import Batteries
from rct_collector.drivers.solaredge.crypto import (
    OFFER_BYTES,
    MissingCryptographyError,
    Tunnel,
)
from rct_collector.drivers.solaredge.frame import Bad, Frame, FrameReader
from rct_collector.drivers.solaredge.functions import (
    ASK_NAME,
    ASK_TIME,
    ENCRYPTED,
    POST,
    SESSION_KEY,
)
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.records import (
    BATTERY,
    BOARD_BIT,
    EVENT,
    INVERTER,
    INVERTER_3,
    LAYOUTS,
    METER,
    OPTIMIZER,
    OPTIMIZER_PACKED,
    OPTIMIZER_S,
    RawRecord,
    RecordValue,
    split,
)
from rct_collector.errors import RefusedFrameError
from rct_collector.model import Series, Value

#: Addresses from here on are those of servers, tools and everybody.
FIRST_SERVICE = 0xFFFFFF00

#: Low bytes of functions from here on are those of answers, which nobody waits for.
_FIRST_ANSWER = 0x80

#: Offers of a session key in a row after which it is plain that a unit cannot use our answers.
_VAIN_OFFERS = 3

#: Units with batteries that are known again.
_MOST_KNOWN = 256

_OPTIMIZERS = (OPTIMIZER, OPTIMIZER_PACKED, OPTIMIZER_S)
_INVERTERS = (INVERTER, INVERTER_3)


@lru_cache(maxsize=1024)
def id_text(device: int) -> str:
    """An id as it is tagged: eight upper-case hexadecimal digits."""
    return f"{device:08X}"


def owner(inverter: int, source: int) -> int:
    """The inverter that an id in a record stands for.

    The power board of an inverter has the id of its communication board, which is printed on it
    and sends the frames, but for one bit. Nobody, everybody and servers are no inverters, and what
    would be an absent float is none.

    Args:
        inverter: What the record says.
        source: Who has sent it.
    """
    if (inverter ^ source) | BOARD_BIT == BOARD_BIT:
        return source
    if not inverter or inverter | BOARD_BIT >= FIRST_SERVICE:
        return source
    return inverter & ~BOARD_BIT


def _reply(data: bytes, unit: str, tunnel: Tunnel | None) -> Reply:
    """An answer, wrapped where the question was."""
    return Reply(request.encrypted(tunnel, data) if tunnel else data, unit)


def _time(frame: Frame, wall_ns: int) -> bytes:
    """The time of this host, with its zone as of then."""
    seconds = wall_ns // 1_000_000_000
    offset = datetime.fromtimestamp(seconds, UTC).astimezone().utcoffset()
    return request.tell_time(frame, seconds, int(offset.total_seconds()) if offset else 0)


class _BatteryRecord(NamedTuple):
    """What counts of one battery when all of a unit are added.

    Attributes:
        unit: Its inverter.
        time: Unix seconds.
        battery: Its serial number.
        values: Of its record.
    """

    unit: str
    time: int
    battery: str
    values: dict[str, RecordValue]


class SolarEdgeSession:
    """See :class:`rct_collector.drivers.base.Session`."""

    def __init__(
        self,
        options: SolarEdgeOptions,
        *,
        answers: bool = True,
        knows_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """Start with an empty line.

        Args:
            options: Those of the device.
            answers: Units on this line wait for answers; without, it is only listened to.
            knows_time: Whether they can be told what time it is.
        """
        self._options = options
        self._knows_time = knows_time
        self._tunnels = options.tunnels
        self._answers = answers
        self._reader = FrameReader()
        self._batteries = options.batteries
        self._named: dict[int, tuple[int, int]] = {}

    def request(self, ask: Ask) -> bytes:
        """Nothing is asked: units talk by themselves."""
        raise RefusedFrameError(f"{ask.query.label} is not asked of units that talk by themselves")

    def abandon(self, _ask: Ask) -> Resync | None:
        """Nothing is asked, and so nothing given up."""
        return None

    def reset(self) -> None:
        """Forget half a frame."""
        self._reader.reset()

    def receive(self, data: bytes, wall_ns: int) -> list[Event]:
        """Take bytes; see the base class."""
        return self._events(self._reader.feed(data), wall_ns)

    def _events(self, found: Iterable[Frame | Bad], wall_ns: int) -> list[Event]:
        """What becomes of frames, and of bytes that are none."""
        events: list[Event] = []
        for item in found:
            if type(item) is Bad:
                events.append(Garbled(item.kind, None, item.size))
            else:
                events += self._heard(item, wall_ns)  # type: ignore[arg-type]
        return events

    # -- frames ----------------------------------------------------------------------------------

    def _heard(self, frame: Frame, wall_ns: int, tunnel: Tunnel | None = None) -> Iterator[Event]:
        """What becomes of a frame."""
        source = frame.source
        if source >= FIRST_SERVICE:
            return  # what a server or a tool says to units
        unit = id_text(source)
        if not self._is_welcome(source):
            yield Garbled(
                Fault.FOREIGN,
                unit=unit,
                reason=f"the inverter {unit} is not among 'units': it gets no answer",
            )
            return
        if frame.function == POST:
            if frame.payload:
                yield from self._records(frame, unit)
            if self._answers:
                yield _reply(request.acknowledge(frame), unit, tunnel)
        elif frame.function == ENCRYPTED:
            yield from self._encrypted(frame, unit, wall_ns)
        elif frame.function == ASK_TIME:
            if self._answers and self._knows_time():
                yield _reply(_time(frame, wall_ns), unit, tunnel)
            elif self._answers:
                yield Reply(b"", unit)  # it is well, and asks again
        elif frame.function == SESSION_KEY:
            yield from self._offer(frame, unit)
        else:
            yield from self._unknown(frame, unit, tunnel)

    def _is_welcome(self, source: int) -> bool:
        return not self._options.units or source in self._options.units

    def _unknown(self, frame: Frame, unit: str, tunnel: Tunnel | None) -> Iterator[Event]:
        """Whatever else is said: what is asked of us is acknowledged, or it comes again."""
        if (frame.function & 0xFF) >= _FIRST_ANSWER or frame.function == ASK_NAME:
            yield Garbled(Fault.COMMAND, size=len(frame.payload), unit=unit)
            return
        if frame.destination != request.SERVER:
            return  # of one unit to another one
        yield Garbled(Fault.COMMAND, size=len(frame.payload), unit=unit)
        if self._answers:
            yield _reply(request.acknowledge(frame), unit, tunnel)

    # -- encryption ------------------------------------------------------------------------------

    def _offer(self, frame: Frame, unit: str) -> Iterator[Event]:
        """A session key is offered; the answer is the first that is encrypted with it."""
        key = self._options.keys.get(frame.source)
        if len(frame.payload) != OFFER_BYTES:
            yield Garbled(Fault.LENGTH, size=len(frame.payload), unit=unit)
            return
        if key is None:
            yield Garbled(
                Fault.DECODE,
                size=len(frame.payload),
                unit=unit,
                reason=f"the inverter {unit} encrypts, and 'keys' has none of it:"
                " nothing that it says can be read",
            )
            if self._answers:
                yield _reply(request.acknowledge(frame), unit, None)
            return
        try:
            session = key.session(frame.payload)
        except MissingCryptographyError as error:
            yield Garbled(Fault.DECODE, size=len(frame.payload), unit=unit, reason=str(error))
            return
        tunnel = self._tunnels.offered(frame.source, session, frame.payload)
        if self._tunnels.offers[frame.source] >= _VAIN_OFFERS or not session.agrees(frame.payload):
            yield Garbled(
                Fault.DECODE,
                unit=unit,
                reason=f"the key of the inverter {unit} in 'keys' may be that of another one:"
                " it does not fit what the inverter offers",
            )
        if self._answers:
            yield _reply(request.acknowledge(frame), unit, tunnel)

    def _encrypted(self, frame: Frame, unit: str, wall_ns: int) -> Iterator[Event]:
        """A frame within a frame."""
        found = self._tunnels.opened(frame.source, frame.payload)
        if found is None:
            yield Garbled(Fault.DECODE, size=len(frame.payload), unit=unit)
            return
        tunnel, inner = found
        reader = FrameReader()
        for item in (*reader.feed(inner), *reader.give_up()):
            if type(item) is Bad:
                yield Garbled(item.kind, None, item.size, unit)
            elif item.source != frame.source or item.function in (ENCRYPTED, SESSION_KEY):  # type: ignore[union-attr]
                yield Garbled(Fault.DECODE, size=len(inner), unit=unit)
            else:
                yield from self._heard(item, wall_ns, tunnel)  # type: ignore[arg-type]

    # -- records ---------------------------------------------------------------------------------

    def _records(self, frame: Frame, unit: str) -> Iterator[Event]:
        """The records of a post; what cannot be used is counted."""
        records, rest = split(frame.payload)
        batteries: list[_BatteryRecord] = []
        for record in records:
            layout = LAYOUTS.get(record.kind)
            if layout is None:
                yield Garbled(Fault.COMMAND, size=len(record.body), unit=unit)
                continue
            values, broken = layout.read(record.body)
            if broken:
                yield Garbled(Fault.DECODE, size=len(record.body), unit=unit)
            found = self._record(record, values, frame.source)
            if record.kind == BATTERY and type(found) is Record:
                battery = str(values.get("battery", ""))
                batteries.append(_BatteryRecord(found.unit, record.time, battery, values))
            yield found
        if batteries:
            yield from self._all_batteries(batteries)
        if rest:
            yield Garbled(Fault.LENGTH, size=rest, unit=unit)

    def _record(self, record: RawRecord, values: dict[str, RecordValue], source: int) -> Event:
        """A record whose layout is known."""
        kind, device, body = record.kind, record.device, record.body
        inverter, word, meter, more = source, "", 0, b""
        if kind in _INVERTERS:
            inverter = owner(device, source)
        elif kind in _OPTIMIZERS:
            word = id_text(device)
            inside = values.get("inverter")
            if isinstance(inside, int):
                inverter = owner(inside, source)
        else:
            inverter = owner(device, source)
            if kind == METER:
                meter = int(values.get("meter") or 0)
                word = table.meter_word(meter)
                more = word.encode()
            elif kind == BATTERY:
                more = str(values.get("battery", "")).encode("latin-1")
                word = table.battery_word(more.decode("latin-1"))
            elif kind == EVENT:
                # Without what nobody knows behind it: names are remembered, by the thousand.
                word, more = str(values.get("event") or 0), body[4 : LAYOUTS[EVENT].size]
        unit = id_text(inverter)
        if inverter != source and not self._is_welcome(inverter):
            return Garbled(
                Fault.FOREIGN,
                unit=id_text(source),
                reason=f"the inverter {unit} is not among 'units', and {id_text(source)} sends"
                " records of it: they are left out",
            )
        try:
            sinks = table.sinks(kind, word, meter)
        except TooManySeriesError as error:
            return Garbled(
                Fault.DECODE,
                size=len(body),
                unit=id_text(source),
                reason=f"{error.args[0]}: what the inverter {unit} says of {word} is left out",
            )
        except KeyError:
            return Garbled(Fault.DECODE, size=len(body), unit=id_text(source))
        said = table.values_of(values, sinks)
        if self._options.names:
            said += self._name(kind, device, inverter, record.time)
        return Record(unit, (kind, device, more), record.time * 1_000_000_000, said)

    def _name(
        self, kind: int, device: int, inverter: int, time: int
    ) -> tuple[tuple[Series, Value], ...]:
        """The name that the user has given an inverter or an optimizer, once in an hour."""
        of = device if kind in _OPTIMIZERS else inverter
        names = self._options.names
        word = names.get(of) or names.get(of & ~BOARD_BIT)
        told = self._named.get(of)
        # One that is sent again may have been lost, and is to be the same.
        if word is None or (told and told[0] // 3600 == time // 3600 and told != (time, kind)):
            return ()
        self._named[of] = time, kind
        return ((table.name_series(id_text(of) if kind in _OPTIMIZERS else ""), word),)

    def _all_batteries(self, found: list[_BatteryRecord]) -> Iterator[Record]:
        """What all batteries of a unit are together, where the records of all have one time.

        See :mod:`.batteries`.
        """
        groups: dict[tuple[str, int], dict[str, dict[str, RecordValue]]] = {}
        for unit, time, battery, values in found:
            groups.setdefault((unit, time), {})[battery] = values
        for (unit, time), members in groups.items():
            if len(self._batteries) > _MOST_KNOWN:
                self._batteries.clear()
            if not self._batteries.setdefault(unit, Batteries()).are_all(members, time):
                continue
            sums: dict[str, RecordValue] = {}
            for outlet in table.ALL_BATTERIES:
                parts = [values.get(outlet.column) for values in members.values()]
                sums[outlet.column] = None if None in parts else sum(parts)  # type: ignore[arg-type]
            said = table.values_of(sums, table.all_batteries())
            yield Record(unit, (BATTERY, "all"), time * 1_000_000_000, said)
