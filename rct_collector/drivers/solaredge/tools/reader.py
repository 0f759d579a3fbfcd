"""Frames of recorded lines, whatever file they are in.

The reading of files is around it, and this takes what comes of that::

    for said in frames(read_runs(Path("day.pcap"), Wanted(PORTS, MAGIC))):
        ...

``read_runs`` and ``Wanted`` are those of ``rct_collector.capture``, in ``files.py`` and
``flows.py``; ``frames`` does no input or output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rct_collector.drivers.solaredge.frame import MAGIC, Bad, Frame, FrameReader
from rct_collector.drivers.solaredge.request import SERVER, TOOL
from rct_collector.drivers.tools import Run

#: Ports at which the vendor's servers are called.
PORTS = frozenset((22222, 22221, 80))

__all__ = ["MAGIC", "PORTS", "Said", "frames"]


class Said(NamedTuple):
    """A frame that was said, or bytes that are none.

    Attributes:
        item: The frame, or what is wrong with the bytes.
        time_ns: When all of it was there, nanoseconds since 1970; None where no file tells.
        flow: Number of the end of a line that said it.
        to_server: Whether it went to the server, or to the master of a bus; None for bytes that
            are no frame where both directions are in one flow.
    """

    item: Frame | Bad
    time_ns: int | None
    flow: int
    to_server: bool | None


def frames(runs: Iterable[Run]) -> Iterator[Said]:
    """Find the frames in what each end of a line said.

    Bytes that a recording lacks end the frame before them; the search goes on behind them. On a
    serial line the flow *to the device* is that of the server.

    Args:
        runs: In the order in which they came.

    Yields:
        Frames, and bytes that are none, in the order in which they were complete.
    """
    for run, found in found_in(runs):
        for item in found:
            yield Said(item, run.time_ns, run.flow, _to_server(item, run))


def found_in(runs: Iterable[Run]) -> Iterator[tuple[Run, list[Frame | Bad]]]:
    """The same, for who wants to be quick: all that each run brought."""
    finder = FrameFinder()
    for run in runs:
        yield run, finder.find(run)


class FrameFinder:
    """Finds the frames in what each end of a line said, run by run."""

    def __init__(self) -> None:
        """No end has said anything yet."""
        self._readers: dict[int, FrameReader] = {}

    def find(self, run: Run) -> list[Frame | Bad]:
        """What a run brings to its end."""
        reader = self._readers.get(run.flow)
        if reader is None:
            reader = self._readers[run.flow] = FrameReader()
        found = reader.give_up() if run.lost else []
        found += reader.feed(run.data)
        if run.over:
            found += reader.give_up()
            del self._readers[run.flow]
        return found


def _to_server(item: Frame | Bad, run: Run) -> bool | None:
    """The frame knows it; of bytes that are none, the line may."""
    if type(item) is Frame:
        return item.source not in (SERVER, TOOL)
    return run.to_server
