r"""Frames of SolarEdge's protocol: bytes on the wire ↔ sequence, addresses, function, payload.

Layout, all numbers little endian::

    12 34 56 79   magic
    llll          length of the payload
    cccc          its complement
    ssss          sequence number: a reply has that of the request
    aaaaaaaa      source
    bbbbbbbb      destination
    ffff          function
    ...           payload
    kkkk          checksum, see ``checksum.py``

Nothing is escaped, so the magic may occur in a payload, and a frame that was torn may hide the
next one. A frame ends where its length says, and is given at once; when its checksum does not fit,
the search goes on with the bytes that are there already.

Sources: the layout and example frames that are known in public; recorded frames.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from rct_collector.drivers.base import Fault
from rct_collector.drivers.solaredge.checksum import crc16, fits, of_header

MAGIC = b"\x12\x34\x56\x79"

#: Bytes of a header, and all that a frame has besides its payload.
HEADER = 20
OVERHEAD = HEADER + 2

#: Longest payload that is waited for. Posts in the field stay below 600 bytes; the limit keeps
#: noise that looks like a header from hoarding memory, and from hiding what follows.
LONGEST = 8192

#: Most bytes that are ever held: the longest frame without its last byte.
LONGEST_PENDING = OVERHEAD + LONGEST - 1

#: Bytes of what is no frame that are kept, to be shown.
_SHOWN = 64

_HEADER = Struct("<HHHIIH")
_LENGTHS = Struct("<HH")


class Frame(NamedTuple):
    """A frame whose checksum fits.

    Attributes:
        sequence: 0 … 0xFFFF, counted by whoever asks.
        source: Address of the sender.
        destination: Address of the receiver.
        function: What the payload means, see ``functions.py``.
        payload: At most 65535 bytes.
    """

    sequence: int
    source: int
    destination: int
    function: int
    payload: bytes = b""


class Bad(NamedTuple):
    """Bytes that are no frame.

    Attributes:
        kind: ``CRC``; ``LENGTH`` for a length that its complement does not fit, that is beyond
            :data:`LONGEST`, or whose bytes did not come; or ``NOISE`` for what is between frames.
        size: Number of bytes skipped; of noise, zeros do not count, since they are padding.
        data: The first of the bytes skipped, as far as they are worth showing.
    """

    kind: Fault
    size: int
    data: bytes = b""


def assemble(frame: Frame) -> bytes:
    """Make the bytes of any frame; what may be sent to a unit is made by ``request.py`` alone.

    Raises:
        ValueError: A number that does not fit its field, or a payload of more than 65535 bytes.
    """
    length = len(frame.payload)
    if length > 0xFFFF:
        raise ValueError(f"a payload has at most 65535 bytes, and this one {length}")
    for name, value, bits in (
        ("sequence number", frame.sequence, 16),
        ("source", frame.source, 32),
        ("destination", frame.destination, 32),
        ("function", frame.function, 16),
    ):
        if not 0 <= value < 1 << bits:
            raise ValueError(f"a {name} has {bits} bits: {value}")
    content = _HEADER.pack(length, length ^ 0xFFFF, *frame[:4]) + frame.payload
    register = of_header(frame.sequence, content[6 : HEADER - 4])
    return MAGIC + content + crc16(frame.payload, register).to_bytes(2, "little")


class FrameReader:
    """Takes bytes in any pieces, gives whole frames, skips everything else and says so.

    It never raises. Every byte is accounted for once: as part of a frame, in the size of a
    :class:`Bad`, as a zero between frames, or as still pending. What it gives depends on the bytes
    alone, not on how they were cut, but for noise, which is told in one event where it comes in
    one piece. It never holds more than :data:`LONGEST_PENDING` bytes.
    """

    def __init__(self) -> None:
        """Start between frames."""
        self._held = b""

    def reset(self) -> None:
        """Forget an unfinished frame: the line was opened anew."""
        self._held = b""

    @property
    def pending(self) -> int:
        """Bytes held of an unfinished frame."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Frame | Bad]:
        """Take bytes.

        Args:
            data: Any number of bytes, cut anywhere.

        Returns:
            What was completed by them, in order of arrival.
        """
        if self._held:
            data = self._held + data
        found: list[Frame | Bad] = []
        position, size = 0, len(data)
        while position < size:
            start = data.find(MAGIC, position)
            if start != position:
                if start < 0:
                    start = size - _begun(data, position, size)
                _skip(data, position, start, found)
            result = parse_at(data, start)
            if result is None:
                position = start
                break
            item, position = result
            found.append(item)
        self._held = data[position:]
        return found

    def give_up(self) -> list[Frame | Bad]:
        """The line fell silent, or ended: what is held will not be completed.

        Returns:
            What that was, and the frames that it hid.
        """
        found: list[Frame | Bad] = []
        while self._held:
            held, self._held = self._held, b""
            end = held.find(MAGIC, 1)
            if end < 0:
                end = len(held)
            found.append(_bad(held, Fault.LENGTH, 0, end))
            found += self.feed(held[end:])
        return found


def parse_at(data: bytes, start: int) -> tuple[Frame | Bad, int] | None:
    """Parse the frame that begins at ``start``.

    Args:
        data: All bytes there are.
        start: Where the magic is, or the beginning of one at the end of the data.

    Returns:
        The frame, or why there is none, and where to go on; None while bytes are missing.
    """
    size = len(data)
    if size < start + HEADER:
        if size < start + 8:
            return None
        length, complement = _LENGTHS.unpack_from(data, start + 4)
        if length ^ complement == 0xFFFF and length <= LONGEST:
            return None
        return _false(data, Fault.LENGTH, start, start + 8)
    length, complement, sequence, source, destination, function = _HEADER.unpack_from(
        data, start + 4
    )
    if length ^ complement != 0xFFFF or length > LONGEST:
        return _false(data, Fault.LENGTH, start, start + 8)
    body = start + HEADER
    end = body + length + 2
    if size < end:
        return None
    content = data[body:end]
    if not fits(of_header(sequence, data[start + 10 : body]), content):
        return _false(data, Fault.CRC, start, end)
    return Frame(sequence, source, destination, function, content[:-2]), end


def _false(data: bytes, kind: Fault, start: int, end: int) -> tuple[Bad, int]:
    """What seemed to be a frame, up to the next one that may be hidden in it.

    It ends before the beginning of a magic at its end, too, whether or not the rest of that came
    already: so it does not matter how the bytes were cut.
    """
    inside = data.find(MAGIC, start + 1, end)
    if inside < 0:
        inside = end - _begun(data, start + 1, end)
    return _bad(data, kind, start, inside), inside


def _begun(data: bytes, start: int, end: int) -> int:
    """How many bytes before ``end`` are the beginning of a magic."""
    for count in (3, 2, 1):
        if data.endswith(MAGIC[:count], start, end):
            return count
    return 0


def _skip(data: bytes, first: int, last: int, found: list[Frame | Bad]) -> None:
    """Report noise, as one with that before it; without zeros, which are padding."""
    size = last - first - data.count(0, first, last)
    before = found[-1] if found else None
    if type(before) is Bad and before.kind is Fault.NOISE:
        found[-1] = Bad(Fault.NOISE, before.size + size, before.data)
    elif size:
        found.append(Bad(Fault.NOISE, size, data[first : min(last, first + _SHOWN)]))


def _bad(data: bytes, kind: Fault, start: int, end: int) -> Bad:
    """Bytes that are no frame."""
    return Bad(kind, end - start, data[start : min(end, start + _SHOWN)])
