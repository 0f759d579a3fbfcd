"""Which series tell of faults, in words of many bits or one by one, and which of events."""

from __future__ import annotations

from functools import cache

from rct_collector.catalog import catalog
from rct_collector.model import Metric, Series

_WORD_BITS = 32
_WORD = "inverter_status.fault_word_"

#: The words, the lowest first.
FAULT_WORDS = tuple(f"{_WORD}{number}" for number in range(4))
#: One series for each fault.
FAULT_FLAG = "inverter_fault.active"


@cache
def fault_metrics() -> frozenset[Metric]:
    """All metrics that tell of faults."""
    return frozenset(m for name in (FAULT_FLAG, *FAULT_WORDS) for m in catalog().named(name))


#: Words of what a unit tells of an event: they are of the moment, and nothing ends them.
EVENT = "inverter_event"
EVENT_WORDS = tuple(f"{EVENT}.word_{number}" for number in range(2, 7))


#: What happened, of a family that tells it in words, and that it did.
EVENT_TEXT, EVENT_FLAG = f"{EVENT}.text", f"{EVENT}.occurred"


@cache
def event_metrics() -> frozenset[Metric]:
    """All metrics that tell of events."""
    return frozenset(m for name in (*EVENT_WORDS, EVENT_TEXT) for m in catalog().named(name))


@cache
def fault_numbers(series: Series) -> range:
    """Numbers of the faults that the bits of a value stand for, the lowest bit first.

    Which flags there are, only a unit may know, so each series is looked at when it comes.

    Args:
        series: Of one of these metrics.
    """
    name = series.metric.name
    if name == FAULT_FLAG:
        number = int(dict(series.tags)["fault"])
        return range(number, number + 1)
    first = int(name.removeprefix(_WORD)) * _WORD_BITS
    return range(first, first + _WORD_BITS)
