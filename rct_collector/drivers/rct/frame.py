r"""Frames of the RCT serial protocol: bytes on the wire ↔ command, object id, payload.

Layout, escapes removed::

    00          lead-in, usually one before a unit's frame, none before a request
    2B          start
    cc          command: 01 read, 02 write, 05 response, 06 long response; +40 in a plant
    ll [ll]     length of address, id and payload; two bytes for the long commands
    aaaaaaaa    address, plant commands only
    iiiiiiii    object id
    ...         payload
    kkkk        CRC-16/CCITT-FALSE over command … payload, padded with one 00 when odd

Between start and end every 2B and 2D is preceded by 2D. A 2B without it can therefore only be
the start of a frame, which is what the reader resynchronises on.

Sources: rctclient's protocol documentation and ``frame.py``; recorded frames of real units.
The reader is compared with rctclient's frame by frame in the tests.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from functools import cache
from typing import NamedTuple

from rct_collector.drivers.base import Fault

START = 0x2B
ESCAPE = 0x2D

READ = 0x01
WRITE = 0x02
LONG_WRITE = 0x03
RESPONSE = 0x05
LONG_RESPONSE = 0x06
READ_PERIODICALLY = 0x08
#: Opens the vendor app's session (``2B 3C E1``); does not follow the frame grammar.
EXTENSION = 0x3C
#: Bit that marks plant commands, which carry an address.
PLANT = 0x40

_PLAIN = (READ, WRITE, LONG_WRITE, RESPONSE, LONG_RESPONSE, READ_PERIODICALLY)
#: Command → least length: that of the id, and of the address where there is one.
_LEAST = dict.fromkeys(_PLAIN, 4) | {command | PLANT: 8 for command in _PLAIN}
LONG = frozenset({LONG_WRITE, LONG_RESPONSE, LONG_WRITE | PLANT, LONG_RESPONSE | PLANT})

#: Longest payload that fits the short form, whose length byte also counts the id.
LONGEST_SHORT = 251

#: Longest frame that is waited for, in unescaped bytes of address, id and payload. Real logger
#: answers stay below 2 KiB; the limit keeps a false header from hoarding memory.
LONGEST = 8192

#: Most bytes that are ever held: the longest frame without its last byte, where every byte
#: after the command is escaped.
LONGEST_PENDING = 2 + 2 * (2 + LONGEST + 2) - 1

#: The vendor's service says ``AT+\r`` now and then; its ``2B`` looks like a start.
_KEEP_ALIVE = b"AT"

#: Bytes of a bad frame that are kept, to be shown.
_SHOWN = 64

#: Escaped starts within a bad frame that are tried, at most.
_SECOND_LOOKS = 8

#: After so many false starts in a row, without a frame between them, whatever is no frame is noise
#: and not told apart any more: nobody speaks to us there, and to look at each start would take
#: longer than frames do.
FALSE_STARTS = 3

#: False starts that need no look: one that no command follows, up to the next start; and one that
#: another start interrupts before the eight bytes of the shortest frame are there, escapes not
#: counted. No frame can begin within either, since the same start would interrupt it. Starts in a
#: row, the simplest flood, are taken at once.
_FALSE = re.compile(
    rb"(?:\x2b+(?=\x2b)|\x2b(?:[^\x2b%b][^\x2b]*+|(?:[^\x2b\x2d]|\x2d.){0,7}+(?=\x2b)))++"
    % re.escape(bytes(_LEAST)),
    re.DOTALL,
)

#: Bytes of a frame up to a raw start, or to an escape whose second byte is not there.
_BODY = re.compile(rb"(?:[^\x2b\x2d]++|\x2d.)*+", re.DOTALL)

#: Up to so many bytes of a frame are counted while they are matched, the others in pieces.
_FEW = 64


class Frame(NamedTuple):
    """One frame with a valid checksum.

    Attributes:
        command: Command byte, plant bit included.
        oid: Object id.
        payload: Payload, escapes removed.
        address: Plant address, or None.
    """

    command: int
    oid: int
    payload: bytes
    address: int | None = None


class Bad(NamedTuple):
    """Bytes that are no frame.

    Attributes:
        kind: ``CRC``, ``LENGTH``, ``COMMAND`` or ``NOISE``.
        size: Number of bytes skipped; of noise, zeros do not count, since they may be lead-in.
        data: The first of the bytes skipped, as far as they are worth showing.
    """

    kind: Fault
    size: int
    data: bytes = b""


def crc16(data: bytes) -> int:
    """Compute the checksum of a frame.

    Args:
        data: Unescaped bytes from the command to the end of the payload.

    Returns:
        0 … 0xFFFF, sent big endian.

    Source:
        rctclient ``utils.CRC16``; recorded frame ``2B 05 05 437B8122 01 25B5``, whose seven
        bytes under the checksum show the padding.
    """
    return crc_hqx(data + b"\0" if len(data) & 1 else data, 0xFFFF)


def assemble(command: int, oid: int, payload: bytes = b"", address: int | None = None) -> bytes:
    """Put a frame together, escaped, without lead-in.

    This is plain arithmetic for the simulator and for :mod:`.request`, which alone decides what
    the collector may send.

    Args:
        command: One of the commands above; with PLANT, ``address`` is needed.
        oid: Object id, 32 bits.
        payload: Unescaped payload, at most 251 bytes for short commands.
        address: Plant address, 32 bits.

    Raises:
        ValueError: Unknown command, a payload too long for it, an address with a command that
            has none or the other way round, or an id or address of more than 32 bits.
    """
    if command not in _LEAST:
        raise ValueError(f"0x{command:02X} is no command")
    if bool(command & PLANT) != (address is not None):
        raise ValueError("plant commands carry an address, and they alone")
    try:
        body = oid.to_bytes(4, "big") + payload
        if address is not None:
            body = address.to_bytes(4, "big") + body
    except OverflowError as error:
        raise ValueError("an id or address has 32 bits") from error
    width = 2 if command in LONG else 1
    if len(body) >= 1 << 8 * width:
        raise ValueError(f"{len(payload)} bytes of payload do not fit command 0x{command:02X}")
    content = bytes((command,)) + len(body).to_bytes(width, "big") + body
    content += crc16(content).to_bytes(2, "big")
    return bytes((START,)) + content.replace(b"\x2d", b"\x2d\x2d").replace(b"\x2b", b"\x2d\x2b")


#: What is no frame and not worth a look.
_NO_FRAME = Bad(Fault.NOISE, 1, b"\x2b")


class _Partial:
    """What has been unescaped of a frame whose end is still to come.

    Without it, each piece of a long frame would have all that came before looked at again: time
    that grows with the square of the pieces.

    Attributes:
        content: From the command on, escapes removed.
        size: Bytes that this was on the wire, the start included.
    """

    __slots__ = ("content", "size")

    def __init__(self) -> None:
        """Nothing but the start."""
        self.content = bytearray()
        self.size = 1

    def clear(self) -> None:
        """The same again."""
        self.content.clear()
        self.size = 1


class FrameReader:
    """Takes bytes in any pieces, gives whole frames, skips everything else and says so.

    It never raises. Every byte is accounted for once: as part of a frame, in the size of a
    :class:`Bad`, as a zero between frames, or as still pending. It never holds more than one
    unfinished frame, at most :data:`LONGEST_PENDING` bytes, and the same without escapes. Its
    work grows with the number of bytes, however they are cut, and the number of events with that
    of the frames: neighbouring noise is one event.
    """

    def __init__(self) -> None:
        """Start between frames."""
        self._buffer = bytearray()
        self._before = b""
        self._partial = _Partial()
        self._false_starts = 0

    def reset(self) -> None:
        """Forget an unfinished frame: the line was opened anew."""
        self._buffer.clear()
        self._before = b""
        self._partial.clear()
        self._false_starts = 0

    @property
    def pending(self) -> int:
        """Bytes held of an unfinished frame."""
        return len(self._buffer)

    @property
    def idle(self) -> bool:
        """Nothing that came before has a bearing on the bytes to come."""
        return not (self._buffer or self._before or self._false_starts)

    def feed(self, data: bytes) -> list[Frame | Bad]:
        """Take bytes.

        Args:
            data: Any number of bytes, cut anywhere.

        Returns:
            What was completed by them, in order of arrival.
        """
        buffer, partial = self._buffer, self._partial
        buffer += data
        size = len(buffer)
        found: list[Frame | Bad] = []
        position = frame_end = 0
        while position < size:
            start = buffer.find(START, position)
            if start < 0:
                start = size
            if start > position:
                _skip(buffer, position, start, found)
                position = start
                if start == size:
                    break
            result = self._look(start)
            if result is None:
                break
            if partial.size > 1:
                partial.clear()
            item, position = result
            if type(item) is Frame:
                frame_end = position
                self._false_starts = 0
                found.append(item)
                continue
            bad: Bad = item  # type: ignore[assignment]  # there are only two
            if self._false_starts < FALSE_STARTS:
                bad, position = look_again(buffer, bad, start, position)
            if self._is_noise(bad, self._preceding(start, frame_end)):
                _skip(buffer, start, position, found)
            else:
                found.append(bad)
            self._false_starts += 1
        if position:
            self._before = b"" if position == frame_end else self._preceding(position, frame_end)
            del buffer[:position]
        return found

    def _look(self, start: int) -> tuple[Frame | Bad, int] | None:
        """What begins at a start byte, and where to go on; None while bytes are missing."""
        if self._false_starts >= FALSE_STARTS:
            run = _FALSE.match(self._buffer, start)
            if run:
                return _NO_FRAME, run.end()
        return parse_at(self._buffer, start, self._partial)

    def _preceding(self, position: int, frame_end: int) -> bytes:
        """The last two bytes before ``position`` that are not part of a frame."""
        first = position - 2 if position - 2 > frame_end else frame_end
        recent = self._buffer[first:position]
        return bytes(recent if frame_end else self._before + recent)[-2:]

    def _is_noise(self, item: Bad, before: bytes) -> bool:
        """Tell a broken frame from a 2B that never was a start.

        That is the tail of a torn frame, where the 2B is escaped, the vendor's keep-alive, the
        app's hello, and what follows on many of the like.
        """
        if item.kind is Fault.NOISE or before[-1:] == b"\x2d" or before == _KEEP_ALIVE:
            return True
        if item.kind is Fault.CRC:
            return False
        hello = item.kind is Fault.COMMAND and item.data[1] == EXTENSION
        return hello or self._false_starts >= FALSE_STARTS


def _skip(buffer: bytearray, first: int, last: int, found: list[Frame | Bad]) -> None:
    """Report noise, as one with that before it; without zeros, since a lead-in may be there."""
    size = last - first - buffer.count(0, first, last)
    before = found[-1] if found else None
    if type(before) is Bad and before.kind is Fault.NOISE:
        found[-1] = Bad(Fault.NOISE, before.size + size, before.data)
    elif size:
        found.append(Bad(Fault.NOISE, size, bytes(buffer[first : min(last, first + _SHOWN)])))


def parse_at(
    buffer: bytearray, start: int, partial: _Partial | None = None
) -> tuple[Frame | Bad, int] | None:
    """Parse the frame that begins at ``start``.

    Args:
        buffer: All bytes there are.
        start: Where a start byte is.
        partial: What earlier calls found of the same frame; brought up to date.

    Returns:
        The frame, or why there is none, and where that ends; None while bytes are missing.
        Perhaps a frame is hidden in one that is none; see :func:`look_again`.
    """
    size = len(buffer)
    if size == start + 1:
        return None
    command = buffer[start + 1]
    least = _LEAST.get(command)
    if least is None:
        if command == START:  # the true start is the next byte
            return _NO_FRAME, start + 1
        return _bad(buffer, Fault.COMMAND, start, start + 2), start + 2
    if command not in LONG and size > start + 2 and not (partial and partial.size > 1):
        # The common case first: a short frame without any escape, complete in the buffer.
        length = buffer[start + 2]
        if length < least:
            return _bad(buffer, Fault.LENGTH, start, start + 3), start + 3
        end = start + 5 + length
        if end <= size:
            content = bytes(buffer[start + 1 : end])
            if ESCAPE not in content:
                raw = content.find(START)
                if raw < 0:
                    return _finish(buffer, content, 2, start, end)
                return _bad(buffer, Fault.LENGTH, start, start + 1 + raw), start + 1 + raw
    return _parse_escaped(buffer, start, _Partial() if partial is None else partial)


def _parse_escaped(
    buffer: bytearray, start: int, partial: _Partial
) -> tuple[Frame | Bad, int] | None:
    """The general case: long frames, escapes, and frames still on their way."""
    command = buffer[start + 1]
    header = 3 if command in LONG else 2
    head = buffer[start + 1 : start + 1 + header]
    whole: bool | None = True
    if partial.size == 1 and len(head) == header and ESCAPE not in head and START not in head:
        partial.content += head
        partial.size += header
    else:
        whole = _unescape(buffer, start, partial, header)
    if whole:
        content = partial.content
        length = content[1] if header == 2 else content[1] << 8 | content[2]
        if not _LEAST[command] <= length <= LONGEST:
            return _bad(buffer, Fault.LENGTH, start, start + partial.size), start + partial.size
        whole = _unescape(buffer, start, partial, header + length + 2)
    if whole is None:
        return None
    end = start + partial.size
    if whole:
        return _finish(buffer, bytes(partial.content), header, start, end)
    return _bad(buffer, Fault.LENGTH, start, end), end


def _finish(
    buffer: bytearray, content: bytes, header: int, start: int, end: int
) -> tuple[Frame | Bad, int]:
    """Check the checksum and take the frame apart.

    Args:
        buffer: Where it was found.
        content: Unescaped bytes from the command to the checksum.
        header: Bytes of command and length.
        start: Where the frame began in the buffer.
        end: Where it ended.
    """
    body = content[:-2]
    if crc_hqx(body + b"\0" if len(body) & 1 else body, 0xFFFF) != content[-2] << 8 | content[-1]:
        return _bad(buffer, Fault.CRC, start, end), end
    command = content[0]
    address = None
    if command & PLANT:
        address = int.from_bytes(content[header : header + 4], "big")
        header += 4
    oid = int.from_bytes(content[header : header + 4], "big")
    return Frame(command, oid, content[header + 4 : -2], address), end


def _bad(buffer: bytearray, kind: Fault, start: int, end: int) -> Bad:
    """Bytes that are no frame."""
    return Bad(kind, end - start, bytes(buffer[start:end][:_SHOWN]))


def look_again(buffer: bytearray, bad: Bad, start: int, end: int) -> tuple[Bad, int]:
    """Look for a frame within one that is none.

    Perhaps its start was false, and the true one lies within. So the search goes on at the next
    2B there, even at an escaped one: a frame that was torn behind an escape seems to hide the
    start of the frame that follows. Where there are many of them, that is not what happened,
    and to look at each would take long.

    Args:
        buffer: Where it was found.
        bad: What is no frame.
        start: Where it seemed to begin.
        end: Where it seemed to end.

    Returns:
        What is no frame in any case, and where to go on.
    """
    if buffer.count(START, start + 1, end) > _SECOND_LOOKS:
        return bad, end
    inside = buffer.find(START, start + 1, end)
    return (bad, end) if inside < 0 else (_bad(buffer, bad.kind, start, inside), inside)


def _unescape(buffer: bytearray, start: int, partial: _Partial, count: int) -> bool | None:
    """Go on until ``count`` bytes of the frame are there, escapes removed.

    Returns:
        True when they are, False when a raw start byte interrupts them, None while bytes are
        missing.
    """
    missing = count - len(partial.content)
    position = start + partial.size
    while missing > 0:
        if missing <= _FEW:
            found = _unescaped(missing).match(buffer, position)
        else:  # brings at least half of them, since each escape has its byte
            found = _BODY.match(buffer, position, position + missing)
        assert found is not None  # noqa: S101 - it may be empty
        end = found.end()
        if end == position:
            break
        more = _without_escapes(bytes(buffer[position:end]))
        partial.content += more
        missing -= len(more)
        position = end
    partial.size = position - start
    if missing <= 0:
        return True
    return False if buffer[position : position + 1] == b"\x2b" else None


@cache
def _unescaped(count: int) -> re.Pattern[bytes]:
    """Matches so many bytes of a frame, escapes not counted, or as many as there are."""
    return re.compile(rb"(?:[^\x2b\x2d]|\x2d.){0,%d}+" % count, re.DOTALL)


def _without_escapes(data: bytes) -> bytes:
    """Each byte that follows on a 2D, without that; in a few passes, however many there are."""
    if b"--" not in data:
        return data.replace(b"-", b"")
    text = data.decode("latin-1")
    return text.replace("--", "\u0100").replace("-", "").replace("\u0100", "-").encode("latin-1")
