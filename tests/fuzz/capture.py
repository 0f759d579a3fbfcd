"""Captures: whatever a file claims, it costs no more than it has bytes, and no date is too much."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import zlib

from rct_collector.capture.conversations import read_capture
from rct_collector.capture.headers import LINKS, segment
from rct_collector.capture.packets import PacketReader
from rct_collector.capture.source import Ended, Source
from rct_collector.capture.streams import Conversations
from rct_collector.cli.trace import print_trace, trace_of
from rct_collector.drivers.rct.tools.dissect import DISSECTOR
from rct_collector.errors import CaptureError
from tests.fuzz import grammar
from tests.work import calls, peak

#: What one byte of a file may cost, and a file of none: calls, bytes of memory.
CALLS, LEAST_CALLS = 10, 1500
MEMORY, LEAST_MEMORY = 30, 300_000

#: As often, the segments of a file are taken, each time a little farther on.
AGAIN = 24
#: What one of these segments may cost.
SEGMENT_CALLS = 90

_PCAP = (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34)
_NUMBERS = (0, 1, 8, 60, 0x40000, 0x40001, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


# -- changes -------------------------------------------------------------------------------


def mutate(data, random):
    """Another capture, or a field of this one changed, or part of it once more."""
    deed = random.randrange(5)
    if deed == 0 or len(data) < 24:
        return any_capture(random)
    if data.startswith(b"\x1f\x8b"):
        with contextlib.suppress(OSError, EOFError, zlib.error):
            data = gzip.decompress(data)
    if deed == 1:
        return gzip.compress(mutate(data, random) if len(data) > 24 else data, mtime=0)
    place = random.randrange(0, len(data), 2)
    if deed == 2:
        width, order = random.choice((1, 2, 4)), random.choice(("big", "little"))
        number = random.choice(_NUMBERS) & ((1 << 8 * width) - 1)
        return data[:place] + number.to_bytes(width, order) + data[place + width :]
    end = min(len(data), place + random.choice((4, 16, 60, 100)))
    if deed == 3:
        return data[:end] + data[place:]
    return data[:place] + data[end:]


def dictionary():
    yield from (struct.pack(order + "I", magic) for magic in _PCAP for order in "<>")
    yield from (b"\n\r\r\n", b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d", b"\x1f\x8b\x08")
    yield from (struct.pack("<I", number) for number in (*_NUMBERS, *LINKS))


def any_capture(random):
    """A few segments of a few connections, in one of the formats."""
    order = random.choice("<>")
    packets = [any_packet(random) for _ in range(random.randint(1, 4))]
    if random.random() < 0.4:
        return _pcapng(packets, order, random)
    magic = random.choice(_PCAP)
    gap = b"\0" * 8 if magic == 0xA1B2CD34 else b""
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, random.choice((101, 12, 1)))
    for n, packet in enumerate(packets):
        data += struct.pack(order + "IIII", n, 0, len(packet), len(packet)) + gap + packet
    return data


def _pcapng(packets, order, random):
    def block(kind, body):
        body = body.ljust(len(body) + -len(body) % 4, b"\0")
        size = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + size + body + size

    data = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    resolution = struct.pack(order + "HHB3x", 9, 1, random.getrandbits(8))
    offset = struct.pack(order + "HHq", 14, 8, random.choice((0, -(2**63), 2**63 - 1)))
    data += block(1, struct.pack(order + "HHI", 101, 0, 0) + resolution + offset)
    for packet in packets:
        if random.random() < 0.2:
            data += block(3, struct.pack(order + "I", len(packet)) + packet)
        else:
            ticks = random.choice(_NUMBERS), random.choice(_NUMBERS)
            head = struct.pack(order + "5I", 0, *ticks, len(packet), len(packet))
            data += block(6, head + packet)
    return data


def any_packet(random):
    """An IP packet with a frame, or what is left of one."""
    content = grammar.any_frame(random)[: random.choice((0, 1, 8, 40))]
    ports = (random.choice((1024, 1025)), 8899)[:: random.choice((1, -1))]
    sequence = random.choice((0, 1, 9, 900_000, 0xFFFFFFFF, random.getrandbits(22)))
    flags = random.choice((2, 18, 24, 24, 24))
    tcp = struct.pack("!HHIIBBHHH", *ports, sequence, 0, 5 << 4, flags, 0, 0, 0) + content
    return struct.pack("!BxH5xB2x", 0x45, 20 + len(tcp), 6) + b"\1" * 8 + tcp


# -- laws ----------------------------------------------------------------------------------


def check(data):
    size = unpacked(data)
    told = []
    assert calls(lambda: told.append(read(data))) <= LEAST_CALLS + CALLS * size
    assert peak(lambda: read(data)) <= LEAST_MEMORY + MEMORY * size
    (capture,) = told
    if capture is None:
        return
    holds_no_more(capture.conversations, size)
    segments_cost_the_same(data, size)
    with contextlib.suppress(CaptureError):
        can_be_printed(trace_of(capture, "capture", DISSECTOR))


def can_be_printed(found):
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        for form in ("table", "json"):
            print_trace(found, form)
    assert written.getvalue()


def read(data):
    """The capture, or None for what is refused."""
    with contextlib.suppress(CaptureError):
        return read_capture(Source(io.BytesIO(data), "capture"))
    return None


def unpacked(data):
    """Bytes of a file when gzip is taken off; it makes a thousand of one at most."""
    if not data.startswith(b"\x1f\x8b"):
        return len(data)
    size = 0
    while data.startswith(b"\x1f\x8b"):  # one behind the other
        engine = zlib.decompressobj(31)
        with contextlib.suppress(zlib.error):  # which loses what came just before it
            for place in range(len(data)):
                size += len(engine.decompress(data[place : place + 1]))
                if engine.eof:
                    data = data[place + 1 :]
                    break
        if not engine.eof:
            break
    return max(size, len(data))


def holds_no_more(conversations, size):
    """The bytes of all streams are some of the file's, in order, and holes are no bytes."""
    kept = 0
    for conversation in conversations:
        for stream in (conversation.to_server, conversation.from_server):
            end, missing = 0, 0
            for n, chunk in enumerate(stream.chunks):
                assert chunk.data
                assert chunk.offset > end if n else chunk.offset == 0
                missing += chunk.offset - end
                end = chunk.offset + len(chunk.data)
                kept += len(chunk.data)
                assert stream.time_ns(end - 1) >= stream.time_ns(chunk.offset)
            assert stream.missing == missing
    assert kept <= size


def segments_cost_the_same(data, size):
    """The same segments once more, and again, each a step farther on."""
    found = []
    with contextlib.suppress(CaptureError, Ended):
        for packet in PacketReader(Source(io.BytesIO(data), "capture")):
            item = segment(0, packet.link, packet.data) if packet.link in LINKS else None
            if item:
                found.append(item)
    step = sum(data[-3:]) * 1000 + len(data)
    again = [
        item._replace(sequence=(item.sequence + n * step) & 0xFFFFFFFF)
        for n in range(AGAIN)
        for item in (found if data[-1] % 2 else found[::-1])
    ]

    def put_together():
        conversations = Conversations()
        for item in again:
            conversations.add(item)
        holds_no_more(conversations.results(), sum(len(item.data) for item in again))

    assert calls(put_together) <= LEAST_CALLS + SEGMENT_CALLS * len(again)
    kept = sum(len(item.data) for item in again)
    assert peak(put_together) <= LEAST_MEMORY + 1500 * len(again) + 4 * kept
