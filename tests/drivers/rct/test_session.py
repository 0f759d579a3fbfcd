"""A dialogue: answers are found by their id in any bytes, and nothing else is taken for one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Answer, Ask, Fault, Garbled
from rct_collector.drivers.float32 import shortest
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.frame import (
    LONG_RESPONSE,
    LONG_WRITE,
    LONGEST_PENDING,
    PLANT,
    READ,
    READ_PERIODICALLY,
    RESPONSE,
    WRITE,
    assemble,
)
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.table import BY_OID, OBJECTS

relaxed = settings(deadline=None)

BY_NAME = {item.name: item for item in OBJECTS}
SOC, STATE = BY_NAME["battery.soc"], BY_NAME["prim_sm.state"]
MODEL, POWER = BY_NAME["android_description"], BY_NAME["g_sync.p_ac_sum_lp"]
SCALARS = [item for item in OBJECTS if wire.scalar_format(item.type)]

#: Every kind that a session may report is counted by the catalogue.
KINDS = set(dict(catalog().named("inverter_collector_errors.frames_total")[0].dimensions)["kind"])


def answer(item, payload: bytes, *, command: int = RESPONSE, lead_in: bytes = b"\0") -> bytes:
    return lead_in + assemble(command, item.oid, payload)


SOC_DATA = answer(SOC, bytes.fromhex("3f590f86"))
STATE_DATA = answer(STATE, b"\x0d")
MODEL_DATA = answer(MODEL, b"PS 6.0 ABCD\0\0-+-")


def told(events) -> list[tuple]:
    """Events in a form in which NaN equals NaN."""
    return [
        (type(e), e.query, repr(e[:1] + e[2:] if type(e) is Garbled else e[1:])) for e in events
    ]


def test_every_fault_is_counted():
    assert set(Fault) == KINDS


# -- answers ------------------------------------------------------------------------------


def test_answer_names_its_object():
    (event,) = RctSession().receive(SOC_DATA)
    assert event.query is SOC
    assert shortest(event.value) == 0.8478931
    assert event.time_ns is None


def test_request_is_made_once():
    session = RctSession()
    assert session.request(Ask(SOC)) is session.request(Ask(SOC))


@pytest.mark.parametrize("asked", [[], [SOC, STATE], [STATE, SOC]])
@pytest.mark.parametrize(
    "order",
    [[SOC_DATA, STATE_DATA], [STATE_DATA, SOC_DATA], [SOC_DATA, SOC_DATA, STATE_DATA, SOC_DATA]],
)
def test_answers_are_matched_by_id_and_nothing_else(asked, order):
    """In any order, late, twice, and unasked: other clients' answers come along as well."""
    session = RctSession()
    for query in asked:
        session.request(Ask(query))
    expected = {SOC_DATA: SOC, STATE_DATA: STATE}
    events = [event for data in order for event in session.receive(data)]
    assert [event.query for event in events] == [expected[data] for data in order]
    assert all(type(event) is Answer for event in events)
    assert told(RctSession().receive(b"".join(order))) == told(events)


def test_answer_in_pieces():
    session = RctSession()
    assert session.receive(SOC_DATA[:6]) == []
    assert told(session.receive(SOC_DATA[6:])) == told(RctSession().receive(SOC_DATA))


def test_reset_forgets_half_an_answer():
    """The first frame of a new line is not glued to the last of the old one."""
    session = RctSession()
    session.receive(MODEL_DATA[:9])
    session.reset()
    assert told(session.receive(STATE_DATA)) == told(RctSession().receive(STATE_DATA))


