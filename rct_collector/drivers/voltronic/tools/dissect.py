"""Bytes of a Voltronic line cut into questions, answers and noise, each with what it means.

An answer does not name its question. So each is held against the shapes of all commands, and where
it fits several, all of them are named; where its question was seen before it, that decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from rct_collector.drivers.base import Fault
from rct_collector.drivers.tools import Dissector, Piece, finite
from rct_collector.drivers.voltronic.command import Command
from rct_collector.drivers.voltronic.frame import Frame, checksum
from rct_collector.drivers.voltronic.table import COMMANDS
from rct_collector.drivers.voltronic.tools.questions import (
    ROUND,
    Question,
    read_question,
    read_text,
)
from rct_collector.drivers.voltronic.tools.walk import Stretch, walk
from rct_collector.model import Value

#: Dialects that begin their answers with ``^D``.
_HEADED = frozenset({"pi17", "pi18"})

#: Answers that are the same to each question.
_WORDS = {"NAK": "refused", "ACK": "accepted", "0": "refused", "1": "accepted"}

#: What is wrong with bytes that are no answer.
_WRONG = {
    Fault.CRC: "checksum wrong",
    Fault.LENGTH: "length wrong, or cut short",
    Fault.NOISE: "skipped",
    Fault.ECHO: "a question that nobody here knows",
}
_INCOMPLETE = "incomplete"

_START = re.compile(r"[(^][\x20-\x7e]*")

#: Bytes of noise, and names of commands, that are shown.
_SHOWN, _NAMED = 16, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltronicPiece(Piece):
    """One question or answer, or bytes that are neither.

    Attributes:
        text: What it says, without framing.
        fits: Names of the commands that it asks, or may be an answer to.
        dialects: Dialects that it may be of.
        parts: What an answer says, read as one to the first of those commands.
        question: What it asks; None for an answer.
    """

    text: str = ""
    fits: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    parts: Mapping[str, Any] = field(default_factory=dict)
    question: Question | None = None

    @property
    def label(self) -> str:
        """The questions that it fits, whatever the dialect."""
        texts = list(dict.fromkeys(name.rpartition(" ")[2] for name in self.fits))
        if len(texts) > _NAMED + 1:
            return f"{', '.join(texts[:_NAMED])} or {len(texts) - _NAMED} others"
        return " or ".join(texts)

    def details(self) -> dict[str, Any]:
        """What it says, and what it may be."""
        return {
            "content": self.text or None,
            "fits": list(self.fits),
            "dialects": list(self.dialects),
            "parts": {name: _plain(value) for name, value in self.parts.items()},
        }


def pieces(data: bytes) -> Iterator[VoltronicPiece]:
    """Cut bytes into questions, answers and noise, one by one.

    Args:
        data: Any bytes, of one direction or of both.
    """
    before: VoltronicPiece | None = None
    for stretch in walk(data):
        piece = _piece(data, stretch)
        if piece.question is not None:
            before = piece
        elif before is not None and piece.command:
            piece, before = answering(before, piece), None
        yield piece


def answering(question: Piece, answer: Piece) -> VoltronicPiece:
    """An answer in the light of what was asked before it.

    Args:
        question: Of this family's dissector, as is
        answer: the next whole or broken one that came.
    """
    assert isinstance(answer, VoltronicPiece)  # noqa: S101 - both are made here
    asked = question.question if isinstance(question, VoltronicPiece) else None
    if asked is None or not answer.valid:
        return answer
    if answer.command != "answer":
        return replace(answer, fits=(asked.text,))
    found = [item for item in asked.commands if item.name in answer.fits]
    if found:
        return _answer(answer, found)
    if asked.commands and answer.fits:
        return replace(answer, verdict=f"has not the shape of an answer to {asked.text}")
    return answer


def resembles(data: bytes) -> bool:
    """Whether bytes may be those of a unit's line: a line of it is whole, or a known answer broken.

    Args:
        data: Any bytes.
    """
    for stretch in walk(data):
        found = stretch.found
        if isinstance(found, Frame):
            if found.sound or found.text in _WORDS:
                return True
        elif isinstance(found, Question):
            if found.commands:
                return True
        elif fitting(_broken(data[stretch.start : stretch.end])):
            return True
    return False


def line_of(text: str) -> bytes | None:
    """The line that a text stands for: framing that it lacks is added.

    Args:
        text: One answer or question per line, such as ``(230.0 …`` or ``QPIGS``, with or without
            the checksum where that can be read.

    Returns:
        The bytes; None if it is none of that.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [_line_of(line) for line in lines]
    return b"".join(filter(None, found)) if found and all(found) else None


def _line_of(text: str) -> bytes | None:
    if not _START.fullmatch(text):
        return read_text(text)
    line = text.encode()
    whole = read_question(line) is not None or checksum(line[:-2]) == line[-2:]
    return line + (b"" if whole else checksum(line)) + b"\r"


# -- pieces ------------------------------------------------------------------------------------


def _piece(data: bytes, stretch: Stretch) -> VoltronicPiece:
    raw = bytes(data[stretch.start : stretch.end])
    found = stretch.found
    if isinstance(found, Question):
        return _question(stretch.start, raw, found)
    if isinstance(found, Frame):
        return _frame(stretch.start, raw, found)
    verdict = _WRONG[found.kind] if found is not None else _INCOMPLETE
    begins = _START.match(raw.decode("latin-1")) is not None
    return VoltronicPiece(
        offset=stretch.start,
        data=raw,
        direction="from device" if begins else "",
        command="answer" if begins else "",
        shown=_hex(raw),
        verdict=verdict,
        valid=False,
        fits=tuple(item.name for item in fitting(_broken(raw))) if begins else (),
    )


def _question(offset: int, raw: bytes, found: Question) -> VoltronicPiece:
    names = tuple(item.name for item in found.commands)
    return VoltronicPiece(
        offset=offset,
        data=raw,
        direction="to device",
        command="setting" if found.is_setting else "question",
        shown=found.text,
        text=found.text,
        fits=names or (found.text,),
        dialects=tuple(sorted(found.dialects)),
        question=found,
    )


def _frame(offset: int, raw: bytes, found: Frame) -> VoltronicPiece:
    word = _WORDS.get(found.text) if found.head != "^D" else None
    blank = VoltronicPiece(
        offset=offset,
        data=raw,
        direction="from device",
        command=word or "answer",
        shown="" if word else found.text,
        verdict="ok" if found.sound else "ok, without a right checksum",
        text=found.text,
        dialects=tuple(sorted(ROUND if found.head == "(" else _HEADED)),
    )
    if word:
        return blank
    return _answer(blank, fitting(found))


def _answer(blank: VoltronicPiece, fitting: Iterable[Command]) -> VoltronicPiece:
    """An answer, read as one to the first of some commands."""
    commands = list(fitting)
    if not commands:
        return replace(blank, verdict="checksum right, of a shape that no known answer has")
    first = commands[0]
    parts = first.decode(blank.text) or {}
    possible = set(chain.from_iterable(item.dialects for item in commands))
    shown = ", ".join(f"{name} {_words(value)}" for name, value in parts.items())
    return replace(
        blank,
        shown=_reading(commands, blank.text) + shown,
        fits=tuple(item.name for item in commands),
        dialects=tuple(word for word in blank.dialects if word in possible),
        parts=parts,
        published=_published(commands, blank.text),
    )


def _reading(commands: Sequence[Command], text: str) -> str:
    """Which of several ways to read an answer was taken; "" where all say the same."""
    first = commands[0]
    if len({item.text for item in commands}) > 1:
        return f"as {first.text}: "
    if any(item.decode(text) != first.decode(text) for item in commands):
        return f"by {', '.join(sorted(first.dialects))}: "
    return ""


def fitting(found: Frame | None) -> list[Command]:
    """The commands whose answers look like this."""
    if found is None:
        return []
    dialects = ROUND if found.head == "(" else _HEADED
    return [
        item
        for item in COMMANDS
        if item.dialects & dialects and item.decode(found.text) is not None
    ]


def _broken(raw: bytes) -> Frame | None:
    """What a broken answer would be if only its checksum were wrong."""
    text = raw.rstrip(b"\r\n\0").decode("latin-1")[:-2]
    if text[:1] == "(":
        return Frame(text[1:])
    return Frame(text[5:], "^D") if re.match(r"\^D\d{3}", text) else None


def _published(commands: Sequence[Command], text: str) -> tuple[tuple[str, Value, str], ...]:
    """What the collector would publish, to whichever of these commands it is the answer."""
    found = [_published_of(item, item.decode(text) or {}) for item in commands]
    return tuple(item for item in found[0] if all(item in other for other in found))


def _published_of(item: Command, parts: Mapping[str, Any]) -> list[tuple[str, Value, str]]:
    """What is published of its parts, without what is off by default for good reason."""
    return [
        (series.name, value, series.metric.unit.symbol)
        for binding in (item.bindings if parts else ())
        for series, value in zip(binding.series, binding.convert(parts, None), strict=True)
        if value is not None and (series.metric.default or series.metric.option)
    ]


def _words(value: Any) -> str:  # noqa: ANN401 - whatever a part is
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _plain(value: Any) -> Any:  # noqa: ANN401
    """For JSON."""
    usual = value is None or isinstance(value, bool | int | float | str | list | tuple)
    return finite(value) if usual else str(value)


def _hex(data: bytes) -> str:
    """The first bytes."""
    return data[:_SHOWN].hex(" ") + (" …" if len(data) > _SHOWN else "")


DISSECTOR = Dissector(
    frame="Voltronic question or answer",
    unit="a Voltronic unit",
    pieces=pieces,
    resembles=resembles,
    line_of=line_of,
    answering=answering,
)
