"""Captures of any size, read while they come: order, gaps, ends of connections, what it costs."""

from __future__ import annotations

import gzip
import struct

import dpkt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector.capture import flows as module
from rct_collector.capture.contents import Contents
from rct_collector.capture.flows import MOST_FLOWS, Reassembly, Wanted
from rct_collector.errors import CaptureError
from rct_collector.transport.base import Ends
from tests.capture.test_conversations import opening, pcap, segment, torn
from tests.captures import block, enhanced, ethernet, interface, patched, section, simple
from tests.segments import SERVER, UNIT, WRAP, said, syn
from tests.work import peak

MAGIC = bytes.fromhex("12345679")
WANTED = Wanted(frozenset((22222, 22221, 80)), MAGIC)

relaxed = settings(deadline=None)


def run_all(segments, wanted=WANTED):
    flows = Reassembly(wanted)
    return [run for item in segments for run in flows.add(item)] + flows.finish()


def by_flow(runs):
    """Number of the flow → what was said, with a mark for each gap."""
    found = {}
    for run in runs:
        found.setdefault(run.flow, []).append(b"<%d>" % run.lost * bool(run.lost) + run.data)
    return {flow: b"".join(parts) for flow, parts in found.items()}


def text(segments, **more):
    return b"|".join(by_flow(run_all(segments, **more)).values())


# -- order -------------------------------------------------------------------------------------


@pytest.mark.slow
@relaxed
@given(torn(), st.integers(0, WRAP - 1))
@example((b"ab" * 50, [(50, 100), (0, 50)]), WRAP - 60)
def test_segments_may_come_in_any_order_and_more_than_once(what, first):
    data, pieces = what
    parts = [said(data[start:end], first + 1 + start) for start, end in pieces]
    assert text([syn(first), *parts]) == data


@pytest.mark.slow
@relaxed
@given(torn(), torn(), st.randoms(use_true_random=False))
def test_directions_and_connections_do_not_mix(there, back, random):
    other = Ends(("192.0.2.2", 49152), SERVER)
    ways = [(there, {}), (back, {"back": True}), (there, {"ends": other})]
    queues = [
        [syn(0, **more)] + [said(data[start:end], 1 + start, **more) for start, end in pieces]
        for (data, pieces), more in ways
    ]
    mixed = []
    while any(queues):
        mixed.append(random.choice([queue for queue in queues if queue]).pop(0))
    runs = run_all(mixed)
    assert sorted(by_flow(runs).values()) == sorted((there[0], back[0], there[0]))
    directions = {run.flow: run.to_server for run in runs}
    assert list(directions.values()).count(False) == 1


def test_numbers_begin_anew():
    assert text([syn(WRAP - 3), said(b"cd", 0), said(b"ab", WRAP - 2), said(b"ef", 2)]) == b"abcdef"


def test_a_capture_may_begin_amid_a_connection():
    assert text([said(b"ab", 77), said(b"cd", 79)]) == b"abcd"


def test_what_keeps_alive_says_nothing():
    assert text([syn(), said(b"ab"), said(b"?", 2), said(b"cd", 3)]) == b"abcd"


def test_overlapping_segments_are_cut():
    assert text([syn(), said(b"abc"), said(b"bcde", 2), said(b"defg", 4)]) == b"abcdefg"


# -- gaps --------------------------------------------------------------------------------------


def test_a_gap_is_waited_for():
    parts = [syn(), said(b"ab"), said(b"ef", 5, at=1), said(b"cd", 3, at=60)]
    assert text(parts) == b"abcdef"


def test_a_gap_is_given_up_after_a_minute_of_the_capture_whoever_speaks_then():
    other = Ends(("192.0.2.2", 1), SERVER)
    flows = Reassembly(WANTED)
    for item in (syn(), said(b"ab"), said(b"ef", 5, at=1)):
        flows.add(item)
    assert flows.add(said(b"xy", ends=other, at=60.9))[0].data == b"xy"
    (run, _) = flows.add(said(b"z", 3, ends=other, at=61))
    assert (run.data, run.lost) == (b"ef", 2)
    assert flows.lost == 2
    assert flows.add(said(b"cd", 3, at=62)) == []  # too late
    assert flows.add(said(b"gh", 7, at=63))[0].data == b"gh"


def test_gaps_behind_a_gap_are_given_up_one_by_one():
    parts = [syn(), said(b"c", 3), said(b"e", 5), said(b"d", 4, at=70)]
    assert text(parts) == b"<2>cde"


