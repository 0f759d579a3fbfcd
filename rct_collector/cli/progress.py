"""A line on the terminal that tells how far a reading has come; nothing elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rct_collector.cli.console import console
from rct_collector.cli.snapshot import Snapshot
from rct_collector.device.device import Device

#: Seconds between two looks at the counters.
_STEP_S = 0.2

Started = Callable[[Device], None]


@contextmanager
def progress(snapshots: Sequence[Snapshot]) -> Iterator[Started]:
    """Show progress on standard error as long as the context lasts.

    Yields:
        A function that is told of each device that is being read.
    """
    devices: list[Device] = []
    out = console(stderr=True)
    if not out.is_terminal:
        yield devices.append
        return
    names = ", ".join(snapshot.config.name for snapshot in snapshots)
    with out.status(f"reading {names} …") as status:

        async def tell() -> None:
            while True:
                answers = sum(device.stats.totals["answers"] for device in devices)
                status.update(f"reading {names}: {answers} answers")
                await asyncio.sleep(_STEP_S)

        teller = asyncio.get_running_loop().create_task(tell())
        try:
            yield devices.append
        finally:
            teller.cancel()
