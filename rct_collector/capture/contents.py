"""Recorded lines, in whatever file, as they come: bytes of it → what each end said, in order.

Unlike :mod:`.conversations` this holds no more than it needs to put segments in order, so that a
file may be of any size, and may still grow. It is one of pcap or pcapng, or bytes of a line as they
are; either may be packed by gzip.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable

from rct_collector.capture.direct import LINK as DIRECT
from rct_collector.capture.direct import Direction, unpacked
from rct_collector.capture.flows import Reassembly, Wanted
from rct_collector.capture.headers import LINKS, segment
from rct_collector.capture.packets import MAGICS, Packet, PacketReader
from rct_collector.capture.source import GZIP, Ended, GrowingSource, Short, foreign
from rct_collector.drivers.tools import Run
from rct_collector.errors import CaptureError

#: Bytes that tell a packed file and a capture from others.
_MARK = 4

#: Unpacked at a time: what was packed well must not become all of the memory.
_PIECE = 1 << 18

#: Beyond any number of a flow that comes from a network.
_DIRECT = 1 << 40


class Contents:
    """Reads one file, in whatever pieces its bytes come.

    Attributes:
        trouble: What could not be read, in a sentence; "" while all could.
        is_capture: Whether it is a capture; None before that is known.
    """

    def __init__(self, name: str, wanted: Wanted) -> None:
        """Begin with nothing.

        Args:
            name: Of the file, for messages.
            wanted: Which connections of a capture are taken.
        """
        self.trouble = ""
        self.is_capture: bool | None = None
        self._name = name
        self._wanted = wanted
        self._flows = Reassembly(wanted)
        self._source = GrowingSource(name)
        self._packets = PacketReader(self._source)
        self._begun = b""
        self._unpack: zlib._Decompress | None = None
        self._dated = False
        self._number = 0
        self._size = 0
        self._found = False  # what is no capture, or goes over no network
        self._tail = b""
        self._others: Counter[int] = Counter()

    def feed(self, data: bytes) -> Iterable[Run]:
        """Take bytes of the file; to be read to the end before the next ones.

        Raises:
            CaptureError: It is of a kind that is not read.
        """
        if self.trouble:
            return
        if self.is_capture is None and self._unpack is None:
            self._begun += data
            if len(self._begun) < _MARK:
                return
            data, self._begun = self._begun, b""
            if data.startswith(GZIP):
                self._unpack = zlib.decompressobj(31)
        if self._unpack is None:
            yield from self._plain(data)
            return
        while data and not self.trouble:
            before = self._unpack.copy()
            try:
                piece = self._unpack.decompress(data, _PIECE)
                data = self._unpack.unconsumed_tail
            except zlib.error as error:
                piece, data = _before_damage(before, data), b""
                damage = f"{self._name} is damaged (gzip: {error})"
            else:
                damage = ""
            if self._unpack.eof and (data := self._unpack.unused_data):  # one behind another
                self._unpack = zlib.decompressobj(31)
            yield from self._plain(piece)
            if damage:
                self._fail(damage)

    def finish(self) -> Iterable[Run]:
        """The file is at its end: give what waits for more.

        Raises:
            CaptureError: Nothing in it is what is looked for.
        """
        cut = bool(self._unpack and not self._unpack.eof)
        if self.is_capture:
            self._source.complete = True
            yield from self._captured(b"")
            yield from self._flows.finish()
            cut = cut or bool(self._source.pending)
        if cut and not self.trouble:
            self.trouble = f"{self._name} is cut short; what came before was read"
        if self.is_capture is False and self._size:
            yield Run(0, None, b"", over=True)
        self._judge()

    def _fail(self, trouble: str) -> None:
        """What is wrong first is told."""
        self.trouble = self.trouble or trouble

    def _plain(self, data: bytes) -> Iterable[Run]:
        """Bytes that are not packed, or not any more."""
        if self.is_capture is None:
            self._begun += data
            if len(self._begun) < _MARK:
                return
            data, self._begun = self._begun, b""
            self.is_capture = data.startswith(MAGICS)
            if not self.is_capture and (found := foreign(data)):
                advice = f"; {found.advice}" if found.advice else ""
                raise CaptureError(f"{self._name} is {found.name}{advice}")
        self._size += len(data)
        if not self.is_capture:
            self._look(data)
            yield Run(0, None, data)
            return
        yield from self._captured(data)

    def _captured(self, data: bytes) -> Iterable[Run]:
        """Bytes of a capture."""
        if self.trouble:
            return
        self._source.add(data)
        try:
            while (packet := self._packets.read()) is not None:
                yield from self._packet(packet)
        except Short:
            self._source.rewind()
        except Ended as reason:
            self.trouble = f"{self._name} {reason} behind packet {self._number}"

    def _packet(self, packet: Packet) -> Iterable[Run]:
        self._number += 1
        if packet.link == DIRECT:
            return self._direct(packet.data)
        if packet.link not in LINKS:
            self._others[packet.link] += 1
            return ()
        self._dated = self._dated or packet.time_ns is not None
        time_ns = self._number if packet.time_ns is None else packet.time_ns
        found = segment(time_ns, packet.link, packet.data)
        runs = self._flows.add(found) if found else []
        return runs if self._dated else [run._replace(time_ns=None) for run in runs]

    def _direct(self, packet: bytes) -> Iterable[Run]:
        """What went over a line without a network."""
        found = unpacked(packet)
        if found is None:
            self._others[DIRECT] += 1
            return
        self._found = True
        flow = _DIRECT + 2 * found.number
        if found.direction in (Direction.CLOSED, Direction.LOST):
            yield Run(flow, found.time_ns, b"", to_server=True, over=True)
            yield Run(flow + 1, found.time_ns, b"", to_server=False, over=True)
        elif found.direction in (Direction.TO_DEVICE, Direction.FROM_DEVICE):
            back = found.direction == Direction.FROM_DEVICE
            yield Run(flow + back, found.time_ns, found.data, to_server=not back)

    def _look(self, data: bytes) -> None:
        """Look for the mark of what is wanted, wherever it was cut."""
        if not self._found:
            self._found = self._wanted.magic in self._tail + data
            self._tail = data[1 - len(self._wanted.magic) :]

    def _judge(self) -> None:
        """Say of a file that brought nothing why."""
        if self.is_capture is None:
            what = "holds too few bytes" if self._begun or self._unpack else "is empty"
            raise CaptureError(f"{self._name} {what}")
        if self.is_capture:
            self._judge_capture()
        elif not self._found:
            raise CaptureError(
                f"{self._name} is no capture (pcap or pcapng), and nothing in its {self._size}"
                f" bytes begins like a frame ({self._wanted.magic.hex(' ')})"
            )

    def _judge_capture(self) -> None:
        if self._others and not self.trouble:
            links = ", ".join(map(str, sorted(self._others)[:8]))
            count = self._others.total()
            self.trouble = f"{self._name}: {count} packets of link type {links} were left out"
        if not self._flows.taken and not self._found:
            ports = ", ".join(map(str, sorted(self._wanted.ports)))
            servers = " or ".join(sorted(self._wanted.servers))
            raise CaptureError(
                f"{self._name}: of its {self._number} packets {self._flows.segments} are of TCP,"
                f" and none of those goes to {servers and servers + ', '}port {ports} or begins"
                f" like a frame ({self._wanted.magic.hex(' ')})"
                + (f". {self.trouble}" if self.trouble else "")
            )


def _before_damage(unpack: zlib._Decompress, data: bytes) -> bytes:
    """What can be unpacked of damaged bytes, which zlib keeps to itself when it finds that."""
    pieces = []
    try:
        for place in range(len(data)):
            pieces.append(unpack.decompress(data[place : place + 1]))
    except zlib.error:
        pass
    return b"".join(pieces)
