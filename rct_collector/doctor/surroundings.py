"""The rules about what surrounds a unit: others on the line, its clock, its objects, its load.

Within a topic the first that applies has its say.
"""

from __future__ import annotations

from collections.abc import Callable

from rct_collector.device.polling.adaptive_rate import TOO_MUCH
from rct_collector.doctor.figures import loss_of
from rct_collector.doctor.findings import Case, Rule, Severity
from rct_collector.doctor.format import always
from rct_collector.doctor.recommendation import shown

#: Answers to others per minute from which on somebody is there, and from which on much is said.
THERE, TALKATIVE = 3.0, 60.0

#: Differences of the clocks, in seconds, that are not worth a word; time zones differ by multiples
#: of a quarter of an hour, and by half an hour at least.
CLOCK_S, QUARTER_S, LEAST_ZONE_S = 60.0, 900.0, 1800.0

_WARNING, _NOTE = Severity.WARNING, Severity.NOTE


# -- who else is there -------------------------------------------------------------------------


def _talk(case: Case) -> float:
    return case.figures.per_minute("answer")


def are_there(case: Case) -> bool:
    """Another client is on the line."""
    return case.figures.others.get("answer", 0) >= THERE and _talk(case) >= THERE


def _talk_text(case: Case) -> str:
    others = case.figures.others
    hello = others.get("the vendor's app", 0)
    greeted = f"; the vendor's app said hello {hello} times" if hello else ""
    return f"{_talk(case):.0f} answers to others per minute{greeted}"


def _heard(kind: str) -> Callable[[Case], bool]:
    return lambda case: case.figures.others.get(kind, 0) > 0


def _count(kind: str, what: str) -> Callable[[Case], str]:
    return lambda case: f"{case.figures.per_minute(kind):.1f} {what} per minute"


# -- clock, objects, load ----------------------------------------------------------------------


def _drift(case: Case) -> float:
    return case.figures.drift or 0.0


def _is_another_zone(case: Case) -> bool:
    size = abs(_drift(case))
    off = abs(size - QUARTER_S * round(size / QUARTER_S))
    return size >= LEAST_ZONE_S - CLOCK_S and size <= 86400 and off <= CLOCK_S


def _drift_text(case: Case) -> str:
    drift = _drift(case)
    size = abs(drift)
    text = f"{size:.0f} s" if size < 120 else f"{size / 60:.0f} min"
    return f"the clock of the device is {text} {'ahead' if drift > 0 else 'behind'}"


def _objects_text(case: Case) -> str:
    return ", ".join(case.figures.unanswered)


def _may_be_lost(case: Case) -> bool:
    """What was not answered may have been lost each time that it was asked for."""
    figures = case.figures
    return bool(figures.unanswered) and (
        not figures.complete or loss_of(figures.good or figures.paces) > TOO_MUCH
    )


def _is_stretched(case: Case) -> bool:
    return case.recommendation.stretch > 1


def _load_text(case: Case) -> str:
    queries = case.figures.queries
    each = ", ".join(f"{count} {poll.option}" for poll, count in queries.items())
    return f"requests per round: {each}"


def _intervals(case: Case) -> str:
    fast = shown("fast", case.recommendation.intervals.fast)
    return (
        f"Set the intervals as below (fast: {fast}), or exclude metrics that you do not need, or"
        " mend what makes the line slow, if something is named above."
    )


def _few(case: Case) -> bool:
    figures = case.figures
    return figures.answers > 0 and not all(pace.judged for pace in figures.paces)


def _few_text(case: Case) -> str:
    figures = case.figures
    return f"{figures.requests} requests in {figures.seconds:.0f} s"


SURROUNDINGS: tuple[Rule, ...] = (
    Rule(
        "shared-much", "others", lambda case: are_there(case) and _talk(case) >= TALKATIVE,
        _WARNING, "Another client uses the line a lot",
        _talk_text,
        "The app is open, or a second collector or home automation reads as well. The collector"
        " yields: it waits for pauses and has fewer requests under way.",
        always("Let only one program collect, and let the others take the values from there."),
    ),
    Rule(
        "shared", "others", lambda case: are_there(case) or _heard("the vendor's app")(case),
        _NOTE, "Another client is on the line",
        _talk_text,
        "The app, the vendor's portal or another program. The collector yields to it, and takes"
        " its answers when they fit.",
        always("Nothing."),
    ),
    Rule(
        "portal", "portal", _heard("the vendor's service"), _NOTE,
        "The vendor's service is connected",
        _count("the vendor's service", "signs of life"),
        "The inverter keeps a connection to the portal over the same serial line.",
        always("Nothing, unless answers get lost; then try without the portal for a day."),
    ),
    Rule(
        "plant", "plant", lambda case: _heard("plant")(case) or _heard("write")(case), _NOTE,
        "The unit talks with other inverters of a plant",
        lambda case: f"{case.figures.per_minute('plant', 'write'):.0f} frames per minute",
        "Master and slaves exchange their state on the same line. It is counted and left.",
        always("Nothing. Each inverter of the plant is a device of its own."),
    ),
    Rule(
        "echo", "echo", _heard("echo"), _NOTE, "Requests come back as an echo",
        _count("echo", "echoes"),
        "The inverter's network side does so under load.",
        always("Nothing: an echo is told apart from an answer."),
    ),
    Rule(
        "timezone", "clock", _is_another_zone, _WARNING, "The clock is in another time zone",
        _drift_text,
        "It differs by just about a time zone or summer time. Daily energies begin at the"
        " device's own midnight.",
        always("Set the option timezone to that of the device, or the clock in its app."),
    ),
    Rule(
        "clock", "clock", lambda case: abs(_drift(case)) > CLOCK_S, _WARNING, "The clock is wrong",
        _drift_text,
        "Samples carry the time of this host, so they are right; daily energies begin at the"
        " device's own midnight.",
        always("Set the clock in the inverter's app, and see that this host's own is right."),
    ),
    Rule(
        "undecided", "parts", lambda case: bool(case.figures.undecided), _WARNING,
        "It is not known for certain what the unit has",
        lambda case: "; ".join(case.figures.undecided),
        "Of parts that the unit does not say it has, nothing is published.",
        always("Examine again, for longer; if it stays so, ask the installer for an update."),
    ),
    Rule(
        "objects-lost", "objects", _may_be_lost, _NOTE, "Some objects were not answered",
        _objects_text,
        "Either this firmware does not know them, or their answers were lost each time, so that"
        " what is attached may be more than is told here.",
        always("Examine again, for longer, when the line is better."),
    ),
    Rule(
        "objects", "objects", lambda case: bool(case.figures.unanswered), _NOTE,
        "Some objects are not answered",
        _objects_text,
        "This firmware does not know them; what depends on them is not published.",
        always("Nothing: the collector asks for them every 15 minutes only."),
    ),
    Rule(
        "load", "load", _is_stretched, _WARNING, "Not everything fits into the intervals",
        _load_text,
        "At the pace that the line stands, a round takes longer than its interval, and slower"
        " classes would come late.",
        _intervals,
    ),
    Rule(
        "few", "few", _few, _NOTE, "Too few figures to judge every pace",
        _few_text,
        "The examination was short or was ended, or the line was slow, so that what is said here"
        " may miss something.",
        always("Examine again, with a longer --duration."),
    ),
)  # fmt: skip
