"""Captures of others: segments in any order and number, links, formats, and files cut short."""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import struct
import sys
from random import Random

import dpkt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector.capture import source, streams
from rct_collector.capture.conversations import read_capture
from rct_collector.capture.packets import MAGICS
from rct_collector.capture.source import Source
from rct_collector.capture.streams import Chunk
from rct_collector.errors import CaptureError
from rct_collector.transport.base import Ends
from tests.captures import block, enhanced, ethernet, gzipped, interface, patched, section, simple
from tests.work import calls, peak

CLIENT, SERVER = ("192.0.2.1", 49152), ("192.0.2.10", 8899)
SYN, ACK, PUSH = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK, dpkt.tcp.TH_PUSH
WRAP = 1 << 32

#: The first test also loads the libraries, which takes its time.
slow_start = settings(deadline=None)


def segment(data=b"", seq=1, flags=PUSH | ACK, source=CLIENT, target=SERVER):
    """One IP packet."""
    tcp = dpkt.tcp.TCP(
        sport=source[1], dport=target[1], seq=seq % WRAP, ack=1, flags=flags, data=data
    )
    tcp.off = 5
    if ":" in source[0]:
        addresses = [socket.inet_pton(socket.AF_INET6, end[0]) for end in (source, target)]
        packet = dpkt.ip6.IP6(src=addresses[0], dst=addresses[1], nxt=6, hlim=64, data=tcp)
        packet.plen = len(tcp)
        packet.extension_hdrs, packet.all_extension_headers = {}, []
        return packet
    addresses = [socket.inet_aton(end[0]) for end in (source, target)]
    packet = dpkt.ip.IP(src=addresses[0], dst=addresses[1], p=6, data=tcp)
    packet.len = len(packet)
    return packet


def opening(seq=0, **more):
    return segment(flags=SYN, seq=seq, **more)


def pcap(packets, linktype=101, wrap=bytes, **more):
    """A pcap file with one packet each millisecond."""
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, linktype=linktype, **more)
    for n, packet in enumerate(packets):
        writer.writepkt_time(wrap(packet), 1000 + n / 1000)
    return file.getvalue()


def read(data):
    return read_capture(Source(io.BytesIO(data), "test.pcap"))


def stream(data):
    """What the client of the only connection said."""
    (conversation,) = read(data).conversations
    return conversation.to_server


def bytes_of(found):
    """Its bytes, of which none are missing."""
    assert found.missing == 0
    (chunk,) = found.chunks or [Chunk(0, b"")]
    assert chunk.offset == 0
    return chunk.data


# -- order -------------------------------------------------------------------------------------


@st.composite
def torn(draw):
    """Bytes, and where to tear them; with repetitions that are torn elsewhere."""
    data = draw(st.binary(min_size=1, max_size=200))
    cuts = sorted(draw(st.sets(st.integers(1, len(data)), max_size=20)) | {len(data)})
    pieces = list(zip([0, *cuts[:-1]], cuts, strict=True))
    spans = st.tuples(st.integers(0, len(data) - 1), st.integers(1, len(data)))
    again = draw(st.lists(spans.filter(lambda span: span[0] < span[1]), max_size=5))
    return data, draw(st.permutations(pieces + again))


@pytest.mark.slow
@slow_start
@given(torn(), st.integers(0, WRAP - 1), st.booleans())
@example((b"ab" * 50, [(50, 100), (0, 50)]), WRAP - 60, True)
def test_segments_may_come_in_any_order_and_more_than_once(what, first, with_begin):
    data, pieces = what
    packets = [segment(data[start:end], seq=first + 1 + start) for start, end in pieces]
    begin = [opening(first)] if with_begin else []
    found = stream(pcap(begin + packets))

    assert bytes_of(found) == data


@pytest.mark.slow
@slow_start
@given(torn())
def test_a_byte_is_there_when_it_and_all_before_it_have_come(what):
    data, pieces = what
    packets = [segment(data[start:end], seq=1 + start) for start, end in pieces]
    found = stream(pcap([opening(), *packets]))
    arrived = {}
    for n, (start, end) in enumerate(pieces, 1):
        for offset in range(start, end):
            # Keep-alives look like the last byte again.
            arrived.setdefault(offset, n)

    for offset in range(len(data)):
        expected = max(arrived[before] for before in range(offset + 1))
        assert found.time_ns(offset) == 1000 * 10**9 + expected * 10**6


