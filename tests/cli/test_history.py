"""``history``: what devices remember, in each format, whole, interrupted and gone on with."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import pty
import signal
import struct
import termios
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from line_protocol_parser import parse_line
from rctclient.types import Command

from rct_collector.cli import history_output, history_part, history_reading
from rct_collector.cli.history import RESOLUTIONS
from rct_collector.cli.moments import moment_of, parse_moment
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.rct.wire import LENGTHS
from rct_collector.lines.lock import DeviceLock
from rct_collector.transport import parse_address
from tests.cli.conftest import address_of, read_all
from tests.drivers.rct.answering import answering_unit
from tests.drivers.rct.remembering import EMPTY, OIDS, events, minutes, series, wall

BERLIN = ZoneInfo("Europe/Berlin")


def unix(text, zone=BERLIN):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


#: Noon of a day in summer, when all of it happens.
NOW = unix("2026-06-15T12:00")
DAY = ["--from", "2026-06-14", "--to", "2026-06-15"]


def power(stamp):
    return float(stamp // 300 % 1000)


def charge(stamp):
    return stamp // 300 % 100 / 128


def memory(hours=48, most=41):
    """Power and charge of the last hours, and three events."""
    end = wall(NOW, BERLIN)
    then = wall(unix("2026-06-14T06:00"), BERLIN)
    return {
        **minutes(end - hours * 3600, end, {"eload": power, "soc": charge}, most),
        **events(
            (114, then, then + 90, 29, 0),
            (115, then + 300, 0xCE266F0F, *struct.unpack(">2I", struct.pack(">2f", 0.07, 0.1))),
            (115, then + 600, 0x14C0E627, 0x41424344, 0x45464748),
        ),
    }


def at_noon(monkeypatch):
    """By the clock of the tests, without pauses, and day by day."""
    monkeypatch.setattr(history_output, "now", lambda: NOW)
    monkeypatch.setattr(history_reading, "pause_s", lambda _device: 0.0)
    monkeypatch.setattr(history_reading, "PORTION_S", 86_400)


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    at_noon(monkeypatch)


@pytest.fixture
def unit():
    """Serve a unit with these payloads."""
    with ExitStack() as stack:
        yield lambda payloads: stack.enter_context(answering_unit(payloads))


@pytest.fixture
def home(unit, tmp_path):
    """A configuration with units that remember, by name; they are asked without pauses."""
    import yaml

    def write(**payloads):
        served = {name: unit(of) for name, of in payloads.items()}
        devices = [
            {
                "name": name,
                "driver": "rct",
                "address": server.address,
                "timezone": "Europe/Berlin",
                "labels": {"site": "north"},
                "requests": {"per_second": 50, "gap": "1ms", "timeout": "300ms"},
            }
            for name, server in served.items()
        ]
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"devices": devices}), encoding="utf-8")
        return path, served

    return write


TWO = ["--signals", "load_*,soc_percent"]
LONG = ["--from", "2026-06-13T12:00", "--to", "2026-06-15T12:00", *TWO]
QUARTER = ["--from", "2026-06-14T10:00", "--to", "2026-06-14T10:10"]

#: Format and options → all of what is printed of two five-minute values of two signals.
GOLDEN = {
    "csv": """\
time,load_watts,soc_percent
2026-06-14T10:00:00+02:00,104.0,3.125
2026-06-14T10:05:00+02:00,105.0,3.90625
""",
    "csv --header-format none": """\
2026-06-14T10:00:00+02:00,104.0,3.125
2026-06-14T10:05:00+02:00,105.0,3.90625
""",
    "csv --header-format influx2": """\
#constant measurement,inverter_history
#constant tag,resolution,5m
#constant tag,site,north
#constant tag,source,roof
#constant tag,vendor,rct
#datatype dateTime:RFC3339,double,double
time,load_watts,soc_percent
2026-06-14T10:00:00+02:00,104.0,3.125
2026-06-14T10:05:00+02:00,105.0,3.90625
""",
    "influx": """\
inverter_history,resolution=5m,site=north,source=roof,vendor=rct load_watts=104.0,soc_percent=3.125 1781424000000000000
inverter_history,resolution=5m,site=north,source=roof,vendor=rct load_watts=105.0,soc_percent=3.90625 1781424300000000000
""",  # noqa: E501
    "json": """\
