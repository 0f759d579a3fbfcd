"""Takes secrets out of the bytes of a Voltronic line: serial numbers, and whatever may be one.

Questions pass, and so do answers of a shape that a command of the table has: they are numbers,
modes and versions. Where such an answer has a serial number, or may be one, another number stands
in for it, the same for each, so that the units of a system still differ. Answers of no known shape
have all their letters and digits replaced, and what is no whole line is replaced by zeros.

Each byte is replaced by one byte: lengths and the places of lines stay, a right checksum is right
again, and a broken answer is still told as broken. A time that a unit tells passes, though a serial
number of fourteen digits could look like one.
"""

from __future__ import annotations

import re
from datetime import datetime

from rct_collector.drivers.voltronic.frame import Frame, checksum
from rct_collector.drivers.voltronic.tools.dissect import fitting
from rct_collector.drivers.voltronic.tools.questions import Question
from rct_collector.drivers.voltronic.tools.walk import Stretch, walk

_PART = "serial_number"
_TIME = "%Y%m%d%H%M%S"
_FIRST_YEAR = 2010

#: A serial number behind its length, and digits of which nobody knows what they tell.
_COUNTED = re.compile(r"\d{22}")

#: What is replaced in answers of no known shape.
_LETTERS = re.compile(r"[A-Za-z0-9]")


class StandIns:
    """Numbers that stand in for secrets: the first is 1, whoever asks."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[str, int] = {}

    def of(self, secret: str) -> str:
        """The digits that stand in for some text, as many as it has characters."""
        number = self._known.setdefault(secret, len(self._known) + 1)
        return str(number).rjust(len(secret), "9")[-len(secret) :]


class Redactor:
    """Takes secrets out of one direction of one line; see :class:`.drivers.tools.Redactor`."""

    def __init__(self, stand_ins: StandIns) -> None:
        """Start between lines.

        Args:
            stand_ins: Those of the whole recording.
        """
        self._buffer = bytearray()
        self._stand_ins = stand_ins

    def feed(self, data: bytes) -> bytes:
        """Take bytes, cut anywhere; give those that are settled, one for each that came."""
        self._buffer += data
        # A line whose end may be part of its checksum is told by what follows.
        settled = self._redacted(final=False)
        del self._buffer[: len(settled)]
        return settled

    def flush(self) -> bytes:
        """The line has ended: what is left is no whole one."""
        settled = self._redacted(final=True)
        self._buffer.clear()
        return settled

    def _redacted(self, *, final: bool) -> bytes:
        result, place = bytearray(), 0
        for stretch in walk(self._buffer):
            if stretch.found is None and not final:
                break
            raw = bytes(self._buffer[stretch.start : stretch.end])
            result += bytes(self._buffer[place : stretch.start])  # ends of lines, and padding
            result += self._of(stretch, raw)
            place = stretch.end
        else:
            result += bytes(self._buffer[place:])
        return bytes(result)

    def _of(self, stretch: Stretch, raw: bytes) -> bytes:
        found = stretch.found
        if isinstance(found, Question):
            return raw
        if isinstance(found, Frame):
            return self._answer(found, raw)
        return _blank(raw)

    def _answer(self, found: Frame, raw: bytes) -> bytes:
        text = self._text(found)
        if text == found.text:
            return raw
        before = raw[: len(raw) - 3 - len(text)]
        line = before + text.encode("latin-1")
        return line + checksum(line) + raw[-1:]

    def _text(self, found: Frame) -> str:
        """The text of an answer without secrets."""
        text = found.text
        if not found.sound or found.head == "^" or text in ("NAK", "ACK") or _is_time(text):
            return text
        read = [item.decode(text) or {} for item in fitting(found)]
        if not read:
            return _LETTERS.sub(lambda match: "9" if match[0].isdigit() else "x", text)
        secrets = {str(parts[_PART]) for parts in read if parts.get(_PART)}
        for secret in sorted(secrets, key=len, reverse=True):
            stand_in = self._stand_ins.of(secret)
            if _COUNTED.fullmatch(text):
                return (text[:2] + stand_in).ljust(len(text), "0")
            text = text.replace(secret, stand_in)
        return text


def _is_time(text: str) -> bool:
    """Whether a text is the time of a clock, in the years in which such units may tell it."""
    try:
        return len(text) == 14 and datetime.strptime(text, _TIME).year >= _FIRST_YEAR  # noqa: DTZ007
    except ValueError:
        return False


def _blank(raw: bytes) -> bytes:
    """What stands for an answer that does not check out: its begin and its end, and nothing."""
    begins, ends = raw[:1] in (b"(", b"^"), raw[-1:] in (b"\r", b"\n")
    middle = bytes(len(raw) - begins - ends)
    return (raw[:1] if begins else b"") + middle + (raw[-1:] if ends else b"")