def test_keep_alives_are_no_data():
    packets = [opening(), segment(b"abc"), segment(b"\0", seq=3), segment(b"", seq=3)]

    assert bytes_of(stream(pcap([*packets, segment(b"d", seq=4)]))) == b"abcd"


def test_what_the_capture_lacks_is_a_hole_and_counted():
    found = stream(pcap([opening(), segment(b"abc"), segment(b"xyz", seq=14)]))

    assert found.chunks == [Chunk(0, b"abc"), Chunk(13, b"xyz")]
    assert found.missing == 10
    assert (found.time_ns(2), found.time_ns(13)) == (1000_001_000_000, 1000_002_000_000)


def test_a_capture_may_begin_in_the_middle_of_a_connection():
    packets = [
        segment(b"answer", seq=77, source=SERVER, target=CLIENT),
        segment(b"question", seq=99),
    ]
    (conversation,) = read(pcap(packets)).conversations

    assert conversation.ends == Ends(CLIENT, SERVER)
    assert bytes_of(conversation.to_server) == b"question"
    assert bytes_of(conversation.from_server) == b"answer"


def test_the_end_that_opens_is_the_client_whatever_its_port():
    low = ("192.0.2.1", 80)
    packets = [
        segment(flags=SYN | ACK, source=SERVER, target=low),
        segment(b"q", source=low),
    ]

    assert read(pcap(packets)).conversations[0].ends == Ends(low, SERVER)


def test_connections_are_kept_apart():
    other = ("192.0.2.2", 50000)
    packets = [
        opening(), opening(source=other), segment(b"mine"), segment(b"other's", source=other),
        segment(b" too", seq=5),
        opening(5000), segment(b"new", seq=5001),  # the same ports again
        segment(b"far", seq=5004 + (1 << 21)),  # a capture that was paused
    ]  # fmt: skip
    found = read(pcap(packets)).conversations

    assert [bytes_of(c.to_server) for c in found] == [b"mine too", b"other's", b"new", b"far"]


def test_an_end_that_talks_to_itself_has_said_each_byte_once():
    """The system connects a port to itself when nobody listens there."""
    (only,) = read(pcap([segment(b"ab", source=CLIENT, target=CLIENT)])).conversations
    assert only.ends == Ends(CLIENT, CLIENT)
    assert only.to_server.chunks == [Chunk(0, b"ab")]
    assert only.from_server.chunks == []


def test_a_repeated_begin_is_no_new_connection():
    assert bytes_of(stream(pcap([opening(), opening(), segment(b"abc")]))) == b"abc"


# -- formats -----------------------------------------------------------------------------------


def ppp(packet):
    return b"\xff\x03\x00\x21" + bytes(packet)


LINKS = {
    "ethernet": (1, ethernet),
    "vlan": (1, lambda p: ethernet(struct.pack("!HH", 42, 0x0800) + bytes(p), 0x8100)),
    "padded": (1, lambda p: ethernet(p).ljust(60, b"\0")),
    "cooked": (113, lambda p: struct.pack("!HHH8sH", 0, 1, 6, b"\2" * 6, 0x0800) + bytes(p)),
    "cooked 2": (
        276, lambda p: struct.pack("!HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, b"\2" * 6) + bytes(p)
    ),
    "raw": (101, bytes),
    "loopback": (0, lambda p: struct.pack("=I", 2) + bytes(p)),
    "loopback of others": (108, lambda p: struct.pack(">I", 2) + bytes(p)),
    "tagged twice": (
        1, lambda p: ethernet(struct.pack("!HHHH", 1, 0x8100, 2, 0x0800) + bytes(p), 0x88A8)
    ),
    "DSL": (1, lambda p: ethernet(struct.pack("!HHH", 0x1100, 1, len(p) + 2) + ppp(p)[2:], 0x8864)),
    "PPP": (9, ppp),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "wrap"), LINKS.values(), ids=LINKS)
