"""What units say over a line, and what they are answered."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.catalog import Catalog, catalog
from rct_collector.drivers.base import Fault, Garbled, Record, Reply
from rct_collector.drivers.solaredge import functions, records, request, table
from rct_collector.drivers.solaredge.batteries import CONFIRMATIONS, Batteries
from rct_collector.drivers.solaredge.crypto import Tunnel, UnitKey
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.records import LAYOUTS, RawRecord, join
from rct_collector.drivers.solaredge.session import SolarEdgeSession, owner
from tests.needs import library

UNIT, OTHER, OPTIMIZER = 0x7F101234, 0x7F105678, 0x1A2B3C4D
NOW = 1_700_000_000
WALL_NS = NOW * 1_000_000_000


def telemetry(kind, device, size=0, **values):
    return RawRecord(kind, device, LAYOUTS[kind].encode({"time": NOW, **values}, size))


def post(*posted, source=UNIT, sequence=7, payload=None):
    data = join(list(posted)) if payload is None else payload
    return Frame(sequence, source, request.SERVER, functions.POST, data)


def session(**options):
    return SolarEdgeSession(SolarEdgeOptions(**options))


def said(events, kind):
    return [event for event in events if type(event) is kind]


def heard(session, *frames):
    return session.receive(b"".join(map(assemble, frames)), WALL_NS)


def replied(events):
    """The frames of all replies."""
    return [FrameReader().feed(reply.data)[0] for reply in said(events, Reply)]


def values(record):
    return {series.name: value for series, value in record.values}


ACK = Frame(7, request.SERVER, UNIT, functions.ACK)


# -- posts ---------------------------------------------------------------------------------------


def test_records_come_before_their_acknowledgement():
    events = heard(
        session(),
        post(
            telemetry(records.INVERTER, UNIT | records.BOARD_BIT, power=1500.0, mode=4),
            telemetry(records.OPTIMIZER_PACKED, OPTIMIZER, input_voltage=30.0, input_current=8.0),
        ),
    )
    assert [type(event) for event in events] == [Record, Record, Reply]
    assert replied(events) == [ACK]
    assert {event.unit for event in events} == {"7F101234"}
    first, second, _ = events
    assert first.time_ns == second.time_ns == WALL_NS
    assert values(first)["inverter_power.output_watts"] == 1500.0
    assert values(first)["inverter_status.state_code"] == 4
    assert values(second)["inverter_optimizer{optimizer=1A2B3C4D}.power_watts"] == 240.0


def test_an_empty_post_is_acknowledged():
    assert replied(heard(session(), post())) == [ACK]


def test_a_record_has_the_same_name_however_often_it_comes():
    one = session()
    record = telemetry(records.OPTIMIZER_PACKED, OPTIMIZER)
    keys = [
        (event.unit, event.key, event.time_ns)
        for sequence in (7, 8)
        for event in said(heard(one, post(record, sequence=sequence)), Record)
    ]
    assert keys[0] == keys[1]


def test_records_of_one_time_are_told_apart():
    both = Batteries({"A1", "B2"}, confirmations=CONFIRMATIONS)
    events = heard(
        session(batteries={"7F101234": both}),
        post(
            telemetry(records.EVENT, UNIT, event=0),
            telemetry(records.EVENT, UNIT, event=1),
            telemetry(records.EVENT, UNIT, event=1, word_2=5),
            telemetry(records.METER, UNIT, meter=3),
            telemetry(records.METER, UNIT, meter=5),
            telemetry(records.BATTERY, UNIT, battery="A1"),
            telemetry(records.BATTERY, UNIT, battery="B2"),
            telemetry(records.OPTIMIZER_PACKED, OPTIMIZER),
            telemetry(records.OPTIMIZER_PACKED, OPTIMIZER + 1),
        ),
    )
    keys = [event.key for event in said(events, Record)]
    assert len(keys) == len(set(keys)) == 10  # and all batteries together


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_name_of_a_record_is_short_however_long_it_is(kind):
    """Names of many thousand records are remembered, and anybody can send long ones."""
    events = heard(session(), post(telemetry(kind, UNIT, 8000)))
    (record,) = said(events, Record)
    assert sum(len(part) for part in record.key if isinstance(part, bytes | str)) <= 24


@pytest.mark.parametrize(
    ("inverter", "source", "expected"),
    [
        (0x7F901234, UNIT, UNIT),
        (UNIT, UNIT, UNIT),
        (UNIT, 0x7F901234, 0x7F901234),
        (0x7F905678, UNIT, OTHER),
        (OTHER, UNIT, OTHER),
        (0xBE901234, 0xBE101234, 0xBE101234),
        (0, UNIT, UNIT),
        (0xFFFFFFFF, UNIT, UNIT),
        (request.SERVER, UNIT, UNIT),
        (0xFF7FFFFF, UNIT, UNIT),
    ],
)
def test_boards_of_an_inverter_are_one_unit(inverter, source, expected):
    assert owner(inverter, source) == expected


def test_two_units_that_differ_by_that_bit_alone_stay_two():
    events = [
        event
        for source in (UNIT, UNIT | records.BOARD_BIT)
        for event in heard(
            session(), post(telemetry(records.METER, source, meter=5), source=source)
        )
    ]
    assert {event.unit for event in events} == {"7F101234", "7F901234"}


def test_optimizers_that_name_their_inverter_belong_to_it():
    events = heard(
        session(),
        post(
            telemetry(records.OPTIMIZER_S, OPTIMIZER, inverter=OTHER | records.BOARD_BIT),
            telemetry(records.OPTIMIZER_PACKED, OPTIMIZER),
            telemetry(records.OPTIMIZER_S, OPTIMIZER, inverter=0xFFFFFFFF),
        ),
    )
    units = [event.unit for event in said(events, Record)]
    assert units == ["7F105678", "7F101234", "7F101234"]


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ("4200732e117d040018ccbb5c", Fault.COMMAND),
        ("80000d100f20ffff01000000", Fault.LENGTH),
        ("80000d100f200300010000", Fault.LENGTH),
    ],
)
def test_what_is_of_no_use_is_counted_and_acknowledged(payload, fault):
    events = heard(session(), post(payload=bytes.fromhex(payload)))
    assert [event.kind for event in said(events, Garbled)] == [fault]
    assert replied(events) == [ACK]


def test_floats_that_are_no_numbers_are_counted_and_the_rest_is_taken():
    record = telemetry(records.INVERTER, UNIT, power=5.0, ac_voltage=230.0)
    body = record.body[:92] + b"\0\0\xc0\x7f" + record.body[96:]
    events = heard(session(), post(record._replace(body=body)))
    assert [event.kind for event in said(events, Garbled)] == [Fault.DECODE]
    (taken,) = said(events, Record)
    assert "inverter_power.output_watts" not in values(taken)
    assert values(taken)["inverter_grid{phase=l1}.voltage_volts"] == 230.0


def test_impossible_times_are_left_to_whoever_knows_the_time():
    record = RawRecord(records.OPTIMIZER_PACKED, OPTIMIZER, b"\xff" * 4 + bytes(9))
    events = heard(session(), post(record))
    assert said(events, Record)[0].time_ns == 0xFFFFFFFF * 10**9
    assert replied(events) == [ACK]


# -- meters, batteries, names --------------------------------------------------------------------


def test_the_meter_of_the_grid_is_the_grid():
    record = telemetry(
        records.METER,
        UNIT,
        meter=5,
        power_to=300.0,
        power_from=100.0,
        total_to=7000,
        total_from=9000,
    )
    (taken,) = said(heard(session(), post(record)), Record)
    found = values(taken)
    assert found["inverter_power.grid_watts"] == -200.0
    assert found["inverter_energy{flow=grid_export}.watt_hours_total"] == 7000.0
    assert found["inverter_energy{flow=grid_import}.watt_hours_total"] == 9000.0
    assert found["inverter_meter{meter=grid}.to_watts"] == 300.0


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"power_to": 300.0}, -300.0),
        ({"power_from": 100.0}, 100.0),
        ({"power_to": 0.0}, None),  # nothing is said of what may come from it
        ({}, None),
    ],
)
def test_a_meter_may_tell_of_one_direction_only(told, expected):
    record = telemetry(records.METER, UNIT, meter=5, **told)
    (taken,) = said(heard(session(), post(record)), Record)
    assert values(taken).get("inverter_power.grid_watts") == expected


@pytest.mark.parametrize(
    ("kind", "word"), [(3, "consumption"), (9, "production"), (2, "2"), (-1, "255")]
)
def test_other_meters_are_told_apart_by_what_they_are_at(kind, word):
    record = telemetry(records.METER, UNIT, meter=kind, power_from=100.0)
    found = values(said(heard(session(), post(record)), Record)[0])
    assert found[f"inverter_meter{{meter={word}}}.from_watts"] == 100.0
    assert "inverter_power.grid_watts" not in found
    assert found.get("inverter_power.load_watts") == (100.0 if kind == 3 else None)


def battery(serial, time=NOW, **more):
    return telemetry(records.BATTERY, UNIT, battery=serial, time=time, voltage=350.0, current=2.0,
                     **{"state": 4, "total_in": 10, "total_out": 20, **more})  # fmt: skip


def all_batteries(events):
    return [values(e) for e in said(events, Record) if e.key == (records.BATTERY, "all")]


def tell(one, *serials, at, **more):
    """Sums that come of records of some batteries, at a time in minutes."""
    posted = [battery(serial, time=NOW + 60 * at, **more) for serial in serials]
    return all_batteries(heard(one, post(*posted)))


def test_batteries_are_added_when_the_records_of_all_came():
    one = session()
    for at in (-10, -5):
        heard(one, post(*(battery(serial, time=NOW + 60 * at) for serial in "AB")))
    (found,) = all_batteries(heard(one, post(battery("A"), battery("B", state=3))))
    assert found == {
        "inverter_power.battery_watts": 0.0,
        "inverter_energy{flow=battery_charge}.watt_hours_total": 20.0,
        "inverter_energy{flow=battery_discharge}.watt_hours_total": 40.0,
    }
    assert all_batteries(heard(one, post(battery("A", time=NOW + 300)))) == []


def test_batteries_are_known_again_when_their_inverter_calls_anew():
    options = SolarEdgeOptions()
    for at in (0, 5, 10):
        tell(SolarEdgeSession(options), *"AB", at=at)
    assert tell(SolarEdgeSession(options), "A", at=15) == []  # one of two is not all of them
    assert len(tell(SolarEdgeSession(options), *"BA", at=15)) == 1


@pytest.mark.parametrize(
    ("told", "sums"),
    [
        ("0A 5A 10A 15A", "10A 15A"),
        ("0A 0B 5A 5B 10A 10B", ""),  # never together
        ("0A 5AB 10AB 15AB 20AB", "15AB 20AB"),
        ("0A 5A 10A 15AB 20A 25AB 30AB 35AB", "10A 30AB 35AB"),
        ("0AB 5A 10B 15AB 20AB 25AB", "20AB 25AB"),
        ("0AB 0AB 0AB 5AB 10AB", "10AB"),  # said again, since nobody took it
        ("10AB 5AB 0AB 15AB 20AB 25AB", "20AB 25AB"),  # stored ones come behind
        ("0AB 5AB 10AB 10AB 5AB", "10AB 10AB 5AB"),
    ],
)
def test_no_sum_is_told_before_it_is_known_to_be_of_all(told, sums):
    """After a start the first record may be of one of several, as if there was no other."""
    one = session()
    found = []
    for word in told.split():
        at, serials = re.fullmatch("([0-9]+)([A-Z]+)", word).groups()
        if sum_ := tell(one, *serials, at=int(at)):
            (total,) = (v for name, v in sum_[0].items() if "flow=battery_charge" in name)
            assert total == 10 * len(serials)
            found.append(word)
    assert " ".join(found) == sums


def test_a_battery_has_its_serial_number_as_far_as_a_tag_can():
    found = values(said(heard(session(), post(battery("t16-h 0013"))), Record)[0])
    assert found["inverter_battery{battery=T16H0013}.power_watts"] == 700.0


def test_names_are_told_once_in_an_hour():
    one = session(names={UNIT: "roof", OPTIMIZER: "south-3"})
    told = []
    for minutes in (0, 0, 5, 60):
        at = NOW + 60 * minutes
        events = heard(
            one,
            post(
                telemetry(records.INVERTER, UNIT | records.BOARD_BIT, time=at),
                telemetry(records.OPTIMIZER_PACKED, OPTIMIZER | records.BOARD_BIT, time=at),
            ),
        )
        found = [item for event in said(events, Record) for item in values(event).items()]
        told.append({name: text for name, text in found if isinstance(text, str)})
    both = {"inverter.unit_name": "roof", "inverter{optimizer=1AAB3C4D}.optimizer_name": "south-3"}
    assert told == [both, both, {}, both]  # what is sent again is the same


@pytest.mark.slow
@pytest.mark.measured
def test_optimizers_of_a_large_plant_are_told_apart_and_it_is_told_when_they_are_too_many(
    monkeypatch,
):
    fresh = Catalog(catalog().metrics)
    monkeypatch.setattr(table, "catalog", lambda: fresh)
    table.sinks.cache_clear()
    try:
        for count in range(1000 * 50):  # a thousand inverters
            fresh.series("inverter_optimizer.power_watts", optimizer=f"{count:08X}")
        record = telemetry(records.OPTIMIZER_PACKED, OPTIMIZER)
        bad, reply = heard(session(), post(record))
        assert "what the inverter 7F101234 says of 1A2B3C4D is left out" in bad.reason
        assert type(reply) is Reply
    finally:
        table.sinks.cache_clear()


# -- what else is said -----------------------------------------------------------------------------


def ask(function, *, destination=request.SERVER, payload=b"", source=UNIT):
    return Frame(7, source, destination, function, payload)


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("Europe/Berlin", 3600), ("Asia/Kolkata", 19800), ("America/Los_Angeles", -28800)],
)
def test_the_time_is_that_of_the_host_with_its_zone(zone, offset, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert datetime.fromtimestamp(NOW).astimezone().utcoffset().total_seconds() == offset
        (answer,) = replied(heard(session(), ask(functions.ASK_TIME)))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (answer.function, answer.sequence) == (functions.TIME, 7)
    assert int.from_bytes(answer.payload[:4], "little") == NOW
    assert int.from_bytes(answer.payload[4:], "little", signed=True) == offset


@pytest.mark.parametrize(
    ("frame", "faults", "answers"),
    [
        (ask(0x0041), [Fault.COMMAND], [functions.ACK]),
        (ask(0x03C2, payload=bytes(59)), [Fault.COMMAND], []),
        (ask(functions.ASK_NAME), [Fault.COMMAND], []),
        (ask(0x4288, payload=b"InvP"), [Fault.COMMAND], []),
        (ask(0x0347, destination=OTHER), [], []),
        (ask(functions.ACK, source=request.SERVER, destination=UNIT), [], []),
        (ask(functions.GRANT, source=request.SERVER, destination=UNIT), [], []),
    ],
    ids=["unknown question", "flood", "name", "new firmware", "to another one", "ACK", "grant"],
)
def test_what_nobody_knows_is_counted_and_acknowledged_where_it_is_a_question(
    frame, faults, answers
):
    events = heard(session(), frame)
    assert [event.kind for event in said(events, Garbled)] == faults
    assert [answer.function for answer in replied(events)] == answers


def test_who_asks_for_a_time_that_nobody_knows_is_not_answered():
    one = SolarEdgeSession(SolarEdgeOptions(), knows_time=lambda: False)
    assert heard(one, ask(functions.ASK_TIME)) == [Reply(b"", "7F101234")]


def test_noise_and_broken_frames_are_counted():
    wire = assemble(post())
    events = session().receive(b"noise" + wire[:-1] + b"?" + wire, WALL_NS)
    assert [event.kind for event in said(events, Garbled)] == [Fault.NOISE, Fault.CRC]
    assert len(replied(events)) == 1


def test_a_line_that_is_only_listened_to_is_not_answered():
    one = SolarEdgeSession(SolarEdgeOptions(), answers=False)
    record = telemetry(records.OPTIMIZER_PACKED, OPTIMIZER)
    assert [type(event) for event in heard(one, post(record), ask(functions.ASK_TIME))] == [Record]


def test_half_a_frame_is_forgotten_with_its_line():
    one = session()
    wire = assemble(post())
    assert one.receive(wire[:-1], WALL_NS) == []
    one.reset()
    assert one.receive(wire[-1:], WALL_NS)[0].kind is Fault.NOISE


# -- who is welcome --------------------------------------------------------------------------------


def test_a_stranger_is_counted_named_and_gets_no_answer():
    events = heard(session(units=frozenset({OTHER})), post(telemetry(records.INVERTER, UNIT)))
    assert [type(event) for event in events] == [Garbled]
    assert events[0].kind is Fault.FOREIGN
    assert "7F101234 is not among 'units'" in events[0].reason


def test_records_of_a_stranger_that_a_guest_passes_on_are_left_out():
    one = session(units=frozenset({UNIT}))
    mine, others = (telemetry(records.INVERTER, unit | records.BOARD_BIT) for unit in (UNIT, OTHER))
    events = heard(one, post(mine, others))
    assert [event.unit for event in said(events, Record)] == ["7F101234"]
    assert "7F105678 is not among 'units'" in said(events, Garbled)[0].reason
    assert replied(events) == [ACK]


# -- encryption ------------------------------------------------------------------------------------

KEY = UnitKey(bytes(range(16)))
OFFER = bytes.fromhex("101112131415161718191a1b1c1d1e1fa75f4dd74570a5c938a744ba22393c3c8561")
SESSION = UnitKey(bytes(range(0xA0, 0xB0)))
WRAPPED = bytes.fromhex(
    "ffffffffffffffffffffffffffffffff45fac2f06c18ef8416d7723f50edf9f4327f5f1b1b44e63fecb53d8d"
)
#: That of the worked example.
SAMPLE = 0x7F101234


def offer(sequence=1, payload=OFFER):
    return Frame(sequence, SAMPLE, request.SERVER, functions.SESSION_KEY, payload)


def wrapped(frame, tunnel):
    _, payload = tunnel.seal(assemble(frame))
    return Frame(99, SAMPLE, request.SERVER, functions.ENCRYPTED, payload)


def opened(reply):
    """The frame within a reply."""
    (outer,) = FrameReader().feed(reply.data)
    assert (outer.source, outer.destination) == (request.TOOL, request.EVERYBODY)
    assert outer.function == functions.ENCRYPTED
    (inner,) = FrameReader().feed(Tunnel(SESSION).open(outer.payload))
    return inner


@pytest.fixture
def crypto():
    return library("cryptography")


@pytest.mark.usefixtures("crypto")
def test_the_worked_example_is_read_and_answered_in_kind():
    one = session(keys={SAMPLE: KEY})
    (first,) = heard(one, offer())
    assert opened(first) == Frame(1, request.SERVER, SAMPLE, functions.ACK)
    (second,) = heard(one, Frame(2, SAMPLE, request.SERVER, functions.ENCRYPTED, WRAPPED))
    assert opened(second) == Frame(2, request.SERVER, SAMPLE, functions.ACK)


@pytest.mark.usefixtures("crypto")
def test_records_and_the_time_come_through_a_tunnel():
    one = session(keys={SAMPLE: KEY})
    heard(one, offer())
    tunnel = Tunnel(SESSION)
    record = telemetry(records.INVERTER, SAMPLE | records.BOARD_BIT, power=5.0)
    events = heard(one, wrapped(post(record), tunnel), wrapped(ask(functions.ASK_TIME), tunnel))
    assert [type(event) for event in events] == [Record, Reply, Reply]
    assert [opened(reply).function for reply in said(events, Reply)] == [
        functions.ACK,
        functions.TIME,
    ]


@pytest.mark.usefixtures("crypto")
def test_a_session_outlives_its_connection_and_the_next_one():
    options = SolarEdgeOptions(keys={SAMPLE: KEY})
    heard(SolarEdgeSession(options), offer())
    heard(SolarEdgeSession(options), *[offer(payload=bytes(34))] * 3)  # the ACK was lost twice
    events = heard(SolarEdgeSession(options), wrapped(post(), Tunnel(SESSION)))
    assert [type(event) for event in events] == [Reply]


@pytest.mark.usefixtures("crypto")
def test_a_unit_with_another_key_offers_in_vain_and_that_is_told():
    one = session(keys={SAMPLE: UnitKey(b"another key 16 b")})
    reasons = [event.reason for n in range(3) for event in said(heard(one, offer(n)), Garbled)]
    assert "the key of the inverter 7F101234 in 'keys' may be that of another one" in reasons[-1]
    events = heard(one, wrapped(post(), Tunnel(SESSION)))
    assert [type(event) for event in events] == [Garbled]


def test_a_unit_that_encrypts_without_a_key_is_told():
    (event, reply) = heard(session(), offer())
    assert "7F101234 encrypts, and 'keys' has none of it" in event.reason
    assert replied([reply])[0].function == functions.ACK


@pytest.mark.usefixtures("crypto")
@pytest.mark.parametrize(
    "inner",
    [
        assemble(post(source=OTHER)),
        assemble(offer()),
        assemble(post())[:-1],
        b"\x12\x34\x56\x79",
    ],
    ids=["another unit", "an offer", "torn", "nothing"],
)
def test_what_is_odd_within_a_tunnel_is_counted(inner):
    one = session(keys={SAMPLE: KEY})
    heard(one, offer())
    _, payload = Tunnel(SESSION).seal(inner)
    events = heard(one, Frame(9, SAMPLE, request.SERVER, functions.ENCRYPTED, payload))
    assert {type(event) for event in events} == {Garbled}


def test_an_offer_of_another_length_is_counted():
    assert heard(session(keys={SAMPLE: KEY}), offer(payload=b"short"))[0].kind is Fault.LENGTH


@pytest.mark.usefixtures("crypto")
def test_only_frames_that_may_be_sent_are_sent_encrypted():
    from rct_collector.errors import RefusedFrameError

    write = assemble(Frame(1, request.SERVER, UNIT, 0x0011, bytes(6)))
    for inner in (write, b"", write[:-1]):
        with pytest.raises(RefusedFrameError, match="sent encrypted"):
            request.encrypted(Tunnel(SESSION), inner)


def test_without_the_package_it_is_told_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    (event,) = heard(session(keys={SAMPLE: KEY}), offer())
    assert "install python3-cryptography" in event.reason


def test_keys_are_shown_to_nobody():
    options = SolarEdgeOptions(keys={SAMPLE: KEY})
    digits = bytes(range(16)).hex()
    for text in (repr(options), str(KEY), repr(Tunnel(KEY).__dict__), repr(vars(options))):
        assert digits not in text
        assert "\\x0a" not in text


@pytest.mark.slow
def test_who_has_no_unit_that_encrypts_loads_nothing_for_it():
    """A random number would bring OpenSSL along, and three megabytes."""
    heavy = "{'secrets', 'hashlib', 'random', 'cryptography'}"
    code = (
        "import sys; before = set(sys.modules)\n"
        "from rct_collector.drivers import driver; driver('solaredge')\n"
        f"assert not {heavy} & (set(sys.modules) - before), sys.modules.keys() - before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- any line --------------------------------------------------------------------------------------

frames = st.one_of(
    st.builds(post, st.sampled_from([
        telemetry(records.INVERTER, UNIT, power=1.0),
        telemetry(records.METER, UNIT, meter=5),
        telemetry(records.BATTERY, UNIT, battery="A"),
        telemetry(records.EVENT, UNIT, event=7),
    ])),
    st.builds(post, payload=st.binary(max_size=60)),
    st.builds(ask, st.integers(0, 0xFFFF), payload=st.binary(max_size=40)),
    st.just(offer()),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(frames, max_size=8), st.lists(st.integers(1, 50), max_size=30))
def test_any_cut_gives_the_same_events(sent, cuts):
    data = b"".join(map(assemble, sent))
    whole = session().receive(data, WALL_NS)
    one, found = session(), []
    for cut in (*cuts, len(data)):
        found += one.receive(data[:cut], WALL_NS)
        data = data[cut:]
    assert found == whole
