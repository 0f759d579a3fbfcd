"""The reader of SolarEdge's frames, with a recording of a line: the bytes as they are."""

from __future__ import annotations

from random import Random

from rct_collector.drivers.solaredge.frame import (
    LONGEST_PENDING,
    MAGIC,
    Frame,
    FrameReader,
    assemble,
)
from rct_collector.drivers.solaredge.functions import POST, RELEASE
from tests.fuzz import grammar

KINDS = {"crc", "length", "noise"}

FOLLOWER = Frame(0x7956, 0x79563412, 0xFFFFFFFE, POST, MAGIC + b"\4\0\xfb\xff")


def dictionary():
    """Words that matter: a magic, and heads of frames."""
    return [MAGIC, MAGIC + b"\0\0\xff\xff", assemble(FOLLOWER), assemble(Frame(7, 1, 2, RELEASE))]


def mutate(data, random):
    """A good frame somewhere, since blind changes never get past a checksum."""
    place = random.randrange(len(data) + 1)
    payload = data[place : place + random.randrange(40)]
    frame = assemble(Frame(random.randrange(0x10000), 1, 2, POST, payload))
    return data[:place] + frame + data[place + random.randrange(40) :]


def check(data):
    reader = FrameReader()
    items = reader.feed(data)
    accounts_for_all(data, items, reader.pending)
    random = Random(data)
    for pieces in (grammar.singly(data), grammar.random_cuts(data, random)):
        grammar.cut_changes_nothing(pieces, items, reader, FrameReader(), LONGEST_PENDING)
    hides_nothing_that_follows(data)
    accounts_for_all(data, items + reader.give_up(), 0)


def accounts_for_all(data, items, pending):
    """Every byte is part of one event, a zero between them, or pending; no frame is invented."""
    place = 0
    for item in items:
        if isinstance(item, Frame):
            place = grammar.behind_zeros(data, place)
            wire = assemble(item)
            assert data.startswith(wire, place)
            place += len(wire)
            continue
        assert item.kind in KINDS
        assert 0 < len(item.data) <= 64
        if item.kind != "noise":
            place = grammar.behind_zeros(data, place)
            assert data.startswith(item.data, place)
            place += item.size
            continue
        for _ in range(item.size):  # in which zeros do not count
            place = grammar.behind_zeros(data, place) + 1
    assert len(data[place:].lstrip(b"\0")) <= pending


def hides_nothing_that_follows(data):
    """Once the line is silent, a frame at its end is found, whatever came before it."""
    alone, reader = FrameReader(), FrameReader()
    before = alone.feed(data) + alone.give_up()
    found = reader.feed(data + assemble(FOLLOWER)) + reader.give_up()
    more = [item for item in found if isinstance(item, Frame) and item not in before]
    assert more or FOLLOWER in before  # another one only where it is a payload, or part of one
    assert reader.pending == 0
