"""What a finding is, and what a rule is that leads to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from rct_collector.config import DeviceConfig
from rct_collector.doctor.figures import Figures
from rct_collector.doctor.recommendation import Recommendation


class Severity(IntEnum):
    """How much a finding matters."""

    NOTE = 0  #: good to know
    WARNING = 1  #: it works, but could do better
    PROBLEM = 2  #: values get lost, or nothing works

    @property
    def word(self) -> str:
        """In small letters."""
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        key: Short name, for scripts.
        severity: How much it matters.
        title: What, in a few words.
        measured: What was measured.
        meaning: What it means.
        advice: What to do.
    """

    key: str
    severity: Severity
    title: str
    measured: str
    meaning: str
    advice: str


class Case(NamedTuple):
    """What rules look at.

    Attributes:
        figures: What was measured.
        recommendation: What is recommended.
        config: The device.
    """

    figures: Figures
    recommendation: Recommendation
    config: DeviceConfig


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        key: Short name of the finding.
        topic: Of all rules about one topic only the first that applies has its say, so that no
            two findings contradict each other.
        applies: Whether it has anything to say.
        severity: How much that matters.
        title: What, in a few words.
        measured: Tells what was measured.
        meaning: What it means.
        advice: What to do.
    """

    key: str
    topic: str
    applies: Callable[[Case], bool]
    severity: Severity
    title: str
    measured: Callable[[Case], str]
    meaning: str
    advice: Callable[[Case], str]
