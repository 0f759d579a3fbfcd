"""What clients on rctclient's own API do alike: bytes one by one into its ``ReceiveFrame``."""

from __future__ import annotations

import asyncio

from rctclient.frame import ReceiveFrame

CONNECT_S = 5.0


async def connect(world, received):
    """Open a line to the simulated unit.

    Args:
        world: The simulated surroundings, see :mod:`tests.faulty`.
        received: Queue for each byte that comes, and None once the line is lost.

    Raises:
        TransportError: There is no way to the unit.
    """
    return await world.plug(
        world.config.address,
        lambda data: [received.put_nowait(byte) for byte in data],
        lambda _reason: received.put_nowait(None),
        CONNECT_S,
    )


async def payload_for(oid, received, within_s):
    """What the next complete frame for an object holds; those for others are skipped.

    Raises:
        TimeoutError: None came.
        ConnectionResetError: The line was lost.
        RctClientException: A frame was damaged.
    """
    frame = ReceiveFrame()
    async with asyncio.timeout(within_s):
        while (byte := await received.get()) is not None:
            frame.consume(bytes([byte]))
            if not frame.complete():
                continue
            if frame.id == oid:
                return frame.data
            frame = ReceiveFrame()
    raise ConnectionResetError("the line was lost")
