"""What an option is: a field of a dataclass that carries its documentation and its check.

Options are in two places: those that all devices share in :mod:`rct_collector.config.options`,
and those that only one family has in its driver. Sample files, option tables and checks are made
from these fields. A parser takes what YAML or an agent's own configuration made of a text, and
raises :class:`Invalid` with what would be right; those that any option may need are here.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from functools import cache
from typing import Any, NamedTuple


class Shape(Enum):
    """What the value of an option is made of."""

    ONE = "one value"
    LIST = "a list of values"
    MAPPING = "names and values"


@dataclass(frozen=True)
class Option:
    """What the documentation and the checks need to know of one option.

    Attributes:
        doc: Sentences for people.
        parse: Value from the file → value in the program; raises Invalid.
        example: How it is written.
        takes: What it takes, in a word or two.
        default: The default as it is written in a file; "" when there is none.
        required: It has to be given.
        shape: What its value is made of.
        secret: No message shows its value.
    """

    doc: str
    parse: Callable[[Any], Any]
    example: str
    takes: str
    default: str = ""
    required: bool = False
    shape: Shape = Shape.ONE
    secret: bool = False


def option(
    parse: Callable[[Any], Any],
    doc: str,
    *,
    example: str,
    takes: str,
    default: Any = MISSING,
    shown: str = "",
    shape: Shape = Shape.ONE,
    secret: bool = False,
) -> Any:
    """A dataclass field that documents and checks itself; without a default it must be given."""
    required = default is MISSING
    metadata = {"option": Option(doc, parse, example, takes, shown, required, shape, secret)}
    if required:
        return field(metadata=metadata)
    if isinstance(default, dict | list):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


class Section(NamedTuple):
    """Options that stand together under a key of their own.

    Attributes:
        kind: The dataclass that has them.
        doc: A sentence for people.
    """

    kind: type
    doc: str


def section(kind: type, doc: str) -> Any:
    """A dataclass field that holds a section; who says nothing in it has the same as others."""
    return field(default_factory=cache(kind), metadata={"section": Section(kind, doc)})


def options(of: type) -> Mapping[str, Option]:
    """The options of a dataclass, in order."""
    return _marked(of, "option")


def sections(of: type) -> Mapping[str, Section]:
    """The sections of a dataclass, in order."""
    return _marked(of, "section")


@cache
def _marked(of: type, mark: str) -> dict[str, Any]:
    return {f.name: f.metadata[mark] for f in fields(of) if mark in f.metadata}


# -- values ------------------------------------------------------------------------------------

#: Characters of a value in a message.
_LONGEST_SHOWN = 60

#: What may be a key, wherever it stands; shorter hexadecimal numbers are names of something.
_KEY = re.compile("(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{24,}")

#: What no line carries as it is: control characters, separators of lines, halves of characters.
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Invalid(ValueError):  # noqa: N818 - says what would be right, not that it is an error
    """A value is not what an option takes; the text says what would be right.

    Attributes:
        text: What would be right.
        word: What was found, if it may have been meant as one of the known words.
        known: Those words, for a hint at the one that was meant.
        at: The keys that lead to it, where an option is a mapping.
    """

    def __init__(
        self, text: str, word: str = "", known: Iterable[str] = (), *, at: tuple[str, ...] = ()
    ) -> None:
        """Keep the words; the hint is only looked for when it is read, since that takes time."""
        super().__init__(text)
        self.text = text
        self.word = word
        self.known = known
        self.at = at

    def __str__(self) -> str:
        return self.text + (nearest(self.word, self.known) if self.word else "")


class Unquoted(str):
    """Text without quotes for which YAML has another type: ``10``, ``no``, ``null``, ``1.10``.

    An option that takes text takes it as it is written, others read it. Messages show it without
    quotes, too.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A number or flag of which only the value is known, not how it was written.

    An agent with a configuration of its own reads ``04103``, ``0x1007`` and ``4103.0`` as one
    number, rounds long ones, and ``yes`` and ``on`` are one flag: none of it is a text.
    """

    value: Any

    @property
    def number(self) -> Any:
        """The value, as a whole number if it is one."""
        value = self.value
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def __repr__(self) -> str:
        return repr(self.number) if not isinstance(self.value, bool) else repr(self.value).lower()


def shown(value: Any) -> str:
    """A value as messages show it: never longer than a line, however large it is, and no keys."""
    if value is None:
        return "nothing"
    text = ""
    for piece in _pieces(value):
        text += _KEY.sub("…", piece)
        if len(text) > _LONGEST_SHOWN:
            return text[: _LONGEST_SHOWN - 3] + "..."
    return text


def _pieces(value: Any) -> Iterator[str]:
    """``repr`` bit by bit, so that its end need not be waited for."""
    if isinstance(value, Mapping):
        yield "{"
        for n, (key, item) in enumerate(value.items()):
            yield ", " if n else ""
            yield from _pieces(key)
            yield ": "
            yield from _pieces(item)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for n, item in enumerate(value):
            yield ", " if n else ""
            yield from _pieces(item)
        yield "]"
    elif isinstance(value, str):
        yield repr(value if len(value) <= _LONGEST_SHOWN else type(value)(value[:_LONGEST_SHOWN]))
    else:
        yield repr(value)


def nearest(value: Any, known: Iterable[str]) -> str:
    """A hint at the known word that a wrong one comes close to, "" if there is none."""
    close = closest(str(value), [*known])
    return f" (did you mean {close!r}?)" if close else ""


def closest(word: str, known: Collection[str]) -> str:
    """The known word that a word is, or comes close to; "" if there is none."""
    if word in known:
        return word
    import difflib  # for mistakes only

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5) if len(word) < 80 else []
    return close[0] if close else ""


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any) -> float:
    """``10s``, ``1.5m``, ``250ms`` → seconds."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise Invalid("a duration with its unit, such as 10s, 5m or 1h")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if not 0 < seconds <= 366 * 86400:
        raise Invalid("a duration above 0 and up to a year")
    return seconds


