"""From figures to findings, by the tables of rules."""

from __future__ import annotations

from dataclasses import dataclass

from rct_collector.config import DeviceConfig
from rct_collector.doctor.contact import CONTACT
from rct_collector.doctor.figures import Figures
from rct_collector.doctor.findings import Case, Finding, Rule, Severity
from rct_collector.doctor.recommendation import Recommendation, recommend
from rct_collector.doctor.rules import RULES
from rct_collector.doctor.surroundings import SURROUNDINGS
from rct_collector.doctor.talk import TALK


@dataclass(frozen=True)
class Diagnosis:
    """What an examination comes to.

    Attributes:
        findings: Worst first, then in the order of the rules.
        recommendation: What is recommended.
    """

    findings: tuple[Finding, ...]
    recommendation: Recommendation

    @property
    def severity(self) -> Severity:
        """That of the worst finding."""
        return max((found.severity for found in self.findings), default=Severity.NOTE)


def diagnose(figures: Figures, config: DeviceConfig) -> Diagnosis:
    """Judge what was measured.

    Args:
        figures: What was measured.
        config: The device.
    """
    case = Case(figures, recommend(figures, config), config)
    told: dict[str, Rule] = {}
    for rule in (*CONTACT, *TALK, *RULES, *SURROUNDINGS):
        if rule.topic not in told and rule.applies(case):
            told[rule.topic] = rule
    findings = [_finding(rule, case) for rule in told.values()] + _quirks(figures)
    findings.sort(key=lambda found: -found.severity)
    return Diagnosis(tuple(findings), case.recommendation)


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
