"""What some work costs, counted: unlike seconds, it is the same each time."""

from __future__ import annotations

import sys
import tracemalloc


def calls(work):
    """Calls that it makes, of functions in Python and in C, but for those of a fuzzer within."""
    counted = 0

    def count(_, event, function):
        nonlocal counted
        counted += event == "call" or (event == "c_call" and not _is_fuzzer(function))

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def _is_fuzzer(function):
    return (getattr(function, "__module__", None) or "").startswith("atheris")


def memory(work):
    """Most bytes that it holds at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