@pytest.mark.parametrize(
    ("name", "command", "payload", "value"),
    [
        ("rb485.available", RESPONSE, "01", True),
        ("rb485.available", RESPONSE, "00", False),
        ("prim_sm.state", RESPONSE, "0d", 13),
        ("g_sync.p_ac_sum_lp", RESPONSE, "c2280000", -42.0),
        ("battery.bat_status", RESPONSE, "ffffffff", -1),
        ("android_description", RESPONSE, "505320362e30204142434400002b2d", "PS 6.0 ABCD"),
        ("android_description", LONG_RESPONSE, "505300", "PS"),
        (
            "logger.minutes_soc_log_ts",
            LONG_RESPONSE,
            "6553f1006553efd43f000000",
            (1_700_000_000, [(1_699_999_700, 0.5)]),
        ),
        (
            "logger.error_log_time_stamp",
            LONG_RESPONSE,
            "6553f100000000736553f0c4ce266f0f3d8f5c293dcccccd",
            (1_700_000_000, [(0x73, 1_699_999_940, 0xCE266F0F, 0x3D8F5C29, 0x3DCCCCCD)]),
        ),
    ],
)
def test_answers_by_example(name, command, payload, value):
    item = BY_NAME[name]
    data = answer(item, bytes.fromhex(payload), command=command)
    assert RctSession().receive(data) == [Answer(item, value)]


def test_request_that_was_given_up_leaves_the_line_as_it_is():
    """However late its answer comes, it names its object."""
    session = RctSession()
    session.request(Ask(SOC))
    assert session.abandon(Ask(SOC)) is None
    session.request(Ask(STATE))
    assert [event.query for event in session.receive(SOC_DATA + STATE_DATA)] == [SOC, STATE]


# -- what is no answer --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (assemble(RESPONSE, 0xC0A7074F, b"slave"), Garbled(Fault.FOREIGN)),
        (assemble(LONG_RESPONSE, 0x12345678, bytes(300)), Garbled(Fault.FOREIGN)),
        (assemble(RESPONSE | PLANT, SOC.oid, b"\x3f\0\0\0", 0x01020304), Garbled(Fault.PLANT)),
        (assemble(LONG_RESPONSE | PLANT, SOC.oid, b"\x3f\0\0\0", 1), Garbled(Fault.PLANT)),
        (assemble(READ | PLANT, SOC.oid, b"", 1), Garbled(Fault.PLANT)),
        (assemble(WRITE | PLANT, SOC.oid, b"\x3f\0\0\0", 1), Garbled(Fault.PLANT)),
        (assemble(READ, SOC.oid), Garbled(Fault.ECHO)),
        (assemble(WRITE, 0x3AA565FC, bytes(36)), Garbled(Fault.WRITE)),
        (assemble(LONG_WRITE, SOC.oid, b"\x3f\0\0\0"), Garbled(Fault.WRITE)),
        (assemble(READ_PERIODICALLY, SOC.oid), Garbled(Fault.WRITE)),
        (b"\x2b\x3c", Garbled(Fault.NOISE, None, 2)),
        (b"AT", Garbled(Fault.NOISE, None, 2)),
        (b"\x2b\x07", Garbled(Fault.COMMAND, None, 2)),
        (b"\x2b\x05\x02", Garbled(Fault.LENGTH, None, 3)),
    ],
)
def test_other_traffic_is_told_and_left(data, event):
    """Plant frames, echoes, writes of the unit, other clients' objects: none is a sample."""
    assert RctSession().receive(data) == [event]
    assert told(RctSession().receive(data + SOC_DATA))[1:] == told(RctSession().receive(SOC_DATA))


@pytest.mark.parametrize(
    ("item", "payload", "kind"),
    [
        (SOC, b"\x3e\x97", "length"),
        (SOC, b"", "length"),
        (SOC, b"\x3e\x97\xb1\x91\0", "length"),
        (STATE, b"\0\x0d", "length"),
        (MODEL, b"", "length"),
        (MODEL, b"PS\xff", "decode"),
        (BY_NAME["battery.cells[0]"], bytes(95), "length"),
        (BY_NAME["battery.cells_stat[0]"], bytes(36), "length"),
        (BY_NAME["battery.cells_resist[0]"], bytes(97), "length"),
        (BY_NAME["logger.minutes_soc_log_ts"], bytes(10), "length"),
        (BY_NAME["logger.error_log_time_stamp"], bytes(3), "length"),
    ],
)
@pytest.mark.parametrize("command", [RESPONSE, LONG_RESPONSE])
def test_cut_payload_with_a_valid_checksum_is_no_answer(item, payload, kind, command):
    """A request that comes in between cuts an answer; the object is named, to ask again."""
    data = answer(item, payload, command=command)
    assert RctSession().receive(data) == [Garbled(Fault(kind), item, len(payload))]


