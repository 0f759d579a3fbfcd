"""Captures of others: segments in any order and number, links, formats, and files cut short."""

from __future__ import annotations

import builtins
import contextlib
import io
import socket
import struct
import sys

import dpkt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector.errors import CaptureError
from rct_collector.transport.base import Ends
from rct_collector.transport.capture import MAGICS, read_capture

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
    return read_capture(io.BytesIO(data), "test.pcap")


def stream(data):
    """What the client of the only connection said."""
    (conversation,) = read(data).conversations
    return conversation.to_server


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


@slow_start
@given(torn(), st.integers(0, WRAP - 1), st.booleans())
@example((b"ab" * 50, [(50, 100), (0, 50)]), WRAP - 60, True)
def test_segments_may_come_in_any_order_and_more_than_once(what, first, with_begin):
    data, pieces = what
    packets = [segment(data[start:end], seq=first + 1 + start) for start, end in pieces]
    begin = [opening(first)] if with_begin else []
    found = stream(pcap(begin + packets))

    assert found.data == data
    assert found.missing == 0


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

    assert stream(pcap([*packets, segment(b"d", seq=4)])).data == b"abcd"


def test_what_the_capture_lacks_is_counted():
    found = stream(pcap([opening(), segment(b"abc"), segment(b"xyz", seq=14)]))

    assert found.data == b"abc" + bytes(10) + b"xyz"
    assert found.missing == 10


def test_a_capture_may_begin_in_the_middle_of_a_connection():
    packets = [
        segment(b"answer", seq=77, source=SERVER, target=CLIENT),
        segment(b"question", seq=99),
    ]
    (conversation,) = read(pcap(packets)).conversations

    assert conversation.ends == Ends(CLIENT, SERVER)
    assert conversation.to_server.data == b"question"
    assert conversation.from_server.data == b"answer"


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

    assert [c.to_server.data for c in found] == [b"mine too", b"other's", b"new", b"far"]


def test_a_repeated_begin_is_no_new_connection():
    assert stream(pcap([opening(), opening(), segment(b"abc")])).data == b"abc"


# -- formats -----------------------------------------------------------------------------------


def ethernet(packet, kind=0x0800):
    return struct.pack("!6s6sH", b"\2" * 6, b"\4" * 6, kind) + bytes(packet)


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
}  # fmt: skip


@pytest.mark.parametrize(("kind", "wrap"), LINKS.values(), ids=LINKS)
def test_links(kind, wrap):
    assert stream(pcap([opening(), segment(b"abc")], kind, wrap)).data == b"abc"


def test_ipv6():
    ends = {"source": ("2001:db8::1", 49152), "target": ("2001:db8::10", 8899)}

    assert stream(pcap([opening(**ends), segment(b"abc", **ends)])).data == b"abc"


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
        assert found.data == b"abc"
        assert found.time_ns(0) == 1000_001_000_000


def test_packets_of_other_protocols_are_passed_over():
    udp = dpkt.ip.IP(src=b"\1" * 4, dst=b"\2" * 4, p=17, data=dpkt.udp.UDP(data=b"x"))
    data = pcap([b"", b"E", b"garbage", udp, segment(b"abc")][1:])

    assert stream(data).data == b"abc"


# -- what is wrong -----------------------------------------------------------------------------


def test_a_file_cut_short_is_read_as_far_as_it_goes():
    whole = pcap([opening(), segment(b"abc"), segment(b"def", seq=4)])
    last = 16 + len(bytes(segment(b"def")))
    for size in range(len(whole) - last + 1, len(whole)):
        capture = read(whole[:size])
        expected = "test.pcap is cut short behind TCP packet 2; what came before was read"
        assert capture.trouble == expected
        assert capture.conversations[0].to_server.data == b"abc"
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
    for conversation in read(bytes(content)).conversations:
        assert len(conversation.to_server.data) < 1 << 22


def test_a_link_without_ip_is_told():
    with pytest.raises(CaptureError, match="test.pcap has link type 147; those that can be read"):
        read(pcap([], 147))


@pytest.mark.parametrize("missing", ["dpkt", "pcapkit"])
def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch, missing):
    really = builtins.__import__

    def without(name, *arguments, **more):
        if name.partition(".")[0] == missing:
            raise ImportError(name)
        return really(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CaptureError, match=r"pip install 'rct-collector\[pcap\]'"):
        read(pcap([segment(b"abc")]))
