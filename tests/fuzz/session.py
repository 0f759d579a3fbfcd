"""A dialogue, with a recording of a line: the bytes as they are."""

from __future__ import annotations

from random import Random

from rctclient.types import DataType

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Answer, Fault, Garbled
from rct_collector.drivers.rct.frame import LONG_RESPONSE, LONGEST_PENDING, RESPONSE, FrameReader
from rct_collector.drivers.rct.session import EQUAL_TEXTS, RctSession
from rct_collector.drivers.rct.table import BY_OID
from tests.fuzz import grammar, payload
from tests.fuzz.frame import FOLLOWERS, assemble

mutate, dictionary = grammar.mutate, grammar.words

#: Every kind that a session may report is counted by the catalogue.
KINDS = set(dict(catalog().named("inverter_collector_errors.frames_total")[0].dimensions)["kind"])

#: The object that the first follower answers.
FOLLOWED = BY_OID[FOLLOWERS[0].oid]


def check(data):
    whole = RctSession()
    asked = set(whole.ready)
    expected = told(whole.receive(data))
    assert expected == told_by_frames(data)
    for pieces in (grammar.singly(data), grammar.random_cuts(data, Random(data)), segments(data)):
        session = RctSession()
        events = []
        for piece in pieces:
            events += session.receive(piece)
            assert session._reader.pending <= LONGEST_PENDING
        assert told(events) == expected
    assert whole.ready.keys() <= asked, "what comes must not make memory grow"
    answer = b"\0" + assemble(*FOLLOWERS[0])
    assert whole.receive(answer)[-1].query is FOLLOWED
    assert type(RctSession().receive(data + answer)[-1]) is Answer


def segments(data):
    """Cut where a unit cuts: before the lead-in of each frame."""
    first, *others = data.split(b"\0\x2b")
    return [first, *(b"\0\x2b" + other for other in others)]


def told(events):
    """Events in a form in which NaN equals NaN, with neighbouring noise as one."""
    found = []
    for event in events:
        assert type(event) in (Answer, Garbled)
        if type(event) is Garbled:
            assert event.kind in KINDS
            assert event.size >= 0
            if event.kind == "noise":
                before = found.pop() if found and type(found[-1]) is int else 0
                found.append(before + event.size)
                continue
        else:
            assert BY_OID[event.query.oid] is event.query
            assert event.time_ns is None
        found.append(repr(event))
    return found


def told_by_frames(data):
    """The same, frame by frame: no answer is there without a valid frame that carries it."""
    events = []
    stumps = {}
    for item in FrameReader().feed(data):
        if not hasattr(item, "oid"):
            events.append(Garbled(item.kind, None, item.size))
        elif item.command in (RESPONSE, LONG_RESPONSE) and item.oid in BY_OID:
            query = BY_OID[item.oid]
            event = payload.event(query, item.payload)
            if query.type is DataType.STRING and may_be_cut(stumps, query, item.payload):
                event = (
                    Garbled(Fault.LENGTH, query, len(item.payload)) if is_answer(event) else event
                )
            events.append(event)
        else:
            events.append(Garbled(Fault(_other(item))))
    return told(events)


def is_answer(event):
    return type(event) is Answer


def may_be_cut(stumps, query, text):
    """A text without padding is believed when it comes for the third time in a row."""
    before = stumps.pop(query, [])
    if b"\0" in text:
        return False
    same = [*before, text] if before[-1:] == [text] else [text]
    if len(same) == EQUAL_TEXTS:
        return False
    stumps[query] = same
    return True


def _other(frame):
    """What a frame is that answers nothing of ours."""
    if frame.address is not None:
        return "plant"
    return {RESPONSE: "foreign", LONG_RESPONSE: "foreign", 1: "echo"}.get(frame.command, "write")
