"""From figures to findings, by a table of rules: one row, one rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from rct_collector.config import DeviceConfig
from rct_collector.doctor.figures import Figures
from rct_collector.doctor.settings import Settings, settings


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
        settings: What is recommended.
        config: The device.
        port: Its port.
    """

    figures: Figures
    settings: Settings
    config: DeviceConfig
    port: int


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


@dataclass(frozen=True)
class Diagnosis:
    """What an examination comes to.

    Attributes:
        findings: Worst first, then in the order of the rules.
        settings: What is recommended.
    """

    findings: tuple[Finding, ...]
    settings: Settings

    @property
    def severity(self) -> Severity:
        """That of the worst finding."""
        return max((found.severity for found in self.findings), default=Severity.NOTE)


def diagnose(figures: Figures, config: DeviceConfig, port: int) -> Diagnosis:
    """Judge what was measured.

    Args:
        figures: What was measured.
        config: The device.
        port: Its port, the driver's default applied.
    """
    from rct_collector.doctor.rules import RULES

    case = Case(figures, settings(figures, config), config, port)
    told: dict[str, Rule] = {}
    for rule in RULES:
        if rule.topic not in told and rule.applies(case):
            told[rule.topic] = rule
    findings = [_finding(rule, case) for rule in told.values()] + _quirks(figures)
    findings.sort(key=lambda found: -found.severity)
    return Diagnosis(tuple(findings), case.settings)


def _finding(rule: Rule, case: Case) -> Finding:
    return Finding(
        rule.key,
        rule.severity,
        rule.title,
        rule.measured(case),
        rule.meaning,
        rule.advice(case),
    )


def _quirks(figures: Figures) -> list[Finding]:
    """What is known of the firmware, whatever was measured."""
    firmware = f"firmware {figures.identity.get('firmware', 'not known')}"
    return [
        Finding("firmware", Severity.NOTE, quirk.title, firmware, quirk.meaning, quirk.advice)
        for quirk in figures.quirks
    ]
