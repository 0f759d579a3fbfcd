"""What a family offers beside its driver, to whoever looks at its lines and units. No I/O.

Collecting needs none of it: it is loaded when a command, the doctor or the documentation wants it,
by :meth:`.base.Driver.tools`. A family derives from :class:`Tools` and overrides what it has. The
commands know these classes only, so that a further family brings its folder and nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from difflib import get_close_matches
from enum import Enum, IntEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from rct_collector.drivers.base import Facts, Fault, Query, Session, SessionOptions
from rct_collector.errors import MissingToolError
from rct_collector.model import Series, Value

# -- bytes of a line, explained ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One frame, or bytes that are none. A family adds what its frames have.

    Attributes:
        offset: Where it begins.
        data: Its bytes as they were on the wire.
        direction: ``to device``, ``from device`` or "".
        command: What the frame is, in a word or two; "" for noise.
        shown: Its content for people.
        verdict: ``ok``, or what is wrong.
        published: What the collector would publish: series name, value, unit.
        valid: Whether it is a whole frame with the right checksum.
    """

    offset: int
    data: bytes
    direction: str = ""
    command: str = ""
    shown: str = ""
    verdict: str = "ok"
    published: tuple[tuple[str, Value, str], ...] = ()
    valid: bool = True

    @property
    def label(self) -> str:
        """What it is about, such as an object; or ""."""
        return ""

    def details(self) -> dict[str, Any]:
        """What only frames of this family have, for JSON."""
        return {}

    def as_mapping(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "offset": self.offset,
            "size": len(self.data),
            "bytes": self.data.hex(),
            "direction": self.direction or None,
            "command": self.command or None,
            **self.details(),
            "text": self.shown,
            "published": [
                {"series": name, "value": finite(value), "unit": unit}
                for name, value, unit in self.published
            ],
            "valid": self.valid,
            "check": self.verdict,
        }


def finite(value: Any) -> Any:
    """A value, or a list of them, without the floats that JSON cannot write."""
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, kw_only=True)
class Dissector:
    """Tells what bytes of a line mean.

    Attributes:
        frame: What a frame is called in messages, such as ``RCT frame``.
        unit: What a unit is called, such as ``an RCT unit``.
        pieces: Cuts any bytes into frames and noise, in order, with all that is worth a word.
        resembles: Whether bytes may be those of such a line, and not something else altogether.
        line_of: The bytes that a text stands for which people read as it is; None for other texts.
        answering: Question, next answer on its line → the answer as one to that; None where answers
            name what they answer.
        directed: Each frame tells whether it goes to a device or comes from one, whoever has made
            the connection; of other families the device is the one that was connected to.
    """

    frame: str
    unit: str
    pieces: Callable[[bytes], Iterator[Piece]]
    resembles: Callable[[bytes], bool]
    line_of: Callable[[str], bytes | None] = lambda _text: None
    answering: Callable[[Piece, Piece], Piece] | None = None
    directed: bool = False


class Frames(NamedTuple):
    """Numbers of frames.

    Attributes:
        whole: Good ones.
        bad: Broken ones. Bytes that are no frame at all count for nothing.
    """

    whole: int = 0
    bad: int = 0


class FrameCounter(Protocol):
    """Counts the frames of one direction of one line, in whatever pieces its bytes come."""

    def feed(self, data: bytes) -> Frames:
        """Take bytes; tell what has come to its end with them."""


class _Reader(Protocol):
    """The frame reader of any family."""

    def feed(self, data: bytes, /) -> Sequence[Any]:
        """Frames, and what is none: that has a kind of :class:`~.drivers.base.Fault`."""


class ReaderCounter:
    """Counts what a frame reader gives; see :class:`FrameCounter`."""

    def __init__(self, reader: _Reader, *, beside: Collection[Fault] = (Fault.NOISE,)) -> None:
        """Start between frames.

        Args:
            reader: A new one.
            beside: Kinds of what is no frame, and no broken one either.
        """
        self._reader = reader
        self._beside = frozenset(beside)

    def feed(self, data: bytes) -> Frames:
        """Take bytes, cut anywhere."""
        kinds = [getattr(item, "kind", None) for item in self._reader.feed(data)]
        whole = kinds.count(None)
        return Frames(whole, len(kinds) - whole - sum(kind in self._beside for kind in kinds))


class Redactor(Protocol):
    """Takes secrets out of one direction of one line, in whatever pieces its bytes come."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes; give those that are settled, in order, one for each that came."""

    def flush(self) -> bytes:
        """Give what is left: the line has ended."""


