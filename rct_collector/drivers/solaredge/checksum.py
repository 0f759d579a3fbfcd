"""The checksum of SolarEdge's frames: CRC-16, polynomial 8005 reflected, begun with 5A5A.

It covers sequence, source, destination and function, each with its bytes in the order opposite to
that on the wire, and then the payload as it is.

A table with a step for each byte would take longer than all else that is done to a frame. So the
frame is checked as what it is, a polynomial over two elements that the generator must divide:

    x¹⁶+x¹⁵+x²+1  =  (x+1) · (x¹⁵+x+1)

Divisible by x+1 is what has an even number of ones. As to the trinomial q, for each k the power
q^(2^k) is a trinomial as well, x^(15·2^k) + x^(2^k) + 1. In a long integer whose lowest bit is the
first of the message, it lets the lowest 14·2^k bits be added twice to those above them, and then
be left off: all of it in a few operations on the whole integer, twice as few bits each time.

Sources: the parameters and check values that are known in public; recorded frames.
"""

from __future__ import annotations

from functools import cache, lru_cache
from struct import Struct

#: What the checksum of nothing is.
INITIAL = 0x5A5A

_POLYNOMIAL = 0xA001

#: x¹⁵+x+1, its highest power in the lowest bit.
_TRINOMIAL = 0xC001

_ROUTE = Struct("<IIH")
_OTHER_ORDER = Struct(">HIIH")

#: Routes (source, destination and function) whose part is kept, at most: noise has ever new ones.
_MOST_ROUTES = 4096


@cache
def _table() -> tuple[int, ...]:
    """What each value of a byte makes of an empty register."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


def crc16(data: bytes, register: int = INITIAL) -> int:
    """Compute a checksum, byte by byte.

    Args:
        data: What it covers.
        register: The checksum of what comes before.

    Returns:
        0 … 0xFFFF, sent little endian.
    """
    table = _table()
    for byte in data:
        register = register >> 8 ^ table[(register ^ byte) & 0xFF]
    return register


_ZEROS = bytes(10)
_HIGH = tuple(crc16(bytes((value, 0)) + _ZEROS, 0) for value in range(256))
_LOW = tuple(crc16(bytes((0, value)) + _ZEROS, 0) for value in range(256))

_routes: dict[bytes, int] = {}


def of_header(sequence: int, route: bytes) -> int:
    """Compute the checksum of a header.

    The sums of two parts add up to that of both, and the routes are few: those are kept.

    Args:
        sequence: Sequence number.
        route: Source, destination and function, ten bytes as on the wire.
    """
    known = _routes.get(route)
    if known is None:
        known = crc16(_OTHER_ORDER.pack(0, *_ROUTE.unpack(route)))
        if len(_routes) >= _MOST_ROUTES:
            _routes.clear()
        _routes[route] = known
    return known ^ _HIGH[sequence >> 8] ^ _LOW[sequence & 0xFF]


def fits(register: int, data: bytes) -> bool:
    """Whether bytes end in the right checksum.

    Args:
        register: The checksum of what comes before them.
        data: Payload and checksum, as on the wire.
    """
    rest = int.from_bytes(data, "little") ^ register
    if not rest:  # most posts are empty: nothing to fold
        return True
    if rest.bit_count() & 1:
        return False
    for bits, mask, distance in _folds(len(data)):
        low = rest & mask
        rest = rest >> bits ^ low ^ low << distance
    return rest in (0, _TRINOMIAL)


#: For each k the bits that are left off, a mask of them, and how far apart they are added.
_STEPS = tuple((14 << k, (1 << (14 << k)) - 1, 1 << k) for k in range(13))


@lru_cache(maxsize=1024)
def _folds(size: int) -> tuple[tuple[int, int, int], ...]:
    """The steps that bring so many bytes down to 15 bits, or to the trinomial itself."""
    bits = 8 * size
    steps = []
    while bits > 15:
        largest = min((bits // 15).bit_length() - 1, len(_STEPS) - 1)
        bits, power = min(
            (max(bits - (14 << k), 15 << k), k) for k in range(max(largest - 1, 0), largest + 1)
        )
        steps.append(_STEPS[power])
    return tuple(steps)
