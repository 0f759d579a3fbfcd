"""JSON lines into carbon."""

import json
import pickle
import signal
import time
from datetime import datetime

import pytest

from rct_collector.drivers.solaredge.tools import graphite
from rct_collector.drivers.solaredge.tools.graphite import as_pickle, name_of, time_of
from rct_collector.errors import TransportError
from tests.outside import Taker
from tests.processes import wait_for
from tests.servers.graphite import Carbon


def lines(*messages):
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


RECORD = {"Date": "2015-08-18", "ID": "7F190FF7", "Temp": 30.1551704407, "Time": "04:11:43"}
METER = {
    "Date": "2019-10-12", "E2X": 173, "P2X": None, "Time": "01:24:07", "dateTime": 1570868647,
    "devLen": 58, "Flag_off12_hex": "00 80",
}  # fmt: skip


@pytest.fixture
def pacific(monkeypatch):
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def unpickled(data):
    return pickle.loads(data[4:])  # noqa: S301 - it was written here


# -- names, times and values -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("semonitor", "inverters", "7F190FF7", "Temp"), "semonitor.inverters.7F190FF7.Temp"),
        (("", "inverters", "7F190FF7", "Temp"), "inverters.7F190FF7.Temp"),
        (("a", "x_devices", "1", "T"), "a.x_.1.T"),
        (("a", "devices", "1", "T"), "a.1.T"),
        (("a", "b", "T16H0013143\0\0", "EOut"), "a.b.T16H0013143.EOut"),
        (("a", "b c", "d\ne", "f"), "a.b_c.d_e.f"),
    ],
)
def test_names_are_those_of_the_suite(parts, name):
    assert name_of(*parts) == name


def test_times_are_read_as_the_host_wrote_them(pacific):
    assert time_of(RECORD) == 1439896303.0
    assert time_of(METER) == 1570868647.0
    assert time_of({**METER, "dateTime": 1.5e9}) == 1.5e9
    assert [time_of(own) for own in ({}, {"Date": "x", "Time": "y"}, {"Date": "2015-08-18"})] == [
        None
    ] * 3


def test_the_text_is_that_of_the_suite(desk, call, pacific):
    desk.streams = [carbon := Taker()]
    battery = {"EOut": 0, "batteryId": "T16H0013143", "dateTime": 1499285376}
    event = {"Date": "2015-10-31", "Event2": -28800, "Time": "19:52:43"}
    desk.stdin = lines(
        {"inverters": {"7F190FF7": RECORD}, "events": {}},
        {"batteries_0x0030": {"7F15397E": {"T16H0013143": battery}}},
        {"events": {"7F104A16": event}},
    )
    call("graphite", "-b", "semonitor", "-h", "carbon.example")

    assert b"".join(carbon.taken).decode().splitlines() == [
        "semonitor.inverters.7F190FF7.Temp 30.1551704407 1439896303.0",
        "semonitor.batteries_0x0030.7F15397E.T16H0013143.EOut 0 1499285376.0",
        "semonitor.batteries_0x0030.7F15397E.T16H0013143.dateTime 1499285376 1499285376.0",
        "semonitor.events.7F104A16.Event2 -28800 1446346363.0",
    ]
    assert desk.connected == [("carbon.example", 2003)]
    assert (carbon.finished, carbon.closed) == (True, True)
    assert desk.paused == []


def test_values_that_are_none_are_not_sent(desk, call):
    desk.streams = [carbon := Taker()]
    own = {**METER, "a": -3.4028234663852886e38, "b": 4286578687, "c": True, "ID": "100E1234"}
    text = json.dumps({"m": {"1": own}}).replace("173", "NaN").replace("58", "Infinity")
    desk.stdin = text.encode()
    call("graphite")

    assert carbon.taken == [b"m.1.dateTime 1570868647 1570868647.0\n"]


def test_pickled_messages_hold_lists_with_their_length_before_them(desk, call):
    desk.streams = [carbon := Taker()]
    desk.stdin = lines({"m": {"1": {"E2X": 173, "P": 1.5, "dateTime": 1499285376}}})
    call("graphite", "--pickle")

    (data,) = carbon.taken
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert unpickled(data) == [
        ("m.1.E2X", (1499285376.0, 173)),
        ("m.1.P", (1499285376.0, 1.5)),
        ("m.1.dateTime", (1499285376.0, 1499285376)),
    ]
    assert desk.connected == [("localhost", 2004)]


def test_a_pickled_message_stays_as_small_as_carbon_wants_it():
    samples = [graphite.Sample("a" * 200, 1e9, float(i)) for i in range(5000)]
    found = list(as_pickle(samples))

    assert max(map(len, found)) < 1 << 20
    assert sum(len(unpickled(data)) for data in found) == 5000


def test_records_without_time_are_told(desk, call):
    desk.streams = [Taker()]
    desk.stdin = lines({"m": {"1": {"a": 1}, "2": {"a": 1}}})
    call("graphite")

    assert desk.said == ["Warning: 2 records without Date and Time were left out"]


# -- connections that are lost -----------------------------------------------------------------


def timed(*values):
    return lines(*({"m": {"1": {"a": value, "dateTime": 1499285376}}} for value in values))


