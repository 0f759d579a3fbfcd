"""``decode``, ``record`` and ``replay`` of a family whose frames are text without a name.

Its lines go over serial ports and USB just as over a network.
"""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace

import pytest

from rct_collector.capture.direct import LINK
from rct_collector.capture.recording import PcapFile, RecordedLine
from rct_collector.cli import recorder as recording
from rct_collector.drivers import DEFAULT, driver
from rct_collector.drivers.voltronic.frame import pack
from rct_collector.transport import parse_address
from tests.cli.captured import START_NS, capture
from tests.drivers.voltronic.tools.test_dissect import QPIGS, said

SERIAL = "92932107101234"
PLACE = "usb://0665:5161"

#: (To device, bytes) of a few minutes with one unit, with all that may happen.
TALK = [
    (True, pack("QPI")), (False, said("(PI30")),
    (True, pack("QID")), (False, said(f"({SERIAL}")),
    (True, pack("QPIGS")), (False, said(QPIGS)),
    (True, pack("QMOD")), (False, said("(B")),
    (True, pack("QPIGS2")), (False, said("(NAK")),
    (True, pack("QET")), (False, said("(00238800")),
    (False, said("(00000412")),
    (True, pack("POP02")), (False, said("(ACK")),
    (True, pack("QMOD")), (False, said("(B")[:-3] + b"xx\r"),
    (True, pack("QMOD")), (False, b"\xfe\xff\r" + said("(L")),
]  # fmt: skip

#: The same, and all else that a reader of a few metrics asks for: a unit that is silent about it
#: would be waited for.
WITH_REFUSALS = TALK + [
    piece
    for command in (
        "QPGS0", "QT", "QPIWS", "Q1", "QVFW", "VERFW:", "QMN", "QVFW2", "QVFW3", "QVFW4", "QGMN"
    )
    for piece in ((True, pack(command)), (False, said("(NAK")))
]  # fmt: skip


@pytest.fixture(autouse=True)
def family(register):
    ways = {"usb": {"ids": "0665:5161"}, "serial": {"baud": "2400"}, "tcp": {}}
    toolbox = "rct_collector.drivers.voltronic.tools"
    return register(replace(driver(DEFAULT), name="text", ways=ways, toolbox=toolbox))


def direct(*talks):
    """A pcap file of lines without a network, in which something goes each 10 ms."""
    file, now = io.BytesIO(), START_NS
    pcap = PcapFile(file.write, LINK)
    for number, talk in enumerate(talks, 1):
        line = RecordedLine(pcap, number, now, PLACE)
        for to_device, data in talk:
            now += 10_000_000
            (line.sent if to_device else line.received)(now, data)
        line.closed(now, by_us=True)
    return file.getvalue()


def decode(run, *arguments, **more):
    return run("decode", "--driver", "text", *arguments, **more)


def pieces(run, *arguments, **more):
    return json.loads(decode(run, "-f", "json", *arguments, **more).stdout)


# -- decode ------------------------------------------------------------------------------------


def test_bytes_of_a_line_look_as_accepted(run, golden, tmp_path):
    path = tmp_path / "line.bin"
    path.write_bytes(b"".join(data for _, data in TALK))
    result = decode(run, path)
    assert (result.exit_code, result.stderr) == (0, "")
    golden("decode-text.txt", result.stdout)


def test_json_looks_as_accepted(run, golden):
    golden("decode-text.json", decode(run, "-f", "json", "(NAK").stdout)


def test_an_answer_alone_is_told_with_all_that_it_may_be(run, golden):
    golden("decode-text-alone.txt", decode(run, "(00238800").stdout)


@pytest.mark.parametrize("text", [QPIGS, f"  {QPIGS}\n"])
def test_texts_are_taken_as_they_are_printed(run, text):
    (piece,) = pieces(run, text)
    assert (piece["parts"]["battery_voltage"], piece["check"]) == (52.1, "ok")
    assert pieces(run, *text.split()) == pieces(run, "-", stdin=text.encode()) == [piece]


@pytest.mark.parametrize("text", [said("(B").hex(), "28 42 e7 c9 0d", r"\x28B\xe7\xc9\x0d"])
def test_hexadecimal_digits_are_read_as_before(run, text):
    (piece,) = pieces(run, text)
    assert piece["parts"] == {"mode": "battery"}


def test_what_is_neither_is_refused(run):
    result = decode(run, "hello")
    assert result.exit_code == 2
    assert "'hello' is neither a file nor pairs of hexadecimal digits" in result.stderr


@pytest.mark.parametrize("make", [direct, capture], ids=["serial or usb", "network"])
def test_a_capture_is_told_in_order_and_answers_by_their_questions(run, golden, tmp_path, make):
    path = tmp_path / "line.pcap"
    path.write_bytes(make(TALK))
    results = [decode(run, path), run("replay", "--driver", "text", "--print", path)]
    assert {(result.exit_code, result.stderr) for result in results} == {(0, "")}
    assert results[0].stdout == results[1].stdout
    golden(f"replay-{make.__name__}.txt", results[0].stdout)


