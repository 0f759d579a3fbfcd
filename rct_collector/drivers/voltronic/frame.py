r"""Frames of the Voltronic dialects: bytes on the wire ↔ text.

Every question and every answer is a line of text that ends with CR::

    question   PI30, PI41     QPIGS          checksum  CR
               PI30REVO       QALL           sum       CR     the sum: one byte, four commands only
               PI18           ^P005  GS      checksum  CR     005: all that follows
               PI17           ^P003  GS                CR
               PI16           QPIGS                    CR
               PI16, PI17     … ED20240615   123       CR     three digits behind dated ones
    order      PI30, PI41     POP02          checksum  CR
               PI18           ^S007  POP1    checksum  CR
    answer     PI30 … PI16    (  000.0 …     checksum  CR
               PI18, PI17     ^D106  2232,…  checksum  CR     106: all that follows
                              ^1   or  ^0    checksum  CR     yes, no

The checksum is CRC-16/XMODEM of everything before it. A byte of it that would be read as ``(``,
CR or LF is sent one higher, and so is NUL, without which units do not answer on some days.
Answers are not that reliable: firmware exists that escapes three values, four, or none, so that
a CR may be part of the checksum. Some ends lines with LF, or sends an LF behind the CR, and there
are refusals without a checksum.

Sources: the papers of the maker for each dialect; answers of units in the field, as users of other
collectors have posted them. That NUL is to be escaped is known from units that stayed silent on
the days whose date made one. The heads of PI18 that break the rule of counting are from its paper.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from typing import NamedTuple

from rct_collector.drivers.base import Fault

#: Longest line that is waited for, in bytes before its end. Real answers stay below 160; the limit
#: keeps a line without an end from hoarding memory.
LONGEST = 512

#: Most bytes that are ever held: the longest line, and an end that may be part of its checksum.
LONGEST_PENDING = LONGEST + 2

#: Bytes of what is no frame that are kept, to be shown.
_SHOWN = 64

#: Starts in one line that are tried, at most, beginning from its end.
_STARTS = 8

#: Bytes of a checksum that are sent one higher, as firmware has it, and as it is to be.
_ESCAPED_BY_MOST = frozenset(b"(\r\n")
_ESCAPED = frozenset(b"(\r\n\0")

_START = re.compile(rb"[(^]")
_END = re.compile(rb"[\r\n]")
#: What between two lines means nothing: LF behind CR, and the padding of USB reports.
_BETWEEN = b"\r\n\0"

#: Answers that are understood without a checksum.
_BARE = re.compile(rb"\((?:NAK|ACK)|\^[01]")
#: What only questions begin with.
_QUESTION = re.compile(rb"\^[PS]\d{3}")
_WORD = re.compile(rb"[A-Z][A-Z0-9]+:?")

#: What sets something.
_ORDER = re.compile(r"[A-Z]+[0-9][0-9.,]*|P[ED][a-z]|P[ED][A-I]", re.ASCII)

#: PI18: text → number in its head, where that is not the count of what follows.
_HEADS = {"FWS": 5, "ACCT": 5, "ACLT": 5}
#: Questions of the Revo that carry a sum in place of the checksum.
_SUMMED = re.compile(r"QALL|PQSE|PSET|QLITH0")
#: Dated questions, which carry a decimal sum in some dialects.
_DATED = re.compile(r"Q?E[DMYH]\d+")


# -- checksums ---------------------------------------------------------------------------------


def _escape(crc: int, escaped: frozenset[int]) -> bytes:
    return bytes(byte + 1 if byte in escaped else byte for byte in crc.to_bytes(2, "big"))


def checksum(data: bytes) -> bytes:
    """The two bytes that follow on a text, as they are sent.

    Args:
        data: Everything before them, ``(`` or ``^P005`` included.
    """
    return _escape(crc_hqx(data, 0), _ESCAPED)


def _is_spelling(found: bytes, crc: int) -> bool:
    """Whether two bytes are a checksum in any of the spellings that units use."""
    return found in (
        crc.to_bytes(2, "big"),
        _escape(crc, _ESCAPED_BY_MOST),
        _escape(crc, _ESCAPED),
    )


# -- questions ---------------------------------------------------------------------------------


def pack(text: str, dialect: str = "pi30", *, crc: bool = True) -> bytes:
    """Put a question together.

    This is plain arithmetic: what may be asked is decided by who calls it.

    Args:
        text: What is asked, such as ``QPIGS`` or ``GS``; with its date, if it has one.
        dialect: Word of the dialect, see :data:`.command.DIALECTS`.
        crc: Send the checksum, where the dialect has one. Some units of PI18 answer only without;
            the number in the head stays the same.

    Raises:
        ValueError: The text is empty, or holds what no question holds.
    """
    if not text or not text.isascii() or not text.isprintable() or text[0] in "(^":
        raise ValueError(f"{text!r} is no question")
    if dialect == "pi18":
        counted = _HEADS.get(text, len(text) + 3)
        return _closed(f"^P{counted:03}{text}".encode(), crc)
    if dialect == "pi17":
        dated = _DATED.fullmatch(text) is not None
        line = f"^P{len(text) + (4 if dated else 1):03}{text}".encode()
        return line + (_decimal_sum(line) if dated else b"") + b"\r"
    line = text.encode()
    if dialect == "pi16":
        return line + (_decimal_sum(line) if _DATED.fullmatch(text) else b"") + b"\r"
    if dialect == "pi30revo" and _SUMMED.fullmatch(text):
        return line + bytes(((sum(line) + 1) & 0xFF,)) + b"\r"
    return _closed(line, crc)


def pack_order(text: str, dialect: str = "pi30", *, crc: bool = True) -> bytes:
    """Put together what sets something; see :func:`pack`, which says the rest.

    Args:
        text: What is sent, such as ``POP02`` or ``PCP0,1``.
        dialect: PI18, or one that frames as PI30 does.
        crc: Send the checksum.

    Raises:
        ValueError: The text is empty, or holds what no order holds.
    """
    if not _ORDER.fullmatch(text):
        raise ValueError(f"{text!r} is no order")
    if dialect == "pi18":
        return _closed(f"^S{len(text) + 3:03}{text}".encode(), crc)
    return _closed(text.encode(), crc)


def _closed(line: bytes, crc: bool) -> bytes:
    return line + (checksum(line) if crc else b"") + b"\r"


def _decimal_sum(line: bytes) -> bytes:
    return f"{sum(line) & 0xFF:03}".encode()


# -- answers -----------------------------------------------------------------------------------


class Frame(NamedTuple):
    """One answer.

    Attributes:
        text: What it says, behind ``(``, ``^Dnnn`` or ``^``; without the checksum.
        head: How it begins: ``(``, ``^D``, or ``^`` for a mere yes or no.
        sound: Its checksum is right. Only ``NAK``, ``ACK``, ``1`` and ``0`` are taken without.
        size: Bytes that it was on the wire, its end included.
    """

    text: str
    head: str = "("
    sound: bool = True
    size: int = 0


class Bad(NamedTuple):
    """Bytes that are no answer.

    Attributes:
        kind: ``CRC``; ``LENGTH`` for what was cut, has no end, or a number in its head that is
            wrong; ``NOISE``; or ``ECHO`` for a question.
        size: Number of bytes, the end of the line not counted; of noise, not the zeros at its ends.
        data: The first of them, as far as they are worth showing.
    """

    kind: Fault
    size: int
    data: bytes = b""


class FrameReader:
    """Takes bytes in any pieces, gives whole answers, skips everything else and says so.

    It never raises. What it gives depends on the bytes alone, not on how they were cut, but for
    noise, which is told in one event where it comes in one piece. It never holds more than
    :data:`LONGEST_PENDING` bytes, and its work grows with the number of bytes.

    A line is judged at its end, without waiting for more. Only where CR or LF is just what the
    checksum needs in its place, the one or two bytes that then must follow decide.
    """

    def __init__(self) -> None:
        """Start between lines."""
        self._buffer = bytearray()
        self._searched = 0

    def reset(self) -> None:
        """Forget half a line."""
        self._buffer.clear()
        self._searched = 0

    @property
    def pending(self) -> int:
        """Bytes held of a line without its end."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Bad]:
        """Take bytes.

        Args:
            data: Any number of bytes, cut anywhere.

        Returns:
            What was completed by them, in order of arrival.
        """
        buffer = self._buffer
        if not buffer and (whole := _whole(data)) is not None:
            return [whole]
        buffer += data
        found: list[Frame | Bad] = []
        begin, searched = 0, self._searched
        while True:
            match = _END.search(buffer, searched, begin + LONGEST + 1)
            if match is not None:
                searched = match.start()
                after = _read_line(buffer, begin, searched, found)
                if after < 0:  # more bytes are needed to tell
                    break
                begin = searched = after
            elif len(buffer) - begin > LONGEST:
                # Whoever speaks properly has begun lately.
                start = _START.search(buffer, begin + LONGEST // 2, begin + LONGEST)
                after = start.start() if start else begin + LONGEST
                _skip(buffer, begin, after, found, Fault.LENGTH)
                begin = searched = after
            else:
                searched = len(buffer)
                break
        del buffer[:begin]
        self._searched = searched - begin
        return found


def _whole(data: bytes) -> Frame | None:
    """The most frequent piece of all, taken at once: exactly one answer of PI30.

    Anything else is left to be read line by line, which comes to the same (a test compares).
    """
    if data[:1] != b"(" or data[-1:] != b"\r" or not 4 < len(data) <= LONGEST:
        return None
    body = data[:-3]
    if crc_hqx(body, 0) != data[-3] << 8 | data[-2] or _END.search(data, 0, len(data) - 1):
        return None
    return Frame(body[1:].decode("latin-1"), "(", True, len(data))


def _read_line(buffer: bytearray, begin: int, end: int, found: list[Frame | Bad]) -> int:
    """Read the line before a CR or LF.

    Args:
        buffer: All bytes there are.
        begin: Where the line begins.
        end: Where the CR or LF is.
        found: Where to add what the line is.

    Returns:
        Where to go on; -1 while bytes are missing.
    """
    first = _START.search(buffer, begin, end)
    if first is None:
        _skip(buffer, begin, end, found, Fault.NOISE)
        return end + 1
    start = first.start()
    # The common case first: one whole answer.
    if end - start > 3:  # a start, a character, and a checksum
        body = bytes(buffer[start : end - 2])
        crc = crc_hqx(body, 0)
        if crc == buffer[end - 2] << 8 | buffer[end - 1] or _is_spelling(
            bytes(buffer[end - 2 : end]), crc
        ):
            _take(buffer, begin, start, end + 1, found)
            return end + 1
    if start > begin and is_question(line := bytes(buffer[begin:end]).lstrip(_BETWEEN)):
        found.append(Bad(Fault.ECHO, len(line), line[:_SHOWN]))  # its checksum looks like a start
        return end + 1
    starts = [match.start() for match in _START.finditer(buffer, start, end)][-_STARTS:]
    for start in starts:
        if _is_whole(buffer, start, end):
            _take(buffer, begin, start, end + 1, found)
            return end + 1
    for start in starts:
        for after in (end + 1, end + 2):
            whole = _ends_behind(buffer, start, after)
            if whole is None:
                return -1
            if whole:
                _take(buffer, begin, start, after + 1, found)
                return after + 1
    for start in starts:
        bare = _BARE.match(buffer, start, end)
        if bare is not None:
            _skip(buffer, begin, start, found, Fault.LENGTH)
            head, text = bare[0][:1].decode(), bare[0][1:].decode()
            found.append(Frame(text, head, sound=False, size=end + 1 - start))
            return end + 1
    _skip(buffer, begin, end, found, Fault.CRC)
    return end + 1


def _is_whole(buffer: bytearray, start: int, end: int) -> bool:
    """Whether an answer with its checksum lies between a start and an end."""
    body = bytes(buffer[start : end - 2])
    return len(body) > 1 and _is_spelling(bytes(buffer[end - 2 : end]), crc_hqx(body, 0))


def _ends_behind(buffer: bytearray, start: int, after: int) -> bool | None:
    """Whether a CR or LF is part of the checksum of an answer, and not its end.

    Args:
        buffer: All bytes there are.
        start: Where the answer begins.
        after: Where the end is then, one or two bytes further.

    Returns:
        None while bytes are missing.
    """
    body = bytes(buffer[start : after - 2])
    if len(body) <= 1:
        return False
    expected = crc_hqx(body, 0).to_bytes(2, "big")  # not escaped, or there were no CR in it
    there = bytes(buffer[after - 2 : after + 1])
    if not expected.startswith(there[:2]) or there[2:] not in (b"", b"\r", b"\n"):
        return False
    return True if there[2:] else None


def _take(buffer: bytearray, begin: int, start: int, after: int, found: list[Frame | Bad]) -> None:
    """Take an answer whose checksum is right.

    Args:
        buffer: All bytes there are.
        begin: Where the line begins.
        start: Where the answer begins.
        after: Behind its end.
        found: Where to add it.
    """
    if start > begin:
        _skip(buffer, begin, start, found, Fault.LENGTH)  # cut, or the tail of something
    line = buffer[start : after - 3].decode("latin-1")
    size = after - start
    if line[0] == "(":
        found.append(Frame(line[1:], "(", True, size))
    elif line[1] == "D":
        if line[2:5] == f"{size - 5:03}":  # all that follows on the number
            found.append(Frame(line[5:], "^D", True, size))
        else:
            found.append(_bad(buffer, Fault.LENGTH, start, after - 1))
    elif _QUESTION.match(buffer, start):
        found.append(_bad(buffer, Fault.ECHO, start, after - 1))
    else:
        found.append(Frame(line[1:], "^", True, size))


def _skip(buffer: bytearray, first: int, last: int, found: list[Frame | Bad], kind: Fault) -> None:
    """Report what is no answer; without what means nothing between lines.

    Args:
        buffer: All bytes there are.
        first: Where it begins.
        last: Where it ends.
        found: Where to add it.
        kind: What is wrong with it, where it begins as an answer does.
    """
    start = _START.search(buffer, first, last)
    begin = start.start() if start else last
    if begin > first:
        _noise(bytes(buffer[first:begin]).strip(_BETWEEN), found)
    if begin < last:
        if _QUESTION.match(buffer, begin, last):
            kind = Fault.ECHO  # of PI17, whose questions have no checksum
        found.append(_bad(buffer, kind, begin, last))


def _noise(line: bytes, found: list[Frame | Bad]) -> None:
    """Report what does not begin as an answer does, as one with noise before it."""
    if not line:
        return
    if is_question(line):
        found.append(Bad(Fault.ECHO, len(line), line[:_SHOWN]))
        return
    before = found[-1] if found else None
    if type(before) is Bad and before.kind is Fault.NOISE:
        found[-1] = Bad(Fault.NOISE, before.size + len(line), before.data)
    else:
        found.append(Bad(Fault.NOISE, len(line), line[:_SHOWN]))


def is_question(line: bytes) -> bool:
    """Whether a line without its end is a question, which a line may throw back.

    That is what begins with a letter and has a checksum or a sum, or is a word that begins with Q.
    """
    body = line[:-2]
    if _WORD.match(body) and checksum(body) == line[-2:]:
        return True
    if line[:-1].isalnum() and _SUMMED.fullmatch(line[:-1].decode()):
        return line[-1] == (sum(line[:-1]) + 1) & 0xFF
    return line[:1] == b"Q" and _WORD.fullmatch(line) is not None


def _bad(buffer: bytearray, kind: Fault, first: int, last: int) -> Bad:
    return Bad(kind, last - first, bytes(buffer[first : min(last, first + _SHOWN)]))
