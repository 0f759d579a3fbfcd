"""A recording is a TCP conversation as others see it, too, and whole at any moment."""

from __future__ import annotations

import io
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.capture.conversations import read_capture
from rct_collector.capture.recording import NOWHERE, PcapFile, RecordedConversation
from rct_collector.capture.source import Source
from rct_collector.transport.base import Ends
from tests.processes import program

START_NS = 1_782_036_003_500_000_123
IPV6 = Ends(("2001:db8::1", 49152), ("2001:db8::10", 8899))

#: The first test also loads the libraries, which takes its time.
slow_start = settings(deadline=None)

#: Who sends what.
TALK = st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=300)), max_size=30)


def recorded(talk, ends=NOWHERE, filters=(), end=True):
    """A conversation in which something goes each microsecond; bytes of the file."""
    file = io.BytesIO()
    line = RecordedConversation(PcapFile(file.write), START_NS, START_NS + 500, ends, *filters)
    for n, (to_device, data) in enumerate(talk, 1):
        (line.sent if to_device else line.received)(START_NS + 1000 * n, data)
    if end:
        line.closed(START_NS + 10**9, by_us=True)
    return file.getvalue()


def read(data):
    capture = read_capture(Source(io.BytesIO(data), "test.pcap"))
    (conversation,) = capture.conversations
    return conversation, capture.trouble


def content(stream):
    return b"".join(chunk.data for chunk in stream.chunks)


@pytest.mark.slow
@slow_start
@given(TALK, st.sampled_from([NOWHERE, IPV6]))
def test_what_was_said_can_be_read(talk, ends):
    conversation, trouble = read(recorded(talk, ends))

    assert (conversation.ends, trouble) == (ends, "")
    for to_device, stream in ((True, conversation.to_server), (False, conversation.from_server)):
        said = [(n, data) for n, (sender, data) in enumerate(talk, 1) if sender == to_device]
        assert content(stream) == b"".join(data for _, data in said)
        assert stream.missing == 0
        offset = 0
        for n, data in said:
            assert stream.time_ns(offset) == START_NS + 1000 * n
            offset += len(data)
            assert stream.time_ns(offset - 1) == START_NS + 1000 * n


@pytest.mark.slow
@slow_start
@given(TALK, st.data())
def test_a_recorder_that_is_killed_leaves_what_it_has_written(talk, draw):
    """Each write is one packet, so that a file may end behind any of them."""
    writes = []
    line = RecordedConversation(PcapFile(writes.append), START_NS, START_NS, NOWHERE)
    for to_device, data in talk:
        (line.sent if to_device else line.received)(START_NS, data)
    kept = draw.draw(st.integers(4, len(writes)))
    conversation, trouble = read(b"".join(writes[:kept]))

    assert trouble == ""
    said = b"".join(data for to_device, data in talk[: kept - 4] if to_device)
    assert content(conversation.to_server) == said


class Late:
    """A filter that settles bytes one call later."""

    def __init__(self):
        self.held = b""

    def feed(self, data):
        data, self.held = self.held, data
        return data

    def flush(self):
        return self.feed(b"")


@pytest.mark.slow
@slow_start
@given(TALK)
def test_bytes_that_are_settled_late_keep_order_and_times(talk):
    assert recorded(talk, filters=(Late(), Late())) == recorded(talk)


@pytest.mark.parametrize("time_ns", [-(10**18), -1, 0, (1 << 32) * 10**9, 10**30])
def test_a_clock_may_stand_where_it_likes(time_ns):
    writes = []
    PcapFile(writes.append).write(time_ns, b"packet")

    assert writes[1][16:] == b"packet"


def test_pieces_larger_than_a_packet_are_cut():
    data = bytes(range(256)) * 1000
    conversation, _ = read(recorded([(False, data), (True, b"x")]))

    assert content(conversation.from_server) == data


@pytest.mark.parametrize("ends", [NOWHERE, IPV6], ids=["IPv4", "IPv6"])
def test_tcpdump_sees_a_proper_conversation(tmp_path, ends):
    path = tmp_path / "test.pcap"
    path.write_bytes(recorded([(True, b"question"), (False, b"an answer"), (False, b"+")], ends))
    lines = subprocess.run(
        [program("tcpdump"), "-nn", "-tt", "-v", "--nano", "-r", path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    packets = [line.split("Flags ")[1] for line in lines.splitlines() if "Flags" in line]

    assert lines.startswith("1782036003.500000123 IP")
    assert lines.count("cksum") == lines.count("(correct)") == len(packets) == 9
    assert "bad cksum" not in lines
    flags = [packet.partition(",")[0] for packet in packets]
    assert flags == ["[S]", "[S.]", "[.]", "[P.]", "[P.]", "[P.]", "[F.]", "[F.]", "[.]"]
    assert "seq 1:9, ack 1," in packets[3]
    assert "seq 1:10, ack 9," in packets[4]
    assert "seq 10:11, ack 9," in packets[5]


@pytest.mark.slow
def test_wireshark_finds_nothing_to_complain_of(tmp_path):
    tshark = program("tshark")
    path = tmp_path / "test.pcap"
    talk = [(False, bytes(1400))] * 200 + [(True, b"x")] * 10
    path.write_bytes(recorded(talk))
    done = subprocess.run(
        [tshark, "-r", path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
         "-Y", "_ws.expert.severity >= 0x600000 || tcp.analysis.flags"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout == ""


@pytest.mark.slow
def test_what_wireshark_saves_can_be_read(tmp_path):
    tshark = program("tshark")
    path, saved = tmp_path / "test.pcap", tmp_path / "test.pcapng"
    path.write_bytes(recorded([(True, b"question"), (False, b"answer")]))
    subprocess.run([tshark, "-r", path, "-w", saved], check=True, capture_output=True)
    conversation, trouble = read(saved.read_bytes())

    assert saved.read_bytes().startswith(bytes.fromhex("0a0d0d0a"))
    assert content(conversation.to_server) == b"question"
    assert content(conversation.from_server) == b"answer"
    assert trouble == ""
