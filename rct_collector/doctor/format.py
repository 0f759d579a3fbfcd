"""Figures in words."""

from __future__ import annotations

from collections.abc import Callable

from rct_collector.doctor.figures import Pace
from rct_collector.doctor.findings import Case


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.0f} %" if share >= 0.1 or not share else f"{100 * share:.1f} %"


def milliseconds(seconds: float) -> str:
    """A time for people."""
    return f"{1000 * seconds:.0f} ms"


def pace_text(pace: Pace) -> str:
    """A pace for people."""
    return f"{milliseconds(pace.gap)} apart, {pace.window} at a time"


def always(text: str) -> Callable[[Case], str]:
    """The same words whatever was measured."""
    return lambda _case: text
