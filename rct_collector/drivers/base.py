"""What a driver offers, and the words a session uses. No I/O, no clock.

A :class:`Driver` is a table (queries, where each series is found, what depends on what) and a
factory of sessions. A :class:`Session` is the dialogue over one line, with one unit or with all
that share it: what is asked becomes bytes, and bytes become events. It never raises for bad input.

Three manners of dialogue fit in: answers that name their object (RCT), answers that belong to
whatever was asked last (Voltronic), and units that talk without being asked (SolarEdge), whose
records carry their own time and are to be acknowledged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rct_collector.drivers.options import MODEST, FamilyOptions, Requests
from rct_collector.model import Kind, Metric, PollClass, Series, Value
from rct_collector.option import Option

if TYPE_CHECKING:
    from rct_collector.drivers.tools import Tools

#: Raw values of confirmed answers by query name; what conditions are decided from.
Facts = Mapping[str, Any]


# -- what is asked, and where its answer goes --------------------------------------------------


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


@dataclass(frozen=True, eq=False, slots=True)
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


@dataclass(frozen=True, eq=False, slots=True)
class Query:
    """One thing that can be asked for: an object of the unit, or a command. Compared by identity.

    Attributes:
        name: Name in the vendor's or the library's words.
        condition: Name of the condition under which the unit has it; "" where every unit has.
        bindings: The series that its answer feeds.
        exclusive: Nothing else may be outstanding while it is (long answers get cut short).
        poll: Class for a query that feeds no series but decides conditions.
        argument: Unix seconds and the unit's time zone (None for that of this host) → what goes
            with it, see :attr:`Ask.argument`; worked out each time that it is sent. None where
            nothing goes with it.
        every_s: An answer is good for so many seconds, but not beyond the day in the unit's time
            zone: it is asked for no sooner, however often its class comes.
        shape: What its answers look like, of a family whose answers do not name their query: two
            that have the same are never asked one after the other, the line is probed in between;
            None for one that no other is like.
        wire_bytes: Bytes of the question and of its usual answer, of a family whose line is slow;
            see :attr:`Polled.byte_s`.
        number: No other one has it.
    """

    name: str
    condition: str = ""
    bindings: tuple[Binding, ...] = ()
    exclusive: bool = False
    poll: PollClass = PollClass.STATIC
    argument: Callable[[float, tzinfo | None], Any] | None = None
    every_s: float = 0.0
    shape: Hashable = None
    wire_bytes: int = 0
    number: int = field(default_factory=count().__next__, init=False, repr=False)

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.name

    def origin(self, binding: Binding | None = None) -> dict[str, Any]:
        """Where a series is found, for programs that list the metrics.

        Args:
            binding: That of the series; None where the answer as a whole is what tells.
        """
        return {
            "command": self.name,
            "field": binding.part if binding else "",
            "scale": binding.scale if binding else 1,
            "condition": self.condition,
        }

    def could_say(self, value: Any) -> bool:
        """Whether a value that was kept can have been an answer to it; None stands for none."""
        return value is None or isinstance(value, (str, int, float))

    def is_answer(self, argument: Any, value: Any) -> bool:
        """Whether an answer to it is that to a question with an argument.

        Somebody else on the line may have asked the same with another one, and answers of many
        families tell which.

        Args:
            argument: What went with the question, see :attr:`Ask.argument`.
            value: The answer.
        """
        return True

    def fact(self, value: Any) -> Any:
        """What an answer tells of the unit: a text or a number that conditions are decided from.

        Where an answer has many parts, that is what stays the same from one answer to the next.

        Args:
            value: The answer.
        """
        return value


class Ask(NamedTuple):
    """One thing to be asked of one unit.

    Attributes:
        query: What is asked.
        unit: Which of the units on the line; "" where there is one.
        argument: What goes with it: the time of a query for past values, the approved value of a
            setting, a date.
    """

    query: Query
    unit: str = ""
    argument: Any = None


# -- what bytes become -------------------------------------------------------------------------


class Answer(NamedTuple):
    """A complete, valid answer.

    Attributes:
        query: What was answered.
        value: The decoded value, in the unit's own scale.
        unit: Who answered; "" where there is one unit on the line.
        time_ns: The unit's own time of the value, nanoseconds since the epoch, or None for "now",
            for which a time that cannot be is taken as well: the clock was not set.
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
    """Bytes that the unit waits for: to be sent at once, before anything else.

    A reply that follows records among the events of one piece acknowledges them: it is sent as soon
    as an agent has taken them over. If none can, it is not sent, and when the unit repeats them
    they are new.

    Attributes:
        data: The bytes.
        unit: Who waits for them; it is well enough to have said something.
    """

    data: bytes
    unit: str = ""


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
        reason: What people should know of it, in a sentence without a capital; "" for all that
            happens on any line. It is told a few times in an hour.
    """

    kind: Fault
    query: Query | None = None
    size: int = 0
    unit: str = ""
    reason: str = ""


class Unfit(NamedTuple):
    """Whatever is at the other end is of no use: of another kind, or not the one that is meant.

    The line is closed with that as its error, and tried again later, like one that cannot be
    opened: perhaps somebody plugs in the right one, or the address leads to another one next time.

    Attributes:
        reason: What was found and what was expected, in words for people.
        unit: "", since it is about the line.
    """

    reason: str
    unit: str = ""


Event = Answer | Refused | Record | Reply | Garbled | Unfit


# -- the dialogue over a line ------------------------------------------------------------------


class Resync(NamedTuple):
    """How a line becomes trustworthy again after a request that was given up.

    A probe can be given up, too. So that a late answer to it is not taken for that to the next
    probe, one should differ from the next, by a number that comes back or by what is asked.

    Attributes:
        silence_s: Nothing is sent for so many seconds, and what comes meanwhile is dropped.
        probe: What is sent then: something to ask, whose answer is waited for before anything
            else is asked; or bytes that have no answer, such as the end of a line; or nothing.
        wait_s: Seconds that the answer to the probe is waited for; then it is given up, too.
        late: What was given up, where nothing else looks like its answer. If that comes before the
            answer to the probe, it is taken all the same; and as it cannot be taken for another
            one, the time that it was waited for in vain counts as silence. None for an answer that
            is dropped when it comes late.
    """

    silence_s: float
    probe: bytes | Ask | None = None
    wait_s: float = 2.0
    late: Ask | None = None


class Vault(Protocol):
    """Keeps what a line needs again after a restart, where only the own user can read it."""

    def load(self) -> dict[str, Any]:
        """What was kept; it comes of a file, and so may be anything that JSON can hold."""

    def keep(self, kept: dict[str, Any]) -> None:
        """Keep something in place of what was; written before long, nothing waits for it."""


def _always() -> bool:
    return True


class SessionOptions(NamedTuple):
    """What a session knows of its line beforehand.

    Attributes:
        options: The options of the family as they are configured; where devices share a line,
            those of the first one.
        address: The options of the address, by the transport's names.
        scheme: Word of the transport, such as ``listen``: how the units are reached.
        vault: For what must not be lost with the process; None where nothing is kept.
        knows_time: Whether units that ask can be told what time it is.
    """

    options: FamilyOptions
    address: Mapping[str, str]
    scheme: str = ""
    vault: Vault | None = None
    knows_time: Callable[[], bool] = _always


#: Takes bytes that are one whole answer and nothing else; None of all others.
Whole = Callable[[bytes], Answer | None]


class Session(Protocol):
    """The dialogue over one line.

    It may offer ``ready: Mapping[Query, bytes]`` as well: what it was asked to make before without
    an argument, and need not be asked for again.

    On a line with a single unit it may offer ``whole: Whole | None`` as well, which is what
    :meth:`receive` does with most of what comes, without all else; None while it has to be asked
    itself, since it waits for the rest of something.
    """

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


class TimedSession(Session, Protocol):
    """A session that acts by time as well, such as the master of a bus.

    Both are called only while the line is open, and times are monotonic seconds. It sees silence by
    itself: it is reset only when the line is opened anew.

    It may offer ``may_say(reply: Reply) -> bool`` as well, which is asked before a reply is sent
    that had to wait: by then it may be another unit's turn to speak.
    """

    def next_due(self) -> float | None:
        """When it wants to act next; a time that is over means at once, None not by time."""

    def pull(self, now: float) -> list[Event]:
        """Do what is due. Also called after each piece that was received, so that it knows when.

        Replies are sent at once, whatever stands before them, and are no sign of life of a unit.
        """


# -- rounds of questions -----------------------------------------------------------------------


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


#: The condition "": every unit has what hangs on it.
ALWAYS = Condition((), lambda _facts: True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Polled:
    """What a family is asked for, round by round.

    Attributes:
        queries: Everything that can be asked for.
        conditions: Parts that not every unit has. ``""`` need not be named, and is always met.
        identity: Names of the queries whose change means another unit or firmware; the first of
            them names the unit, or what it speaks, and is asked of any. Empty where a family has no
            such thing.
        pace: How hard its units may be asked: the defaults, and in their class the limits, of what
            the user may set.
        byte_s: Seconds that a byte takes on the line of a unit, unless its address names a rate; 0
            where lines are so quick that only requests count.
        least_interval_s: No interval may be configured shorter, in seconds; 0 for as all others.
        resync: What a line needs that was opened, or on which a request was given up. None where
            answers name what they answer. Where they do not, one request is outstanding at a
            time.

    Raises:
        ValueError: A name is that of nothing, which is found when the driver is loaded.
    """

    queries: tuple[Query, ...]
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    pace: Requests = MODEST
    byte_s: float = 0.0
    least_interval_s: float = 0.0
    resync: Resync | None = None

    def __post_init__(self) -> None:
        """Hold names against each other."""
        if any(not query.condition for query in self.queries):
            object.__setattr__(self, "conditions", {"": ALWAYS, **self.conditions})
        names = {query.name for query in self.queries}
        for query in self.queries:
            if query.condition not in self.conditions:
                known = ", ".join(map(repr, self.conditions))
                text = f"{query.name} hangs on the condition {query.condition!r}; known: {known}"
                raise ValueError(text)
        inputs = (name for condition in self.conditions.values() for name in condition.inputs)
        for name in (*self.identity, *inputs):
            if name not in names:
                raise ValueError(f"{name} is to tell which unit it is, or what it has: no query")


# -- what comes unasked ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Pushed:
    """What units of a family send without being asked.

    Attributes:
        records: Kind of record → the metrics that it may bring.
        heartbeat_s: Seconds within which a unit that is well is heard; so often it is told whether
            it is, though nothing comes.
        record_s: Seconds from one record of a kind to the next, as units are mostly set.
        many: A device takes any number of units, which nobody has to configure: each record names
            its own, and what is said of one is said under its name.
        origins: Where records have a series, for programs that list the metrics: each place as
            names and values, of which one is ``record``; of metrics whose components only units
            know, by the metric.
    """

    records: Mapping[str, tuple[Metric, ...]]
    heartbeat_s: float = 60.0
    record_s: float = 300.0
    many: bool = False
    origins: Mapping[Series | Metric, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


# -- the past ----------------------------------------------------------------------------------


class Past(NamedTuple):
    """Values that a unit has kept, of one time.

    Attributes:
        time_ns: Nanoseconds since the epoch.
        values: In the units of their metrics.
    """

    time_ns: int
    values: tuple[tuple[Series, Value], ...]


class Page(NamedTuple):
    """What one answer brings of the past.

    Attributes:
        rows: Values with their times, in any order; several may be of one time.
        more: What to ask with for the next page; None when this was the last.
        left_out: Values of which nobody can tell the time, or that cannot be.
    """

    rows: tuple[Past, ...]
    more: Any = None
    left_out: int = 0


class TimeRange(NamedTuple):
    """A range of time, from the begin up to, not including, the end.

    Attributes:
        start_ns: Nanoseconds since the epoch.
        end_ns: Nanoseconds since the epoch.
        zone: Time zone of the unit's clock; None for that of this host.
    """

    start_ns: int
    end_ns: int
    zone: tzinfo | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What one query of a memory brings.

    Attributes:
        bindings: The series that it brings, and how these are found in its answer.
        metrics: The same, where only an answer tells the components: the event that it is about.
        resolution_s: Seconds from one value to the next, of months and years those of a usual one;
            0 of what comes when it comes, such as events.
        reach_s: Seconds that a unit remembers, back from now; infinite where nobody knows a limit.
        events: It is the table of what happened, and no curve.
    """

    bindings: tuple[Binding, ...] = ()
    metrics: tuple[Metric, ...] = ()
    resolution_s: float = 0.0
    reach_s: float = math.inf
    events: bool = False

    @property
    def series(self) -> tuple[Series, ...]:
        """Those of its series that are known beforehand."""
        return tuple(series for binding in self.bindings for series in binding.series)


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """How the past is read from the memory of a unit, page by page.

    Attributes:
        queries: What can be asked for. A unit may lack the part that one is about, see
            :attr:`Query.condition`, and has nothing to tell of it then.
        first: Query, range → what to ask with for the first page.
        page: Ask, value of its answer, range → the page.
        kept: Query → what it brings.
    """

    queries: tuple[Query, ...]
    first: Callable[[Query, TimeRange], Any]
    page: Callable[[Ask, Any, TimeRange], Page]
    kept: Mapping[Query, Kept] = field(default_factory=dict)

    def found(self) -> Iterator[tuple[Series, Query, Binding]]:
        """Where each series is found that is known beforehand."""
        for query, kept in self.kept.items():
            for binding in kept.bindings:
                for series in binding.series:
                    yield series, query, binding

    def brings(self, metric: Metric) -> list[Query]:
        """The queries that bring a metric."""
        return [
            query
            for query, kept in self.kept.items()
            if metric in kept.metrics or any(series.metric is metric for series in kept.series)
        ]


