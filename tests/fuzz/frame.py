"""The frame reader, with a recording of a line: the bytes as they are."""

from __future__ import annotations

from random import Random

from rctclient.frame import ReceiveFrame

from rct_collector.drivers.rct.frame import (
    LONG_RESPONSE,
    LONGEST_PENDING,
    PLANT,
    RESPONSE,
    START,
    Frame,
    FrameReader,
    assemble,
)
from rct_collector.drivers.rct.tools.walk import walk
from tests.fuzz import grammar

mutate, dictionary = grammar.mutate, grammar.words

KINDS = {"crc", "length", "command", "noise"}

#: Good frames that follow whatever came: a plain one, one that ends in an escape pair, and a long
#: one of a plant in which nearly all is escaped.
FOLLOWERS = (
    Frame(RESPONSE, 0x959930BF, b"\x3e\x97\xb1\x91"),
    Frame(RESPONSE, 1, b"\x0b\x38"),
    Frame(LONG_RESPONSE | PLANT, 0x2B2B2B2B, b"\x2b\x2d" * 30, 0x2D2D2D2D),
)


def check(data):
    whole = FrameReader()
    items = whole.feed(data)
    accounts_for_all(data, items, whole.pending)
    assert [item for item in items if isinstance(item, Frame)] == [
        span.frame for span in walk(data) if span.frame
    ], "every start is looked at"
    random = Random(data)
    for pieces in (grammar.singly(data), grammar.random_cuts(data, random)):
        reader = FrameReader()
        grammar.cut_changes_nothing(pieces, items, whole, reader, LONGEST_PENDING)
        assert reader.idle == whole.idle
    hides_nothing_that_follows(data, random.choice(FOLLOWERS))


def accounts_for_all(data, items, pending):
    """Every byte is part of one event, a zero between them, or pending; no frame is invented."""
    place = 0
    for item in items:
        place = grammar.behind_zeros(data, place)
        if isinstance(item, Frame):
            place = is_the_frame_at(data, place, item)
            continue
        assert item.kind in KINDS
        assert 0 < len(item.data) <= 64
        shown = item.data.lstrip(b"\0")
        assert data.startswith(shown, place)
        if item.kind != "noise":
            assert data[place] == START
            place += item.size
            continue
        for _ in range(item.size):  # in which zeros do not count
            place = grammar.behind_zeros(data, place) + 1
    assert len(data[place:].lstrip(b"\0")) == pending


def is_the_frame_at(data, place, frame):
    """It is there, it can be assembled again, and rctclient reads the same; gives its end."""
    wire = assemble(*frame)
    size = len(wire) - 1 - _escapes(wire)
    content, end = grammar.unescape(data, place, size)
    assert (content, len(wire)) == grammar.unescape(wire, 0, size)
    theirs = ReceiveFrame()
    assert theirs.consume(data[place:end]) == end - place
    assert theirs.complete()
    assert theirs.crc_ok
    assert (theirs.command, theirs.id, theirs.data) == frame[:3]
    assert theirs.address == (frame.address or 0)
    return end


def _escapes(wire):
    """How many bytes of a frame are escapes: with each goes one byte that would need it."""
    return (wire.count(0x2B) + wire.count(0x2D) - 1) // 2


def hides_nothing_that_follows(data, frame):
    """With its lead-in a frame is found with its last byte; without, at most one frame is lost."""
    wire = assemble(*frame)
    reader = FrameReader()
    reader.feed(data + b"\0" + wire[:-1])
    assert reader.feed(wire[-1:])[-1:] == [frame]
    assert reader.pending == 0
    reader.reset()
    reader.feed(data + wire)
    assert reader.feed(wire)[-1:] == [frame]
    assert reader.pending == 0
