"""Captures that are read while they come: what comes of them does not depend on how they do."""

from __future__ import annotations

from random import Random

from rct_collector.capture.contents import Contents
from rct_collector.capture.flows import Wanted
from rct_collector.errors import CaptureError
from tests.fuzz import capture, grammar
from tests.work import calls, peak

#: Whatever is in the file; connections of other ports are not taken.
WANTED = Wanted(frozenset((8899,)), b"\x2b\x01")

#: What one byte of a file may cost, and a file of none: calls, bytes of memory.
CALLS, LEAST_CALLS = 12, 2000
MEMORY, LEAST_MEMORY = 30, 600_000

mutate, dictionary = capture.mutate, capture.dictionary


def check(data):
    size = capture.unpacked(data)
    whole = read([data])
    assert calls(read, [data]) <= LEAST_CALLS + CALLS * size
    assert peak(read, [data]) <= LEAST_MEMORY + MEMORY * size
    for pieces in (grammar.singly(data), grammar.random_cuts(data, Random(data))):
        assert read(pieces) == whole
    flows, _ = whole
    assert sum(len(said) for said, _, _ in flows.values()) <= size
    assert all(over <= 1 for _, over, _ in flows.values())


def read(pieces):
    """Flow → what it said, how often it ended, what it lacks; and what was wrong."""
    contents = Contents("capture", WANTED)
    flows = {}
    trouble = ""
    try:
        for piece in pieces:
            take(contents.feed(piece), flows)
        take(contents.finish(), flows)
    except CaptureError as error:
        trouble = str(error)
    return flows, trouble or contents.trouble


def take(runs, flows):
    for run in runs:
        said, over, lost = flows.get(run.flow, (b"", 0, 0))
        assert not over
        flows[run.flow] = said + run.data, over + run.over, lost + run.lost
