"""How much work something is, counted, so that no test depends on how busy a machine is."""

from __future__ import annotations

import gc
import sys
import tracemalloc


def calls(function, *arguments):
    """How many functions are called on the way, those written in C too, but those of a fuzzer."""
    count = 0

    def note(_frame, event, called):
        nonlocal count
        count += event == "call" or (event == "c_call" and not _is_fuzzer(called))

    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()  # others are called back when garbage is collected, whoever has made it
    sys.setprofile(note)
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    return count


def _is_fuzzer(function):
    return (getattr(function, "__module__", None) or "").startswith("atheris")


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
