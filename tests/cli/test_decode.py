"""``decode``: any bytes are explained, every frame is found, nothing is left out."""

from __future__ import annotations

import io
import json
import struct
from random import Random

import pytest

from rct_collector.cli import decode as decode_module
from rct_collector.cli import tabulate
from rct_collector.drivers.rct import frame, wire
from rct_collector.drivers.rct.tools.dissect import resembles
from tests.scripted import BY_NAME, payload

READ, WRITE, RESPONSE, LONG = frame.READ, frame.WRITE, frame.RESPONSE, frame.LONG_RESPONSE
SOC, STATE = BY_NAME["battery.soc"], BY_NAME["prim_sm.state"]
LOG, EVENTS = BY_NAME["logger.minutes_soc_log_ts"], BY_NAME["logger.error_log_time_stamp"]


def answer(item, data, command=RESPONSE, address=None):
    return b"\0" + frame.assemble(command, item.oid, data, address)


def broken(data):
    return data[:-1] + bytes((data[-1] ^ 1,))


#: What a line may carry, piece by piece.
RECORDING = b"".join(
    [
        frame.assemble(READ, SOC.oid),
        answer(SOC, wire.encode(SOC.type, 0.5)),
        answer(STATE, b"\x0d"),
        b"AT+\r",
        broken(answer(SOC, wire.encode(SOC.type, 0.25))),
        answer(SOC, b"\x3e\x97"),
        b"\xff\xee",
        frame.assemble(WRITE, LOG.oid, (1700000000).to_bytes(4, "big")),
        answer(LOG, struct.pack(">IIfIf", 1700000000, 1699999700, 0.49, 1699999400, 0.48), LONG),
        answer(LOG, struct.pack(">I", 1700000000), LONG),
        answer(EVENTS, struct.pack(">6I", 1700000000, 115, 1699999940, 1, 2, 3), LONG),
        b"\x2b\x3c\xe1",
        frame.assemble(READ | frame.PLANT, SOC.oid, b"", 0x01020304),
        answer(SOC, wire.encode(SOC.type, 0.75), RESPONSE | frame.PLANT, 0x01020304),
        answer(BY_NAME["android_description"], b"PS 6.0 TEST\0+-"),
        answer(BY_NAME["battery.cells[0]"], payload(BY_NAME["battery.cells[0]"], None)),
        answer(BY_NAME["battery.cells[1]"], bytes(96)),
        answer(BY_NAME["battery.cells_stat[0]"], bytes(48)),
        answer(BY_NAME["fault[1].flt"], b"\0\0\0\x20"),
        answer(BY_NAME["rb485.available"], b"\1"),
        answer(SOC, struct.pack(">f", float("nan"))),
        frame.assemble(READ, 0x0DF45696),  # in the registry, not in our table
        frame.assemble(RESPONSE, 0x0DF45696, b"\1"),
        frame.assemble(READ, 0xDEADBEEF),
        frame.assemble(RESPONSE, 0xDEADBEEF, b"\1\2"),
        b"\x2b\x7f",
        frame.assemble(RESPONSE, SOC.oid, bytes(4))[:-3],
    ]
)


def test_a_recording_looks_as_accepted(run, golden, tmp_path):
    path = tmp_path / "recording.bin"
    path.write_bytes(RECORDING)
    result = run("decode", path)

    assert result.exit_code == 0
    golden("decode.txt", result.stdout)


def test_json_looks_as_accepted(run, golden):
    result = run("decode", "--format", "json", RECORDING[:120].hex(" "))

    assert json.loads(result.stdout)
    golden("decode.json", result.stdout)


def test_json_is_json_whatever_the_values(run):
    text = run("decode", "--format", "json", RECORDING.hex()).stdout
    values = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    assert any(
        piece["object"] == "logger.minutes_soc_log_ts" and piece["value"] for piece in values
    )


