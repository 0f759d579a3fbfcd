"""A file that somebody gives, read once from its begin: what it is, and its bytes without gzip.

Sources: the specifications of the formats for their first bytes; RFC 1952 (gzip), RFC 7011
(IPFIX), Endace's ERF record header.
"""

from __future__ import annotations

import gzip
import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, Protocol

#: Bytes that tell what a file is: more than the farthest mark, that of tar, and a few records.
_HEAD = 4096

#: Read at once; a length that a file only claims is never allocated.
_PIECE = 1 << 16

#: A gzipped file may expand to this, in bytes.
LARGEST_UNPACKED = 64 << 20

GZIP = b"\x1f\x8b\x08"

_UNPACK = "unpack it first"
_CONVERT = "'editcap -F pcap' of Wireshark makes a pcap file of it"


class Format(NamedTuple):
    """A format that is not read.

    Attributes:
        name: With its article.
        advice: What to do with such a file; "" for nothing.
    """

    name: str
    advice: str = ""


def _marks(
    *rows: tuple[str | bytes, str], advice: str = "", at: int = 0
) -> dict[tuple[int, bytes], Format]:
    """Rows of the table below; marks are bytes, or hexadecimal digits."""
    return {
        (at, bytes.fromhex(mark) if isinstance(mark, str) else mark): Format(name, advice)
        for mark, name in rows
    }


