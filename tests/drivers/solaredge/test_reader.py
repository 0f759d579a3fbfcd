"""Frames of recorded lines: which direction, when, and what a gap hides."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.capture.flows import Reassembly, Wanted
from rct_collector.drivers.base import Fault
from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.frame import Bad, Frame, assemble
from rct_collector.drivers.solaredge.request import SERVER, acknowledge
from rct_collector.drivers.solaredge.tools.reader import MAGIC, PORTS, frames
from rct_collector.drivers.tools import Run
from rct_collector.transport.base import Ends
from tests.segments import said, syn

UNIT = 0x7E1A0823
POSTS = [Frame(n, UNIT, SERVER, functions.POST, bytes(n)) for n in range(4)]


def test_both_directions_of_a_plain_file_are_told_apart():
    wire = b"".join(assemble(post) + acknowledge(post) for post in POSTS[:2])
    found = list(
        frames([Run(0, None, wire[:30]), Run(0, None, wire[30:]), Run(0, None, b"", over=True)])
    )
    assert [item.item.function for item in found] == [0x500, 0x80] * 2
    assert [item.to_server for item in found] == [True, False] * 2


def test_what_a_gap_has_torn_hides_nothing():
    wire = [assemble(post) for post in POSTS]
    runs = [Run(3, 10, wire[2][:-1], to_server=True), Run(3, 20, wire[3], True, lost=1)]
    torn, whole = frames(runs)
    assert (torn.item.kind, torn.to_server) == (Fault.LENGTH, True)
    assert whole == (POSTS[3], 20, 3, True)


def test_what_the_end_has_torn_hides_nothing():
    wire = assemble(POSTS[3])[:-1] + assemble(POSTS[1])
    items = [item.item for item in frames([Run(0, None, wire), Run(0, None, b"", over=True)])]
    assert type(items[0]) is Bad
    assert items[-1] == POSTS[1]


@st.composite
def segments(draw):
    """Segments of posts: cut anywhere, some again and cut elsewhere, in any order."""
    wire = b"".join(map(assemble, POSTS))
    cuts = sorted({0, len(wire), *draw(st.sets(st.integers(1, len(wire) - 1), max_size=12))})
    spans = list(zip(cuts[:-1], cuts[1:], strict=True))
    again = st.tuples(st.integers(0, len(wire) - 1), st.integers(1, len(wire)))
    spans += draw(st.lists(again.filter(lambda span: span[0] < span[1]), max_size=5))
    return [said(wire[a:b], a + 1) for a, b in draw(st.permutations(spans))]


@pytest.mark.slow
@settings(deadline=None)
@given(segments())
def test_any_cut_order_and_repetition_of_segments_gives_the_original(parts):
    flows = Reassembly(Wanted(PORTS, MAGIC))
    runs = [run for part in [syn(), *parts] for run in flows.add(part)]
    assert [found.item for found in frames(runs)] == POSTS


def test_the_ports_of_the_vendor_are_chosen():
    ends = Ends(("192.0.2.1", 5), ("192.0.2.2", 22221))
    assert Wanted(PORTS, MAGIC).to_server(said(b"x", ends=ends))
