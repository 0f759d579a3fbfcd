"""What a driver offers, and the words a session uses. No I/O, no clock.

A :class:`Driver` is a table (queries, where each series is found, what depends on what) and a
factory of sessions. A :class:`Session` is the dialogue over one line, with one unit or with all
that share it: what is asked becomes bytes, and bytes become events. It never raises for bad input.

Three manners of dialogue fit in: answers that name their object (RCT), answers that belong to
whatever was asked last (Voltronic), and units that talk without being asked (SolarEdge), whose
records carry their own time and are to be acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from rct_collector.model import PollClass, Series, Value

#: Raw values of confirmed answers by query name; what conditions are decided from.
Facts = Mapping[str, Any]


class Convert(Protocol):
    """The way from a decoded answer to published values."""

    def __call__(
        self, raw: Any, zone: tzinfo | None, now: float | None = None, /
    ) -> list[Value | None]:
        """One value per series.

        Args:
            raw: Decoded answer.
            zone: Time zone of the unit; None for that of this host.
            now: Unix seconds at which the answer came: of the two readings of a wall clock in the
                hour that comes twice, the nearer one is meant.
        """


@dataclass(frozen=True, eq=False)
class Binding:
    """Which series one part of an answer feeds.

    Attributes:
        series: One series, or as many as the part has values (cells of a module).
        part: Name of the part of the answer; "" takes the answer as it is.
        scale: Factor from the value on the wire to the published value.
        convert: Turns the raw answer into values, one per series. None in place of a value means
            that the unit says "there is none".
        scalar: The same for the many answers that are one number, without the lists; or None.
    """

    series: tuple[Series, ...]
    part: str
    scale: float
    convert: Convert
    scalar: Callable[[Any], Value] | None = None


@dataclass(frozen=True, eq=False)
class Query:
    """One thing that can be asked for: an object of the unit, or a command. Compared by identity.

    Attributes:
        name: Name in the vendor's or the library's words.
        condition: Name of the condition under which the unit has it.
        bindings: The series that its answer feeds.
        exclusive: Nothing else may be outstanding while it is (long answers get cut short).
        poll: Class for a query that feeds no series but decides conditions.
    """

    name: str
    condition: str
    bindings: tuple[Binding, ...] = ()
    exclusive: bool = False
    poll: PollClass = PollClass.STATIC

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.name

    def could_say(self, value: Any) -> bool:
        """Whether a value that was kept can have been an answer to it; None stands for none."""
        return value is None or isinstance(value, (str, int, float))


class Ask(NamedTuple):
    """One thing to be asked of one unit.

    Attributes:
        query: What is asked.
        unit: Which of the units on the line; "" where there is one.
        argument: What goes with it: the time of a query for past values, the approved value of a
            setting.
    """

    query: Query
    unit: str = ""
    argument: Any = None


class Answer(NamedTuple):
    """A complete, valid answer.

    Attributes:
        query: What was answered.
        value: The decoded value, in the unit's own scale.
        unit: Who answered; "" where there is one unit on the line.
        time_ns: The unit's own time of the value, nanoseconds since the epoch, or None for "now".
    """

    query: Query
    value: Any
    unit: str = ""
    time_ns: int | None = None


class Refused(NamedTuple):
    """The unit says "no": it does not know the query, or has no answer to it.

    Attributes:
        query: What was refused.
        unit: Who refused.
    """

    query: Query
    unit: str = ""


class Record(NamedTuple):
    """Values that came unasked, of one component of a unit at one time.

    Attributes:
        unit: Whose they are.
        key: The component and the kind of record: with the unit and the time it names the record,
            however often that comes.
        time_ns: The unit's own time of the values, nanoseconds since the epoch.
        values: The values, in the units of their metrics.
    """

    unit: str
    key: Hashable
    time_ns: int
    values: tuple[tuple[Series, Value], ...]


class Reply(NamedTuple):
    """Bytes that the unit waits for: to be sent at once, before anything else."""

    data: bytes


class Fault(StrEnum):
    """Why bytes, or a frame, carry no sample. The catalogue counts each kind."""

    CRC = "crc"  #: the checksum does not fit
    LENGTH = "length"  #: longer or shorter than it can be
    COMMAND = "command"  #: a command that nobody knows
    DECODE = "decode"  #: whole, but its content means nothing
    NOISE = "noise"  #: no frame at all
    ECHO = "echo"  #: a request, which the line has thrown back
    WRITE = "write"  #: a device writes to another one
    PLANT = "plant"  #: traffic of a plant between its units
    FOREIGN = "foreign"  #: an answer that nobody here has asked for


class Garbled(NamedTuple):
    """Bytes or a frame that carry no sample, and why.

    Attributes:
        kind: What is wrong with it.
        query: The query that the frame was an answer to, where that much can be told.
        size: Bytes concerned.
        unit: Whose frame it was, where that much can be told.
    """

    kind: Fault
    query: Query | None = None
    size: int = 0
    unit: str = ""


Event = Answer | Refused | Record | Reply | Garbled


class Resync(NamedTuple):
    """How a line becomes trustworthy again after a request that was given up.

    Attributes:
        silence_s: Nothing is sent for so many seconds, and what comes meanwhile is dropped.
        probe: What is sent then: something to ask, whose answer is waited for before anything
            else is asked; or bytes that have no answer, such as the end of a line; or nothing.
    """

    silence_s: float
    probe: bytes | Ask | None = None


class Session(Protocol):
    """The dialogue over one line."""

    def request(self, ask: Ask) -> bytes:
        """The bytes that ask for something.

        Raises:
            RefusedFrameError: The driver does not send such a frame.
        """

    def receive(self, data: bytes, wall_ns: int) -> list[Event]:
        """Take bytes as they arrive; what they complete comes back, the rest waits for more.

        Args:
            data: Any number of bytes, cut anywhere.
            wall_ns: When they came, nanoseconds since the epoch, for replies that tell the time.
        """

    def abandon(self, ask: Ask) -> Resync | None:
        """Nobody waits for the answer to a request any more, though it may still come.

        Returns:
            What the line needs before the next request, where a late answer could be taken for
            one to that; None where answers name what they answer.
        """

    def reset(self) -> None:
        """Forget half an answer: the line was opened anew, or was silent for long."""


class Condition(NamedTuple):
    """When a unit has a part.

    Attributes:
        inputs: Names of the queries that decide.
        test: Facts → True, False when the unit said that it has none, or None while they do not
            suffice, because they are missing or the unit does not answer (None in the facts).
        part: The part in words, as in "whether there is …".
        vital: Inputs without which it is only assumed that the part is there.
    """

    inputs: tuple[str, ...]
    test: Callable[[Facts], bool | None]
    part: str = ""
    vital: tuple[str, ...] = ()


class Quirk(NamedTuple):
    """Something that is known of units with a certain firmware.

    Attributes:
        title: What, in a few words.
        meaning: What it means for whoever reads the unit.
        advice: What to do about it.
    """

    title: str
    meaning: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What one needs to know of a family to examine a unit and its line.

    Attributes:
        probes: Names of queries that every unit of the family answers, shortly and at once.
        equipment: Facts → what the unit has, as label and words for people.
        quirks: Facts → what is known of units with that firmware.
        signs: Who → bytes that only they put on the line.
    """

    probes: tuple[str, ...]
    equipment: Callable[[Facts], list[tuple[str, str]]]
    quirks: Callable[[Facts], list[Quirk]]
    signs: Mapping[str, re.Pattern[bytes]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Driver:
    """A device family.

    Attributes:
        name: Word for the configuration.
        vendor: Tag ``vendor``.
        title: Name for people.
        schemes: Transports it is reached by.
        port: Default TCP port.
        queries: Everything that can be asked for.
        conditions: Parts that not every unit has.
        identity: Names of the queries whose change means another unit or firmware; the first of
            them names the unit. Empty where a family has no such thing.
        session: Makes a session.
        texts: Query name → code → text, for people.
        faults: Number of a fault bit → text, for people.
        history: Names of the objects of the unit's own logger, which take a time and answer
            with past values.
        examination: What is needed to examine a unit; None where that is not possible.
    """

    name: str
    vendor: str
    title: str
    schemes: tuple[str, ...]
    port: int
    queries: tuple[Query, ...]
    conditions: Mapping[str, Condition]
    identity: tuple[str, ...]
    session: Callable[[], Session]
    texts: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)
    examination: Examination | None = None

    def query(self, name: str) -> Query:
        """One query by name.

        Raises:
            KeyError: There is none of that name.
        """
        for query in self.queries:
            if query.name == name:
                return query
        raise KeyError(name)

    def deciding(self) -> list[Query]:
        """The queries whose answers decide conditions or identify the unit."""
        names = {name for condition in self.conditions.values() for name in condition.inputs}
        names.update(self.identity)
        return [query for query in self.queries if query.name in names]

    def found(self) -> Iterator[tuple[Series, Query, Binding]]:
        """Where each series is found."""
        for query in self.queries:
            for binding in query.bindings:
                for series in binding.series:
                    yield series, query, binding
