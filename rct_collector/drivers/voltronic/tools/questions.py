"""Questions as they stand on the line: of which dialect, and for which command.

Only what is put to a unit is read here: the frame reader knows answers alone. Settings are told by
their text, since none is in the table of what the collector asks.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from functools import cache
from typing import NamedTuple

from rct_collector.drivers.voltronic.command import DIALECTS, PI30_FAMILY, Command
from rct_collector.drivers.voltronic.frame import checksum, is_question, pack
from rct_collector.drivers.voltronic.table import COMMANDS

#: Dialects that begin their answers with ``(``.
ROUND = PI30_FAMILY | {"pi16"}

#: A question or setting of PI17 and PI18: its kind, the number in its head, what follows.
_HEADED = re.compile(rb"\^([PS])(\d{3})(.*)", re.S)
#: One of the other dialects, without checksum.
_PLAIN = re.compile(r"[A-Z][A-Z0-9:.,-]*")
#: The date behind a text, and the decimal sum that may stand behind that.
_DATED = re.compile(r"(Q?E[DMYH]|Q?L[DMY])(\d{4,10})")
#: What names itself as a question; all else that is put to a unit changes something.
_ASKS = re.compile(r"Q|VERFW")


class Question(NamedTuple):
    """One line that was put to a unit.

    Attributes:
        text: What is asked, without framing.
        dialects: Those that frame it so.
        is_setting: It changes something.
    """

    text: str
    dialects: frozenset[str]
    is_setting: bool = False

    @property
    def commands(self) -> tuple[Command, ...]:
        """Those of the table that are asked so; none where the collector asks no such thing."""
        dated = _DATED.match(self.text)
        stem = dated[1] if dated else self.text
        return tuple(
            item
            for item in COMMANDS
            if item.text == (stem if item.date else self.text) and item.dialects & self.dialects
        )


def read_question(line: bytes) -> Question | None:
    """Read a line without its end; None for what is no question.

    Args:
        line: From its first byte up to, not including, CR.
    """
    headed = _HEADED.fullmatch(line)
    if headed:
        return _headed(line, headed)
    known = _packed().get(line)
    if known:
        return known
    body = line[:-2]
    if len(line) > 2 and _is_checked(body, line[-2:]) and (text := _text(body)):
        return Question(text, PI30_FAMILY, not _ASKS.match(text))
    if (text := _text(line)) and (_DATED.match(text) or is_question(line)):
        dated = _DATED.match(text)
        if dated and f"{sum(line[:-3]) & 0xFF:03}" == text[-3:]:
            return Question(text[:-3], frozenset({"pi16"}))
        return Question(text, ROUND)
    return None


def read_text(text: str) -> bytes | None:
    """The line that somebody means who writes a question without framing; None for none.

    Args:
        text: ``QPIGS``, ``GS``, ``POP02``.
    """
    for item in COMMANDS:
        if text == item.text:
            return pack(text, next(word for word in DIALECTS if word in item.dialects))
    return pack(text) if _PLAIN.fullmatch(text) and text[0] == "Q" else None


def _headed(line: bytes, found: re.Match[bytes]) -> Question | None:
    """With its number, which counts what follows: with the checksum (PI18) or without (PI17)."""
    kind, number, rest = found[1], int(found[2]), found[3]
    setting = kind == b"S"
    if _is_checked(line[:-2], line[-2:]) and (text := _text(rest[:-2])):
        return Question(text, frozenset({"pi18"}), setting)
    text = _text(rest)
    if not text:
        return None
    if number == len(rest) + 3:  # its checksum was left out
        return Question(text, frozenset({"pi18"}), setting)
    if number != len(rest) + 1:
        return None
    if _DATED.match(text) and f"{sum(line[:-3]) & 0xFF:03}" == text[-3:]:
        text = text[:-3]
    return Question(text, frozenset({"pi17"}), setting)


@cache
def _packed() -> dict[bytes, Question]:
    """Line → question, of all that have no date."""
    found: dict[bytes, Question] = {}
    for item in COMMANDS:
        for dialect in () if item.date else item.dialects:
            line = pack(item.text, dialect)[:-1]
            if line.startswith(b"^"):
                continue
            before = found.get(line)
            dialects = (before.dialects if before else frozenset()) | {dialect}
            found[line] = Question(item.text, dialects)
    found[b"M"] = Question("M", frozenset())  # of a UPS, and without a checksum
    return found


def _is_checked(body: bytes, found: bytes) -> bool:
    """Whether two bytes are the checksum of what is before, as others may spell it, too."""
    return found == checksum(body) or found == crc_hqx(body, 0).to_bytes(2, "big")


def _text(data: bytes) -> str:
    """What may be the text of a question, or ""."""
    text = data.decode("latin-1")
    return text if _PLAIN.fullmatch(text) else ""
