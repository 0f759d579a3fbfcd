"""The frame reader under a flood: a short head, then the rest again and again.

Only so are the bounds of memory and of work reached; an input of that size would keep a fuzzer
busy with copying.
"""

from __future__ import annotations

from random import Random
from unittest.mock import patch

from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.frame import LONGEST_PENDING, FrameReader
from tests.fuzz import grammar

mutate, dictionary = grammar.mutate, grammar.words

#: Enough for the longest frame that is waited for, and some more.
SIZE = LONGEST_PENDING + 4096

#: Bytes before those that are repeated.
HEAD = 8

#: Largest piece in which a network delivers, and a small one. The target ``frame`` takes single
#: bytes; here they would take too long.
SEGMENT, DRIBBLE = 1460, 11

#: Bytes that may be touched per byte that came: at most nine frames overlap (see ``_give_up``),
#: and each looks for a start, for an escape, copies, and counts starts.
WORK = 64

#: And per call, whatever comes.
CALL = 16

#: Bytes that a pattern may look at beyond those that it matches: the shortest frame, escaped.
AHEAD = 18


class Counted(bytearray):
    """A buffer that counts the bytes which are searched and copied, and allows so many."""

    allowed = 0

    def _touch(self, size):
        self.allowed -= size
        assert self.allowed >= 0, "work that grows faster than the input"

    def find(self, byte, first=0, last=None):
        last = len(self) if last is None else min(last, len(self))
        found = super().find(byte, first, last)
        self._touch(1 + (last if found < 0 else found + 1) - first)
        return found

    def count(self, byte, first, last):
        self._touch(1 + last - first)
        return super().count(byte, first, last)

    def __getitem__(self, key):
        found = super().__getitem__(key)
        self._touch(1 if isinstance(key, int) else 1 + len(found))
        return found


class Pattern:
    """A pattern that tells such a buffer what it looks at."""

    def __init__(self, pattern):
        self._pattern = pattern

    def match(self, buffer, first, last=None):
        found = self._pattern.match(buffer, first, len(buffer) if last is None else last)
        buffer._touch(AHEAD + (found.end() - first if found else 0))
        return found


def _counted():
    """The reader's patterns, counted."""
    unescaped = frame._unescaped
    return patch.multiple(
        frame,
        _FALSE=Pattern(frame._FALSE),
        _BODY=Pattern(frame._BODY),
        _unescaped=lambda count: Pattern(unescaped(count)),
    )


class BoundedReader(FrameReader):
    """A reader that fails as soon as it does more work than its input allows, or holds too much."""

    def __init__(self):
        super().__init__()
        self._buffer = Counted()

    def feed(self, data):
        self._buffer.allowed += WORK * len(data) + CALL
        with _counted():
            items = super().feed(data)
        assert self.pending <= LONGEST_PENDING
        return items


def check(data):
    head, rest = data[:HEAD], data[HEAD:] or b"\0"
    stream = head + rest * (SIZE // len(rest))
    size = Random(data).choice((len(stream), SEGMENT, DRIBBLE))
    reader = BoundedReader()
    for place in range(0, len(stream), size):
        reader.feed(stream[place : place + size])