def test_what_waits_behind_a_gap_has_an_end(monkeypatch):
    monkeypatch.setattr(module, "MOST_HELD", 4)
    flows = Reassembly(WANTED)
    flows.add(syn())
    assert flows.add(said(b"cdef", 3)) == []
    assert [run.data for run in flows.add(said(b"gh", 7))] == [b"cdef", b"gh"]


# -- ends --------------------------------------------------------------------------------------


def test_the_end_of_a_connection_is_told_once_and_repetitions_say_nothing_more():
    parts = [syn(), said(b"cd", 3, closes=True), said(b"ab"), said(b"ab"), said(b"cd", 3, at=9)]
    runs = run_all(parts)
    assert [(run.data, run.over) for run in runs] == [(b"ab", False), (b"cd", False), (b"", True)]


def test_a_reset_ends_it_with_what_waits():
    runs = run_all([syn(), said(b"cd", 3), said(b"", 5, resets=True), said(b"ef", 5)])
    assert [(run.data, run.lost, run.over) for run in runs] == [(b"cd", 2, False), (b"", 0, True)]


@pytest.mark.parametrize(
    "second",
    [
        [syn(500_000), said(b"cd", 500_001)],
        [said(b"cd", 3, at=3700)],
        [said(b"cd", 1 << 30)],
    ],
    ids=("opened anew", "silent for an hour", "far away"),
)
def test_the_next_connection_of_the_same_ends_is_another_flow(second):
    runs = run_all([syn(), said(b"ab"), *second])
    assert by_flow(runs) == {0: b"ab", 1: b"cd"}
    assert [run.over for run in runs] == [False, True, False, True]


def test_the_begin_may_come_twice():
    assert text([syn(), syn(), said(b"ab")]) == b"ab"


def test_connections_at_a_time_are_bounded():
    flows = Reassembly(WANTED)
    ends = [Ends((f"192.0.{n >> 8}.{n & 255}", 1), SERVER) for n in range(MOST_FLOWS + 1)]
    for end in ends:
        last = flows.add(said(b"x", ends=end))
    assert [(run.flow, run.over) for run in last] == [(0, True), (MOST_FLOWS, False)]


# -- which -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "data", "taken"),
    [
        (22222, b"any", True),
        (22221, b"any", True),
        (80, b"any", True),
        (8899, b"any", False),
        (8899, MAGIC + b"any", True),
        (8899, b"any" + MAGIC, False),
    ],
)
def test_connections_are_chosen_by_port_or_magic(port, data, taken):
    ends = Ends(UNIT, ("192.0.2.10", port))
    runs = run_all([syn(ends=ends), said(data, ends=ends)])
    assert [run.data for run in runs if run.data] == [data] * taken
    assert all(run.to_server for run in runs)


def test_the_other_direction_of_a_connection_that_is_taken_is_taken():
    ends = Ends(UNIT, ("192.0.2.10", 9))
    parts = [said(MAGIC, ends=ends), said(b"any", back=True, ends=ends)]
    assert [run.to_server for run in run_all(parts) if run.data] == [True, False]


def test_only_what_goes_to_a_server_may_be_taken():
    other = Ends(UNIT, ("192.0.2.11", 22222))
    parts = [said(b"a"), said(b"back", back=True), said(b"other", ends=other), said(b"b", 2)]
    runs = run_all(parts, Wanted(WANTED.ports, MAGIC, frozenset(("192.0.2.10",))))
    assert [run.data for run in runs if run.data] == [b"a", b"b"]


# -- files -------------------------------------------------------------------------------------

PARTS = [opening(source=UNIT, target=SERVER)] + [
    segment(data, seq, source=UNIT, target=SERVER)
    for data, seq in ((MAGIC + b"ab", 1), (b"ef", 9), (b"cd", 7), (b"cd", 7))
]
WHOLE = MAGIC + b"abcdef"
SIX = [
    segment(bytes(part.data.data), part.data.seq, part.data.flags, ("2001:db8::1", 1), ("::2", 80))
    for part in PARTS
]


def vlan(packet):
    return ethernet(struct.pack("!HH", 5, 0x0800) + bytes(packet), 0x8100)


def cooked(packet):
    return struct.pack("!HHH8sH", 0, 1, 6, b"", 0x0800) + bytes(packet)


def optioned(packet):
    """With options of IP and of TCP, and padding behind it as in short frames of Ethernet."""
    ip = dpkt.ip.IP(bytes(packet))
    ip.data.opts, ip.data.off = b"\1" * 12, 8
    ip.opts, ip.hl, ip.len, ip.sum = b"\1" * 4, 6, 24 + len(ip.data), 0
    return ethernet(bytes(ip)) + bytes(6)