[
 {"source": "roof", "measurement": "inverter_history", "tags": {"resolution": "5m"}, "time": "2026-06-14T10:00:00+02:00", "time_ns": 1781424000000000000, "values": {"load_watts": 104.0, "soc_percent": 3.125}},
 {"source": "roof", "measurement": "inverter_history", "tags": {"resolution": "5m"}, "time": "2026-06-14T10:05:00+02:00", "time_ns": 1781424300000000000, "values": {"load_watts": 105.0, "soc_percent": 3.90625}}
]
""",  # noqa: E501
    "openmetrics": """\
# TYPE inverter_history_load_watts gauge
# HELP inverter_history_load_watts Power that the household used, mean of five minutes.
inverter_history_load_watts{resolution="5m",site="north",source="roof",vendor="rct"} 104.0 1781424000.000
inverter_history_load_watts{resolution="5m",site="north",source="roof",vendor="rct"} 105.0 1781424300.000
# TYPE inverter_history_soc_percent gauge
# HELP inverter_history_soc_percent State of charge of the battery.
inverter_history_soc_percent{resolution="5m",site="north",source="roof",vendor="rct"} 3.125 1781424000.000
inverter_history_soc_percent{resolution="5m",site="north",source="roof",vendor="rct"} 3.90625 1781424300.000
# EOF
""",  # noqa: E501
    "table": """\