# -- settings ----------------------------------------------------------------------------------


class Domain(NamedTuple):
    """What a setting takes: some values, or the numbers of a range.

    Attributes:
        choices: Words or numbers; empty for a range.
        low: Smallest number.
        high: Largest number.
        step: Numbers are multiples of this above the smallest; 0 for any.
        flag: It is on or off.
    """

    choices: tuple[str | float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    flag: bool = False

    @property
    def kind(self) -> str:
        """``flag``, ``choice`` of words, or ``number``."""
        if self.flag:
            return "flag"
        return "choice" if self.choices and isinstance(self.choices[0], str) else "number"

    def __str__(self) -> str:
        """What it takes, in words."""
        if self.flag:
            return "on or off"
        if self.choices:
            *most, last = (item if isinstance(item, str) else f"{item:g}" for item in self.choices)
            return f"{', '.join(most)} or {last}" if most else str(last)
        text = f"a number from {self.low:g} to {self.high:g}"
        return text + (f" in steps of {self.step:g}" if self.step else "")

    def __contains__(self, value: object) -> bool:
        """Whether it takes a value: numbers as they are written, flags as true and false."""
        if self.flag:
            return isinstance(value, bool)
        if isinstance(value, str):
            return value in self.choices
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        if self.choices:
            return any(not isinstance(item, str) and is_close(value, item) for item in self.choices)
        if not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return math.isclose(steps, round(steps), abs_tol=1e-6)


def is_close(one: float, other: float) -> bool:
    """Whether two numbers are the same but for how they are written."""
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """Something that may be set in a unit.

    Where units of a family are set in different ways, several have the same name, under conditions
    that exclude each other.

    Attributes:
        name: Name for people; ends in its unit, like a field.
        title: What it is, in a few words.
        unit: Unit of a number, such as ``V``; "" for none.
        rank: ``A`` for what is harmless, ``B`` for what changes how the unit charges or uses the
            grid, ``C`` for what battery or supply depend on, see :attr:`guarded`.
        condition: Name of the condition under which it is the unit's; "" for any unit.
        query: What is asked, with the value, to set it.
        shown_by: The query whose answer tells the present value.
        shown: That answer's value → the present value; None where it tells none.
        evidence: What else is read before it is written, in this order. The answers are among the
            facts, None for what the unit refuses to say.
        choices: The words or numbers that some unit takes; empty for a range.
        low: Smallest number that any unit takes.
        high: Largest number that any unit takes.
        step: Numbers are multiples of this above the smallest; 0 for any.
        flag: It is on or off.
        narrow: Facts → what this unit takes of that, or why it is not to be set in words; None for
            all of it.
        guarded: Facts → whether it may be set only where the user has also said within which
            limits.
        rule: Value, facts → why this unit must not get it, or "". Among the facts is the answer
            to ``shown_by``, just read.
        text: Value, facts → what is sent, in the words of the protocol.
        visible_s: Seconds within which a value that was accepted is to show.
    """

    name: str
    title: str = ""
    unit: str = ""
    rank: str = "B"
    condition: str = ""
    query: Query
    shown_by: Query
    shown: Callable[[Any], Any] = lambda value: value
    evidence: tuple[Query, ...] = ()
    choices: tuple[str | float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0
    flag: bool = False
    narrow: Callable[[Facts], Domain | str | None] = lambda _facts: None
    guarded: Callable[[Facts], bool] = lambda _facts: False
    rule: Callable[[Any, Facts], str] = lambda _value, _facts: ""
    text: Callable[[Any, Facts], str] = lambda _value, _facts: ""
    visible_s: float = 60.0

    @property
    def domain(self) -> Domain:
        """What some unit takes."""
        return Domain(self.choices, self.low, self.high, self.step, self.flag)

    @property
    def reads(self) -> tuple[Query, ...]:
        """All that is read before it is written: what tells the present value comes last."""
        return (*(query for query in self.evidence if query is not self.shown_by), self.shown_by)


class Approved(NamedTuple):
    """A value that may be written: made by the gate of settings alone, sent once.

    Attributes:
        setting: What is set.
        value: To what.
        text: What is sent, in the words of the protocol.
        number: Each has a higher one than those before it, in one process.
    """

    setting: Setting
    value: Any
    text: str = ""
    number: int = 0


# -- the family --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Driver:
    """A device family: what its units can do, part by part. Parts that it lacks are None.

    Attributes:
        name: Word for the configuration.
        vendor: Tag ``vendor``.
        title: Name for people.
        ways: How its devices are reached: scheme → what an address need not say, by the
            transport's names.
        session: Makes a session, one for each line, and one for each call of those who dial in.
        options: The options that only this family has, with their defaults.
        polled: What it is asked for.
        pushed: What it sends unasked.
        history: How its memory is read.
        settable: Makes what may be set, which few users want: not before it is asked for.
        unit: How one of several units on a line is named, which becomes the option ``unit``; None
            where a line has one unit.
        texts: Query name → code → text, for people.
        faults: Number of a fault bit → text, for people.
        events: Number of an event → text, for people.
        toolbox: Module that holds its class ``Tools``, see :meth:`tools`.
    """

    name: str
    vendor: str
    title: str
    ways: Mapping[str, Mapping[str, str]]
    session: Callable[[SessionOptions], Session]
    options: FamilyOptions = FamilyOptions()
    polled: Polled | None = None
    pushed: Pushed | None = None
    history: History | None = None
    settable: Callable[[], tuple[Setting, ...]] = tuple
    unit: Option | None = None
    texts: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)
    events: Mapping[int, str] = field(default_factory=dict)
    toolbox: str = "rct_collector.drivers.tools"  # where there are none

    def tools(self) -> Tools:
        """What the family offers beside collecting, which needs none of it: loaded only now."""
        found: Tools = import_module(self.toolbox).Tools(self.name)
        return found

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """What may be set."""
        return self.settable()

    @property
    def queries(self) -> tuple[Query, ...]:
        """Everything that rounds can ask for."""
        return self.polled.queries if self.polled else ()

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """Parts that not every unit has, as far as questions tell."""
        return self.polled.conditions if self.polled else {}

    @property
    def identity(self) -> tuple[str, ...]:
        """Names of the queries that tell which unit it is; see :class:`Polled`."""
        return self.polled.identity if self.polled else ()

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
        """Where each series is found that is asked for; some in several places."""
        for query in self.queries:
            for binding in query.bindings:
                for series in binding.series:
                    yield series, query, binding

    def coded(self) -> Iterator[tuple[Series | Metric, str]]:
        """What has codes with meanings, and the name under which :attr:`texts` has these.

        Where only units know the components of a metric, the metric itself.
        """
        for series, query, _ in self.found():
            if query.name in self.texts:
                yield series, query.name
        for feed, places in self.pushed.origins.items() if self.pushed else ():
            metric = feed.metric if isinstance(feed, Series) else feed
            for place in places:
                if metric.kind is Kind.CODE and place["record"] in self.texts:
                    yield feed, place["record"]

    def meanings_of(self, series: Series) -> Mapping[int, str]:
        """Code → what it means; where a series is found in several places, the first one's."""
        return self._meanings.get(series) or self._meanings.get(series.metric) or {}

    @cached_property
    def _meanings(self) -> Mapping[Series | Metric, Mapping[int, str]]:
        found: dict[Series | Metric, Mapping[int, str]] = {}
        for feed, place in self.coded():
            found[feed] = {**self.texts[place], **found.get(feed, {})}
        return found

    @cached_property
    def homes(self) -> Mapping[Series, tuple[tuple[Query, Binding], ...]]:
        """Series → where it is found, in the order of the queries.

        Where units of a family tell the same in different ways, their conditions exclude each
        other, so that a unit is asked for one of them at most.
        """
        found: dict[Series, tuple[tuple[Query, Binding], ...]] = {}
        for query in self.queries:
            for binding in query.bindings:
                here = ((query, binding),)  # one for all cells of a module
                for series in binding.series:
                    found[series] = found[series] + here if series in found else here
        return found
