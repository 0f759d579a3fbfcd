"""Frames of simulated units, made and read by an encoder of their own.

It shares nothing with the driver's, so that a mistake in one of them is found by the other. The
checksum is CRC-16/XMODEM (0x31C3 for ``123456789``), by a table.

Sources: the manufacturer's protocol papers. PI17 requests carry no checksum. Some units send a
checksum as it is, some replace three values in it, some also the zero.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

CR, LF = b"\r", b"\n"

_POLYNOMIAL = 0x1021


class Spelling(Enum):
    """How the two bytes of a checksum are written: which values are sent plus one."""

    PLAIN = b""
    THREE = b"(\r\n"
    FOUR = b"(\r\n\0"


#: How units want it of others: one who sends it as it is gets a "no", for some texts only.
TAKEN = (Spelling.THREE, Spelling.FOUR)


def _row(byte: int) -> int:
    """What a byte adds to a checksum."""
    found = byte << 8
    for _ in range(8):
        found = (found << 1 ^ (_POLYNOMIAL if found & 0x8000 else 0)) & 0xFFFF
    return found


_ROWS = tuple(map(_row, range(256)))


@lru_cache(maxsize=256)
def crc(data: bytes) -> int:
    """The checksum of some bytes, as a number."""
    found = 0
    for byte in data:
        found = (found << 8 & 0xFF00) ^ _ROWS[found >> 8 ^ byte]
    return found


def check_bytes(data: bytes, spelling: Spelling = Spelling.FOUR) -> bytes:
    """The checksum of some bytes as it is sent: the high byte first."""
    return bytes(
        byte + 1 if byte in spelling.value else byte for byte in crc(data).to_bytes(2, "big")
    )


def frame(text: str, spelling: Spelling = Spelling.FOUR, end: bytes = CR) -> bytes:
    """Text, checksum and end of one frame."""
    data = text.encode("ascii")
    return data + check_bytes(data, spelling) + end


def revo_check(data: bytes) -> bytes:
    """The one byte behind some requests of the Revo: the sum of all before it, plus one."""
    return bytes(((sum(data) + 1) & 0xFF,))


def decimal_sum(text: str) -> str:
    """The three digits behind dated requests of PI16 and PI17: the low byte of the sum."""
    return f"{sum(text.encode('ascii')) & 0xFF:03d}"


def checked(line: bytes) -> str | None:
    """The text of what came before an end, if its last two bytes are the checksum of the rest."""
    data, check = line[:-2], line[-2:]
    if not data or all(check != check_bytes(data, spelling) for spelling in TAKEN):
        return None
    return plain(data)


def plain(line: bytes) -> str | None:
    """The text of bytes that are printable; None of others."""
    text = line.decode("ascii", "replace")
    return text if line and text.isascii() and text.isprintable() else None
