"""What a driver offers, and the words a session uses. No I/O, no clock.

A :class:`Driver` is a table (queries, where each series is found, what depends on what) and a
factory of sessions. A :class:`Session` is one dialogue with one unit: it turns queries into
bytes and bytes into events. It never raises for bad input.

Three manners of dialogue fit in: answers that name their object (RCT), answers that belong to
whatever was asked last (Voltronic), and units that talk without being asked (SolarEdge), whose
answers carry their own time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
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


class Answer(NamedTuple):
    """A complete, valid answer.

    Attributes:
        query: What was answered.
        value: The decoded value, in the unit's own scale.
        time_s: The unit's own time of the value, Unix seconds, or None for "now".
    """

    query: Query
    value: Any
    time_s: float | None = None


class Garbled(NamedTuple):
    """Bytes or a frame that carry no sample, and why.

    Attributes:
        kind: ``crc``, ``length``, ``command``, ``decode``, ``noise``, ``echo``, ``write``,
            ``plant`` or ``foreign``.
        query: The query that the frame was an answer to, where that much can be told.
        size: Bytes concerned.
    """

    kind: str
    query: Query | None = None
    size: int = 0


Event = Answer | Garbled


class Session(Protocol):
    """One dialogue with one unit."""

    def request(self, query: Query) -> bytes:
        """The bytes that ask for ``query``.

        Raises:
            RefusedFrameError: The driver does not send such a frame.
        """

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes as they arrive; whole answers come back, the rest waits for more."""

    def reset(self) -> None:
        """Forget half an answer, because the line was opened anew."""


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
