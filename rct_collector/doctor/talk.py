"""The rules about units that are not asked, but talk: who is heard, and what of it is of use.

Within a topic the first that applies has its say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rct_collector.doctor.figures import UnitFigures
from rct_collector.doctor.findings import Case, Rule, Severity
from rct_collector.doctor.format import family_advice
from rct_collector.doctor.surroundings import CLOCK_S
from rct_collector.drivers.base import Fault

#: Records that are older than this many seconds are of the past: units tell every five minutes.
PAST_S = 900.0

#: Units that tell seldom are to be heard twice within so many seconds.
LONG_S = 600.0

#: Frames that may be damaged, and their share.
FEW_DAMAGED, DAMAGED = 2, 0.02

#: Units that are named in one finding.
_MOST_NAMED = 5

_PROBLEM, _WARNING, _NOTE = Severity.PROBLEM, Severity.WARNING, Severity.NOTE

#: Of one unit: what is worth a word, or "".
_Word = Callable[[UnitFigures], str]


def _is_of_no_use(case: Case) -> list[str]:
    reasons = case.figures.reasons
    return [text for kind, texts in reasons.items() if kind != Fault.FOREIGN for text in texts]


def _strangers(case: Case) -> tuple[str, ...]:
    return case.figures.reasons.get(Fault.FOREIGN, ())


# -- frames ------------------------------------------------------------------------------------


def _damaged(case: Case) -> list[tuple[int, str]]:
    kinds = {Fault.CRC: "with a wrong checksum", Fault.LENGTH: "of a wrong length"}
    damaged = case.figures.damaged
    return [(damaged[kind], word) for kind, word in kinds.items() if damaged.get(kind)]


def _is_damaged(case: Case) -> bool:
    count = sum(n for n, _ in _damaged(case))
    return case.figures.talks and count > max(FEW_DAMAGED, DAMAGED * case.figures.answers)


def _damage_text(case: Case) -> str:
    parts = ", ".join(f"{n} frames {word}" for n, word in _damaged(case))
    return f"{parts}, beside {case.figures.answers} times that something was understood"


def _unknown(case: Case) -> int:
    return case.figures.damaged.get(Fault.COMMAND, 0) if case.figures.talks else 0


# -- times -------------------------------------------------------------------------------------


def _wrong_clock(unit: UnitFigures) -> str:
    if unit.misdated:
        return f"{unit.misdated} records of a time that cannot be"
    ahead = -min(unit.lags, default=0.0)
    return f"{_duration(ahead)} ahead" if ahead > CLOCK_S else ""


def _past(unit: UnitFigures) -> str:
    newest = min(unit.lags, default=0.0)
    return f"what it tells is {_duration(newest)} old and more" if newest > PAST_S else ""


def _duration(seconds: float) -> str:
    for size, word in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} s"


def _told(case: Case, word: _Word) -> Iterator[str]:
    """Unit and word, of those that have one."""
    for name, unit in case.figures.units.items():
        if text := word(unit):
            yield f"{name}: {text}"


def _any(word: _Word) -> Callable[[Case], bool]:
    return lambda case: any(_told(case, word))


def _named(word: _Word) -> Callable[[Case], str]:
    def text(case: Case) -> str:
        found = list(_told(case, word))
        more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return "; ".join(found[:_MOST_NAMED]) + more

    return text


def _is_short(case: Case) -> bool:
    return bool(case.figures.units) and case.figures.keeps and case.figures.seconds < LONG_S


TALK: tuple[Rule, ...] = (
    Rule(
        "unreadable", "reading", lambda case: bool(_is_of_no_use(case)), _PROBLEM,
        "Something that a unit says cannot be read",
        lambda case: "; ".join(_is_of_no_use(case)),
        "It is counted, and nothing of it is published.",
        family_advice("unreadable", "Mend what is named there, and examine again."),
    ),
    Rule(
        "strangers", "strangers", lambda case: bool(_strangers(case)), _WARNING,
        "Units are heard that are not welcome",
        lambda case: "; ".join(_strangers(case)),
        "They get no answer, so that they keep what they say, and say it again and again.",
        family_advice("strangers", "Add them to those that are welcome, or have them call others."),
    ),
    Rule(
        "damaged-talk", "damage", _is_damaged, _WARNING, "Frames come damaged",
        _damage_text,
        "They are never published. What is not acknowledged is said again, so that little is lost"
        " unless many are damaged, or nobody acknowledges them, as on a bus that is only heard.",
        family_advice(
            "damaged-talk",
            "Look at the cable, its ends and its ground; at a bus, see that no two speak at a time."
            " In a network this does not happen: look at what is between.",
        ),
    ),
    Rule(
        "unknown-talk", "unknown", lambda case: _unknown(case) > 0, _NOTE,
        "Some of what units say means nothing to this program",
        lambda case: f"{_unknown(case)} frames or records of kinds that nobody knows",
        "It is acknowledged as the protocol wants, and counted; nothing else suffers.",
        family_advice(
            "unknown-talk", "Nothing; or report it with a recording: rct-collector record --redact."
        ),
    ),
    Rule(
        "clock-talk", "clock", _any(_wrong_clock), _WARNING, "The clock of a unit is wrong",
        _named(_wrong_clock),
        "Records carry the time of the unit's own clock. Those of a time that cannot be are left"
        " out, and those of one that is wrong are published under it.",
        family_advice("clock-talk", "Set its clock, and see that this host's own is right."),
    ),
    Rule(
        "past-talk", "clock", _any(_past), _NOTE, "A unit tells of the past",
        _named(_past),
        "It has kept what nobody acknowledged, and tells the oldest first; or its clock is behind.",
        family_advice(
            "past-talk",
            "Let the collector run: what was kept comes with its own times. If that has no end, see"
            " whether the clock of the unit is behind.",
        ),
    ),
    Rule(
        "short-talk", "few", _is_short, _NOTE, "There may be more than was heard",
        lambda case: f"{case.figures.seconds:.0f} s",
        "Units speak when they want to, some every few minutes only, and what they told was not"
        " acknowledged, so that they told no more than their first records.",
        family_advice(
            "short-talk", "Examine again with --duration 10m if a unit is missing from the list."
        ),
    ),
)  # fmt: skip
