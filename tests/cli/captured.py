"""Captures made by hand, for tests of what is made of them."""

from __future__ import annotations

import io

from rct_collector.capture.recording import PcapFile, RecordedConversation
from rct_collector.drivers.rct.tools.dissect import explain
from rct_collector.transport.base import Ends

START_NS = 1_782_036_003_500_000_123
ENDS = Ends(("192.0.2.1", 49152), ("192.0.2.10", 8899))


def capture(*lines, end=True):
    """A pcap file with one connection after the other.

    Each is a list of (to device, bytes), of which one goes every 10 ms.
    """
    file = io.BytesIO()
    pcap, now = PcapFile(file.write), START_NS
    for n, line in enumerate(lines):
        (host, port), device = ENDS
        conversation = RecordedConversation(
            pcap, now, now + 400_000, Ends((host, port + n), device)
        )
        for to_device, data in line:
            now += 10_000_000
            (conversation.sent if to_device else conversation.received)(now, data)
        now += 10_000_000
        if end:
            conversation.closed(now, by_us=True)
    return file.getvalue()


def talk(data):
    """The bytes of a line, told apart by who sends such frames, each of them torn in two."""
    found = []
    for piece in explain(data):
        half = len(piece.data) // 2
        to_device = piece.direction == "to device"
        found += [(to_device, piece.data[:half]), (to_device, piece.data[half:])]
    return [(to_device, part) for to_device, part in found if part]


def packets(data):
    """The packets of a pcap file that :func:`capture` made, from the IP header on."""
    found, place = [], 24
    while place < len(data):
        size = int.from_bytes(data[place + 8 : place + 12], "little")
        found.append(data[place + 16 : place + 16 + size])
        place += 16 + size
    return found