# -- examination -------------------------------------------------------------------------------


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


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What one needs to know of a family to examine units that are not asked, but talk.

    Attributes:
        part: Key of a record → what it is of, as a plural for people, such as ``optimizers``.
        settings: Units that were heard → the family's own options that suit them, as they are
            written in YAML.
        advice: Key of a finding → what to do about it, where that is of the family; that of nobody
            to be heard by the scheme of the address as well, as in ``unheard listen``.
    """

    part: Callable[[Hashable], str]
    settings: Callable[[Sequence[str]], Mapping[str, str]] = lambda _units: {}
    advice: Mapping[str, str] = field(default_factory=dict)


# -- where units are found ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Search:
    """How units of a family are found by ``find``, and how one asks what is there.

    Where they are is told by the driver, in what its addresses need not say: the ids of USB
    devices, and the port in a network. A family without a usual one is not looked for there.

    Attributes:
        queries: Names of queries that are harmless to whatever may be there, in the order in which
            they are asked; the first tells whether it is one of the family.
        words: Facts → what they say of the unit, label → text.
        talks: Units talk by themselves on a serial line, so that they are found by listening: a
            session there says nothing unless the address makes it.
    """

    queries: tuple[str, ...] = ()
    talks: bool = False
    words: Callable[[Facts], Mapping[str, str]] = lambda _facts: {}


# -- the other end of the wire -----------------------------------------------------------------


class Cut(Enum):
    """How the connections of all clients end."""

    RESET = "reset"
    #: The unit forgets its clients, and they do not hear of it.
    HALF_OPEN = "half-open"


class Access(IntEnum):
    """What happens to those who want something; of several, the highest counts."""

    OPEN = 0
    #: Who comes is let in, but all bytes vanish, in both directions.
    SILENT = 1
    #: Nobody is let in, and all bytes vanish.
    REFUSED = 2


class FarEnd(Protocol):
    """What answers: a simulated unit, or a recording of one. Times are seconds of one clock."""

    @property
    def request_count(self) -> int:
        """Requests that have come so far."""

    def connect(self) -> int:
        """A client comes; returns its number."""

    def disconnect(self, client: int) -> None:
        """A client goes."""

    def receive(self, client: int, data: bytes, now: float) -> None:
        """Take bytes of a client."""

    def next_due(self) -> float | None:
        """When :meth:`pull` will have something; None for not before somebody asks."""

    def pull(self, now: float) -> list[bytes]:
        """The segments that are due, each to be sent to every client."""

    def start(self, now: float) -> None:
        """The line is put into operation."""

    def access(self, now: float) -> Access:
        """What happens at present to those who want something."""

    def take_cut(self) -> Cut | None:
        """How all connections are to end now, if they are."""


class UnitChoice(NamedTuple):
    """Something that only one family lets choose for its simulated units, as an option.

    Attributes:
        name: Of the option, and of the argument of :meth:`Simulator.unit`.
        takes: The words, or the whole numbers; none of a switch.
        text: What it is, in a sentence for the help.
    """

    name: str
    takes: tuple[str, ...] | range
    text: str


class Simulator(Protocol):
    """Makes simulated units of a family.

    Attributes:
        choices: What only this family lets choose; each is None where nothing was chosen.
    """

    choices: Sequence[UnitChoice] = ()

    @property
    def title(self) -> str:
        """What is simulated, in a short sentence for a list."""

    @property
    def text(self) -> str:
        """What there is to know of it, in some sentences."""

    @property
    def examples(self) -> Sequence[str]:
        """Options of ``simulate``, as one may want to combine them."""

    @property
    def scenarios(self) -> Mapping[str, str]:
        """Name → what the installation has, in a sentence; the first is the usual one."""

    @property
    def profiles(self) -> Mapping[str, str]:
        """Name → what goes wrong, in a sentence."""

    def calls(self, **chosen: Any) -> bool:
        """Whether units call a collector, in place of being called.

        Args:
            chosen: What was chosen, see :attr:`choices`.
        """
        return False

    def captured(self, **chosen: Any) -> float:
        """Hours that units call for into a capture file; 0 where they are there, or call.

        Args:
            chosen: What was chosen, see :attr:`choices`.
        """
        return 0.0

    def hints(self, scenario: str, *, seed: int, **chosen: Any) -> Sequence[str]:
        """What a collector must be told to understand the units, line by line.

        Args:
            scenario: Its name.
            seed: See :meth:`unit`.
            chosen: What was chosen, see :attr:`choices`.
        """
        return ()

    def lines(self, scenario: str, **chosen: Any) -> int:
        """How many lines an installation has: one for each unit that is asked on its own.

        Args:
            scenario: Its name.
            chosen: What was chosen, see :attr:`choices`.
        """
        return 1

    def unit(
        self,
        scenario: Any,
        *,
        start: float,
        now0: float | None,
        seed: int,
        speed: float,
        sun: float | None,
        zone: tzinfo | None,
        faults: Sequence[Any],
        **more: Any,
    ) -> FarEnd:
        """Make one.

        Args:
            scenario: What the installation has, by name or in the family's own form.
            start: Unix seconds in the unit's world when it is put into operation.
            now0: When that is, in seconds of the clock that :class:`FarEnd` is told; None for
                the first time that it is told.
            seed: All that looks like chance follows from it.
            speed: How many times faster than real the unit's world goes.
            sun: Hour of day at which the sun stands at the start; None for the unit's clock.
            zone: Time zone of the unit's clock; None for that of this host.
            faults: What goes wrong: names of profiles, or what the family has for that.
            more: What else the family lets choose; ``latency`` and ``rate`` are known to all, and
                ``line`` counts from 0 on where there are several.

        Raises:
            KeyError: No scenario, or no profile, has that name.
        """


class FaultProfile(NamedTuple):
    """Something that goes wrong with a simulated unit: one row of its family's table.

    Attributes:
        name: Word for the command line.
        description: One sentence for people.
        make: Seed → the faults, in the family's own form, in order.
    """

    name: str
    description: str
    make: Callable[[int], tuple[Any, ...]]


UnitFault = TypeVar("UnitFault")


def fault_list(
    chosen: Sequence[UnitFault | str],
    seed: int,
    named: Callable[[Sequence[str], int], list[UnitFault]],
) -> list[UnitFault]:
    """What goes wrong with a simulated unit, in order.

    Args:
        chosen: Faults in the family's own form, and names of profiles.
        seed: All that looks like chance follows from it.
        named: Names of profiles, seed → the faults that they are.

    Raises:
        KeyError: No profile has that name.
    """
    found: list[UnitFault] = []
    for item in chosen:
        found += named([item], seed) if isinstance(item, str) else [item]
    return found


class TraceItem(NamedTuple):
    """One frame, or bytes that are none, on its way in a recording.

    Attributes:
        time_ns: When the last byte of it was there, nanoseconds since 1970.
        line: Number of the connection, from 1 on.
        data: Its bytes, with the lead-in before it.
        piece: What it is.
        answer: Whether it came from the device.
    """

    time_ns: int
    line: int
    data: bytes
    piece: Piece
    answer: bool


class Run(NamedTuple):
    """Bytes that one end of a recorded line said, one behind the other.

    Attributes:
        flow: Number of the end, from 0 on: each has a number of its own, and each anew for the next
            connection of the same two ends.
        time_ns: When all of them were there, nanoseconds since 1970; None where that is not known.
        data: The bytes.
        to_server: Whether they went to the server, or to the device on a serial line; None where
            both directions are in one flow.
        lost: Bytes that the recording lacks before these.
        over: Nothing follows in this flow.
    """

    flow: int
    time_ns: int | None
    data: bytes
    to_server: bool | None = None
    lost: int = 0
    over: bool = False


class Recorded(FarEnd, Protocol):
    """A recorded unit, which says again what it said.

    Attributes:
        calls: It calls a collector, in place of being called.
    """

    calls: bool

    @property
    def objects(self) -> int:
        """Number of different requests that it has an answer to; of one that calls, of its own."""


# -- single things, asked for by name ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that units of a family can be asked for by name, whether it feeds a metric or not.

    Attributes:
        name: In the vendor's or the library's words, such as ``battery.soc``.
        id: Number by which it can be named as well, as it is written; "" where there is none.
        type: How its value looks on the wire; "" where that is not told.
        unit: Unit of its value on the wire.
        description: What it is, as far as anybody has said.
        queries: The ways of asking for it; none where it is not asked for.
        secret: Why it is never asked for; "" for all that may be.
    """

    name: str
    id: str = ""
    type: str = ""
    unit: str = ""
    description: str = ""
    queries: tuple[Query, ...] = ()
    secret: str = ""

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.name} ({self.id})" if self.id else self.name

    @property
    def feeds(self) -> tuple[Series, ...]:
        """The series that are made of it, in any of the ways of asking."""
        bindings = (binding for query in self.queries for binding in query.bindings)
        return tuple(dict.fromkeys(series for binding in bindings for series in binding.series))

    def as_mapping(self) -> dict[str, Any]:
        """What it is, for JSON."""
        return {
            "name": self.name,
            "id": self.id or None,
            "type": self.type or None,
            "unit": self.unit or None,
            "description": self.description or None,
        }


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Everything that units of a family can be asked for by name.

    Attributes:
        noun: What an item is called, such as ``object``.
        items: All of them, in the order of their names.
        session: Makes the dialogue in which all of them can be asked for.
        ahead: What is asked first, since it decides which way of asking is right.
        choose: Item, what was answered ahead → the way of asking that unit; None for none.
        argument: Query, Unix seconds, time zone of the unit → what goes with it.
        plain: Query, value of its answer → the same for JSON: a number, a text, a mapping, or a
            list of mappings, which is a table. It holds no secrets.
        number: How people write the id of an item → how :attr:`Item.id` has it; None for no id.
    """

    noun: str
    items: Sequence[Item]
    session: Callable[[SessionOptions], Session]
    ahead: tuple[Query, ...] = ()
    choose: Callable[[Item, Facts], Query | None] = lambda item, _facts: item.queries[0]
    argument: Callable[[Query, float, tzinfo | None], Any] = lambda query, now, zone: (
        query.argument(now, zone) if query.argument else None
    )
    plain: Callable[[Query, Any], Any] = lambda _query, value: value
    number: Callable[[str], str | None] = lambda _text: None

    def find(self, word: str) -> Item:
        """The item that a word means.

        Args:
            word: Its name, in small letters or large ones, or its id.

        Raises:
            KeyError: With what may have been meant, for people.
        """
        wanted = self.number(word)
        for item in self.items:
            if item.id == wanted if wanted else item.name.lower() == word.lower():
                return item
        raise KeyError(self._unknown(word, wanted))

    def _unknown(self, word: str, wanted: str | None) -> str:
        if wanted:
            return f"there is no {self.noun} with the id {wanted}"
        names = [item.name for item in self.items]
        close = get_close_matches(word.lower(), names, n=MOST_MEANT, cutoff=0.7)
        within = (name for name in names if word.lower() in name.lower())
        meant = list(dict.fromkeys([*close, *within]))[:MOST_MEANT]
        hint = f"did you mean {' or '.join(meant)}?" if meant else "'objects' lists them"
        return f"there is no {self.noun} {word!r}; {hint}"


#: Names of items that are offered in place of one that there is not.
MOST_MEANT = 3


# -- documentation -----------------------------------------------------------------------------

#: Name → what makes the text.
Generators = Mapping[str, Callable[[], str]]


class Part(NamedTuple):
    """Something that not every unit of a family has.

    Attributes:
        title: What, for people.
        known: How its values are known to be right.
    """

    title: str
    known: str


class Documents(NamedTuple):
    """What the documentation has of one family only.

    Attributes:
        parts: Condition without its number → part, for the page of supported devices.
        versions: Facts of units whose firmware between them has all that is known of any.
        regions: Name of a region → its text.
        files: File, seen from the root of the repository → its text.
    """

    parts: Mapping[str, Part] = {}
    versions: Sequence[Facts] = ()
    regions: Generators = {}
    files: Generators = {}


# ----------------------------------------------------------------------------------------------


class Tools:
    """What a family offers: nothing, until it overrides a method. Each loads what it gives.

    Attributes:
        family: Name of the driver.
    """

    def __init__(self, family: str) -> None:
        """Those of one family."""
        self.family = family

    def dissector(self) -> Dissector:
        """For ``decode`` and ``replay``.

        Raises:
            MissingToolError: The family has none; so with all others.
        """
        raise self._missing("have no frames that can be explained")

    def frame_counter(self) -> Callable[[], FrameCounter]:
        """For ``record``: makes one per direction of a line."""
        raise self._missing("cannot be recorded")

    def redactor(self) -> Callable[[], Redactor]:
        """For ``record --redact``: makes one per direction of a line."""
        raise self._missing("cannot be recorded without their secrets")

    def replay(self) -> Callable[[Sequence[TraceItem], float], Recorded]:
        """For ``replay``: what was recorded in order of time, and how many times faster it goes.

        Of units that call, it is given what was recorded of one connection.
        """
        raise self._missing("cannot be replayed")

    def examination(self) -> Examination:
        """For ``doctor``, of units that are asked."""
        raise self._missing("cannot be examined")

    def hearing(self) -> Hearing:
        """For ``doctor``, of units that only talk."""
        raise self._missing("cannot be examined")

    def search(self) -> Search:
        """For ``find``: where there is none, units are not looked for."""
        return Search()

    def simulator(self) -> Simulator:
        """For ``simulate`` and ``--simulate``."""
        raise self._missing("cannot be simulated")

    def registry(self) -> Registry:
        """For ``objects`` and ``read --object``."""
        raise self._missing("cannot be asked for single things by name")

    def commands(self) -> Mapping[str, str]:
        """Commands that only this family has: name → module that holds its ``command``.

        Each is a command of click whose object (``pass_obj``) is an :class:`.outside.Outside`. They
        are called as ``rct-collector FAMILY COMMAND``, see ``WITH_COMMANDS`` beside the registry.
        """
        return {}

    def installations(self) -> Mapping[str, Collection[str]]:
        """For ``metrics --budget``: name → conditions that are met; the first is the usual one.

        Where there are none, all that a unit can have is taken for usual.
        """
        return {}

    def documents(self) -> Documents:
        """For the generated parts of the documentation; empty where there is nothing to add."""
        return Documents()

    def _missing(self, what: str) -> MissingToolError:
        return MissingToolError(f"devices of the family {self.family!r} {what}")