def test_links(kind, wrap):
    assert bytes_of(stream(pcap([opening(), segment(b"abc")], kind, wrap))) == b"abc"


def test_ipv6():
    ends = {"source": ("2001:db8::1", 49152), "target": ("2001:db8::10", 8899)}

    assert bytes_of(stream(pcap([opening(**ends), segment(b"abc", **ends)]))) == b"abc"


def swapped(data):
    """The same pcap file, of a machine with the other byte order."""
    ours, other = "<>" if data[0] in (0xD4, 0x4D) else "><"
    head = "IHHiIII"
    result, position = struct.pack(other + head, *struct.unpack(ours + head, data[:24])), 24
    while position < len(data):
        record = struct.unpack(ours + "IIII", data[position : position + 16])
        end = position + 16 + record[2]
        result += struct.pack(other + "IIII", *record) + data[position + 16 : end]
        position = end
    return result


def test_formats():
    packets = [opening(), segment(b"abc")]
    ng = io.BytesIO()
    little = sys.byteorder == "little"
    description = getattr(dpkt.pcapng, "InterfaceDescriptionBlock" + "LE" * little)
    writer = dpkt.pcapng.Writer(ng, idb=description(linktype=101))
    for n, packet in enumerate(packets):
        writer.writepkt(bytes(packet), 1000 + n / 1000)
    usual, exact = pcap(packets), pcap(packets, nano=True)

    for data in (usual, exact, swapped(usual), swapped(exact), ng.getvalue()):
        assert data.startswith(MAGICS)
        found = stream(data)
        assert bytes_of(found) == b"abc"
        assert found.time_ns(0) == 1000_001_000_000


def test_packets_of_other_protocols_are_passed_over():
    udp = dpkt.ip.IP(src=b"\1" * 4, dst=b"\2" * 4, p=17, data=dpkt.udp.UDP(data=b"x"))
    data = pcap([b"", b"E", b"garbage", udp, segment(b"abc")][1:])

    assert bytes_of(stream(data)) == b"abc"


# -- what is wrong -----------------------------------------------------------------------------


def test_a_file_cut_short_is_read_as_far_as_it_goes():
    whole = pcap([opening(), segment(b"abc"), segment(b"def", seq=4)])
    last = 16 + len(bytes(segment(b"def")))
    for size in range(len(whole) - last + 1, len(whole)):
        capture = read(whole[:size])
        expected = "test.pcap is cut short behind TCP packet 2; what came before was read"
        assert capture.trouble == expected
        assert bytes_of(capture.conversations[0].to_server) == b"abc"
    assert read(whole).trouble == read(whole[:-last]).trouble == ""


@slow_start
@given(st.sampled_from(MAGICS), st.binary(max_size=200))
def test_garbage_is_told_of_or_read_as_far_as_it_goes(magic, rest):
    """Nothing else is raised, and no conversation is made up."""
    with contextlib.suppress(CaptureError):
        assert read(magic + rest).conversations == []


@slow_start
@given(st.data())
def test_a_damaged_file_raises_nothing_else(data):
    content = bytearray(pcap([opening(), segment(b"abc"), segment(b"def", seq=4)]))
    for position in data.draw(st.lists(st.integers(24, len(content) - 1), max_size=5)):
        content[position] = data.draw(st.integers(0, 255))
    found = read(bytes(content)).conversations
    kept = sum(
        len(chunk.data) for one in found for way in (one.to_server, one.from_server)
        for chunk in way.chunks
    )  # fmt: skip
    assert kept <= len(content)


def test_a_link_without_ip_is_told():
    with pytest.raises(CaptureError, match="test.pcap has link type 148; those that can be read"):
        read(pcap([], 148))


# -- pcapng ------------------------------------------------------------------------------------


FIRST, SECOND = segment(b"abc"), segment(b"def", seq=4)
DATE_NS = 1_795_812_758_661_563_792


