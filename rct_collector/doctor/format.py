"""Figures in words."""

from __future__ import annotations

from collections.abc import Callable

from rct_collector.doctor.figures import Pace
from rct_collector.doctor.findings import Case
from rct_collector.drivers import driver


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


def family_advice(key: str, otherwise: str) -> Callable[[Case], str]:
    """What a family has to say of a finding about units that talk, perhaps by the way to them.

    Args:
        key: Of the finding.
        otherwise: What is said where the family has nothing.
    """

    def text(case: Case) -> str:
        known = driver(case.config.driver)
        advice = {} if known.polled else known.tools().hearing().advice
        return advice.get(f"{key} {case.config.address.scheme}") or advice.get(key, otherwise)

    return text