@pytest.mark.parametrize(
    "source",
    [
        "2b0104959930bf0d65",
        "2B 01 04 95 99 30 BF 0D 65",
        "0x2b,0x01,0x04,0x95,0x99,0x30,0xbf,0x0d,0x65",
        "2b:01:04:95:99:30:bf:0d:65",
        "# read\n2b01 0495 9930\nbf0d65  # end",
    ],
)
def test_hexadecimal_digits_may_be_written_in_many_ways(run, source, tmp_path):
    path = tmp_path / "frame.txt"
    path.write_text(source)

    for result in (run("decode", source), run("decode", path), run("decode", "-", stdin=source)):
        assert result.exit_code == 0
        assert "battery.soc (0x959930BF)" in result.stdout


def test_digits_may_be_arguments_of_their_own(run):
    assert "battery.soc" in run("decode", "2b", "0104", "959930bf", "0d65").stdout


def test_bytes_may_come_from_standard_input(run):
    assert "battery.soc" in run("decode", "-", stdin=RECORDING).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "'nothing' is neither a file nor pairs of hexadecimal digits"),
        (("2b0",), "'2b0' is neither a file"),
        (("-",), "standard input is empty"),
        ((), "Missing argument"),
    ],
)
def test_mistakes(run, arguments, words):
    result = run("decode", *arguments, stdin="")

    assert result.exit_code == 2
    assert words in result.stderr


#: Bytes of a line, whole or torn: what a file of them may look like.
LINES = {
    "recording": RECORDING,
    "unknown object": frame.assemble(RESPONSE, 0xDEADBEEF, b"\1\2"),
    "wrong checksum": broken(answer(SOC, wire.encode(SOC.type, 0.25))),
    "cut short": answer(SOC, wire.encode(SOC.type, 0.25))[:-3],
    "torn head": answer(SOC, bytes(4))[4:] + answer(STATE, b"\x0d"),
    "escaped id": broken(frame.assemble(RESPONSE, BY_NAME["battery.bat_status"].oid, b"\x2b" * 4)),
    "plant": broken(frame.assemble(READ | frame.PLANT, SOC.oid, b"", 0x2B2D2B2D)),
    "keep-alives": b"AT+\r" * 3,
    "greeting": b"\x2b\x3c\xe1",
}


@pytest.mark.parametrize("data", LINES.values(), ids=LINES)
def test_bytes_of_a_line_are_told_from_others(run, data):
    assert resembles(data)
    assert run("decode", "-", stdin=data).exit_code == 0


@pytest.mark.parametrize(
    "data",
    [bytes(64), b"\0\1\2\3", b"\x2b\x05" * 40, Random(2).randbytes(5000), b"\x1b[31mred\x1b[0m"],
)
def test_bytes_of_anything_else_are_refused(run, tmp_path, data):
    path = tmp_path / "file.bin"
    path.write_bytes(data)
    result = run("decode", path)

    assert result.exit_code == 2
    assert result.stdout == ""
    words = "is no capture (pcap or pcapng), and nothing in it is like a frame of an RCT unit"
    assert f"{path} {words}" in result.stderr


def test_a_file_that_is_too_large_is_refused_before_it_is_read(run):
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            self.given += len(buffer)
            assert self.given <= 2 * decode_module._LARGEST
            buffer[:] = RECORDING[: len(buffer)].ljust(len(buffer), b"\0")
            return len(buffer)

    result = run("decode", "-", stdin=Endless())

    assert result.exit_code == 2
    assert "standard input has more than 16 MiB and is no capture" in result.stderr


def test_the_first_frames_are_told_and_that_there_are_more(run, monkeypatch):
    monkeypatch.setattr(tabulate, "MOST_PIECES", 3)
    result = run("decode", "-", stdin=RECORDING)

    assert len(result.stdout.splitlines()) == 4
    assert "standard input: what follows the first 3 frames was left out" in result.stderr


def test_an_empty_file_is_told(run, tmp_path):
    path = tmp_path / "empty"
    path.touch()

    assert f"{path} is empty" in run("decode", path).stderr