def test_each_interface_has_its_own_link_and_resolution():
    data = (
        section()
        + interface(1, 6)
        + interface(101, 9)
        + interface(113, 0x80 | 20, offset=1_795_812_000)
        + enhanced(ethernet(opening()), DATE_NS // 1000)
        + enhanced(FIRST, DATE_NS + 1000, 1)
        + enhanced(LINKS["cooked"][1](SECOND), 759 << 20, 2)
    )
    found = stream(data)

    assert bytes_of(found) == b"abcdef"
    assert found.time_ns(0) == DATE_NS + 1000
    assert found.time_ns(3) == 1_795_812_759 * 10**9


@pytest.mark.parametrize("order", ["<", ">"])
def test_sections_and_old_blocks(order):
    other = "><"[order == ">"]
    old = struct.pack(order + "HHIIII", 0, 0, 0, 5_000_000, len(SECOND), len(SECOND))
    data = (
        section(other) + interface(147, order=other)
        + section(order) + block(0xBAD, b"something", order) + interface(order=order)
        + enhanced(FIRST, 4_000_000, order=order)
        + block(2, old + bytes(SECOND), order)
    )  # fmt: skip
    found = stream(data)

    assert bytes_of(found) == b"abcdef"
    assert found.time_ns(5) == 5 * 10**9


def test_packets_without_times_are_numbered():
    capture = read(section() + interface() + simple(FIRST) + simple(SECOND))

    assert not capture.dated
    assert capture.conversations[0].to_server.time_ns(3) == 2
    assert read(section() + interface() + enhanced(FIRST, 1) + simple(SECOND)).dated


@given(st.integers(0, 255), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1))
def test_any_time_is_a_number(resolution, offset, ticks):
    data = section() + interface(101, resolution, offset) + enhanced(FIRST, ticks)
    per_second = 2 ** (resolution & 127) if resolution & 128 else 10**resolution

    assert stream(data).time_ns(0) == offset * 10**9 + ticks * 10**9 // per_second


def test_packets_of_other_links_are_left_out_and_told():
    data = section() + interface(147) + interface() + enhanced(b"x", 0) + enhanced(FIRST, 1, 1)
    capture = read(data)

    assert bytes_of(capture.conversations[0].to_server) == b"abc"
    assert capture.trouble == "test.pcap: 1 packets of link type 147 were left out"


def test_a_hole_of_a_short_capture_is_missing():
    whole = enhanced(FIRST, 1)
    cut = bytes(FIRST)[:-1]
    head = struct.pack("<5I", 0, 0, 1, len(cut), len(FIRST))
    found = stream(section() + interface() + block(6, head + cut) + enhanced(SECOND, 2))

    assert found.chunks == [Chunk(0, b"ab"), Chunk(3, b"def")]
    assert stream(section() + interface() + whole).missing == 0


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (enhanced(SECOND, 1, 7), "a packet of interface 7, which it lacks"),
        (block(6, bytes(8)), "a block of too few bytes"),
        (block(1, bytes(4)), "an interface of too few bytes"),
        (block(6, struct.pack("<5I", 0, 0, 0, 999, 999)), "a packet of 999 bytes in a block"),
        (struct.pack("<II", 6, 0xFFFFFFF0), "a block of 4294967280 bytes"),
        (struct.pack("<II", 6, 8), "a block of 8 bytes"),
        (enhanced(SECOND, 1)[:-1] + b"\1", "whose two lengths differ"),
    ],
)
def test_a_damaged_block_is_told_behind_what_was_read(blocks, words):
    capture = read(section() + interface() + enhanced(FIRST, 1) + blocks)

    assert words in capture.trouble
    assert capture.trouble.endswith("behind TCP packet 1; what came before was read")
    assert bytes_of(capture.conversations[0].to_server) == b"abc"


# -- pcap of others ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("gap", [8, 12])
def test_captures_of_fritzbox(order, gap):
    found = stream(patched([opening(), FIRST, SECOND], order, gap))

    assert bytes_of(found) == b"abcdef"
    assert found.time_ns(0) == 1000_001_000_000


