"""Bytes of a line are cut into frames and noise: every frame is found, nothing is left out."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.frame import READ, RESPONSE
from rct_collector.drivers.rct.table import BY_OID, OBJECTS
from rct_collector.drivers.rct.tools import dissect
from rct_collector.drivers.rct.tools.dissect import explain


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=8),
            st.sampled_from([b"\x2b", b"\x2d", b"AT+\r", b"\x2b\x3c\xe1"]),
            st.sampled_from(OBJECTS).map(lambda item: frame.assemble(READ, item.oid)),
            st.tuples(st.sampled_from(OBJECTS), st.binary(max_size=120)).map(
                lambda pair: frame.assemble(RESPONSE, pair[0].oid, pair[1])
            ),
        )
    ).map(b"".join)
)
def test_pieces_follow_each_other_and_only_zeros_are_left_out(data):
    position = 0
    for piece in explain(data):
        assert piece.data
        assert piece.data == data[piece.offset : piece.offset + len(piece.data)]
        assert not data[position : piece.offset].strip(b"\0")
        # Behind a wrong checksum it is looked for a frame inside the broken one.
        wrong = piece.verdict == "checksum wrong"
        position = piece.offset + (1 if wrong else len(piece.data))
        json.dumps(piece.as_mapping(), allow_nan=False)
    if not any(piece.verdict == "checksum wrong" for piece in explain(data)):
        assert not data[position:].strip(b"\0")


def test_noise_in_many_pieces_is_joined_once(monkeypatch):
    """To join it piece by piece takes time that grows with the square of their number."""
    made = []
    noise = dissect._noise
    monkeypatch.setattr(
        dissect, "_noise", lambda at, data: made.append(len(data)) or noise(at, data)
    )
    data = b"\x2b" * 2000 + b"\x07"
    explain(data)
    assert sum(made) <= 2 * len(data)


#: Bytes that cannot be part of a frame.
HARMLESS = st.binary(max_size=3).filter(lambda data: not {0x2B, 0x2D} & set(data))


@given(st.lists(st.sampled_from(OBJECTS), max_size=6), HARMLESS)
def test_every_frame_is_found_with_its_offset(items, noise):
    frames = [frame.assemble(READ, item.oid) for item in items]
    data = noise.join([b"", *frames])
    found = [piece for piece in explain(data) if piece.valid]

    assert [BY_OID[piece.oid] for piece in found] == items
    assert [piece.data for piece in found] == frames