def big_endian(data):
    head = struct.unpack("<IHHiIII", data[:24])
    result, place = struct.pack(">IHHiIII", *head), 24
    while place < len(data):
        fields = struct.unpack("<4I", data[place : place + 16])
        result += struct.pack(">4I", *fields) + data[place + 16 : place + 16 + fields[2]]
        place += 16 + fields[2]
    return result


def dissimilar():
    """A section with interfaces of several links and resolutions, and another one after it."""
    parts = [bytes(part) for part in PARTS]
    first = section() + interface(1, 9) + interface(101, 6)
    first += enhanced(ethernet(parts[0]), 10**18) + enhanced(parts[1], 10**15, 1)
    return (
        first
        + block(99, b"any")
        + section(">")
        + interface(101, order=">")
        + b"".join(enhanced(part, 10**15, order=">") for part in parts[2:])
    )


FILES = {
    "raw": pcap(PARTS),
    "nanoseconds": pcap(PARTS, nano=True),
    "most significant byte first": big_endian(pcap(PARTS)),
    "ethernet": pcap(PARTS, 1, ethernet),
    "virtual network": pcap(PARTS, 1, vlan),
    "options and padding": pcap(PARTS, 1, optioned),
    "cooked": pcap(PARTS, 113, cooked),
    "IPv6": pcap(SIX),
    "FRITZ!Box": patched(PARTS, "<"),
    "pcapng": dissimilar(),
    "without times": section() + interface() + b"".join(map(simple, PARTS)),
    "bytes": WHOLE,
}
FILES |= {f"{name}, gzipped": gzip.compress(data, mtime=0) for name, data in FILES.items()}


def contents(data, cut=1 << 20):
    found = Contents("file", WANTED)
    runs = [run for n in range(0, len(data), cut) for run in found.feed(data[n : n + cut])]
    return runs + list(found.finish()), found.trouble


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_files_are_read_in_whatever_pieces_they_come(name, cut):
    runs, trouble = contents(FILES[name], cut)
    assert (b"".join(run.data for run in runs), trouble) == (WHOLE, "")
    assert runs[-1].over
    dated = not name.startswith(("without", "bytes"))
    assert all((run.time_ns is not None) is dated for run in runs if run.data)


@pytest.mark.parametrize("name", FILES)
def test_what_is_missing_at_the_end_costs_nothing_else(name):
    data = FILES[name]
    runs, trouble = contents(data[:-3])
    assert b"".join(run.data for run in runs) in (WHOLE, WHOLE[:-3])
    assert trouble == ("" if name == "bytes" else "file is cut short; what came before was read")


ELSEWHERE = pcap([segment(b"GET /", source=UNIT, target=("192.0.2.10", 8080))])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "file is empty"),
        (b"ab", "file holds too few bytes"),
        (b"PK\3\4 and more", "file is a zip archive"),
        (b"text of any kind", "nothing in its 16 bytes begins like a frame (12 34 56 79)"),
        (ELSEWHERE, "of its 1 packets 1 are of TCP, and none of those goes to port 80, 22221"),
        (pcap([b"any"], 147), "1 packets of link type 147 were left out"),
    ],
)  # fmt: skip
def test_what_is_something_else_is_told(data, words):
    with pytest.raises(CaptureError) as caught:
        contents(data)
    assert words in str(caught.value)


def test_a_damaged_file_is_read_as_far_as_it_goes():
    data = pcap(PARTS)
    bad = data[:-20] + struct.pack("<IIII", 0, 0, 1 << 30, 0) + data
    runs, trouble = contents(bad)
    assert b"".join(run.data for run in runs)
    assert trouble.startswith("file is damaged (a packet of ") or "cut short" in trouble


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file():
    """What is held belongs to the present, however much came before."""
    record = 1004

    def read(times):
        found = Contents("file", WANTED)
        list(found.feed(pcap([])))
        for time in range(times):
            first = 1 + time * 64 * record
            parts = [
                segment(MAGIC + bytes(1000), first + n * record, source=UNIT, target=SERVER)
                for n in range(64)
            ]
            runs = list(found.feed(pcap(parts)[24:]))
            assert sum(len(run.data) for run in runs) == 64 * record

    read(1)
    assert peak(lambda: read(40)) < 2 * peak(lambda: read(4)) + 100_000
