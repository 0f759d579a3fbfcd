"""Lines that go over no network: recorded as packets of a link of our own, and read back."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings

from rct_collector.capture import direct
from rct_collector.capture.conversations import read_capture
from rct_collector.capture.direct import LINK, Direction, packed
from rct_collector.capture.recording import PcapFile, RecordedConversation, RecordedLine
from rct_collector.capture.source import Source
from rct_collector.errors import CaptureError
from tests.capture.test_recording import NOWHERE, START_NS, TALK, content

slow_start = settings(deadline=None)

PLACE = "usb://0665:5161?path=1-1.4"


def recorded(*talks, filters=(), end=True):
    """One line after the other, in which something goes each microsecond; bytes of the file."""
    file, now = io.BytesIO(), START_NS
    pcap = PcapFile(file.write, LINK)
    for number, talk in enumerate(talks, 1):
        line = RecordedLine(pcap, number, now, PLACE, *filters)
        for to_device, data in talk:
            now += 1000
            (line.sent if to_device else line.received)(now, data)
        now += 1000
        if end:
            line.closed(now, by_us=True)
    return file.getvalue()


def read(data):
    return read_capture(Source(io.BytesIO(data), "test.pcap"))


@slow_start
@given(TALK)
def test_what_was_said_can_be_read(talk):
    (line,) = (capture := read(recorded(talk))).conversations
    assert (line.ends, line.place, capture.trouble, capture.dated) == (None, PLACE, "", True)
    for to_device, stream in ((True, line.to_server), (False, line.from_server)):
        said = [(n, data) for n, (sender, data) in enumerate(talk, 1) if sender == to_device]
        assert content(stream) == b"".join(data for _, data in said)
        assert stream.missing == 0
        offset = 0
        for n, data in said:
            assert stream.time_ns(offset) == START_NS + 1000 * n
            offset += len(data)
            assert stream.time_ns(offset - 1) == START_NS + 1000 * n


def test_a_line_that_is_opened_again_is_another_one():
    first, second = read(recorded([(True, b"a")], [(True, b"b"), (False, b"c")])).conversations
    assert (content(first.to_server), content(second.to_server)) == (b"a", b"b")
    assert content(second.from_server) == b"c"


def test_the_layout_is_what_is_documented():
    data = recorded([(True, b"QPI"), (False, b"(PI30")])
    assert data[:4] == bytes.fromhex("4d3cb2a1")
    assert struct.unpack_from("<I", data, 20) == (147,)
    packets, place = [], 24
    while place < len(data):
        _, _, size, _ = struct.unpack_from("<IIII", data, place)
        packets.append(data[place + 16 : place + 16 + size])
        place += 16 + size
    head = b"RCTC\x01%c\0\0\0\0\0\x01"
    times = [START_NS, START_NS + 1000, START_NS + 2000, START_NS + 3000]
    assert packets == [
        head % kind + time.to_bytes(8, "big") + said
        for kind, time, said in zip(
            (3, 1, 2, 4), times, (PLACE.encode(), b"QPI", b"(PI30", b""), strict=True
        )
    ]


@pytest.mark.parametrize(("by_us", "kind"), [(True, Direction.CLOSED), (False, Direction.LOST)])
def test_the_end_is_told(by_us, kind):
    writes = []
    RecordedLine(PcapFile(writes.append, LINK), 1, START_NS, PLACE).closed(START_NS, by_us=by_us)
    assert writes[-1][16:] == packed(START_NS, 1, kind, b"")


class Late:
    """Keeps everything back until the end."""

    def __init__(self):
        self._kept = b""

    def feed(self, data):
        self._kept += data
        return b""

    def flush(self):
        return self._kept.upper()


def test_what_a_filter_keeps_back_stays_in_its_place():
    data = recorded([(True, b"a"), (False, b"b"), (True, b"c")], filters=(Late(), None))
    (line,) = read(data).conversations
    assert (content(line.to_server), content(line.from_server)) == (b"AC", b"b")
    assert [line.to_server.time_ns(n) - START_NS for n in range(2)] == [1000, 3000]


@pytest.mark.parametrize(
    "packet",
    [b"", b"RCTC", b"XXXX" + packed(1, 1, Direction.TO_DEVICE, b"a")[4:],
     packed(1, 1, Direction.TO_DEVICE, b"a").replace(b"RCTC\1", b"RCTC\2"),
     b"RCTC\1\7" + bytes(14)],
)  # fmt: skip
def test_packets_of_other_programs_with_this_link_are_left_out(packet):
    file = io.BytesIO()
    pcap = PcapFile(file.write, LINK)
    pcap.write(START_NS, packet)
    capture = read(file.getvalue())
    assert capture.conversations == []
    assert "1 packets of link type 147 were left out" in capture.trouble


def test_a_file_that_is_cut_is_read_as_far_as_it_goes():
    capture = read(recorded([(True, b"abc"), (False, b"defg")], end=False)[:-2])
    (line,) = capture.conversations
    assert content(line.to_server) == b"abc"
    assert "is cut short behind packet 2" in capture.trouble


def test_no_file_takes_more_memory_than_a_limit(monkeypatch):
    monkeypatch.setattr(direct, "MOST_BYTES", 100)
    capture = read(recorded([(True, b"x" * 30)] * 9))
    assert len(content(capture.conversations[0].to_server)) <= 100
    assert "has more than 0 MiB of data" in capture.trouble
    monkeypatch.setattr(direct, "MOST_BYTES", 10**6)
    monkeypatch.setattr(direct, "MOST_CONNECTIONS", 2)
    capture = read(recorded(*[[(True, b"x")]] * 4))
    assert len(capture.conversations) == 2
    assert "has more than 2 lines" in capture.trouble


def test_lines_of_both_kinds_in_one_file_are_all_read(tmp_path):
    """As mergecap of Wireshark makes of two recordings."""
    other = io.BytesIO()
    line = RecordedConversation(PcapFile(other.write), START_NS, START_NS, NOWHERE)
    line.sent(START_NS, b"net")
    blocks = [struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)]
    files = (recorded([(True, b"usb")]), other.getvalue())
    for link in (LINK, 101):
        blocks.append(struct.pack("<IIHHII", 1, 20, link, 0, 0, 20))
    for number, data in enumerate(files):
        place = 24
        while place < len(data):
            _, _, size, _ = struct.unpack_from("<IIII", data, place)
            packet = data[place + 16 : place + 16 + size]
            padded = packet.ljust(-(-size // 4) * 4, b"\0")
            whole = 32 + len(padded)
            head = struct.pack("<IIIIIII", 6, whole, number, 0, 0, size, size)
            blocks.append(head + padded + struct.pack("<I", whole))
            place += 16 + size
    capture = read(b"".join(blocks))
    assert {content(line.to_server) for line in capture.conversations} == {b"net", b"usb"}


def test_other_private_links_are_refused_by_number():
    file = io.BytesIO()
    PcapFile(file.write, 148).write(START_NS, b"x")
    with pytest.raises(CaptureError, match=r"has link type 148; those that can be read are .*147"):
        read(file.getvalue())
