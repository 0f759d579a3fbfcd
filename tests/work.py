"""How much work something is, counted, so that no test depends on how busy a machine is."""

from __future__ import annotations

import sys
import tracemalloc


def calls(function, *arguments):
    """How many functions are called on the way, those written in C too."""
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return count


def peak(function, *arguments):
    """Bytes that are held at the same time on the way, beyond those of before."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not tracing:
            tracemalloc.stop()
