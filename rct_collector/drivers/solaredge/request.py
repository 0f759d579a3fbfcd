"""The only frames that may leave: codes that read, acknowledgements, the time and bus grants.

A unit has no authentication, and other codes set parameters of a power plant in somebody's house,
switch its relays or replace its firmware. So there is one place where frames for units are made, it
knows a few kinds of them, and it refuses everything else. No option of what collects leads round
it; what a person may send by hand is in ``tools/command.py``, which nothing else loads.
"""

from __future__ import annotations

from struct import Struct

from rct_collector.drivers.solaredge.crypto import Tunnel
from rct_collector.drivers.solaredge.frame import Frame, assemble, parse_at
from rct_collector.drivers.solaredge.functions import (
    ACK,
    ENCRYPTED,
    GRANT,
    READ_ENERGIES,
    READ_PARAMETER,
    READ_S_OK,
    READ_STATUS,
    READ_TYPE,
    READ_VERSION,
    TIME,
    name,
)
from rct_collector.errors import RefusedFrameError

#: Address of the server, and of the master of a bus.
SERVER = 0xFFFFFFFE

#: Address of the vendor's configuration tool, from which parameters are read.
TOOL = 0xFFFFFFFD

#: Address of whoever listens: frames that wrap others have it.
EVERYBODY = 0xFFFFFFFF

READS = frozenset((READ_PARAMETER, READ_VERSION, READ_TYPE, READ_S_OK, READ_ENERGIES, READ_STATUS))

_TIME = Struct("<Ii")

#: Function → bytes of its payload; a read of parameters has two for each of them.
_SIZES = dict.fromkeys((*READS, ACK, GRANT), 0) | {TIME: _TIME.size}


def build(
    function: int, *, destination: int, sequence: int, source: int = SERVER, payload: bytes = b""
) -> bytes:
    """Make a frame that may be sent to a unit.

    Args:
        function: One of :data:`READS`, ``ACK``, ``TIME`` or ``GRANT``.
        destination: Address of the unit.
        sequence: 0 … 0xFFFF; of a reply, that of the request.
        source: The address in whose name it is sent.
        payload: Of a read of parameters, their numbers, 16 bits each; of the time, seconds and
            offset; of all else, nothing.

    Raises:
        RefusedFrameError: Another function, a payload that is not its own, or a number that does
            not fit its field.
    """
    size = _SIZES.get(function)
    if size is None:
        raise RefusedFrameError(f"{function:04x} ({name(function)}) is not sent to units")
    if function == READ_PARAMETER and payload:
        size = len(payload) + len(payload) % 2
    if len(payload) != size or (function == READ_PARAMETER and not size):
        raise RefusedFrameError(
            f"{function:04x} ({name(function)}) does not go with {len(payload)} bytes of payload"
        )
    try:
        return assemble(Frame(sequence, source, destination, function, payload))
    except ValueError as error:
        raise RefusedFrameError(f"{function:04x} ({name(function)}): {error}") from error


def acknowledge(frame: Frame) -> bytes:
    """The ACK of a frame: its number, and its addresses the other way round."""
    return build(ACK, destination=frame.source, source=frame.destination, sequence=frame.sequence)


def tell_time(frame: Frame, utc: int, offset: int) -> bytes:
    """The answer to a unit that asks for the time.

    Args:
        frame: The question.
        utc: Unix seconds, 0 … 2³²-1.
        offset: How far the zone is ahead of UTC, in seconds.

    Raises:
        RefusedFrameError: A time or an offset that does not fit 32 bits.
    """
    if not (0 <= utc < 1 << 32 and -(1 << 31) <= offset < 1 << 31):
        raise RefusedFrameError(f"{utc} with offset {offset} is no time of 32 bits")
    return build(
        TIME,
        destination=frame.source,
        source=frame.destination,
        sequence=frame.sequence,
        payload=_TIME.pack(utc, offset),
    )


def grant(unit: int, sequence: int) -> bytes:
    """Give the bus to a unit, which releases it with the same number."""
    return build(GRANT, destination=unit, sequence=sequence)


def encrypted(tunnel: Tunnel, inner: bytes) -> bytes:
    """Wrap a frame for a unit that encrypts.

    Args:
        tunnel: What encrypts for it.
        inner: A frame that this module has made.

    Raises:
        RefusedFrameError: Another frame.
    """
    found = parse_at(inner, 0)
    frame = found[0] if found else None
    if not isinstance(frame, Frame) or frame.function not in _SIZES:
        raise RefusedFrameError("only frames that may be sent in clear are sent encrypted")
    counter, payload = tunnel.seal(inner)
    return assemble(Frame(counter, TOOL, EVERYBODY, ENCRYPTED, payload))
