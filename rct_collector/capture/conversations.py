"""Reads captures: the bytes of each TCP conversation or other line, in order, with times.

:mod:`.source` takes gzip off, :mod:`.packets` reads pcap and pcapng, :mod:`.headers` finds the TCP
segments, :mod:`.streams` puts them in order, and :mod:`.direct` does so with lines that go over no
network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rct_collector.capture.direct import LINK as DIRECT
from rct_collector.capture.direct import DirectLines
from rct_collector.capture.headers import LINKS, guess_link, segment
from rct_collector.capture.packets import MAGICS, Packet, PacketReader
from rct_collector.capture.source import Ended, Source, foreign
from rct_collector.capture.streams import Conversations, TcpConversation
from rct_collector.errors import CaptureError

#: Link types that are named in a message, at most.
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Capture:
    """What is in a file.

    Attributes:
        conversations: In order of their begin.
        trouble: Why not all of the file was read; "" if it was.
        dated: Whether its packets have times; else their numbers stand for those.
    """

    conversations: list[TcpConversation]
    trouble: str = ""
    dated: bool = True


def is_capture(head: bytes) -> bool:
    """Whether a file that begins like this can be read as a capture."""
    return head.startswith(MAGICS)


def refuse(source: Source) -> None:
    """Refuse a file of a format that is known, and not read.

    Raises:
        CaptureError: It is one, or damaged from its begin.
    """
    if not source.head and source.failure:
        raise CaptureError(f"{source.name} {source.failure}")
    found = foreign(source.head)
    if found:
        advice = f"; {found.advice}" if found.advice else ""
        raise CaptureError(f"{source.name} is {found.name}{advice}")


def read_capture(source: Source) -> Capture:
    """Read a whole file.

    Args:
        source: At its begin.

    Raises:
        CaptureError: It is no such file, or all of it is of links that are not known. A file that
            ends early is read as far as it goes.
    """
    if not is_capture(source.head):
        refuse(source)
        raise CaptureError(f"{source.name} is no pcap or pcapng file")
    reader = PacketReader(source)
    capture = read_packets(reader, source.name)
    readable = {*LINKS, DIRECT}
    if reader.links and not reader.links & readable:
        found, known = (", ".join(map(str, sorted(links))) for links in (reader.links, readable))
        raise CaptureError(
            f"{source.name} has link type {found}; those that can be read are {known}"
        )
    return capture


def packets_in(blocks: Sequence[bytes]) -> list[Packet]:
    """Find packets with all their headers among bytes of a dump.

    Args:
        blocks: The bytes, cut where there may be another packet.

    Returns:
        The packets, without times, if blocks, or all of them together, hold any.
    """
    for tried in (blocks, [b"".join(blocks)]):
        links = list(map(guess_link, tried))
        if any(link is not None for link in links):
            return [
                Packet(None, link, data)
                for link, data in zip(links, tried, strict=True)
                if link is not None
            ]
    return []


def read_packets(packets: Iterable[Packet], name: str) -> Capture:
    """Put packets together.

    Args:
        packets: In order; may raise :class:`~.source.Ended` when there are no more.
        name: Of the file they are from, for messages.
    """
    found, direct = Conversations(), DirectLines()
    others: Counter[int] = Counter()
    number = segments = 0
    latest: int | None = None
    trouble = []
    try:
        for number, packet in enumerate(packets, 1):
            if packet.time_ns is not None:
                latest = packet.time_ns
            if packet.link == DIRECT and direct.add(packet.data):
                if direct.full:
                    break
                continue
            if packet.link not in LINKS:
                others[packet.link] += 1
                continue
            item = segment(number if latest is None else latest, packet.link, packet.data)
            if item is None:
                continue
            found.add(item)
            if found.full:
                break
            segments += 1
    except Ended as reason:
        what = f"packet {number}" if direct.size else f"TCP packet {segments}"
        trouble.append(f"{name} {reason} behind {what}; what came before was read")
    if full := found.full or direct.full:
        trouble.append(
            f"{name} has more than {full}: what follows packet {number - 1} was left out;"
            f" tcpdump -r FILE -w SMALLER host ADDRESS makes a smaller one"
        )
    if others:
        links = ", ".join(map(str, sorted(others)[:_SHOWN]))
        trouble.append(f"{name}: {others.total()} packets of link type {links} were left out")
    lines = [*found.results(), *direct.results()]
    return Capture(lines, ". ".join(trouble), latest is not None or not number)
