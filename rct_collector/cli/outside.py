"""Files, programs and people, for the commands of single families."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from rct_collector.cli.files import replaced, unwritable
from rct_collector.drivers.outside import Recordings
from rct_collector.drivers.tools import Run
from rct_collector.errors import CaptureError, ConfigError, TransportError

if TYPE_CHECKING:
    from rct_collector.cli.wire import StepwiseLine

#: Bytes that are read at once.
_PIECE = 1 << 16

#: Bytes of a line, at most: what is longer is cut, so that no input takes all memory.
LONGEST_LINE = 4 << 20

#: Seconds between two looks at a file that may grow.
_LOOK_S = 1.0

#: Seconds to wait for a connection, and then for each piece to be taken.
_CONNECT_S = 10.0
_TAKEN_S = 60.0


class ThisSide:
    """This host and whoever sits before it; see :class:`rct_collector.drivers.outside.Outside`."""

    def say(self, text: str) -> None:
        """See there."""
        click.echo(text, err=True)

    def lines(self, path: str | None, *, follow: bool = False) -> Iterator[list[bytes]]:
        """See there."""
        held = b""
        for piece in _pieces(path, follow=follow):
            if not piece:
                held = b"" if piece is None else held  # another file
                yield []
                continue
            *found, held = (held + piece).split(b"\n")
            if len(held) > LONGEST_LINE:
                found.append(held)
                held = b""
            if found:
                yield found
        if held:
            yield [held]

    def runs(self, wanted: Recordings) -> Iterator[Run]:
        """See there."""
        from rct_collector.capture.files import read_runs
        from rct_collector.capture.flows import Wanted

        servers = frozenset(address for host in wanted.hosts for address in _addresses(host))
        return read_runs(
            Path(wanted.path or "/dev/stdin"),
            Wanted(wanted.ports, wanted.magic, servers),
            follow=wanted.follow,
            everything=not wanted.follow,
            told=lambda text: self.say(f"Warning: {text}"),
        )

    def collect(
        self, family: str, address: str, options: Mapping[str, Any], take: Callable[[Run], None]
    ) -> None:
        """See there."""
        from rct_collector.cli.live import collect

        collect(family, address, options, take)

    def content(self, path: str) -> bytes | None:
        """See there."""
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error

    @contextlib.contextmanager
    def kept(self, path: str | None) -> Iterator[str]:
        """See there."""
        if path is not None:
            yield path
            return
        with tempfile.NamedTemporaryFile() as file:
            try:
                for piece in _pieces(None, follow=False):
                    file.write(piece or b"")
                file.flush()
            except OSError as error:
                raise unwritable(file.name, error) from error
            yield file.name

    def secret(self, path: str) -> str:
        """See there."""
        from rct_collector.option import Invalid, read_secret

        try:
            return read_secret(str(Path(path).absolute()))
        except Invalid as error:
            raise ConfigError([f"{path}: wanted is {error}"]) from error

    @contextlib.contextmanager
    def output(self, path: str | None, *, append: bool = False) -> Iterator[_Output]:
        """See there."""
        if path is None:
            yield _Output(sys.stdout.buffer, "standard output")
            return
        try:
            file = Path(path).open("ab" if append else "wb", buffering=0)  # noqa: SIM115 - below
        except OSError as error:
            raise unwritable(path, error) from error
        with file:
            yield _Output(file, path)

    def replace(self, path: str, content: bytes, *, private: bool = False) -> None:
        """See there."""
        with replaced(path, private=private) as file:
            file.write(content)

    @contextlib.contextmanager
    def wire(self, address: str, ways: Mapping[str, Mapping[str, str]]) -> Iterator[StepwiseLine]:
        """See there."""
        from rct_collector.cli.wire import StepwiseLine, address_of
        from rct_collector.option import Invalid

        try:
            found = address_of(address, ways)
        except Invalid as error:
            raise ConfigError([f"{address}: wanted is {error}"]) from error
        with contextlib.closing(StepwiseLine(found)) as line:
            yield line

    def ask(self, question: str) -> bool | None:
        """See there."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        return click.confirm(question, err=True)

    def now(self) -> float:
        """See there."""
        return time.monotonic()

    def connect(self, host: str, port: int) -> _Connection:
        """See there."""
        return _Connection(host, port)

    def pause(self, seconds: float) -> None:
        """See there."""
        time.sleep(seconds)


def _addresses(host: str) -> set[str]:
    """The addresses of a name, as they stand in packets."""
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise TransportError(f"{host} has no address: {error.strerror}", "name") from error


def _pieces(path: str | None, *, follow: bool) -> Iterator[bytes | None]:
    """What a file holds, and with ``follow`` what will be in it.

    Nothing (b"") is given where nothing more is there yet, and None where another file begins.
    """
    if path is None:
        descriptor = sys.stdin.fileno() if _has_descriptor(sys.stdin) else None
        while piece := (
            os.read(descriptor, _PIECE) if descriptor is not None else sys.stdin.buffer.read(_PIECE)
        ):
            yield piece
        return
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - may be exchanged
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        while True:
            try:
                piece = file.read(_PIECE)
            except OSError as error:
                raise _unreadable(path, error) from error
            if piece:
                yield piece
            elif not follow:
                return
            else:
                yield b""
                time.sleep(_LOOK_S)
                if another := _another(path, file):
                    while rest := file.read(_PIECE):  # written just before it was moved
                        yield rest
                    file.close()
                    file = another  # type: ignore[assignment] # of the same kind
                    yield None
    finally:
        file.close()


def _another(path: str, file: BinaryIO) -> BinaryIO | None:
    """The file that has taken the place of one that was read to its end, if one has."""
    with contextlib.suppress(OSError):
        there, ours = Path(path).stat(), os.fstat(file.fileno())
        moved = (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)
        if moved or ours.st_size < file.tell():
            return Path(path).open("rb", buffering=0)
    return None


def _has_descriptor(stream: object) -> bool:
    """Whether a stream is one of the system; those of tests may not be."""
    try:
        return isinstance(stream.fileno(), int)  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return False


class _Output:
    """A file, or standard output."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
            self._file.flush()
        except BrokenPipeError:
            raise  # whoever has read standard output has ended
        except OSError as error:
            raise unwritable(self._name, error) from error


class _Connection:
    """A connection over TCP."""

    def __init__(self, host: str, port: int) -> None:
        self._name = f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), _CONNECT_S)
        except OSError as error:
            raise self._lost("cannot be reached", error) from error
        self._socket.settimeout(_TAKEN_S)

    def check(self) -> None:
        try:
            if select.select([self._socket], [], [], 0)[0] and not self._socket.recv(_PIECE):
                raise ConnectionResetError(errno.ECONNRESET, "it was closed there")
        except OSError as error:
            raise self._lost("was lost", error) from error

    def send(self, data: bytes) -> None:
        self.check()  # or the first bytes after its end would vanish without a word
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost("takes nothing any more", error) from error

    def finish(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(_PIECE):
                pass
        except TimeoutError:
            pass  # it has all of it, and does not say so
        except OSError as error:
            raise self._lost("was lost", error) from error

    def close(self) -> None:
        self._socket.close()

    def _lost(self, what: str, error: OSError) -> TransportError:
        return TransportError(f"{self._name} {what}: {error.strerror or error}")


def _unreadable(path: str, error: OSError) -> CaptureError:
    return CaptureError(f"{path} cannot be read: {error.strerror}")