def test_what_may_be_lost_is_sent_again(desk, call):
    desk.pieces = 1
    desk.streams = [Taker(most=2), again := Taker()]
    desk.stdin = timed(1, 2, 3, 4)
    call("graphite")

    assert [int(data.split()[1]) for data in again.taken] == [1, 2, 3, 4]
    assert again.finished
    assert desk.said == [
        "Warning: carbon takes nothing any more: Broken pipe; trying again",
        "Connected again.",
    ]
    assert desk.paused == [1.0]


def test_a_connection_that_is_lost_at_the_end_counts_as_well(desk, call):
    desk.streams = [Taker(most=1), again := Taker()]
    desk.stdin = timed(1)
    call("graphite")

    assert (len(again.taken), again.finished) == (1, True)


def test_a_connection_is_looked_after_while_nothing_is_sent(desk, call, monkeypatch):
    def lines(_path, *, follow):
        yield timed(1).splitlines()
        yield []
        yield []

    monkeypatch.setattr(desk, "lines", lines)
    desk.streams = [Taker(most=1), again := Taker()]
    call("graphite", "-f", "in.json")

    assert len(again.taken) == 1


def test_what_is_kept_for_that_has_a_limit(desk, call, monkeypatch):
    size = len(timed(1)) // 2
    monkeypatch.setattr(graphite, "WINDOW", 3 * size)
    desk.pieces = 1
    desk.streams = [Taker(most=50), again := Taker()]
    desk.stdin = timed(*range(60))
    call("graphite")

    sent = [int(data.split()[1]) for data in again.taken]
    assert sent[-1] == 59
    assert 40 < sent[0] < 51


def test_nobody_there_is_an_error(desk, call):
    desk.stdin = timed(1)
    with pytest.raises(TransportError, match="refused"):
        call("graphite")
    assert desk.paused == []


def test_somebody_who_does_not_come_back_is_an_error_in_the_end(desk, call):
    desk.pieces = 1
    desk.streams = [Taker(most=1)]
    desk.stdin = timed(1, 2)
    with pytest.raises(TransportError, match="refused"):
        call("graphite")
    assert desk.paused == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_who_follows_waits_for_the_first_connection(desk, call, monkeypatch):
    monkeypatch.setattr(desk, "pause", lambda _: desk.streams.append(Taker()))
    desk.files["in.json"] = timed(1)
    call("graphite", "-f", "in.json")

    assert desk.connected == [("localhost", 2003)] * 2


# -- the real carbon ---------------------------------------------------------------------------


@pytest.mark.servers
@pytest.mark.parametrize("form", ["text", "pickle"])
def test_carbon_keeps_what_was_sent(tmp_path, run, form):
    start = int(time.time()) - 600
    expected = {}
    with (tmp_path / "in.json").open("w") as file:
        for i in range(300):
            local = datetime.fromtimestamp(start + i)
            own = {"Date": f"{local:%Y-%m-%d}", "Time": f"{local:%H:%M:%S}", "Pac": i + 0.5}
            exact = {"dateTime": start + i, "P2X": -i}
            json.dump({"inverters": {"7F01": own}, "meters": {"7F01": {"5_Grid": exact}}}, file)
            file.write("\n")
            expected["roof.inverters.7F01.Pac", start + i] = i + 0.5
            expected["roof.meters.7F01.5_Grid.P2X", start + i] = float(-i)
            expected["roof.meters.7F01.5_Grid.dateTime", start + i] = float(start + i)
    with Carbon(tmp_path / "carbon") as carbon:
        port = carbon.port if form == "text" else carbon.pickle_port
        options = ["--pickle"] if form == "pickle" else []
        done = run(
            "solaredge", "graphite", *options, "-b", "roof", "-h", "127.0.0.1", "-p", port,
            tmp_path / "in.json",
        )  # fmt: skip
        assert (done.exit_code, done.output) == (0, "")
        wait_for(lambda: carbon.everything("roof") == expected, 120)
        assert carbon.everything("roof") == expected


@pytest.mark.servers
@pytest.mark.parametrize("form", ["text", "pickle"])
def test_a_restart_of_carbon_loses_nothing(tmp_path, start, form):
    begin = int(time.time()) - 600
    path = tmp_path / "in.json"
    path.touch()
    expected = {}

    def add(count):
        with path.open("a") as file:
            for _ in range(count):
                n = len(expected)
                json.dump({"m": {"7F01": {"Pac": {"dateTime": begin + n, "n": n}}}}, file)
                file.write("\n")
                expected["roof.m.7F01.Pac.n", begin + n] = float(n)

    def kept():
        found = carbon.everything("roof")
        return {key: value for key, value in found.items() if key[0].endswith(".n")}

    carbon = Carbon(tmp_path / "carbon")
    port = carbon.port if form == "text" else carbon.pickle_port
    options = ["--pickle"] if form == "pickle" else []
    process = start(
        "solaredge", "graphite", *options, "-f", "-b", "roof", "-h", "127.0.0.1", "-p", port, path
    )
    add(50)
    with carbon:
        wait_for(lambda: kept() == expected, 120)
    add(30)  # some of it goes into the connection whose loss does not show yet
    with carbon:
        wait_for(lambda: kept() == expected, 120)
        assert kept() == expected
        add(10)
        wait_for(lambda: kept() == expected, 120)
        assert kept() == expected
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "; trying again" in stderr
    assert "Connected again." in stderr
