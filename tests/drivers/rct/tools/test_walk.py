"""Bytes cut into spans: nothing lost, nothing twice, and the same frames as the reader finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.table import OBJECTS
from rct_collector.drivers.rct.tools.walk import walk

#: What a line may carry.
LINE = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from([b"\x2b", b"\x2d", b"AT+\r", b"\x2b\x3c\xe1", b"\0"]),
        st.tuples(st.sampled_from(OBJECTS), st.binary(max_size=40)).map(
            lambda pair: frame.assemble(frame.RESPONSE, pair[0].oid, pair[1])
        ),
    )
).map(b"".join)


@given(LINE)
def test_spans_follow_each_other(data):
    position = 0
    for span in walk(data):
        assert span.start == position < span.end
        position = span.end
    assert position == len(data)


@pytest.mark.slow
@given(LINE)
def test_frames_are_those_of_the_reader(data):
    found = [span.frame for span in walk(data) if span.frame]

    assert found == [item for item in frame.FrameReader().feed(data) if type(item) is frame.Frame]


def test_what_is_no_frame_has_a_name():
    data = b"\0AT+\r\x2b\x3c\xe1\xff\x2b\x7f\x2b\x05\x08\x95"
    kinds = [(span.kind, data[span.start : span.end]) for span in walk(data)]

    assert kinds == [
        ("noise", b"\0"),
        ("keep_alive", b"AT+\r"),
        ("hello", b"\x2b\x3c\xe1"),
        ("noise", b"\xff"),
        ("command", b"\x2b\x7f"),
        ("incomplete", b"\x2b\x05\x08\x95"),
    ]