@pytest.mark.parametrize("size", [0, 1, 17])
def test_a_capture_of_fritzbox_may_hold_one_short_packet_or_none(size):
    assert read(patched([], "<") + patched([b"x" * size], "<")[24:]).trouble == ""


def test_a_packet_of_no_bytes_is_passed_over():
    data = pcap([opening(), FIRST])
    capture = read(data + bytes(16) + pcap([SECOND])[24:])

    assert capture.trouble == ""
    assert bytes_of(capture.conversations[0].to_server) == b"abcdef"


@pytest.mark.parametrize("size", [0x40001, 0xFFFFFFFF])
def test_a_huge_packet_is_told(size):
    capture = read(pcap([opening(), FIRST]) + struct.pack("<4I", 1, 1, size, size) + bytes(99))

    assert f"test.pcap is damaged (a packet of {size} bytes) behind TCP packet 2" in capture.trouble
    assert bytes_of(capture.conversations[0].to_server) == b"abc"


# -- gzip --------------------------------------------------------------------------------------


def test_gzip_is_taken_off():
    whole = pcap([opening(), FIRST, SECOND])

    assert bytes_of(stream(gzipped(whole))) == b"abcdef"
    assert bytes_of(stream(gzipped(whole[:70]) + gzipped(whole[70:]))) == b"abcdef"


def test_what_is_left_of_a_damaged_gzip_file_is_read():
    noise = [segment(Random(n).randbytes(1000), 1 + 1000 * n) for n in range(40)]
    packed = gzipped(pcap([opening(), *noise]))
    for data, words in (
        (packed[: len(packed) // 2], "test.pcap is cut short behind TCP packet"),
        (packed[:-8] + bytes(8), "test.pcap is damaged (gzip: CRC check failed"),
    ):
        capture = read(data)
        assert words in capture.trouble
        assert len(bytes_of(capture.conversations[0].to_server)) > 10_000


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzipped(b"")[:9], "test.pcap is cut short"),
        (gzipped(gzipped(b"x")), "test.pcap is gzipped twice; unpack it first"),
        (gzipped(b"x"), "test.pcap is no pcap or pcapng file"),
        (b"\x1f\x8b\x08\xff" + bytes(40), "test.pcap is damaged|test.pcap is cut short"),
    ],
)
def test_gzip_files_that_hold_no_capture_are_refused(data, words):
    with pytest.raises(CaptureError, match=words):
        read(data)


@pytest.mark.slow
@pytest.mark.measured
def test_what_expands_without_end_is_read_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(source, "LARGEST_UNPACKED", 1 << 20)
    packets = pcap([opening(), FIRST]) + bytes(16) * (1 << 18)
    capture = read(gzipped(packets))

    assert "expands to more than 1 MiB (unpack it with gunzip)" in capture.trouble
    assert bytes_of(capture.conversations[0].to_server) == b"abc"


# -- formats of others -------------------------------------------------------------------------

ERF = b"".join(
    struct.pack("<Q", n) + struct.pack("!BBHHH", 2, 4, 16 + 60, 0, 60) + bytes(60) for n in range(4)
)

OTHERS = {
    "Zstandard": bytes.fromhex("28b52ffd"),
    "xz": b"\xfd7zXZ\0",
    "bzip2": b"BZh91AY&SY",
    "lz4": bytes.fromhex("04224d18"),
    "zip": b"PK\3\4",
    "7-Zip": b"7z\xbc\xaf\x27\x1c",
    "tar": bytes(257) + b"ustar\x0000",
    "snoop": b"snoop\0\0\0\0\0\0\2",
    "Network Monitor": b"GMBU",
    "Sniffer": b"TRSNIFF data    \x1a",
    "NetXRay": b"XCP\x00002.001",
    "Ixia": bytes.fromhex("1c0001ac"),
    "ERF": ERF,
    "IPFIX": struct.pack("!HHIII", 10, 16, 0, 0, 0) * 3,
    "ELF": b"\x7fELF\2\1\1",
    "PDF": b"%PDF-1.7\n%\xe2\xe3",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "JPEG": bytes.fromhex("ffd8ffe000104a464946"),
    "SQLite": b"SQLite format 3\0",
}


