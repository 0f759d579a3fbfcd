"""What a command of one family may want of the world outside: files, programs, people.

A family's own commands (:meth:`.tools.Tools.commands`) know what bytes and texts mean, and nothing
else; whoever runs them hands them an :class:`Outside`. So each of them can be tried with texts
alone, and what files and connections are like is written once for all families.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from rct_collector.drivers.tools import Run


class Recordings(NamedTuple):
    """Which recorded lines are wanted.

    Attributes:
        path: A file of plain bytes, pcap or pcapng, or a folder; None for standard input.
        follow: Go on when more is written; in a folder also to newer files.
        ports: Of servers whose connections are taken of a capture.
        magic: With which a segment of any other connection begins that is taken, too.
        hosts: Names or addresses: only what goes there is taken, where there are any.
    """

    path: str | None
    follow: bool = False
    ports: frozenset[int] = frozenset()
    magic: bytes = b""
    hosts: tuple[str, ...] = ()


class Output(Protocol):
    """A file, or standard output, that is written piece by piece."""

    def write(self, data: bytes) -> None:
        """Write all of it, and have others see it.

        Raises:
            CollectorError: It cannot be written.
        """


class Outflow(Protocol):
    """A connection to another program. It takes bytes as fast as that program does."""

    def send(self, data: bytes) -> None:
        """Hand over all of it; waits while the other side is not ready for more.

        Raises:
            TransportError: The connection is lost.
        """

    def check(self) -> None:
        """See whether the other side is still there.

        Raises:
            TransportError: It has gone, perhaps without having read all.
        """

    def finish(self) -> None:
        """Say that this was all, and wait until the other side has read it.

        Raises:
            TransportError: The connection was lost before.
        """

    def close(self) -> None:
        """Close it; what was not read by then may be lost."""


class AskedLine(Protocol):
    """An open line to a device."""

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def receive(self, seconds: float) -> bytes:
        """Wait so long at most for bytes; none when none have come.

        Raises:
            TransportError: The line is lost.
        """


class Outside(Protocol):
    """Files, programs and people. Paths are as the user wrote them; None is a standard stream."""

    def say(self, text: str) -> None:
        """Tell people something that is no output: one line on standard error."""

    def lines(self, path: str | None, *, follow: bool = False) -> Iterator[list[bytes]]:
        """Read lines, without their ends, as they come: those that are there at once together.

        Args:
            path: Of the file; None for standard input.
            follow: At the end of the file wait for more, with an empty list each time that there
                is none; when another file takes its place, or it became shorter, read that from its
                begin.

        Raises:
            CollectorError: It cannot be read.
        """

    def runs(self, wanted: Recordings) -> Iterator[Run]:
        """Read what each end of recorded lines said; of a folder all files, or the newest ones.

        Raises:
            CollectorError: It cannot be read, or holds nothing of what is wanted.
        """

    def collect(
        self, family: str, address: str, options: Mapping[str, Any], take: Callable[[Run], None]
    ) -> None:
        """Collect from a device as agents do, until somebody ends it.

        Args:
            family: Name of its driver.
            address: Where it is.
            options: Further ones of the device, as in a configuration.
            take: Told of all that goes over its lines, before the device is told that it was taken.
                When it raises, collecting ends.

        Raises:
            CollectorError: Such a device cannot be collected from; or what ``take`` raises.
            KeyboardInterrupt: Somebody has ended it.
        """

    def content(self, path: str) -> bytes | None:
        """All that a file holds; None where there is none.

        Raises:
            CollectorError: It cannot be read.
        """

    def kept(self, path: str | None) -> AbstractContextManager[str]:
        """A file that can be read more than once: what comes at standard input is put into one.

        Args:
            path: Of the file; None for standard input.

        Raises:
            CollectorError: It cannot be read, or there is no room for it.
        """

    def secret(self, path: str) -> str:
        """The text of a small file that nobody else may read.

        Raises:
            CollectorError: There is none, or others may read it.
        """

    def output(self, path: str | None, *, append: bool = False) -> AbstractContextManager[Output]:
        """Open a file for writing.

        Args:
            path: Of the file; None for standard output.
            append: Keep what it holds.

        Raises:
            CollectorError: It cannot be written.
        """

    def replace(self, path: str, content: bytes, *, private: bool = False) -> None:
        """Put a file in the place of another: whoever reads it sees one of both, whole.

        Args:
            path: Of the file; it keeps its mode.
            content: All that it will hold.
            private: Let nobody else read it.

        Raises:
            CollectorError: It cannot be written.
        """

    def wire(
        self, address: str, ways: Mapping[str, Mapping[str, str]]
    ) -> AbstractContextManager[AskedLine]:
        """Open a line to a device; nobody else on this host collects from it meanwhile.

        Args:
            address: As the user wrote it; a bare path is a serial port.
            ways: Schemes that are taken, with what need not be written.

        Raises:
            CollectorError: It is no address, is in use, or cannot be opened.
        """

    def ask(self, question: str) -> bool | None:
        """Ask a person yes or no; None where there is no terminal to ask at."""

    def now(self) -> float:
        """Seconds of a clock that never jumps."""

    def connect(self, host: str, port: int) -> Outflow:
        """Connect to a program by TCP.

        Raises:
            TransportError: Nobody answers there.
        """

    def pause(self, seconds: float) -> None:
        """Wait."""
