"""An answer before it is framed: fields with names, so that it is known what each of them says.

A layout is a row of forms in the order of the protocol paper: :class:`FieldForm` and others here.
What a field says is read back from its own characters, so that a rounded value is known as it was
sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple


class Written(NamedTuple):
    """Characters between two separators.

    Attributes:
        text: The characters.
        said: What they say, by name; empty of what has no name.
        number: They are a number, and may be unknown.
    """

    text: str
    said: Mapping[str, Any] = {}
    number: bool = False


@dataclass(frozen=True, slots=True)
class Saying:
    """What a unit says.

    Attributes:
        parts: What is between the separators.
        head: What stands before them.
        separator: What stands between them.
        tail: What stands behind them.
        ends_with_lf: It ends with a line feed where others have a carriage return.
        refused: It is a refusal.
    """

    parts: tuple[Written, ...]
    head: str = "("
    separator: str = " "
    tail: str = ""
    ends_with_lf: bool = False
    refused: bool = False
    _text: str = field(init=False, repr=False, compare=False)
    _said: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Put all of it together once."""
        body = self.separator.join(part.text for part in self.parts)
        object.__setattr__(self, "_text", f"{self.head}{body}{self.tail}")
        said: dict[str, Any] = {}
        for part in self.parts:
            said.update(part.said)
        object.__setattr__(self, "_said", said)

    @property
    def text(self) -> str:
        """All that is sent before the checksum."""
        return self._text

    @property
    def said(self) -> Mapping[str, Any]:
        """All that it says, by name; None is what it says not to know."""
        return self._said

    def unknown(self, number: int) -> Saying:
        """The same with dashes in one of its numbers.

        Args:
            number: Which of those that are numbers; counted round.
        """
        places = [place for place, part in enumerate(self.parts) if part.number]
        if not places:
            return self
        place = places[number % len(places)]
        part = self.parts[place]
        dashes = Written(re.sub(r"\d", "-", part.text), dict.fromkeys(part.said))
        return replace(self, parts=(*self.parts[:place], dashes, *self.parts[place + 1 :]))


class FieldForm(NamedTuple):
    """A number or a word.

    Attributes:
        name: What it is, in the words of the papers.
        form: How it is written: a format specification; ``s`` of a word.
        scale: It is written in units so many times smaller.
        of: What of the moment it shows, where that has another name.
    """

    name: str
    form: str
    scale: int = 1
    of: str = ""

    def part(self, moment: Any) -> Written:
        """Write it."""
        value = getattr(moment, self.of or self.name)
        kind = self.form[-1]
        if kind == "s":
            return Written(value, {self.name: value})
        if kind == "d":
            value = round(value * self.scale)
        text = format(value, self.form)
        said = int(text) if kind == "d" and self.scale == 1 else float(text) / self.scale
        return Written(text, {self.name: said}, number=True)


class BitsForm(NamedTuple):
    """Digits 0 and 1 without anything between them.

    Attributes:
        of: What of the moment each of them shows, the leftmost first; "" of one that is always 0.
        names: What they are called, where that is another name.
        more: What those that are always 0 say.
    """

    of: tuple[str, ...]
    names: tuple[str, ...] = ()
    more: Mapping[str, Any] = {}

    def part(self, moment: Any) -> Written:
        """Write them."""
        on = [bool(of) and bool(getattr(moment, of)) for of in self.of]
        said = {name: bit for name, bit in zip(self.names or self.of, on, strict=True) if name}
        return Written("".join("01"[bit] for bit in on), {**said, **self.more})


class CodedForm(NamedTuple):
    """A letter or a number that stands for a word.

    Attributes:
        name: What it is.
        of: What of the moment it shows.
        codes: What that can be → what is written, and what that says.
    """

    name: str
    of: str
    codes: Mapping[Any, tuple[str, Any]]

    def part(self, moment: Any) -> Written:
        """Write it."""
        text, word = self.codes[getattr(moment, self.of)]
        return Written(text, {self.name: word})


class TextForm(NamedTuple):
    """Characters that are always the same.

    Attributes:
        text: They.
        said: What they say, by name.
    """

    text: str
    said: Mapping[str, Any] = {}

    def part(self, moment: Any) -> Written:  # noqa: ARG002 - always the same
        """Write them."""
        return Written(self.text, self.said)


Form = FieldForm | BitsForm | CodedForm | TextForm
Layout = Sequence[Form]

#: What makes the answer to a request of a moment.
Maker = Callable[[Any], Saying]


def one(part: Written) -> Saying:
    """An answer of the PI30 kind with one field."""
    return Saying((part,))


def blanks(*layout: Form, tail: str = "", ends_with_lf: bool = False) -> Maker:
    """Answers of the PI30 kind: a parenthesis, and blanks between the fields."""

    def make(moment: Any) -> Saying:
        parts = tuple(item.part(moment) for item in layout)
        return Saying(parts, tail=tail, ends_with_lf=ends_with_lf)

    return make


def counted(*parts: Written) -> Saying:
    """An answer of the PI17 and PI18 kind: ``^D``, the count of what follows, commas between.

    What follows is fields, commas, checksum and end.
    """
    count = sum(len(part.text) + 1 for part in parts) - 1 + 3
    return Saying(parts, head=f"^D{count:03d}", separator=",")


def commas(*layout: Form) -> Maker:
    """The same of a layout."""
    return lambda moment: counted(*(item.part(moment) for item in layout))


def fixed(text: str, wrap: Callable[[Written], Saying] = one, **said: Any) -> Maker:
    """An answer that is always the same."""
    answer = wrap(Written(text, said))
    return lambda _: answer


def listed(name: str, text: str, wrap: Callable[[Written], Saying] = one) -> Maker:
    """An answer that lists currents."""
    return fixed(text, wrap, **{name: [int(item) for item in re.findall(r"\d+", text)]})


def timed(wrap: Callable[[Written], Saying]) -> Maker:
    """An answer that tells the time: fourteen digits."""

    def make(moment: Any) -> Saying:
        shown = moment.shown
        return wrap(Written(f"{shown:%Y%m%d%H%M%S}", {"device_time": shown.isoformat()}))

    return make