def test_cut_payload_as_recorded():
    data = bytes.fromhex("2b0506959930bf3e97f015")
    assert RctSession().receive(data) == [Garbled(Fault.LENGTH, SOC, 2)]


@pytest.mark.parametrize("item", [SOC, STATE, MODEL])
def test_wrong_checksum_gives_no_data_however_good_it_looks(item):
    """Nor does it name an object: the id may be what is wrong."""
    good = {SOC: SOC_DATA, STATE: STATE_DATA, MODEL: MODEL_DATA}[item]
    for bit in range(8):
        data = good[:-1] + bytes((good[-1] ^ 1 << bit,))
        events = RctSession().receive(data)
        assert events[0].kind == "crc"
        assert all(type(event) is Garbled and event.query is None for event in events)


# -- the short way ------------------------------------------------------------------------


@st.composite
def scalar_answers(draw) -> bytes:
    """One scalar answer, as it mostly comes; often with bytes that need escapes."""
    item = draw(st.sampled_from(SCALARS))
    size = wire.LENGTHS[item.type]
    byte = st.integers(0, 255) | st.sampled_from([0x2B, 0x2D])
    payload = bytes(draw(st.lists(byte, min_size=size, max_size=size)))
    return answer(item, payload, lead_in=b"\0" * draw(st.sampled_from([0, 1, 1, 2])))


def by_byte(data: bytes) -> list:
    session = RctSession()
    return [event for byte in data for event in session.receive(bytes((byte,)))]


@pytest.mark.slow
@given(scalar_answers())
@relaxed
def test_whole_segment_means_what_its_bytes_mean(data):
    """An answer that fills a segment is taken at once; the way round by the reader agrees."""
    events = RctSession().receive(data)
    assert told(events) == told(by_byte(data))
    assert [type(event) for event in events] == [Answer]


@pytest.mark.slow
@given(scalar_answers(), st.data())
@relaxed
def test_broken_segment_means_what_its_bytes_mean(data, draw):
    """One byte changed, lost or added. Noise alone may be told in other pieces."""
    place = draw.draw(st.integers(0, len(data) - 1))
    byte = bytes((draw.draw(st.integers(0, 255)),))
    rest = draw.draw(st.integers(0, 1))
    broken = data[:place] + byte * draw.draw(st.integers(0, 2)) + data[place + rest :]
    whole, pieces = RctSession().receive(broken), by_byte(broken)

    def meaningful(events):
        return told(e for e in events if type(e) is Answer or e.kind != "noise")

    assert meaningful(whole) == meaningful(pieces)
    assert sum(e.size for e in whole if type(e) is Garbled) == sum(
        e.size for e in pieces if type(e) is Garbled
    )


@pytest.mark.parametrize("payload", [b"\x2b\x2b\x2b\x2b", b"\x2d\x2d\x2d\x2d", b"\x2d\x2b\x2d\x2b"])
def test_escapes_in_the_payload(payload):
    assert RctSession().receive(answer(SOC, payload)) == [
        Answer(SOC, struct.unpack(">f", payload)[0])
    ]


def test_escapes_in_the_id():
    data = answer(POWER, b"\x42\x28\0\0")
    assert b"\x2d\x2d" in data
    assert RctSession().receive(data) == [Answer(POWER, 42.0)]


@pytest.mark.parametrize("byte", [0x2B, 0x2D])
def test_escapes_in_the_checksum(byte):
    """Both ways: the segment with the escape is taken, the one without it is not."""
    for number in range(1 << 16):
        payload = struct.pack(">HH", 0x4228, number)
        data = answer(SOC, payload)
        if data[-2] == 0x2D and data[-1] == byte and len(data) == 15:
            break
    assert RctSession().receive(data) == [Answer(SOC, struct.unpack(">f", payload)[0])]
    bare = data[:-2] + data[-1:]
    assert not [event for event in RctSession().receive(bare) if type(event) is Answer]