#: Place and bytes of a mark → format.
_MARKS = {
    **_marks(
        ("28b52ffd", "compressed with Zstandard"),
        ("fd377a585a00", "compressed with xz"),
        ("5d00008000", "compressed with lzma"),
        (b"BZh", "compressed with bzip2"),
        ("04224d18", "compressed with lz4"),
        ("02214c18", "compressed with lz4"),
        (b"LZIP", "compressed with lzip"),
        ("894c5a4f000d0a1a0a", "compressed with lzop"),
        ("1f9d90", "compressed with compress"),
        (b"PK\3\4", "a zip archive"),
        (b"PK\5\6", "an empty zip archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"MSCF\0\0\0\0", "a cabinet archive"),
        (b"!<arch>\n", "an ar archive or Debian package"),
        ("edabeedb", "an RPM package"),
        advice=_UNPACK,
    ),
    **_marks((b"ustar", "a tar archive"), advice=_UNPACK, at=257),
    **_marks(
        (b"snoop\0\0\0", "a snoop capture"),
        (b"RTSS", "a capture of Microsoft Network Monitor 1"),
        (b"GMBU", "a capture of Microsoft Network Monitor 2"),
        (b"TRSNIFF data", "a capture of Sniffer for DOS"),
        (b"XCP\0", "a capture of NetXRay or Sniffer for Windows"),
        (b"VL\0\0", "a capture of NetXRay"),
        ("1c0001ac", "a hardware capture of Ixia"),
        ("ac01001c", "a hardware capture of Ixia"),
        ("1c0001ab", "a software capture of Ixia"),
        ("ab01001c", "a software capture of Ixia"),
        (b"iptrace ", "a capture of AIX's iptrace"),
        ("5452006400", "a capture of HP-UX's nettl"),
        (b"ObserverPktBuffe", "a capture of Network Instruments Observer"),
        (b"\x7fver", "a capture of EtherPeek or OmniPeek"),
        (b"\x05VNF", "a capture of Visual Networks"),
        ("0000020012051048", "a capture of Tektronix K12"),
        ("aaaaaaaa", "a capture of 5Views"),
        advice=_CONVERT,
    ),
    **_marks(
        (b"btsnoop\0", "a capture of Bluetooth"),
        (b"LOGG", "a BLF capture of a CAN bus"),
        ("0ca50100", "a file of nfdump, which holds no packets"),
        ("0ca50200", "a file of nfdump, which holds no packets"),
        ("a50c0001", "a file of nfdump, which holds no packets"),
        ("a50c0002", "a file of nfdump, which holds no packets"),
        (b"\x7fELF", "a program (ELF)"),
        (b"MZ\x90\0", "a program for Windows"),
        ("cafebabe", "a program (Java or Mach-O)"),
        ("cffaedfe", "a program (Mach-O)"),
        (b"\0asm", "a program (WebAssembly)"),
        (b"%PDF-", "a PDF document"),
        ("d0cf11e0a1b11ae1", "a document of an old Office"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        ("ffd8ff", "a JPEG picture"),
        (b"GIF8", "a GIF picture"),
        (b"II*\0", "a TIFF picture"),
        (b"MM\0*", "a TIFF picture"),
        (b"RIFF", "a RIFF file"),
        (b"OggS", "an Ogg file"),
        (b"ID3", "an MP3 file"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"LPKSHHRH", "a journal of systemd"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"PAR1", "a Parquet file"),
        (b"hsqs", "a SquashFS image"),
        (b"LUKS\xba\xbe", "an encrypted volume (LUKS)"),
    ),
    **_marks((b"ftyp", "an MP4 or QuickTime film"), at=4),
}  # fmt: skip


class Ended(Exception):
    """A file ends early, or cannot be read from here on; the text says why, behind its name."""


class Short(Ended):
    """A file has fewer bytes than are wanted, so far."""

    def __init__(self) -> None:
        """It is the same wherever that is."""
        super().__init__("is cut short")


class Readable(Protocol):
    """Bytes that are read once, in order.

    Attributes:
        name: For messages.
        head: The first bytes, as many as are needed to tell what it is.
        has_head: Whether those are there that ever will be.
    """

    @property
    def name(self) -> str:
        """See the attributes."""

    @property
    def head(self) -> bytes:
        """See the attributes."""

    @property
    def has_head(self) -> bool:
        """See the attributes."""

    def whole(self, size: int) -> bytes:
        """Read so many bytes, or none at the end; raises :class:`Ended`."""

    def rest(self, size: int) -> bytes:
        """Read so many bytes, which have to be there; raises :class:`Ended`."""

    def skip(self, size: int) -> None:
        """Read so many bytes, and keep none; raises :class:`Ended`."""

    def settle(self) -> None:
        """What was read is dealt with, and never wanted again."""


class _Whole(ABC):
    """Bytes that are taken as they are there, or not at all."""

    @abstractmethod
    def whole(self, size: int) -> bytes:
        """Read so many bytes, or none at the end."""

    def rest(self, size: int) -> bytes:
        """Read so many bytes, which have to be there.

        Raises:
            Ended: There are not so many.
        """
        data = self.whole(size)
        if len(data) < size:
            raise Short
        return data


class Source(_Whole):
    """Bytes of a file, read once; what gzip has packed is unpacked.

    Attributes:
        name: For messages.
        head: The first bytes, as many as are needed to tell what it is.
        failure: Why nothing more can be read; None while it can.
        has_head: The head is there from the begin.
    """

    has_head = True

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Look at the begin.

        Args:
            file: Open for reading bytes, at its begin.
            name: For messages.
        """
        self.name = name
        self.failure: Ended | None = None
        self._room: int | None = None
        self._pull: Callable[[int], bytes] = file.read
        #: Read already, and how much of it was given.
        self._buffer, self._given = b"", 0
        self.head = self._look_ahead()
        if self.head.startswith(GZIP):
            packed = _Behind(self._buffer, file)
            # With read1, what can be unpacked of a damaged file is given before it fails.
            self._pull = gzip.GzipFile(fileobj=packed).read1  # type: ignore[call-overload]
            self._room = LARGEST_UNPACKED
            self._buffer = b""
            self.head = self._look_ahead()

    def _look_ahead(self) -> bytes:
        pieces: list[bytes] = []
        while sum(map(len, pieces)) < _HEAD and (piece := self._piece()):
            pieces.append(piece)
        self._buffer = b"".join(pieces)
        return self._buffer[:_HEAD]

    def read(self, size: int) -> bytes:
        """Read bytes; fewer only at the end, or where it fails."""
        start, self._given = self._given, self._given + size
        data = self._buffer[start : self._given]
        if self._given <= len(self._buffer):
            return data
        pieces = [data]
        size -= len(data)
        while size and (piece := self._piece()):
            pieces.append(piece[:size])
            size -= len(pieces[-1])
            self._buffer, self._given = piece, len(pieces[-1])
        return b"".join(pieces)

    def whole(self, size: int) -> bytes:
        """Read so many bytes, or none at the end.

        Raises:
            Ended: There are some, but not so many; or it cannot be read any more.
        """
        data = self.read(size)
        if len(data) < size:
            if self.failure:
                raise self.failure
            if data:
                raise Short
        return data

    def settle(self) -> None:
        """Nothing is ever kept."""

    def skip(self, size: int) -> None:
        """Read so many bytes, and keep none.

        Raises:
            Ended: There are not so many.
        """
        while size:
            size -= len(self.rest(min(size, _PIECE)))

    def _piece(self) -> bytes:
        """The next bytes; none at the end."""
        if self.failure:
            return b""
        try:
            data = self._pull(_PIECE)
        except EOFError:
            self.failure = Short()
            return b""
        except (gzip.BadGzipFile, zlib.error) as error:
            self.failure = Ended(f"is damaged (gzip: {error})")
            return b""
        if self._room is not None:
            self._room -= len(data)
            if self._room < 0:
                limit = f"{LARGEST_UNPACKED >> 20} MiB"
                self.failure = Ended(f"expands to more than {limit} (unpack it with gunzip)")
                return b""
        return data


class GrowingSource(_Whole):
    """Bytes that come bit by bit: whoever wants more than there are tries again later.

    Attributes:
        name: For messages.
        head: The first bytes, as far as they came.
        complete: Nothing more will come.
    """

    def __init__(self, name: str) -> None:
        """Begin without any.

        Args:
            name: For messages.
        """
        self.name = name
        self.head = b""
        self.complete = False
        self._held = b""
        self._settled = self._given = 0

    @property
    def has_head(self) -> bool:
        """Whether all of the head is there."""
        return self.complete or len(self.head) == _HEAD

    def add(self, data: bytes) -> None:
        """More came."""
        if len(self.head) < _HEAD:
            self.head = (self.head + data)[:_HEAD]
        self._held = self._held[self._settled :] + data if self._settled < len(self._held) else data
        self._settled = self._given = 0

    def whole(self, size: int) -> bytes:
        """Read so many bytes, or none where there are none.

        Raises:
            Short: There are some, but not so many.
        """
        start = self._given
        data = self._held[start : start + size]
        if len(data) < size and data:
            raise Short
        self._given = start + len(data)
        return data

    def skip(self, size: int) -> None:
        """Read so many bytes, and keep none.

        Raises:
            Short: There are not so many.
        """
        if self._given + size > len(self._held):
            raise Short
        self._given += size

    def settle(self) -> None:
        """What was read is not wanted again."""
        self._settled = self._given

    def rewind(self) -> None:
        """Read again what was not settled."""
        self._given = self._settled

    @property
    def pending(self) -> int:
        """Bytes that are not settled."""
        return len(self._held) - self._settled


class _Behind:
    """A file behind bytes of it that were read ahead."""

    def __init__(self, ahead: bytes, file: BinaryIO) -> None:
        self._ahead = io.BytesIO(ahead)
        self._file = file

    def read(self, size: int) -> bytes:
        return self._ahead.read(size) or self._file.read(size)


def foreign(head: bytes) -> Format | None:
    """Which format a file has that is not read here; None for none that is known.

    Args:
        head: Its first bytes.
    """
    for (place, mark), found in _MARKS.items():
        if head.startswith(mark, place):
            return found
    if head.startswith(GZIP):
        return Format("gzipped twice", _UNPACK)
    if _chained(head, 16, _erf):
        return Format("a capture of Endace (ERF)", _CONVERT)
    if _chained(head, 16, _ipfix):
        return Format("a file of flows (IPFIX), which holds no packets")
    return None


def _erf(record: bytes) -> int:
    """Length of a record that begins like this, or 0: time, type, flags, length, ..."""
    return int.from_bytes(record[10:12], "big") if 1 <= record[8] & 0x7F <= 48 else 0


def _ipfix(message: bytes) -> int:
    """Length of a message that begins like this, or 0."""
    return int.from_bytes(message[2:4], "big") if message.startswith(b"\0\x0a") else 0


def _chained(head: bytes, least: int, length: Callable[[bytes], int]) -> bool:
    """Whether these are records one behind the other: to the end, or three at least."""
    position = records = 0
    while position + least <= len(head):
        size = length(head[position : position + least])
        if size < least:
            return False
        position += size
        records += 1
    return records >= 3 or (records > 0 and position == len(head) < _HEAD)
