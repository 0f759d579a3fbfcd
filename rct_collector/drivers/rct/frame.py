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

from binascii import crc_hqx
from typing import NamedTuple

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
_COMMANDS = frozenset(_PLAIN) | {command | PLANT for command in _PLAIN}
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
        kind: ``crc``, ``length``, ``command`` or ``noise``.
        size: Number of bytes skipped; of noise, zeros do not count, since they may be lead-in.
        data: The bytes skipped, as far as they are worth showing.
    """

    kind: str
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
    if command not in _COMMANDS:
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


class FrameReader:
    """Takes bytes in any pieces, gives whole frames, skips everything else and says so.

    It never raises. Every byte is accounted for once: as part of a frame, in the size of a
    :class:`Bad`, as a zero between frames, or as still pending. It never holds more than one
    unfinished frame, at most :data:`LONGEST_PENDING` bytes, and the same without escapes. Its
    work grows with the number of bytes, however they are cut.
    """

    def __init__(self) -> None:
        """Start between frames."""
        self._buffer = bytearray()
        self._before = b""
        self._partial = _Partial()

    def reset(self) -> None:
        """Forget an unfinished frame: the line was opened anew."""
        self._buffer.clear()
        self._before = b""
        self._partial = _Partial()

    @property
    def pending(self) -> int:
        """Bytes held of an unfinished frame."""
        return len(self._buffer)

    @property
    def idle(self) -> bool:
        """Nothing that came before has a bearing on the bytes to come."""
        return not self._buffer and not self._before

    def feed(self, data: bytes) -> list[Frame | Bad]:
        """Take bytes.

        Args:
            data: Any number of bytes, cut anywhere.

        Returns:
            What was completed by them, in order of arrival.
        """
        buffer = self._buffer
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
            result = parse_at(buffer, start, self._partial)
            if result is None:
                break
            if self._partial.size > 1:
                self._partial = _Partial()
            item, position = result
            if type(item) is Bad:
                item = _reclassify(item, self._preceding(start, frame_end))
            else:
                frame_end = position
            found.append(item)
        if position:
            self._before = b"" if position == frame_end else self._preceding(position, frame_end)
            del buffer[:position]
        return found

    def _preceding(self, position: int, frame_end: int) -> bytes:
        """The last two bytes before ``position`` that are not part of a frame."""
        recent = self._buffer[max(frame_end, position - 2) : position]
        return bytes(recent if frame_end else self._before + recent)[-2:]


def _skip(buffer: bytearray, first: int, last: int, found: list[Frame | Bad]) -> None:
    """Report bytes outside frames, except for zeros: the lead-in belongs there."""
    noise = bytes(buffer[first:last])
    size = len(noise) - noise.count(0)
    if size:
        found.append(Bad("noise", size, noise[:_SHOWN]))


def _reclassify(item: Bad, before: bytes) -> Bad:
    """Tell a broken frame from a 2B that never was a start.

    That is the tail of a torn frame, where the 2B is escaped, the vendor's keep-alive, and the
    app's hello.
    """
    escaped = before[-1:] == b"\x2d"
    hello = item.kind == "command" and item.data[1] == EXTENSION
    return item._replace(kind="noise") if escaped or before == _KEEP_ALIVE or hello else item


def parse_at(
    buffer: bytearray, start: int, partial: _Partial | None = None
) -> tuple[Frame | Bad, int] | None:
    """Parse the frame that begins at ``start``.

    Args:
        buffer: All bytes there are.
        start: Where a start byte is.
        partial: What earlier calls found of the same frame; brought up to date.

    Returns:
        The frame, or why there is none, and where to go on; None while bytes are missing.
    """
    size = len(buffer)
    if size == start + 1:
        return None
    command = buffer[start + 1]
    # The common case first: a short answer without any escape, complete in the buffer.
    if command == RESPONSE and size > start + 2 and not (partial and partial.size > 1):
        length = buffer[start + 2]
        end = start + 5 + length
        if length >= 4 and end <= size:
            content = bytes(buffer[start + 1 : end])
            if ESCAPE not in content and START not in content:
                return _finish(buffer, content, 2, start, end)
    elif command == START:  # the true start is the next byte
        return Bad("noise", 1, b"\x2b"), start + 1
    elif command not in _COMMANDS:
        return _give_up(buffer, "command", start, start + 2)
    return _parse_escaped(buffer, start, _Partial() if partial is None else partial)


def _parse_escaped(
    buffer: bytearray, start: int, partial: _Partial
) -> tuple[Frame | Bad, int] | None:
    """The general case: long frames, plant frames, escapes, and frames still on their way."""
    header = 3 if buffer[start + 1] in LONG else 2
    whole = _unescape(buffer, start, partial, header)
    if whole:
        length = int.from_bytes(partial.content[1:header], "big")
        least = 8 if partial.content[0] & PLANT else 4
        if not least <= length <= LONGEST:
            return _give_up(buffer, "length", start, start + partial.size)
        whole = _unescape(buffer, start, partial, header + length + 2)
    if whole is None:
        return None
    end = start + partial.size
    if whole:
        return _finish(buffer, bytes(partial.content), header, start, end)
    return _give_up(buffer, "length", start, end)


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
        return _give_up(buffer, "crc", start, end)
    command = content[0]
    address = None
    if command & PLANT:
        address = int.from_bytes(content[header : header + 4], "big")
        header += 4
    oid = int.from_bytes(content[header : header + 4], "big")
    return Frame(command, oid, content[header + 4 : -2], address), end


def _give_up(buffer: bytearray, kind: str, start: int, end: int) -> tuple[Bad, int]:
    """Leave a frame that is none, which ends at ``end``.

    Perhaps its start was false, and the true one lies within. So the search goes on at the next
    2B there, even at an escaped one: a frame that was torn behind an escape seems to hide the
    start of the frame that follows. Where there are many of them, that is not what happened,
    and to look at each would take long.
    """
    few = buffer.count(START, start + 1, end) <= _SECOND_LOOKS
    inside = buffer.find(START, start + 1, end) if few else -1
    stop = end if inside < 0 else inside
    return Bad(kind, stop - start, bytes(buffer[start : min(stop, start + _SHOWN)])), stop


def _unescape(buffer: bytearray, start: int, partial: _Partial, count: int) -> bool | None:
    """Go on until ``count`` bytes of the frame are there, escapes removed.

    Returns:
        True when they are, False when a raw start byte interrupts them, None while bytes are
        missing.
    """
    content = partial.content
    position = start + partial.size
    size = len(buffer)
    raw = -1
    while len(content) < count:
        if raw < position:  # only now: else the bytes up to it would be searched for each escape
            raw = buffer.find(START, position)
            raw = size if raw < 0 else raw
        end = min(position + count - len(content), raw)
        escape = buffer.find(ESCAPE, position, end)
        stop = end if escape < 0 else escape
        content += buffer[position:stop]
        position = stop
        if 0 <= escape < size - 1:
            content.append(buffer[escape + 1])
            position = escape + 2
        elif len(content) < count:
            partial.size = position - start
            return False if position == raw < size else None
    partial.size = position - start
    return True