def test_short_way_does_not_overtake_half_an_answer():
    """Bytes that wait are given up first, then comes the answer that ends them."""
    session = RctSession()
    assert session.receive(SOC_DATA[:6]) == []
    garbled, found = session.receive(STATE_DATA)
    assert (garbled.kind, found) == ("length", Answer(STATE, 13))


def test_short_way_ends_what_came_before():
    """An escape that stood before an answer has no bearing on what stands behind it."""
    session = RctSession()
    session.receive(b"\x2d")
    session.receive(STATE_DATA)
    (event,) = session.receive(STATE_DATA[1:-1] + b"\xff")
    assert event.kind == "crc"


# -- any bytes ----------------------------------------------------------------------------


@pytest.mark.slow
@given(
    st.lists(
        st.binary(max_size=40)
        | scalar_answers()
        | st.sampled_from(
            [
                SOC_DATA[:8],
                MODEL_DATA,
                MODEL_DATA[5:],
                b"AT+\r",
                b"\x2b\x3c\xe1",
                b"\x2b\x2b",
                b"\x2d",
            ]
        ),
        max_size=12,
    ),
    st.booleans(),
)
@relaxed
def test_any_bytes_give_answers_or_garbled(pieces, join):
    """Whatever comes, in whatever pieces: nothing is raised, and every kind is a known one."""
    session = RctSession()
    for piece in [b"".join(pieces)] if join else pieces:
        for event in session.receive(piece):
            if type(event) is Answer:
                assert BY_OID[event.query.oid] is event.query
            else:
                assert type(event) is Garbled
                assert event.kind in KINDS
                assert event.size >= 0
        assert session._reader.pending <= LONGEST_PENDING


@pytest.mark.slow
@given(st.data())
@relaxed
def test_any_payload_of_any_object_is_an_answer_or_names_it(data):
    item = data.draw(st.sampled_from(OBJECTS))
    size = wire.LENGTHS.get(item.type)
    sizes = st.just(size) if size and data.draw(st.booleans()) else st.integers(0, 200)
    payload = data.draw(sizes.flatmap(lambda n: st.binary(min_size=n, max_size=n)))
    command = data.draw(st.sampled_from([RESPONSE, LONG_RESPONSE]))
    (event,) = RctSession().receive(answer(item, payload, command=command))
    assert event.query is item
    if type(event) is Garbled:
        assert event.kind in ("length", "decode")
    elif item.type in wire.LENGTHS:
        assert len(payload) == size


# -- texts that are cut short ------------------------------------------------------------------


def text_answer(payload, name="android_description"):
    return assemble(RESPONSE, BY_NAME[name].oid, payload)


def test_a_padded_text_is_believed_at_once():
    (answer,) = RctSession().receive(text_answer(b"PS 6.0 ABCD\0\0"))
    assert answer.value == "PS 6.0 ABCD"


def test_a_text_without_padding_may_be_a_stump_and_must_come_three_times():
    session = RctSession()
    kinds = [session.receive(text_answer(b"PS 6.0"))[0] for _ in range(3)]
    assert [type(event) for event in kinds] == [Garbled, Garbled, Answer]
    assert kinds[0].kind == "length"
    assert kinds[0].query.name == "android_description"
    assert kinds[2].value == "PS 6.0"


@pytest.mark.parametrize("between", [b"PS 6", b"PS 6.0 ABCD\0", b"\xff"])
def test_any_other_answer_in_between_begins_the_count_anew(between):
    session = RctSession()
    for payload in (b"PS 6.0", b"PS 6.0", between, b"PS 6.0", b"PS 6.0"):
        (event,) = session.receive(text_answer(payload))
        assert payload.endswith(b"\0") or type(event) is Garbled


def test_texts_are_counted_each_for_itself():
    session = RctSession()
    for name in ("android_description", "inverter_sn", "svnversion"):
        (event,) = session.receive(text_answer(b"ABC", name))
        assert type(event) is Garbled