time                 load_watts  soc_percent
2026-06-14 10:00:00       104 W        3.1 %
2026-06-14 10:05:00       105 W        3.9 %
""",
}


@pytest.mark.parametrize("form", GOLDEN)
def test_each_format_to_the_byte(run, home, form):
    path, _ = home(roof=memory())
    result = run("history", "roof", "-c", path, *QUARTER, *TWO, "--format", *form.split())

    assert result.exit_code == 0
    assert result.stdout == GOLDEN[form]
    assert result.stderr.startswith("roof: 4 values, 2 requests, ")


def test_events_as_csv_are_a_table_of_their_own(run, home):
    path, served = home(roof=memory())
    result = run("history", "roof", "-c", path, *DAY, "--events", "-f", "csv", "-q")

    lines = list(csv.DictReader(result.stdout.splitlines()))
    assert [(line["time"], line["code"]) for line in lines] == [
        ("2026-06-14T06:00:00+02:00", "114"),
        ("2026-06-14T06:05:00+02:00", "115"),
        ("2026-06-14T06:10:00+02:00", "115"),
    ]
    assert lines[0]["duration_seconds"] == "90.0"
    assert "code 29" in lines[0]["text"]
    assert (lines[1]["object"], lines[1]["old"], lines[1]["new"]) == (
        "power_mng.soc_min", "7.0 %", "10.0 %",
    )  # fmt: skip
    assert (lines[2]["object"], lines[2]["old"], lines[2]["new"]) == ("wifi.password", "", "")
    assert "41424344" not in result.stdout
    assert {asked[1] for asked in served["roof"].asked} == {OIDS["logger.error_log_time_stamp"]}


def test_events_alone_are_one_question_in_any_format(run, home):
    path, served = home(roof=memory())
    result = run("history", "roof", "-c", path, *DAY, "--events", "--signals", "none", "-q")

    assert [line.split()[0] for line in result.stdout.splitlines()] == ["time", *3 * ["2026-06-14"]]
    assert {asked[1] for asked in served["roof"].asked} == {OIDS["logger.error_log_time_stamp"]}


@pytest.mark.slow
def test_values_and_events_come_together_in_the_other_formats(run, home):
    path, _ = home(roof=memory())
    options = ["history", "roof", "-c", path, *DAY, *TWO, "--events", "-q"]
    lines = [parse_line(line) for line in run(*options, "-f", "influx").stdout.splitlines()]
    assert Counter(line["measurement"] for line in lines) == {
        "inverter_history": 288, "inverter_event": 3,
    }  # fmt: skip

    found = json.loads(run(*options, "-f", "json").stdout)
    assert [item["tags"]["code"] for item in found if "code" in item["tags"]] == [
        "114",
        "115",
        "115",
    ]

    text = run(*options, "-f", "openmetrics").stdout
    assert 'inverter_event_duration_seconds{code="114",' in text
    assert "wifi.password" not in text  # it has no texts

    table = run(*options).stdout
    values, told = table.split("\n\n")
    assert len(values.splitlines()) == 289
    heads = told.splitlines()[0].split()
    assert heads[:2] == ["time", "code"]
    assert {"text", "duration_seconds", "object", "old", "new"} <= set(heads)


@pytest.mark.parametrize("most", [1, 41, 300])
def test_a_range_is_whole_whatever_an_answer_holds(run, home, most):
    path, served = home(roof=memory(most=most))
    result = run("history", "roof", "-c", path, "--from", "2026-06-14T18:00", "--to", "now",
                 "--signals", "load_*", "-f", "csv")  # fmt: skip

    rows = list(csv.reader(result.stdout.splitlines()))[1:]
    start = int(unix("2026-06-14T18:00"))
    assert rows == [
        [moment_of(t * 10**9, BERLIN), str(power(wall(t, BERLIN)))]
        for t in range(start, int(NOW), 300)
    ]
    assert {(asked[0], asked[1]) for asked in served["roof"].asked} == {
        (Command.WRITE, OIDS["logger.minutes_eload_log_ts"])
    }


@pytest.mark.parametrize("most", [41, 150])
@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2027-03-28", 23)])
def test_the_days_on_which_clocks_are_set_are_whole(run, home, monkeypatch, day, hours, most):
    """Of the hour that comes twice each reading is there, and of that which does not come none."""
    begin = int(unix(day))
    end = begin + hours * 3600
    monkeypatch.setattr(history_output, "now", lambda: end + 36_000.0)
    kept = [(wall(t, BERLIN), t) for t in range(begin - 86_400, end + 36_000, 300)]

    def payload(asked):
        (before,) = struct.unpack(">I", asked)
        found = [(shown, t) for shown, t in kept if shown < before][-most:]
        return asked + b"".join(struct.pack(">If", shown, power(t)) for shown, t in found[::-1])

    path, _ = home(roof={OIDS["logger.minutes_eload_log_ts"]: payload})
    to = moment_of(end * 10**9, BERLIN)[:10]
    result = run("history", "roof", "-c", path, "--from", day, "--to", to,
                 "--signals", "load_*", "-f", "csv")  # fmt: skip

    assert list(csv.reader(result.stdout.splitlines()))[1:] == [
        [moment_of(t * 10**9, BERLIN), str(power(t))] for t in range(begin, end, 300)
    ]
    assert "more without a time" not in result.stderr


def test_days_are_energies_with_the_time_at_which_they_began(run, home):
    stamps = [wall(unix(f"2026-06-{day:02}T23:59:59"), BERLIN) for day in range(1, 15)]
    day = {OIDS["logger.day_eload_log_ts"]: series(stamps, lambda t: t // 86400 % 31 * 1000.0)}
    path, _ = home(roof=day)
    result = run("history", "roof", "-c", path, "--from", "2026-06-10", "--to", "2026-06-13",
                 "-r", "day", "--signals", "load_*", "-f", "csv", "-q")  # fmt: skip

    assert [line.partition(",")[0] for line in result.stdout.splitlines()] == [
        "time", "2026-06-10T00:00:00+02:00", "2026-06-11T00:00:00+02:00",
        "2026-06-12T00:00:00+02:00",
    ]  # fmt: skip


def test_several_devices_are_read_together_and_told_apart(run, home):
    path, _ = home(roof=memory(), barn=memory())
    options = ["history", "roof", "barn", "-c", path, *QUARTER, *TWO, "-q"]

    rows = list(csv.DictReader(run(*options, "-f", "csv").stdout.splitlines()))
    assert sorted((row["source"], row["load_watts"]) for row in rows) == [
        ("barn", "104.0"), ("barn", "105.0"), ("roof", "104.0"), ("roof", "105.0"),
    ]  # fmt: skip
    annotated = run(*options, "-f", "csv", "-H", "influx2").stdout.splitlines()
    assert "#datatype dateTime:RFC3339,tag,double,double" in annotated
    assert not any(line.startswith("#constant tag,source") for line in annotated)
    text = run(*options, "-f", "openmetrics").stdout
    assert text.count("# TYPE inverter_history_load_watts gauge") == 1
    assert text.endswith("# EOF\n")
    table = run(*options).stdout.splitlines()
    assert table[0].split()[:2] == ["time", "source"]


def test_an_address_needs_no_file_and_names_and_addresses_go_together(run, home, unit):
    path, served = home(roof=memory())
    address = unit(memory()).address
    result = run("history", "roof", address, "-c", path, "--timezone", "Europe/Berlin",
                 *QUARTER, *TWO, "-f", "csv", "-q")  # fmt: skip

    sources = {row["source"] for row in csv.DictReader(result.stdout.splitlines())}
    assert sources == {"roof", "127.0.0.1"}


# -- what a unit has, and what it has not ------------------------------------------------------


def test_signals_of_parts_that_a_unit_does_not_have_are_left_out_unless_named(run, home):
    end = wall(NOW, BERLIN)
    both = minutes(end - 7200, end, {"eload": power, "soc": charge})
    rct = driver("rct")
    inputs = {name for part in ("genA", "genB", "s0") for name in rct.conditions[part].inputs}
    nothing = {OIDS[name]: bytes(LENGTHS[rct.query(name).type]) for name in inputs}
    answers = {**EMPTY, **both, **nothing, OIDS["power_mng.battery_type"]: b"\x05"}
    path, served = home(roof=answers)
    options = ["history", "roof", "-c", path, "--from", "-1h", "-f", "csv", "-q"]
    asked = served["roof"].asked

    run(*options)
    assert OIDS["logger.minutes_eload_log_ts"] in {oid for _, oid, _ in asked}
    for name in ("soc", "ubat", "ea", "ub", "eext"):
        assert OIDS[f"logger.minutes_{name}_log_ts"] not in {oid for _, oid, _ in asked}
    assert {command for command, oid, _ in asked} == {Command.READ, Command.WRITE}

    asked.clear()
    run(*options, "--signals", "soc_percent")
    assert {oid for _, oid, _ in asked} == {OIDS["logger.minutes_soc_log_ts"]}


def mute(payloads, name, after=0):
    """The same; what a signal is asked for is not answered any more after so many answers."""
    key, count = OIDS[f"logger.minutes_{name}_log_ts"], Counter()
    payload = payloads.get(key, lambda asked: asked)

    def answer(asked):
        count["asked"] += 1
        return payload(asked) if count["asked"] <= after else None

    return {**payloads, key: answer}


SERIAL = {OIDS["inverter_sn"]: b"TEST01\0"}


def test_a_signal_that_firmware_does_not_know_is_told_once_and_left_out(run, home):
    path, served = home(roof=mute({**memory(), **SERIAL}, "eload"))
    result = run("history", "roof", "-c", path, *LONG, "-f", "csv")

    assert result.exit_code == 0
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert (len(rows), {row["load_watts"] for row in rows}) == (576, {""})
    told = result.stderr.splitlines()
    assert "logger.minutes_eload_log_ts (0xA7C708EB) was not answered" in told[0]
    assert told[0].endswith("and other things were: it is left out")
    assert len(told) == 2
    asked = [oid for _, oid, _ in served["roof"].asked]
    assert asked.count(OIDS["logger.minutes_eload_log_ts"]) == 12, "in one portion of two"


@pytest.mark.slow
def test_a_signal_that_fails_later_is_told_and_can_be_gone_on_with(run, home, tmp_path):
    path, served = home(roof=mute({**memory(), **SERIAL}, "eload", after=8))
    out = tmp_path / "out.csv"
    options = ["history", "roof", "-c", path, *LONG, "-f", "csv", "-o", out]
    result = run(*options)

    assert result.exit_code == 3
    assert "Error: roof: logger.minutes_eload_log_ts (0xA7C708EB) was not" in result.stderr
    assert "Incomplete: what was read is in" in result.stderr
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [bool(row["load_watts"]) for row in rows] == [True] * 288 + [False] * 288
    assert all(row["soc_percent"] for row in rows)

    served["roof"].payloads.update(memory())
    assert run(*options, "--resume").exit_code == 0
    assert all(row["load_watts"] for row in csv.DictReader(out.read_text().splitlines()))


def test_a_unit_that_says_nothing_any_more_is_given_up(run, home):
    silent = mute({**memory(), **SERIAL}, "eload", after=8)
    key = OIDS["inverter_sn"]
    path, served = home(roof={**silent, key: None})
    result = run("history", "roof", "-c", path, *LONG, "-f", "csv")

    assert result.exit_code == 3
    assert "Error: roof: logger.minutes_eload_log_ts (0xA7C708EB) was not" in result.stderr
    assert "Incomplete: roof goes on with --from 2026-06-14T12:00:00+02:00" in result.stderr
    assert len(result.stdout.splitlines()) == 1 + 288
    assert served["roof"].asked[-1][1] == key


def test_values_that_cannot_be_are_left_out_and_counted(run, home):
    broken = memory()
    key = OIDS["logger.minutes_eload_log_ts"]
    stamp = wall(unix("2026-06-14T10:00"), BERLIN)
    good = broken[key]
    none = struct.pack(">If", stamp, float("nan"))
    broken[key] = lambda asked: good(asked).replace(struct.pack(">If", stamp, power(stamp)), none)
    path, _ = home(roof=broken)
    result = run("history", "roof", "-c", path, *QUARTER, *TWO, "-f", "csv")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "2026-06-14T10:00:00+02:00,,3.125",
        "2026-06-14T10:05:00+02:00,105.0,3.90625",
    ]
    assert "roof: 3 values, 1 more without a time, or impossible, 2 requests," in result.stderr


# -- interrupted, and gone on with -------------------------------------------------------------


def interrupting(payloads, at):
    """The same; when the question with that number comes, somebody presses Ctrl-C, once."""
    count = Counter()

    def wrap(payload):
        def answer(asked):
            count["questions"] += 1
            if count["questions"] == at:
                os.kill(os.getpid(), signal.SIGINT)
                return None
            return payload(asked)

        return answer

    return {oid: wrap(payload) for oid, payload in payloads.items()}


def test_interrupted_before_anything_was_read_it_leaves_nothing(run, home, tmp_path):
    path, _ = home(roof=interrupting(memory(), 1))
    result = run("history", "roof", "-c", path, *LONG, "-o", tmp_path / "out.txt")
    assert result.exit_code == 130
    assert "Interrupted: nothing was read" in result.stderr
    assert [item.name for item in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize("at", [9, 20])
def test_what_was_read_into_a_file_stays_and_resume_goes_on(run, home, tmp_path, at):
    path, served = home(roof=interrupting(memory(), at), whole=memory())
    out, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    options = ["history", "roof", "-c", path, *LONG, "-f", "csv", "-o", out]

    result = run(*options)
    assert result.exit_code == 130
    assert "Interrupted: what was read is in" in result.stderr
    assert "--resume goes on" in result.stderr
    before = out.read_text().splitlines()
    assert before[0] == "time,load_watts,soc_percent"
    assert len(before) - 1 in {288, 576}
    assert part.exists()

    refused = run(*options)
    assert refused.exit_code == 2
    assert "from a reading that was interrupted; go on with --resume" in refused.stderr

    first = len(served["roof"].asked)
    result = run(*options, "--resume")
    assert result.exit_code == 0
    assert not part.exists()
    whole = run("history", "whole", "-c", path, *LONG, "-f", "csv", "-q").stdout
    assert out.read_text() == whole
    assert len(whole.splitlines()) == 1 + 576
    again = len(served["roof"].asked) - first
    assert again <= len(served["whole"].asked) - first + 9, "what is there is not asked again"


def test_on_standard_output_it_is_told_where_to_go_on(run, home):
    path, _ = home(roof=interrupting(memory(), 20))
    result = run("history", "roof", "-c", path, *LONG, "-f", "csv")

    assert result.exit_code == 130
    assert "Interrupted: roof goes on with --from 2026-06-14T12:00:00+02:00" in result.stderr
    times = [line.partition(",")[0] for line in result.stdout.splitlines()[1:]]
    assert times == sorted(set(times))
    assert times[:288] == [
        moment_of((int(unix("2026-06-13T12:00")) + 300 * n) * 10**9, BERLIN) for n in range(288)
    ]


@pytest.mark.slow
def test_killed_at_any_byte_of_what_was_kept_it_goes_on_to_the_same_end(
    run, home, tmp_path, monkeypatch
):
    """Each slice that is there is not read again, and half a line is as if it were not there."""
    path, served = home(roof=memory())
    out, part = tmp_path / "all.lp", tmp_path / "all.lp.part"
    options = ["history", "roof", "-c", path, *LONG, "--events", "-f", "influx", "-o", out, "-q"]
    monkeypatch.setattr(history_part.PartFile, "close", lambda self, remove: self._file.close())
    run(*options)
    monkeypatch.undo()
    at_noon(monkeypatch)
    kept, whole, asked = part.read_bytes(), out.read_bytes(), len(served["roof"].asked)
    lines = kept.splitlines(keepends=True)
    assert len(lines) == 1 + 2 * 2 + 1

    ends = [sum(map(len, lines[: n + 1])) for n in range(len(lines))]
    for cut in sorted({*ends, *(end - 1 for end in ends[1:]), *(end + 7 for end in ends[:-1])}):
        part.write_bytes(kept[:cut])
        out.unlink()
        served["roof"].asked.clear()
        assert run(*options, "--resume").exit_code == 0
        assert out.read_bytes() == whole
        assert not part.exists()
        there = sum(end <= cut for end in ends) - 1
        assert len(served["roof"].asked) <= asked * (5 - there) / 4


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no reading that was interrupted"),
        (b"time,load_watts\n", "is no reading that was interrupted"),
        (b"[1]\n", "is no reading that was interrupted"),
        (b'{"what":"rct-collector history 0","request":{}}\n', "is no reading that was"),
        (b"@[1]\n", "is damaged at byte "),
        (
            b'{"what":"rct-collector history 1","request":{"devices":[["barn","rct"]]}}\n',
            "was begun with devices [['barn', 'rct']], and this is [['roof', 'rct']]",
        ),
    ],
)
def test_only_a_reading_of_the_same_is_gone_on_with(run, home, tmp_path, content, told):
    path, served = home(roof=memory())
    options = ["history", "roof", "-c", path, *QUARTER, *TWO, "-o", tmp_path / "out.csv"]
    if content.startswith(b"@"):  # behind a first line as it should be
        request = {
            "devices": [["roof", "rct"]], "from": QUARTER[1], "to": QUARTER[3], "resolution": "5m",
            "signals": ["load_*", "soc_percent"], "events": False, "range": {},
        }  # fmt: skip
        first = json.dumps({"what": "rct-collector history 1", "request": request}).encode()
        content = first + b"\n" + content[1:]
    (tmp_path / "out.csv.part").write_bytes(content)
    result = run(*options, "--resume")

    assert result.exit_code == 2
    assert told in result.stderr
    assert (tmp_path / "out.csv.part").read_bytes() == content
    assert served["roof"].asked == []


def test_a_range_that_was_begun_ends_where_it_was_to_end(run, home, tmp_path, monkeypatch):
    """``now`` of the first time, though the second is a day later."""
    path, _ = home(roof=interrupting(memory(), 9))
    out = tmp_path / "out.csv"
    options = ["history", "roof", "-c", path, "--from", "-1d", *TWO, "-f", "csv", "-o", out, "-q"]
    assert run(*options).exit_code == 130
    monkeypatch.setattr(history_output, "now", lambda: NOW + 86_400)
    assert run(*options, "--resume").exit_code == 0

    times = [line.partition(",")[0] for line in out.read_text().splitlines()[1:]]
    assert (times[0], times[-1]) == ("2026-06-14T12:00:00+02:00", "2026-06-15T11:55:00+02:00")


def test_a_file_takes_the_place_of_another_only_when_it_is_complete(run, home, tmp_path, nobody):
    path, served = home(roof=memory())
    out = tmp_path / "out.csv"
    out.write_text("before")
    out.chmod(0o640)
    assert run("history", "roof", "-c", path, *QUARTER, *TWO, "-f", "csv", "-o", out).stdout == ""
    assert out.read_text() == GOLDEN["csv"]
    assert out.stat().st_mode & 0o777 == 0o640

    text = path.read_text(encoding="utf-8").replace(served["roof"].address, nobody)
    path.write_text(text, encoding="utf-8")
    result = run("history", "roof", "-c", path, *QUARTER, "-o", out)
    assert result.exit_code == 3
    assert out.read_text() == GOLDEN["csv"], "nothing was read: what is there stays"
    assert not out.with_name("out.csv.part").exists()

    result = run("history", "roof", "-c", path, *QUARTER, "-o", tmp_path / "nowhere" / "out.csv")
    assert result.exit_code == 2
    assert "cannot be used: No such file or directory" in result.stderr


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_line_that_is_lost_is_opened_again_and_nothing_is_missing(run, home):
    """Once in the middle of an answer."""
    path, served = home(roof=memory())
    server = served["roof"]
    key = OIDS["logger.minutes_eload_log_ts"]
    payload, count = server.payloads[key], Counter()

    def cut(asked):
        count["asked"] += 1
        if count["asked"] == 3:
            raise ConnectionAbortedError
        return payload(asked)

    server.payloads[key] = cut
    server.handle_error = lambda *_: None
    result = run("history", "roof", "-c", path, *DAY, "--signals", "load_*", "-f", "csv")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1 + 288


def test_a_device_that_another_process_holds_is_left_alone(run, listener):
    address = address_of(listener)
    lock = DeviceLock(parse_address(address, driver("rct").ways))
    lock.acquire()
    try:
        result = run("history", address, "--from", "-1h")
    finally:
        lock.release()

    assert result.exit_code == 4
    assert "already collected by" in result.stderr
    assert "Incomplete: nothing was read" in result.stderr
    assert "goes on with" not in result.stderr
    assert result.stdout == ""


def test_a_device_that_cannot_be_reached_leaves_the_others(run, home, nobody):
    path, _ = home(roof=memory())
    result = run("history", "roof", nobody, "-c", path, *QUARTER, *TWO, "-f", "csv", "-q",
                 "--timezone", "Europe/Berlin")  # fmt: skip

    assert result.exit_code == 3
    assert "connection refused" in result.stderr
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--from", "soon"], "--from: found 'soon', expected a date (2026-11-01)"),
        (["--to", "2026-13-01"], "--to: found '2026-13-01', expected a date"),
        (["--from", "now"], "--from now is not before --to now"),
        (["--from", "2027-01-01"], "--from 2027-01-01 is not before --to now, or not past"),
        (["--to", "-2d"], "--from -1d is not before --to -2d, or not past: name both"),
        (["--from", "2020-01-01", "--to", "2020-01-02"], "keep 5m for 90 days, and --to 2020"),
        (["--signals", "moon_*"], "nothing of 5m matches 'moon_*'; known: pv_a_watts, "),
        (["--signals", "none"], "leaves nothing, unless --events is given"),
        (["--resume"], "--resume needs -o FILE"),
        (["-H", "influx2"], "--header-format influx2 needs --format csv"),
        (["127.0.0.1:1", "127.0.0.1:1"], "127.0.0.1: named twice"),
        (["--simulate"], "roof and --simulate both name a device"),
        (["barn"], "there is no 'barn'; known: roof"),
    ],
)
def test_what_cannot_be_asked_for_is_told(run, home, options, told):
    path, served = home(roof=memory())
    choice = ["-c", path] if options != ["--simulate"] else []
    names = ["roof"] if options[0].startswith("-") else []
    result = run("history", *names, *choice, *options)

    assert result.exit_code == 2
    assert told in result.stderr
    assert served["roof"].asked == []


def test_what_is_no_file_is_told_before_anything_is_asked(run, home, tmp_path):
    path, served = home(roof=memory())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = run("history", "roof", "-c", path, *QUARTER, *TWO, "-o", pipe)

    assert result.exit_code == 2
    assert f"{pipe} is no file that could be replaced; name another one" in result.stderr
    assert served["roof"].asked == []
    assert pipe.is_fifo()
    assert not (tmp_path / "pipe.part").exists()


def test_what_is_older_than_units_remember_is_told_and_not_asked_for(run, home):
    path, served = home(roof=memory())
    result = run("history", "roof", "-c", path, "--from", "2025-01-01", "--to", "2026-03-19",
                 "--signals", "load_*", "-f", "csv")  # fmt: skip
    assert result.exit_code == 0
    assert "roof: begins at 2026-03-17T11:00:00+01:00, units keep no more" in result.stderr
    assert result.stdout == "time,load_watts\n"


def test_families_without_a_memory_say_so(run):
    result = run("history", "--simulate", "--driver", "voltronic")
    assert result.exit_code == 2
    assert "Voltronic units have no memory that can be read" in result.stderr


def test_the_words_for_resolutions_are_those_of_the_families():
    known = {
        word
        for name in BUILTIN
        if driver(name).history
        for word in history_reading.resolutions(driver(name).history)
    }
    assert set(RESOLUTIONS) == known


# -- the simulated unit ------------------------------------------------------------------------


@pytest.mark.slow
def test_the_simulated_unit_tells_all_signals(run, monkeypatch):
    monkeypatch.setattr(history_output, "now", time.time)
    result = run("history", "--simulate", "--from", "-6h", "-f", "influx", "--events")

    lines = [parse_line(line) for line in result.stdout.splitlines()]
    history = [line for line in lines if line["measurement"] == "inverter_history"]
    assert result.exit_code == 0
    assert 71 <= len(history) <= 73
    assert {len(line["fields"]) for line in history} == {22}, "all signals of a time on one line"
    assert {line["time"] % (300 * 10**9) for line in history} == {0}


@pytest.mark.slow
def test_a_terminal_is_shown_how_far_it_has_come_and_a_pipe_is_not(start):
    """And tables are as wide as the terminal, those that are not come one below the other."""
    options = ["history", "--simulate", "--from", "-1h", "--signals", "pv_*,grid_*"]
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 60, 0, 0))
    process = start(*options, stdout=child, stderr=child, env={"TERM": "xterm", "COLUMNS": "60"})
    os.close(child)
    shown = read_all(parent)
    process.communicate(timeout=60)

    assert process.returncode == 0
    assert "simulated" in shown
    assert "%" in shown
    assert "logger.minutes_" in shown
    heads = [line for line in shown.splitlines() if line.lstrip("\x1b[K2AJ ").startswith("time ")]
    assert len(heads) >= 3
    assert all(len(head) <= 60 for head in heads)

    stdout, stderr = start(*options).communicate(timeout=60)
    assert "\x1b" not in stdout + stderr
    assert len([line for line in stdout.splitlines() if line.startswith("time ")]) == 1
    assert len(stderr.splitlines()) == 1


# -- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-06-15T12:00"),
        ("today", "2026-06-15"),
        ("Yesterday", "2026-06-14"),
        ("-12h", "2026-06-15T00:00"),
        ("-90m", "2026-06-15T10:30"),
        ("-90min", "2026-06-15T10:30"),
        ("-1.5d", "2026-06-14T00:00"),
        ("-1w", "2026-06-08T12:00"),
        ("-1y", "2025-06-15T12:00"),
        ("2026-03-29", "2026-03-29"),
        ("2026-03-29T04:30", "2026-03-29T04:30"),
        ("2026-03-29 04:30:15", "2026-03-29T04:30:15"),
    ],
)
def test_times_in_the_zone_of_the_device(text, expected):
    assert parse_moment(text, NOW, BERLIN) == unix(expected)


@pytest.mark.parametrize("text", ["2026-06-15T10:00Z", "2026-06-15T12:00+02:00"])
def test_times_with_their_own_zone(text):
    assert parse_moment(text, NOW, ZoneInfo("Asia/Tokyo")) == NOW


@pytest.mark.parametrize("text", ["", "-7", "7d", "-d", "2026", "2026-02-30", "12:00", "tomorrow"])
def test_what_is_no_time_is_told(text):
    with pytest.raises(ValueError, match="a date"):
        parse_moment(text, NOW, BERLIN)


def test_of_the_two_hours_of_autumn_each_is_written_as_itself():
    first = unix("2026-10-25T02:30")
    assert moment_of(int(first) * 10**9, BERLIN) == "2026-10-25T02:30:00+02:00"
    assert moment_of((int(first) + 3600) * 10**9, BERLIN) == "2026-10-25T02:30:00+01:00"
    assert moment_of(1_001_000_000, UTC) == "1970-01-01T00:00:01.001+00:00"
