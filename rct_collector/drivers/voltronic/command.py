"""Commands, and the shapes of their answers. No framing, no I/O, no clock.

An answer does not name its command, so each command knows what an answer to it can look like, and
takes no other::

    answer's text ─► layout: fits? ─► part name → value; None for what the unit says it has not
                             else  ─► None: not an answer to this command

Answers are read by their separators, never by column: the same command has more or fewer fields by
firmware. What is missing is missing, and what nobody knows is kept under ``extra_fields``.

Sources: the papers of the maker for PI30 (2014, 2015, GK/MK, MAX), PI41, PI18, PI17 and PI16, and
answers of real units that users of other collectors have posted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any, NamedTuple

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Binding, Query
from rct_collector.model import PollClass, Value

#: Words of the option ``dialect``.
DIALECTS = ("pi30", "pi30max", "pi41", "pi18", "pi17", "pi16", "pi30revo")

#: Those that frame and separate as PI30 does.
PI30_FAMILY = frozenset({"pi30", "pi30max", "pi41", "pi30revo"})

#: Part name → value of one answer.
Parts = dict[str, Any]

#: Text of an answer → its parts, or None when it is no answer to the command.
Layout = Callable[[str], Parts | None]


def _as_it_is(
    dialect: Any, _zone: tzinfo | None, _now: float | None = None, /
) -> list[Value | None]:
    return [str(dialect)]


#: What is asked first: which dialect the unit speaks. The session finds it out; the answer is one
#: of :data:`DIALECTS`.
PROTOCOL = Query(
    name="protocol",
    bindings=(
        Binding(
            series=(catalog().series("inverter.protocol"),),
            part="",
            scale=1,
            convert=_as_it_is,
        ),
    ),
)


# -- fields ------------------------------------------------------------------------------------


class Field(NamedTuple):
    """One field of an answer.

    Attributes:
        name: Name of the part; "" where the field has several parts, and ``read`` gives them all.
        pattern: Regular expression of the text, without groups.
        read: Text → value of the part, or the parts.
        scale: Factor from the number on the wire to the value of the part.
        certain: The unit always knows it: dashes in its place mean that this is another answer.
    """

    name: str
    pattern: str
    read: Callable[[str], Any]
    scale: float = 1
    certain: bool = False


def to_number(text: str) -> float:
    """An integer where there is no point, else a float."""
    return float(text) if "." in text else int(text)


def number(name: str, *, certain: bool = False) -> Field:
    """Digits, with or without a point."""
    return Field(name, r"\d+(?:\.\d+)?", to_number, certain=certain)


def decimal(name: str, *, certain: bool = False) -> Field:
    """Digits with a point."""
    return Field(name, r"\d+\.\d+", float, certain=certain)


def integer(name: str, *, certain: bool = False) -> Field:
    """Digits without a point."""
    return Field(name, r"\d+", int, certain=certain)


def scaled(name: str, divisor: int, *, signed: bool = False) -> Field:
    """Digits that count tenths, hundredths and so on.

    Args:
        name: Name of the part.
        divisor: 10 for tenths.
        signed: A sign may stand before them.
    """
    pattern = r"[+-]?\d+" if signed else r"\d+"
    return Field(name, pattern, lambda text: int(text) / divisor, 1 / divisor)


def text(name: str, pattern: str = r"\S+", *, certain: bool = False) -> Field:
    """A text that is kept as it is."""
    return Field(name, pattern, str, certain=certain)


def flag(name: str, *, on: str = "1", off: str = "0") -> Field:
    """One character for yes, another for no."""
    return Field(name, f"[{on}{off}]", lambda char: char == on)


def bits(*names: str, certain: bool = True) -> Field:
    """As many 0 and 1 as there are names, the highest bit first; "" for one without meaning."""
    places = [(place, name) for place, name in enumerate(names) if name]

    def read(word: str) -> Parts:
        return {name: word[place] == "1" for place, name in places}

    return Field("", f"[01]{{{len(names)}}}", read, certain=certain)


def reserved(pattern: str = r"\S+") -> Field:
    """A field without known meaning, which is not kept."""
    return Field("", pattern, lambda _text: {})


def code(name: str, digits: int = 1, *, certain: bool = False) -> Field:
    """A number of a list, of so many digits."""
    return Field(name, rf"\d{{{digits}}}", int, certain=certain)


def system_bits() -> Field:
    """The eight status bits of QPGSn: two of them are one number."""
    names = (
        "scc_ok",
        "ac_charging",
        "scc_charging",
        "",
        "",
        "line_loss",
        "load_on",
        "config_changed",
    )
    flags = bits(*names)

    def read(word: str) -> Parts:
        parts: Parts = flags.read(word)
        return {**parts, "battery_status_code": int(word[3:5], 2)}

    return Field("", "[01]{8}", read, certain=True)


# -- layouts -----------------------------------------------------------------------------------


class Fields:
    """A layout of fields that a separator holds apart.

    Attributes:
        scales: Part name → factor from the number on the wire to its value.
    """

    def __init__(
        self,
        *required: Field,
        optional: tuple[tuple[Field, ...], ...] = (),
        extras: bool = True,
        separator: str = " ",
    ) -> None:
        """Put the shape together.

        Args:
            required: What each answer has.
            optional: Groups of fields that newer firmware adds, each there as a whole or not at
                all, and only behind those before it.
            extras: More fields may follow; they become the part ``extra_fields``.
            separator: What stands between two fields.
        """
        fields = required + tuple(field for group in optional for field in group)
        self.scales = {field.name: field.scale for field in fields}
        self._separator = separator
        blank = separator == " "
        sep = re.escape(separator)
        # Between commas a field may be empty; blanks never stand side by side.
        other = "[^ ]+" if blank else f"[^{sep}]*"
        unknown = "-[-.]*" if blank else "(?:-[-.]*)?"

        def one(field: Field) -> str:
            return f"({field.pattern if field.certain else f'{field.pattern}|{unknown}'})"

        shape = sep.join(map(one, required))
        for group in optional:
            shape += "(?:" + "".join(sep + one(field) for field in group)
        shape += ")?" * len(optional)
        if extras:
            shape += f"((?:{sep}{other})*)"
        self._pattern = shape
        self._extras = extras
        self._reads = tuple((field.name, field.read) for field in fields)

    @cached_property
    def _shape(self) -> re.Pattern[str]:
        """Compiled when it is first needed: a unit speaks one dialect of seven."""
        return re.compile(self._pattern, re.ASCII)

    def __call__(self, answer: str) -> Parts | None:
        """The parts of an answer, or None when it has another shape."""
        match = self._shape.fullmatch(answer.rstrip(" "))
        if match is None:
            return None
        found = match.groups()
        parts: Parts = {}
        for (name, read), word in zip(self._reads, found, strict=False):
            if word is None:  # firmware that has not this field
                break
            if not name:
                parts.update(read(word))
            elif not word or word[0] == "-" and not word[-1].isdigit():
                parts[name] = None
            else:
                parts[name] = read(word)
        if self._extras and found[-1]:
            parts["extra_fields"] = found[-1][1:].split(self._separator)
        return parts


def moment(name: str) -> Layout:
    """A layout of what a clock shows, year to second in 14 digits: a text as in ISO 8601."""

    def read(answer: str) -> Parts | None:
        match = re.fullmatch("(20[0-9]{2})" + 5 * "([0-9]{2})", answer)
        if match is None:
            return None
        try:
            shown = datetime(*map(int, match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError:
            return None
        return {name: shown.isoformat()}

    return read


def energy(name: str, digits: str = "{8}") -> Layout:
    """A layout of one number of watt-hours or the like."""
    return Wording(rf"(?P<{name}>\d{digits})", **{name: int})


def short_serial(answer: str) -> Parts | None:
    """A layout of a serial number on its own: 14 characters by the papers, and 13 were seen."""
    return {"serial_number": answer} if re.fullmatch("[0-9A-Z]{2,6}[0-9]{8,14}", answer) else None


def long_serial(answer: str) -> Parts | None:
    """A layout of a serial number behind its length, in 22 digits."""
    if not re.fullmatch("[0-9]{22}", answer):
        return None
    length = int(answer[:2])
    return {"serial_number": answer[2 : 2 + length]} if 0 < length <= 20 else None


def firmware(name: str, head: str = "VERFW: ?") -> Layout:
    """A layout of a version, with or without a head in front."""
    return Wording(rf"(?:{head})?(?P<{name}>[0-9A-F]{{2,5}}\.[0-9A-F]{{2}})")


class Wording:
    """A layout of one text, taken apart by a regular expression with named groups."""

    def __init__(self, pattern: str, **reads: Callable[[str], Any]) -> None:
        """Keep it.

        Args:
            pattern: Regular expression; the groups are named like the parts.
            reads: Part name → how its text is read; texts are kept as they are without.
        """
        self._pattern = pattern
        self._reads = reads

    @cached_property
    def _shape(self) -> re.Pattern[str]:
        """Compiled when it is first needed."""
        return re.compile(self._pattern, re.ASCII)

    def __call__(self, answer: str) -> Parts | None:
        """The parts of an answer, or None when it has another shape."""
        match = self._shape.fullmatch(answer.rstrip(" "))
        if match is None:
            return None
        found = match.groupdict()
        return {
            name: self._reads.get(name, str)(word)
            for name, word in found.items()
            if word is not None
        }


def numbers(name: str, digits: str = "{2,3}", separator: str = " ") -> Layout:
    """A layout of a list of integers: one part."""
    one = rf"\d{digits}"
    shape = f"{one}(?:{re.escape(separator)}{one})*"

    def read(answer: str) -> Parts | None:
        answer = answer.rstrip(" ")
        if not re.fullmatch(shape, answer, re.ASCII):
            return None
        return {name: [int(word) for word in answer.split(separator)]}

    return read


def first_of(*layouts: Layout) -> Layout:
    """The first layout that fits."""

    def read(answer: str) -> Parts | None:
        return next((parts for layout in layouts if (parts := layout(answer)) is not None), None)

    return read


#: Shapes that several commands have.
ENERGY, CURRENTS, VERSION, HOURS, DIGITS = "energy", "currents", "version", "hours", "digits"
#: Those of the units of a system, which are asked one after the other.
UNIT, UNIT_MORE = "unit", "more of a unit"

#: Bytes of a question around its text: head, checksum and end.
_FRAME = 8


# -- commands ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Command(Query):
    """One question that can be put to a unit.

    Attributes:
        text: What is sent, without framing: ``QPIGS``, ``GS``.
        dialects: Dialects that have it.
        layout: The shape of its answer.
        reply_bytes: Usual length of the whole answer, framing included.
        date: Format of the date behind the text, for :meth:`datetime.datetime.strftime`; "" for
            none. It is the unit's own clock that counts: the argument of what is asked is the Unix
            time, and the session knows what the clock shows then.
        tells: Its parts → what conditions are decided from, which does not change from answer to
            answer: a text or a number.
    """

    text: str = ""
    dialects: frozenset[str] = frozenset()
    layout: Layout = lambda _answer: None
    reply_bytes: int = 0
    date: str = ""
    tells: Callable[[Parts], str | float] = lambda _parts: 1

    def __repr__(self) -> str:
        """Its name: a bug is not shown with a thousand series."""
        return f"<{type(self).__name__} {self.name}>"

    def decode(self, answer: str) -> Mapping[str, Any] | None:
        """Read an answer.

        Args:
            answer: Text behind ``(`` or ``^Dnnn``, without checksum and end.

        Returns:
            Part name → value; None in place of a value for what the unit says it has not. Parts
            that its firmware lacks are missing. None altogether when this is no answer to the
            command.
        """
        return self.layout(answer)

    def asked(self, moment: datetime | None = None) -> str:
        """The text that asks.

        Args:
            moment: What the unit's clock shows, for a command with a date.

        Raises:
            ValueError: The command has a date, and there is none to be sent.
        """
        if not self.date:
            return self.text
        if moment is None:
            raise ValueError(f"{self.name} asks for a date: the time of the unit's clock is needed")
        return self.text + moment.strftime(self.date)

    def fact(self, value: Any) -> Any:
        """What its answer tells of the unit, as conditions take it."""
        return self.tells(value)


def command(
    name: str,
    layout: Layout,
    reply_bytes: int,
    *,
    dialects: frozenset[str],
    condition: str = "",
    bindings: tuple[Binding, ...] = (),
    poll: PollClass = PollClass.STATIC,
    **more: Any,
) -> Command:
    """Make one command: the last word of its name is what is sent.

    Args:
        name: ``QPIGS``, or with the dialect before it ``pi18 GS``.
        layout: The shape of its answer.
        reply_bytes: Usual length of the whole answer.
        dialects: Dialects that have it.
        condition: When a unit has it.
        bindings: What its answer feeds.
        poll: Class, where it feeds no series.
        more: What else :class:`Command` takes.
    """
    text = name.rpartition(" ")[2]
    asked = len(text)
    if date := more.get("date"):
        more["argument"] = lambda now, _zone: now
        asked += len(datetime(2026, 6, 21).strftime(date))  # noqa: DTZ001 - for its length
    return Command(
        name=name,
        condition=condition,
        bindings=bindings,
        poll=poll,
        text=text,
        dialects=dialects,
        layout=layout,
        reply_bytes=reply_bytes,
        wire_bytes=_FRAME + asked + reply_bytes,
        **more,
    )


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class WriteCommand(Query):
    """What sets something. It is sent with an approved value only, see :mod:`.session`.

    Attributes:
        dialects: Dialects that have it.
        form: Regular expression of every text that it may be sent as.
    """

    dialects: frozenset[str] = frozenset()
    form: str = "(?!)"

    def fits(self, text: str) -> bool:
        """Whether a text is one that it may be sent as."""
        return re.fullmatch(self.form, text, re.ASCII) is not None
