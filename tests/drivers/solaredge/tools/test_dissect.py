"""Bytes of a line in words, and without their secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.drivers import driver
from rct_collector.drivers.solaredge import functions, records, request
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.records import LAYOUTS, RawRecord, join, split
from rct_collector.drivers.solaredge.tools.dissect import pieces, resembles
from rct_collector.drivers.solaredge.tools.payload import describe
from tests.fuzz import grammar

UNIT, OTHER, OPTIMIZER = 0x7F101234, 0x7F105678, 0x1A2B3C4D
TIME = 1_570_868_735


def telemetry(kind, device, **values):
    return RawRecord(kind, device, LAYOUTS[kind].encode({"time": TIME, **values}))


def post(*posted, source=UNIT):
    return assemble(Frame(7, source, request.SERVER, functions.POST, join(list(posted))))


INVERTER = telemetry(records.INVERTER, UNIT | records.BOARD_BIT, power=1500.0)
SERIES_S = telemetry(records.OPTIMIZER_S, OPTIMIZER, inverter=UNIT | records.BOARD_BIT)
BATTERY = telemetry(records.BATTERY, UNIT, battery="T16H0013143", total_in=7)
UNKNOWN = RawRecord(0x0042, UNIT, TIME.to_bytes(4, "little") + b"serial of a meter")
ACK = assemble(Frame(7, request.SERVER, UNIT, functions.ACK))


# -- in words --------------------------------------------------------------------------------------


def test_every_frame_is_explained():
    data = b"??" + post(INVERTER, UNKNOWN) + ACK + ACK[:-1] + b"!" + bytes(3) + ACK[:9]
    posted, ack, torn, left = list(pieces(data))[1:]
    assert posted.label == "7F101234 → FFFFFFFE #7"
    assert (posted.offset, posted.direction, posted.command) == (
        2,
        "from device",
        "SERVER_POST_DATA",
    )
    assert (
        "0010 inverter, one phase 7F901234 at 2019-10-12 08:25:35 UTC: power 1500 W" in posted.shown
    )
    assert "0042 daily list of meters 7F101234" in posted.shown
    assert posted.verdict == "ok, with 1 record that nobody knows"
    assert ("inverter_power.output_watts", 1500.0, "W") in posted.published
    assert (ack.direction, ack.command, ack.verdict) == ("to device", "ACK", "ok")
    assert (torn.command, torn.verdict, torn.valid) == ("ACK", "checksum wrong", False)
    assert (left.verdict, left.data) == ("incomplete", ACK[:9])


def test_events_and_optimizers_are_shown_in_short():
    event = telemetry(records.EVENT, UNIT, event=1, word_2=0x56353E7A)
    optimizer = telemetry(
        records.OPTIMIZER_PACKED, OPTIMIZER, input_voltage=27.5, input_current=0.4125
    )
    (piece,) = pieces(post(event, optimizer))
    first, second = piece.shown.split("; ")
    assert first.endswith("UTC: event 1, words 56353e7a 00000000 00000000 00000000 00000000")
    assert second.endswith("UTC: power 11.3438 W, input_voltage 27.5 V, input_current 0.4125 A")


def test_json_has_all_of_it():
    (piece,) = pieces(post(INVERTER, UNKNOWN))
    found = json.loads(json.dumps(piece.as_mapping(), allow_nan=False))
    known, unknown = found["records"]
    assert (found["function"], found["name"]) == ("0500", "SERVER_POST_DATA")
    assert (known["type"], known["device"], known["time"]) == ("0010", "7F901234", TIME)
    assert known["values"]["power"] == 1500.0
    assert known["absent"] > 3
    assert (unknown["values"], unknown["body"]) == ({}, UNKNOWN.body.hex())


@pytest.mark.parametrize(
    ("function", "payload", "shown"),
    [
        (functions.READ_PARAMETER, "39023a02", "parameters 0239, 023a"),
        (functions.PARAMETER, "030201000000", "value 66051"),
        (functions.PARAMETER, "0000803f0100" "ffffffff0200", "value 1.0, -1"),
        (functions.PARAMETER, "000000000300" "616200", "value ab"),
        (functions.VERSION, "03008a08", "version 0003.2186"),
        (functions.TYPE, "0003", "type 0300 (communication board)"),
        (functions.S_OK, "0100", "status 0001"),
        (functions.ENERGIES, "0000803f0000004000004040000080407f8da15d",
         "day 1 Wh, month 2 Wh, year 3 Wh, total 4 Wh, at 2019-10-12 08:23:27 UTC"),
        (functions.STATUS, "01000200", "words 0001 0002"),
        (functions.TIME, "7f8da15d909dffff", "2019-10-12 08:23:27 UTC, zone -25200 s"),
        (functions.SESSION_KEY, "00" * 34, "offers a session key"),
        (functions.ENCRYPTED, "00" * 44, "a frame of 22 bytes within"),
        (0x9999, "010203", "01 02 03"),
    ],
)  # fmt: skip
def test_payloads_are_explained(function, payload, shown):
    found = describe(function, bytes.fromhex(payload))
    assert found.shown == shown
    assert found.verdict == "ok" or function == 0x9999
    if payload and function not in (0x9999, functions.ENCRYPTED, functions.ENERGIES):
        assert "another length" in describe(function, bytes.fromhex(payload) + b"\1").verdict


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (post(INVERTER), True),
        (b"noise" + ACK, True),
        (ACK[:12], True),
        (ACK[:6], False),
        (b"\x12\x34\x56\x79" * 9, False),
        (b"(PI30\x9a\x0b\r", False),
        (b"", False),
    ],
)
def test_what_looks_like_such_a_line(data, expected):
    assert resembles(data) is expected


@settings(deadline=None)
@given(st.lists(st.sampled_from([post(INVERTER), ACK, ACK[:9], b"\x12\x34", b"noise", b"\0\0"])))
def test_pieces_hold_all_bytes_and_the_frames_of_the_reader(parts):
    data = b"".join(parts)
    reader = FrameReader()
    found = [item for item in (*reader.feed(data), *reader.give_up()) if isinstance(item, Frame)]
    shown = list(pieces(data))
    complete = [piece.frame for piece in shown if piece.frame]
    assert complete == found[: len(complete)]
    for piece in shown:
        assert data.startswith(piece.data, piece.offset)
        json.dumps(piece.as_mapping(), allow_nan=False)
    skipped = len(data) - sum(len(piece.data) for piece in shown)
    assert skipped == 0 or b"\0" in data


# -- without secrets -------------------------------------------------------------------------------


def redacted(*segments):
    redactor = driver("solaredge").tools().redactor()()
    return b"".join(map(redactor.feed, segments)) + redactor.flush()


def test_ids_are_replaced_alike_everywhere_and_numbers_stay():
    data = post(INVERTER, SERIES_S, BATTERY) + ACK + post(INVERTER, source=OTHER)
    found = [item for item in FrameReader().feed(redacted(data)) if isinstance(item, Frame)]
    first, ack, second = found
    assert first.source == ack.destination != second.source
    assert first.destination == ack.source == request.SERVER
    (inverter, optimizer, battery), _ = split(first.payload)
    assert inverter.device == first.source | records.BOARD_BIT
    assert LAYOUTS[inverter.kind].decode(inverter.body) == LAYOUTS[inverter.kind].decode(
        INVERTER.body
    )
    assert LAYOUTS[optimizer.kind].decode(optimizer.body)["inverter"] == inverter.device
    assert LAYOUTS[battery.kind].decode(battery.body)["total_in"] == 7


SECRETS = {
    "ids": post(INVERTER, SERIES_S, telemetry(records.OPTIMIZER, OPTIMIZER, inverter=UNIT)),
    "serial number of a battery": post(BATTERY),
    "what nobody knows": post(UNKNOWN),
    "a parameter": assemble(Frame(1, UNIT, request.TOOL, functions.PARAMETER, b"key!\0\0")),
    "an offer": assemble(Frame(1, UNIT, request.SERVER, functions.SESSION_KEY, b"S" * 34)),
    "what is encrypted": assemble(Frame(1, UNIT, request.SERVER, functions.ENCRYPTED, b"S" * 44)),
    "a broken frame": post(INVERTER)[:-1] + b"?",
    "half a frame": post(INVERTER)[:40],
    "bytes behind the records": assemble(
        Frame(1, UNIT, request.SERVER, functions.POST, join([INVERTER]) + b"SSSSSSS")
    ),
    "bytes behind a body": post(INVERTER._replace(body=INVERTER.body + b"SSSS")),
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_gone(name):
    found = redacted(SECRETS[name])
    assert len(found) == len(SECRETS[name])
    for secret in (b"T16H0013143", b"serial", b"key!", b"SSSS", b"\x34\x12\x10", b"\x4d\x3c\x2b"):
        assert secret not in found


@settings(deadline=None)
@given(st.lists(st.sampled_from([*SECRETS.values(), ACK, b"noise", b"\x12\x34"]), max_size=6),
       st.randoms(use_true_random=False))  # fmt: skip
def test_redacting_keeps_lengths_and_the_places_of_frames(parts, random):
    data = b"".join(parts)
    whole = redacted(data)
    assert redacted(*grammar.random_cuts(data, random)) == whole
    assert len(whole) == len(data)
    before, after = (
        [(piece.offset, piece.command) for piece in pieces(line) if piece.valid]
        for line in (data, whole)
    )
    assert after == before


# -- what owners have published --------------------------------------------------------------------

CAPTURES = Path(os.environ.get("RCT_COLLECTOR_CAPTURES", "../shared/captures")) / "solaredge"


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="needs RCT_COLLECTOR_CAPTURES")
def test_published_frames_are_read_as_their_owners_said():
    text = (CAPTURES / "public-frames" / "frames.hex").read_text()
    lines = text.splitlines()
    told = [line for line in lines if "crc_ok=" in line]
    assert len(told) > 10
    for comment, line in zip(told, (line for line in lines if line[:1] != "#"), strict=True):
        first = next(iter(pieces(bytes.fromhex(line))))
        assert first.valid is ("crc_ok=True" in comment), comment


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="needs RCT_COLLECTOR_CAPTURES")
def test_published_records_have_the_values_that_their_owners_saw():
    names = {
        "Temp": "temperature", "Eday": "energy_day", "Eac": "energy_interval", "Freq": "frequency",
        "Vac": "ac_voltage", "Iac": "ac_current", "Vdc": "dc_voltage", "Pac": "power",
        "Sac": "apparent_power", "Mode": "mode", "Uptime": "uptime", "Interval": "interval",
        "Vmod": "input_voltage", "Vopt": "output_voltage", "Imod": "input_current",
    }  # fmt: skip
    cases = json.loads((CAPTURES / "field-cases.json").read_text())["native"]["records"]
    compared = 0
    for case in cases:
        (record, *_), _ = split(bytes.fromhex(case["hex"]))
        layout = LAYOUTS.get(record.kind)
        if layout is None:
            continue
        found = layout.decode(record.body)
        for name, value in case.get("values", {}).items():
            if name in names and names[name] in found and name not in case.get("damaged", ()):
                assert found[names[name]] == pytest.approx(value, abs=1e-6), (case["note"], name)
                compared += 1
    assert compared > 50