def test_json_of_a_line_without_network_names_its_place(run, tmp_path):
    path = tmp_path / "line.pcap"
    path.write_bytes(direct(TALK, TALK[:2]))
    found = pieces(run, path)
    assert {(piece["client"], piece["device"]) for piece in found} == {(None, PLACE)}
    assert {piece["connection"] for piece in found} == {1, 2}
    assert found[0]["time_ns"] == START_NS + 10_000_000


# -- record ------------------------------------------------------------------------------------


class Cable:
    """A line without ends, whose device answers each question at once."""

    def __init__(self, receive):
        self._receive = receive

    def send(self, data):
        answers = dict(
            zip((d for to, d in TALK if to), (d for to, d in TALK if not to), strict=False)
        )
        self._receive(answers[data])

    def close(self):
        pass


def recorded(path, **options):
    """Record two openings of a cable."""
    family = driver("text")
    address = parse_address(f"{PLACE}?path=1-1.4", family.ways)

    async def opener(_address, receive, _lost, _timeout):
        return Cable(receive)

    async def talk(recorder):
        for _ in range(2):
            line = await recorder.opener(opener)(address, heard.append, None, 1.0)
            for question in ("QPI", "QID"):
                line.send(pack(question))
            line.close()

    heard = []
    options = {"redact": False, "replace": False, **options}
    with recording.Recorder(path, family.tools(), address, **options) as recorder:
        asyncio.run(talk(recorder))
    assert heard == [said("(PI30"), said(f"({SERIAL}")] * 2
    return recorder


def test_a_line_without_network_is_recorded_with_a_link_of_its_own(run, tmp_path):
    path = tmp_path / "line.pcap"
    recorder = recorded(path)
    assert str(recorder.counters) == "52 bytes received, 24 sent, 4 frames, 0 bad"
    assert path.read_bytes()[20:24] == LINK.to_bytes(4, "little")
    found = pieces(run, path)
    assert [piece["content"] for piece in found] == ["QPI", "PI30", "QID", SERIAL] * 2
    assert [piece["connection"] for piece in found] == [1] * 4 + [2] * 4
    assert {piece["device"] for piece in found} == {f"{PLACE}?path=1-1.4"}


def test_redacted_it_holds_neither_serial_number_nor_place(run, tmp_path):
    path = tmp_path / "line.pcap"
    recorded(path, redact=True)
    assert SERIAL.encode() not in path.read_bytes()
    found = pieces(run, path)
    assert {piece["device"] for piece in found} == {"usb://"}
    assert {piece["content"] for piece in found} == {"QPI", "PI30", "QID", "99999999999991"}


# -- replay ------------------------------------------------------------------------------------


def test_a_recorded_line_without_network_is_served_over_tcp(run, tmp_path, monkeypatch):
    path = tmp_path / "line.pcap"
    path.write_bytes(direct(TALK))
    served = []
    monkeypatch.setattr(
        "rct_collector.cli.serving.serve_until_stopped",
        lambda unit, host, port, name: served.append((unit, host, port, name)),
    )
    result = run("replay", "--driver", "text", path, "--speed", "1000")
    ((unit, host, port, name),) = served
    assert (result.exit_code, host, port) == (0, "127.0.0.1", 0)
    assert name == f"replay of {path} (7 objects)"
    client = unit.connect()
    unit.receive(client, pack("QMOD"), 5.0)
    assert unit.pull(6.0) == [said("(B")]


@pytest.mark.slow
@pytest.mark.parametrize(("transport", "scheme"), [("pty", "serial"), ("hid", "hidraw")])
def test_a_recorded_line_is_served_where_it_was_recorded(start, run, tmp_path, transport, scheme):
    """A recording of the real family: its unit is found again, by dialect and serial number."""
    path, node = tmp_path / "line.pcap", tmp_path / "inverter"
    path.write_bytes(direct(WITH_REFUSALS))
    process = start(
        "replay", "--driver", "voltronic", path, "--transport", transport, "--path", node
    )
    line = process.stdout.readline()
    assert f"at {scheme}://{node};" in line, process.stderr.read()
    options = ("--driver", "voltronic", "-a", f"{scheme}://{node}", "-f", "json")
    result = run("read", *options, "--only", "inverter_status.*", "--only", "inverter.*")
    values = {v["field"]: v["value"] for v in json.loads(result.stdout)[0]["values"]}
    assert values["serial"] == SERIAL


def test_a_family_that_has_no_serial_ports_is_served_at_none(run, tmp_path):
    path = tmp_path / "line.pcap"
    path.write_bytes(direct(TALK))
    result = run("replay", "--driver", "text", path, "--transport", "hid")
    assert result.exit_code == 2
    assert "reached by usb://, serial://, tcp:// only, not as hid" in result.stderr
