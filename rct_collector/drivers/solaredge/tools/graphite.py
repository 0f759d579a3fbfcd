"""``rct-collector solaredge graphite``: JSON lines into Graphite's carbon.

Sources: the plain text and pickle protocols of carbon, as its documentation describes them.
"""

from __future__ import annotations

import pickle  # noqa: S403 - writes only
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import click

from rct_collector.drivers.outside import Outflow, Outside
from rct_collector.drivers.solaredge.tools.jsonlines import Attributes, JsonLines, number, walk
from rct_collector.errors import TransportError

TEXT_PORT: Final = 2003
PICKLE_PORT: Final = 2004

#: Samples of one message in pickle form: carbon takes 1 MiB at most.
_MOST = 500

#: Bytes that are sent again after a connection was lost, since nobody says what has arrived. They
#: are more than two systems hold on their way, and carbon keeps the same value only once.
WINDOW: Final = 4 << 20

#: Seconds between two attempts to connect: they double up to the second.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0

#: Attempts before a file that is not followed is given up.
_ATTEMPTS = 8

_EPILOG = """\b
Examples:
  rct-collector solaredge graphite -b semonitor -h graphite.example monitor.json
  rct-collector solaredge graphite --pickle -f -b semonitor monitor.json
"""


@click.command(
    "graphite",
    short_help="Send JSON lines to Graphite, as text or pickle.",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["--help"]},  # -h is the host, as ever
)
@click.argument("file", required=False, metavar="[FILE]")
@click.option("-b", "base", default="", metavar="NAME", help="First part of all names.")
@click.option(
    "-h", "host", default="localhost", metavar="HOST", help="Where carbon is (default: localhost)."
)
@click.option(
    "-p", "port", type=click.IntRange(1, 65535), metavar="PORT",
    help=f"Port of carbon (default: {TEXT_PORT}, with --pickle {PICKLE_PORT}).",
)  # fmt: skip
@click.option("--pickle", "pickled", is_flag=True, help="Send in carbon's pickle form.")
@click.option("-f", "follow", is_flag=True, help="At the end of FILE wait for more lines.")
@click.pass_obj
def command(
    outside: Outside,
    file: str | None,
    base: str,
    host: str,
    port: int | None,
    pickled: bool,
    follow: bool,
) -> None:
    """Send the JSON lines of FILE, or of standard input, to Graphite.

    The names are BASE.<group>.<id>.<attribute>, of meters and batteries with one level more, as
    the suite made them. Attributes that are numbers are sent, each with the time of its record. It
    goes as fast as carbon takes it; when the connection is lost, it is made anew, and what may not
    have arrived is sent again.
    """
    port = port or (PICKLE_PORT if pickled else TEXT_PORT)
    form = as_pickle if pickled else as_text
    feed = CarbonFeed(outside, lambda: outside.connect(host, port), patient=follow)
    untimed = 0
    try:
        for batch in JsonLines(outside, None if file == "-" else file).batches(follow=follow):
            found = Samples(base)
            for message in batch:
                walk(message, found.take)
            untimed += found.untimed
            for data in form(found.samples):
                feed.send(data)
            if not batch:
                feed.check()
        feed.finish()
    finally:
        feed.close()
    if untimed:
        outside.say(f"Warning: {untimed} records without Date and Time were left out")


class Sample(NamedTuple):
    """One value.

    Attributes:
        path: Its name.
        time: Unix seconds.
        value: The value.
    """

    path: str
    time: float
    value: float


class Samples:
    """Samples of messages.

    Attributes:
        samples: In order.
        untimed: Records that tell no time.
    """

    def __init__(self, base: str) -> None:
        """None yet; ``base`` is the first part of their names."""
        self.samples: list[Sample] = []
        self.untimed = 0
        self._base = base

    def take(self, group: str, path: Sequence[str], own: Attributes) -> None:
        """Take the attributes of one record: see :func:`.jsonlines.walk`."""
        time = time_of(own)
        if time is None:
            self.untimed += 1
            return
        for name, value in own.items():
            found = number(value)
            if found is not None:
                self.samples.append(Sample(name_of(self._base, group, *path, name), time, found))


def time_of(own: Mapping[str, Any]) -> float | None:
    """The time of a record: its own where it has it, else that of this host's clock on the wall."""
    exact = number(own.get("dateTime"))
    if exact is not None:
        return float(exact)
    try:
        return datetime.fromisoformat(f"{own['Date']}T{own['Time']}").timestamp()
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def name_of(*parts: str) -> str:
    """The name of a series, made as the suite made it."""
    name = ".".join(parts).replace("\0", "").replace("devices", "")
    name = re.sub(r"\s", "_", name)
    return ".".join(part for part in name.split(".") if part)


def as_text(samples: Sequence[Sample]) -> Iterator[bytes]:
    """One line for each."""
    lines = (f"{sample.path} {sample.value} {sample.time}\n" for sample in samples)
    text = "".join(lines)
    if text:
        yield text.encode(errors="replace")


def as_pickle(samples: Sequence[Sample]) -> Iterator[bytes]:
    """Messages of many: the length as four bytes, big endian, and the list."""
    for start in range(0, len(samples), _MOST):
        content = [(path, (time, value)) for path, time, value in samples[start : start + _MOST]]
        data = pickle.dumps(content, protocol=2)
        yield len(data).to_bytes(4, "big") + data


class CarbonFeed:
    """A connection that is made again when it is lost, and then sends again what may be lost."""

    def __init__(self, outside: Outside, connect: Callable[[], Outflow], *, patient: bool) -> None:
        """Nothing is connected yet.

        Args:
            outside: Waits, and tells.
            connect: Makes a connection.
            patient: Try for ever, and not a few times only.
        """
        self._outside = outside
        self._connect = connect
        self._patient = patient
        self._stream: Outflow | None = None
        self._window: deque[bytes] = deque()
        self._size = 0
        self._had_one = False

    def send(self, data: bytes) -> None:
        """Send one message, whole.

        Raises:
            TransportError: It cannot be, and nobody wants to wait.
        """
        self._window.append(data)
        self._size += len(data)
        while self._size > WINDOW and len(self._window) > 1:
            self._size -= len(self._window.popleft())
        self._do(lambda stream, fresh: None if fresh else stream.send(data))

    def check(self) -> None:
        """While nothing is to be sent: see whether what was sent may have been lost.

        Raises:
            TransportError: It was, and nobody wants to wait.
        """
        if self._stream is not None:
            self._do(lambda stream, _fresh: stream.check())

    def finish(self) -> None:
        """Wait until all has been read.

        Raises:
            TransportError: It cannot be.
        """
        if self._window:
            self._do(lambda stream, _fresh: stream.finish())

    def close(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _do(self, what: Callable[[Outflow, bool], None]) -> None:
        """Do something with the connection, told whether it is new: then it got all of the window.

        Raises:
            TransportError: There is none, and nobody wants to wait.
        """
        pause, attempts = _FIRST_PAUSE_S, 0
        while True:
            try:
                fresh = self._stream is None
                stream = self._open() if self._stream is None else self._stream
                what(stream, fresh)
            except TransportError as error:
                self.close()
                attempts += 1
                if not self._patient and (not self._had_one or attempts >= _ATTEMPTS):
                    raise
                if attempts == 1:
                    self._outside.say(f"Warning: {error}; trying again")
                self._outside.pause(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                if attempts:
                    self._outside.say("Connected again.")
                return

    def _open(self) -> Outflow:
        self._stream = self._connect()
        self._had_one = True
        for data in self._window:
            self._stream.send(data)
        return self._stream
