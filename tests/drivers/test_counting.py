"""Frames are counted, however their bytes are cut, alike in all families."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.rct import frame as rct
from rct_collector.drivers.solaredge import frame as solaredge
from rct_collector.drivers.tools import Frames
from rct_collector.drivers.voltronic import frame as voltronic

#: Family → a frame that is counted, and a broken one.
FRAMES = {
    "rct": (rct.assemble(rct.RESPONSE, 0x959930BF, b"\0\0\x80\x3f"), -1),
    "voltronic": (b"(B" + voltronic.checksum(b"(B") + b"\r", -2),
    "solaredge": (solaredge.assemble(solaredge.Frame(7, 1, 2, 0x0500, b"abc")), -1),
}


def test_every_family_is_tried():
    assert FRAMES.keys() == BUILTIN.keys()


@pytest.mark.parametrize("name", FRAMES)
@given(data=st.data())
def test_whole_and_broken_frames_are_counted_and_noise_is_not(name, data):
    whole, place = FRAMES[name]
    spoilt = bytearray(whole)
    spoilt[place] ^= 1
    broken, noise = bytes(spoilt), b"noise\r"
    parts = data.draw(st.lists(st.sampled_from([whole, broken, noise, b"\0"]), max_size=12))
    line = b"".join(parts) + whole  # behind which a reader has settled all that came before
    cuts = data.draw(st.lists(st.integers(0, len(line)), max_size=6))
    counter, found = driver(name).tools().frame_counter()(), Frames()
    edges = sorted({0, len(line), *cuts})
    for first, last in zip(edges, edges[1:], strict=False):
        some = counter.feed(line[first:last])
        found = Frames(found.whole + some.whole, found.bad + some.bad)

    assert found == Frames(parts.count(whole) + 1, parts.count(broken))
