"""A dialogue with a Voltronic unit: what is done on our side of the line, and what comes over it.

The first byte says what is configured. Then each byte below 0x40 asks one of the questions, 0x40 to
0x47 gives it up, 0x48 to 0x4f is a silence, and any other takes as many bytes as it is above that.
"""

from __future__ import annotations

from rct_collector.catalog import catalog
from rct_collector.drivers import driver
from rct_collector.drivers.base import Answer, Ask, Garbled, Refused, SessionOptions, Unfit
from rct_collector.drivers.voltronic.command import DIALECTS, PROTOCOL
from rct_collector.drivers.voltronic.frame import LONGEST_PENDING, pack
from rct_collector.drivers.voltronic.options import VoltronicOptions
from rct_collector.errors import RefusedFrameError
from tests.drivers.voltronic.far_end import PI30, answer, unit
from tests.fuzz import voltronic_frame

DRIVER = driver("voltronic")

QUERIES = (
    PROTOCOL,
    *map(
        DRIVER.query,
        (
            "QPIGS",
            "QMOD",
            "QPIWS",
            "QID",
            "QT",
            "QET",
            "QLT",
            "QED",
            "pi18 GS",
            "pi18 ID",
            "pi18 T",
        ),
    ),
)

#: What is configured, and a unit for which that is right.
CONFIGURED = (
    (VoltronicOptions(), unit(PI30)),
    (VoltronicOptions(dialect="pi18"), unit({"PI": "18"}, "pi18")),
    (VoltronicOptions(serial_number=PI30["QID"]), unit(PI30)),
    (VoltronicOptions(dialect="pi41", request_crc=False), unit({"QPI": "PI41"}, "pi16")),
)

#: All that may be sent before a dialect is known.
PROBES = {
    *(pack("QPI"), pack("PI", "pi18"), pack("PI", "pi17"), pack("QPI", "pi16"), b"M\r"),
    *(b"^P005PI\r", pack("QID"), b"QID\r"),
}
#: And before it is known which unit it is; its dialect is known then.
WHO = {pack("QSID"), pack("ID", "pi18"), pack("ID", "pi17"), b"QID\r"}

#: Every kind that a session may report is counted by the catalogue.
KINDS = set(dict(catalog().named("inverter_collector_errors.frames_total")[0].dimensions)["kind"])

ASK, ABANDON, SILENCE, TAKE = 0x00, 0x40, 0x48, 0x50
_LONGEST = 0xFF - TAKE


def taken(data):
    """Bytes that come over the line, as the input has them."""
    pieces = [data[place : place + _LONGEST] for place in range(0, len(data), _LONGEST)]
    return b"".join(bytes((TAKE + len(piece),)) + piece for piece in pieces)


def mutate(data, random):
    place = random.randrange(1, len(data) + 1) if data else 0
    step = bytes((ASK + random.randrange(len(QUERIES)),))
    says = random.choice((*PI30.values(), "00238800", "20260621120003"))
    wire = random.choice((answer(says), voltronic_frame.any_answer(random), *dictionary()))
    if random.random() < 0.3:
        wire = wire[: random.randrange(len(wire) + 1)]
    piece = random.choice((step, step + taken(wire), taken(wire), bytes((ABANDON,))))
    return data[:place] + piece + data[place:]


def dictionary():
    return [*voltronic_frame.dictionary(), *(answer(text) for text in PI30.values())]


def steps(data):
    """What is done: a query, None for giving up, or bytes that come; empty for a silence."""
    place = 0
    while place < len(data):
        byte = data[place]
        place += 1
        if byte < ABANDON:
            yield QUERIES[byte % len(QUERIES)]
        elif byte < SILENCE:
            yield None
        else:
            size = max(byte - TAKE, 0)
            yield data[place : place + size]
            place += size


def check(data):
    options, good = CONFIGURED[data[0] % len(CONFIGURED) if data else 0]
    session = DRIVER.session(SessionOptions(options, {}))
    question, since, known = None, b"", False
    late = None  # what was given up, and is taken all the same while nothing else is asked
    for step in steps(data[1:]):
        if step is None:
            if question is not None:
                resync = session.abandon(Ask(question))
                assert resync.probe == Ask(PROTOCOL)
                if question is not PROTOCOL:
                    late = question if question.shape is None else None
                    assert (resync.late and resync.late.query) is late
                question = None
        elif isinstance(step, bytes):
            if not step:
                session.reset()
            since += step
            events = session.receive(step, 10**18)
            for event in [item for item in events if type(item) is Answer and item.query is late]:
                is_answer(event, late, since)
                events.remove(event)
                late = None
            question, known = judged(events, question, since, known)
            assert session.pending <= LONGEST_PENDING
        else:
            asked = sent(session, step, known, PROBES | (WHO if options.serial_number else set()))
            if asked:
                question = step
                if step is not PROTOCOL:
                    since, late = b"", None
    comes_to_terms(session, question, good)


def sent(session, query, known, harmless):
    """Ask; whether that was possible."""
    try:
        data = session.request(Ask(query, argument=1.8e9 if getattr(query, "date", "") else None))
    except RefusedFrameError:
        assert query is not PROTOCOL
        assert not known
        return False
    assert data.count(b"\r") == 1
    assert data.endswith(b"\r")
    assert known or query is not PROTOCOL or data in harmless
    return True


def judged(events, question, since, known):
    """What is open afterwards, and whether the dialect is known."""
    for event in events:
        if type(event) is Garbled:
            assert event.kind in KINDS
            assert event.size >= 0
            assert event.query in (None, question)
            if event.query is not None:
                question = None
            continue
        assert question is not None, "each question has one answer at most"
        if type(event) is Unfit:
            assert question is PROTOCOL
            assert len(event.reason) > 20
        else:
            assert event.query is question
        if type(event) is Answer:
            known = known or question is PROTOCOL
            is_answer(event, question, since)
        elif type(event) is Refused and question is not PROTOCOL:
            assert b"NAK" in since or b"^0" in since
        question = None
    return question, known


def is_answer(event, question, since):
    """Something with a right checksum has come since the question that says just this."""
    if question is PROTOCOL:
        assert event.value in DIALECTS
        return
    assert event.value in map(question.decode, valid(since))


def valid(data):
    """The texts of all answers that can be in some bytes."""
    ends = [place for place, byte in enumerate(data) if byte in b"\r\n"]
    for start in (place for place, byte in enumerate(data) if byte in b"(^"):
        for end in (end for end in ends if start + 4 <= end <= start + LONGEST_PENDING):
            line = data[start : end - 2]
            if data[end - 2 : end] in voltronic_frame.spellings(line):
                yield line[5 if line.startswith(b"^D") else 1 :].decode("latin-1")


def comes_to_terms(session, question, good):
    """Whatever came before: with a unit that is well the dialogue goes on after a few probes."""
    if question is not None:
        session.abandon(Ask(question))
    for _ in range(12):
        wire = session.request(Ask(PROTOCOL))
        events = session.receive(good(wire))
        if [type(event) for event in events] == [Answer]:
            return
        session.abandon(Ask(PROTOCOL))
    raise AssertionError("a good unit is never understood again")
