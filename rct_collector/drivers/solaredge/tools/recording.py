"""Frames of recorded lines, into files of frames (``.rec``): as on the wire, and nothing else."""

from __future__ import annotations

import click

from rct_collector.drivers.base import Fault
from rct_collector.drivers.outside import Output, Recordings
from rct_collector.drivers.solaredge.frame import Bad, Frame, assemble
from rct_collector.drivers.solaredge.tools.reader import MAGIC, PORTS
from rct_collector.drivers.tools import Run

#: The option of the commands that read recordings.
following = click.option(
    "-f", "follow", is_flag=True,
    help="Wait for more at the end of the file, in a folder also for newer files.",
)  # fmt: skip


def recordings(
    path: str | None, ports: tuple[int, ...] = (), *, follow: bool, hosts: tuple[str, ...] = ()
) -> Recordings:
    """What is read.

    Args:
        path: A file or folder, also as ``file://``; None or ``-`` for standard input.
        ports: Of servers, besides the usual ones.
        follow: Go on when more is written.
        hosts: Only what goes there is taken.
    """
    path = None if path in (None, "-") else path.removeprefix("file://")
    return Recordings(path, follow, PORTS | set(ports), MAGIC, hosts)


class Recording:
    """A file of frames.

    Attributes:
        frames: Frames in it.
    """

    def __init__(self, out: Output, *, plain: bool = False) -> None:
        """Begin with nothing.

        Args:
            out: The file.
            plain: Keep a file of plain bytes as it is, and not its frames only.
        """
        self.frames = 0
        self._out = out
        self._plain = plain

    def keep(self, run: Run, found: list[Frame | Bad]) -> None:
        """Write what a run brought: whole frames, since pieces of several lines would tear them.

        Args:
            run: What was said.
            found: The frames that were whole with it, and what was none.
        """
        frames = [item for item in found if type(item) is Frame]
        self.frames += len(frames)
        as_it_is = self._plain and run.to_server is None
        data = run.data if as_it_is else b"".join(map(assemble, frames))
        if data:
            self._out.write(data)


class FrameTally:
    """Counts what was read, to be told at the end.

    Attributes:
        frames: Whole frames.
        broken: Frames whose checksum or length is wrong.
        noise: Bytes between frames.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.frames = self.broken = self.noise = 0

    def count(self, found: list[Frame | Bad]) -> None:
        """Take what a run brought."""
        for item in found:
            if isinstance(item, Frame):
                self.frames += 1
            elif item.kind is Fault.NOISE:
                self.noise += item.size
            else:
                self.broken += 1

    def trouble(self) -> str:
        """What was no frame, in words; "" where all was."""
        parts = []
        if self.broken:
            parts.append(f"{counted(self.broken, 'broken frame')}")
        if self.noise:
            parts.append(f"{counted(self.noise, 'byte')} of no frame")
        return " and ".join(parts)


def counted(number: int, what: str) -> str:
    """So many of something, in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
