"""How many answers went over a line."""

from __future__ import annotations

import pytest

from rct_collector.drivers.tools import Frames
from rct_collector.drivers.voltronic.frame import pack
from rct_collector.drivers.voltronic.tools import Tools
from tests.drivers.voltronic.tools.test_dissect import QPIGS, said


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (b"", Frames()),
        (said(QPIGS) + said("(NAK"), Frames(2, 0)),
        (said("(B")[:-3] + b"xx\r", Frames(0, 1)),
        (b"(NAK\r", Frames(1, 0)),
        (b"\xfe\xff\r" + pack("QPIGS"), Frames()),
        (b"(B", Frames()),
    ],
)
@pytest.mark.parametrize("step", [1, 5, 1000])
def test_whole_and_broken_answers_are_counted(data, frames, step):
    counter = Tools("voltronic").frame_counter()()
    found = [counter.feed(data[n : n + step]) for n in range(0, len(data), step)]
    assert (sum(f.whole for f in found), sum(f.bad for f in found)) == frames