def parse_interval(value: Any, *, least: float = 1.0, whose: str = "") -> float:
    """A duration of at least a second, in seconds.

    Args:
        value: As it was written.
        least: Seconds; what is shorter is refused.
        whose: Who asks for so much, for the words.
    """
    seconds = parse_duration(value)
    if seconds < least:
        raise Invalid(f"an interval of at least {least:g}s{whose}")
    return seconds


def text_of(value: Any) -> str | None:
    """Text as it was written; None for what is none, or stands for nothing."""
    if isinstance(value, Unwritten):
        raise Invalid("a text in quotes, without which it is not known how it was written")
    if isinstance(value, str) and not is_null(value):
        return str(value)
    return None


def is_null(value: Any) -> bool:
    """Whether a value is YAML's word for nothing."""
    return value is None or (isinstance(value, Unquoted) and value in ("~", "null", "Null", "NULL"))


_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_bool(value: Any) -> bool:
    """True or false; YAML has more words for them."""
    found = _FLAGS.get(value.lower()) if isinstance(value, Unquoted) else value
    if isinstance(found, bool):
        return found
    raise Invalid("true or false")


#: Bytes of a file with a secret, at most.
_LONGEST_SECRET = 4096


def read_secret(path: str) -> str:
    """The text of a small file that nobody else may read.

    Args:
        path: Where it is; absolute.

    Raises:
        Invalid: There is none, it cannot be read, is too large, or others may read it.
    """
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Invalid(f"a file; {path} is none")
            if status.st_mode & 0o027:
                mode = stat.S_IMODE(status.st_mode)
                raise Invalid(
                    f"a file that only its owner and group may read; {path} has mode {mode:04o}:"
                    f" chmod 640 {path}, or 600"
                )
            data = file.read(_LONGEST_SECRET + 1)
    except OSError as error:
        raise Invalid(f"a file that can be read; {path}: {error.strerror}") from error
    if len(data) > _LONGEST_SECRET:
        raise Invalid(f"a file of at most {_LONGEST_SECRET} bytes; {path} has more")
    return data.decode("ascii", "replace").strip()


def choice(*choices: str) -> Callable[[Any], str]:
    """A parser of one of some words."""

    def parse(value: Any) -> str:
        if value in choices:
            return str(value)
        raise Invalid(" or ".join(choices), value if isinstance(value, str) else "", choices)

    return parse


_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*|(?=\.[0-9]))(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?")


def number(low: float, high: float, *, whole: bool = False) -> Callable[[Any], float]:
    """A parser of numbers within limits."""
    kind = "a whole number" if whole else "a number"

    def parse(value: Any) -> float:
        types = (int,) if whole else (int, float)
        found = _number(value) if isinstance(value, Unquoted) else value
        if isinstance(found, types) and not isinstance(found, bool) and low <= found <= high:
            return found
        raise Invalid(f"{kind} from {low:g} to {high:g}")

    return parse


def _number(text: str) -> float | None:
    """A decimal number. Others that YAML knows are read by each program in its own way."""
    if not _DECIMAL.fullmatch(text):
        return None
    value = float(text)
    return int(value) if value.is_integer() else value
