"""What ``rct-collector decode`` makes of a file: the file as it is, bytes or hexadecimal text."""

from __future__ import annotations

import contextlib
import json

from rct_collector.cli.dumps import DumpError, read_dump, text_of
from rct_collector.drivers.rct.frame import Frame, FrameReader
from rct_collector.drivers.rct.tools.dissect import explain
from tests.fuzz import grammar


def mutate(data, random):
    """Change bytes as on the wire; in text too, which then comes out with other separators."""
    text = _text(data)
    if text is None or random.random() < 0.1:
        changed = grammar.mutate(data, random)
        return changed.hex(random.choice(" :-")).encode() if random.random() < 0.1 else changed
    return grammar.mutate(text, random).hex(random.choice(" :,-_\n;")).encode()


def dictionary():
    yield from grammar.words()
    yield from (b"0x", b"# ", b"\n", b"2b", b"2d")


def _text(data):
    """The bytes that hexadecimal text stands for, or None."""
    text = text_of(data)
    if text is not None:
        with contextlib.suppress(DumpError):
            return b"".join(read_dump(text))
    return None


def check(content):
    data = _text(content)
    if data is None:
        data = content
    pieces = explain(data)
    hold_all_bytes(pieces, data)
    for piece in pieces:
        assert f"{piece.label}{piece.shown}{piece.verdict}{piece.unit}".isprintable()
    json.loads(json.dumps([piece.as_mapping() for piece in pieces], allow_nan=False))
    frames = [item for item in FrameReader().feed(data) if isinstance(item, Frame)]
    told = [(piece.oid, piece.payload, piece.address) for piece in pieces if piece.valid]
    assert told == [frame[1:] for frame in frames]


def hold_all_bytes(pieces, data):
    """They stand in order and overlap nowhere; between them is nothing but zeros."""
    end = 0
    for piece in pieces:
        assert piece.data
        assert not data[end : piece.offset].strip(b"\0")
        assert data.startswith(piece.data, piece.offset)
        assert piece.offset >= end
        end = piece.offset + len(piece.data)
    assert not data[end:].strip(b"\0")
