"""Frames are counted, however their bytes are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rct_collector.drivers.rct.frame import RESPONSE, assemble
from rct_collector.drivers.rct.tools.counting import RctFrameCounter
from rct_collector.drivers.tools import Frames

WHOLE = assemble(RESPONSE, 0x959930BF, b"\0\0\x80\x3f")
BROKEN = WHOLE[:-1] + bytes((WHOLE[-1] ^ 1,))


@given(
    st.lists(st.sampled_from([WHOLE, BROKEN, b"noise", b"\0"]), max_size=12),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_whole_and_broken_frames_are_counted_and_noise_is_not(parts, cuts):
    data = b"".join(parts) + WHOLE  # behind which a reader has settled all that came before
    counter, found = RctFrameCounter(), Frames()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for first, last in zip(edges, edges[1:], strict=False):
        some = counter.feed(data[first:last])
        found = Frames(found.whole + some.whole, found.bad + some.bad)

    assert found == Frames(parts.count(WHOLE) + 1, parts.count(BROKEN))