@pytest.mark.parametrize(("name", "begin"), OTHERS.items(), ids=OTHERS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_other_formats_are_refused_by_name(name, begin, pack):
    with pytest.raises(CaptureError, match=f"^test.pcap is .*{name}"):
        read(pack(begin if name in ("ERF", "IPFIX") else begin + bytes(99)))


# -- bounds ------------------------------------------------------------------------------------


def jumps(count):
    """Each segment lies almost a megabyte behind the one before."""
    return [segment(b"x", seq=1 + n * 1_000_000) for n in range(count)]


def holes(count):
    return [segment(b"xy", seq=1 + 3 * n) for n in range(count)]


def strangers(count):
    return [opening(source=("192.0.2.1", 1024 + n)) for n in range(count)]


def overlapping(count):
    return [segment(bytes(200), seq=1 + 7 * n) for n in range(count)]


FLOODS = {
    "jumps": jumps,
    "far jumps": lambda count: [segment(b"x", seq=1 + n * 5_000_000) for n in range(count)],
    "holes": holes,
    "holes from behind": lambda count: holes(count)[::-1],
    "holes from both ends": lambda count: [
        one for pair in zip(holes(count)[: count // 2], holes(count)[::-1], strict=False)
        for one in pair
    ],
    "overlapping": overlapping,
    "overlapping from behind": lambda count: overlapping(count)[::-1],
    "the same again": lambda count: [FIRST] * count,
    "shorter and shorter": lambda count: [segment(bytes(count - n), seq=1) for n in range(count)],
    "longer and longer": lambda count: [segment(bytes(n + 1), seq=1) for n in range(count)],
    "strangers": strangers,
    "begins": lambda count: [opening(seq=n * 9) for n in range(count)],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_work_and_memory_grow_with_the_capture_alone(flood):
    """Whatever its sequence numbers claim."""
    small, large = pcap(flood(100)), pcap(flood(400))
    read(large)  # what is loaded or kept once
    growth = len(large) / len(small)

    assert calls(lambda: read(large)) <= 1.3 * growth * calls(lambda: read(small))
    # The least of some, since what other tests left running takes memory as well.
    assert min(peak(lambda: read(large)) for _ in range(3)) <= 100_000 + 25 * len(large)


@pytest.mark.parametrize(
    ("limit", "value", "packets", "words"),
    [
        ("MOST_CONNECTIONS", 3, strangers(5), "3 connections: what follows packet 3 was left out"),
        ("MOST_SEGMENTS", 3, holes(5), "3 packets with data: what follows packet 3 was left out"),
        ("MOST_BYTES", 1 << 20, [segment(bytes(50_000), seq=50_000 * n) for n in range(30)],
         "1 MiB of data: what follows packet 20 was left out"),
    ],
)  # fmt: skip
def test_there_is_an_end_of_what_is_kept_and_it_is_told(monkeypatch, limit, value, packets, words):
    monkeypatch.setattr(streams, limit, value)
    capture = read(pcap(packets))

    assert f"test.pcap has more than {words}" in capture.trouble
    assert "makes a smaller one" in capture.trouble
    assert capture.conversations


@pytest.mark.slow
@slow_start
@given(torn(), st.lists(st.integers(0, 255), min_size=200, max_size=200))
def test_of_bytes_that_came_twice_the_first_are_kept(what, other):
    """Segments that disagree: those that came first are what the receiver took."""
    data, pieces = what
    sent = [
        (start, bytes(a ^ (n and b) for a, b in zip(data[start:end], other[start:], strict=False)))
        for n, (start, end) in enumerate(pieces)
    ]
    expected = {}
    for start, part in sent:
        for offset, byte in enumerate(part, start):
            expected.setdefault(offset, byte)
    # A byte that looks like a keep-alive is none.
    latest, kept = 0, []
    for start, part in sent:
        if len(part) == 1 and start == latest - 1:
            return
        latest = max(latest, start + len(part))
        kept.append(segment(part, seq=1 + start))

    found = bytes_of(stream(pcap([opening(), *kept])))
    assert found == bytes(expected[n] for n in sorted(expected))
