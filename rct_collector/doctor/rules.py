"""The rules about a line that works: what it loses, how long it takes, who else is on it.

One row, one rule. Within a topic the first that applies has its say.
"""

from __future__ import annotations

from collections.abc import Callable

from rct_collector.device.governor import LITTLE, TOO_MUCH
from rct_collector.doctor.figures import Pace, loss_of, quantile
from rct_collector.doctor.findings import Case, Rule, Severity
from rct_collector.doctor.settings import shown

#: Answers to others per minute from which on somebody is there, and from which on much is said.
THERE, TALKATIVE = 3.0, 60.0

#: Median answer times from which on a unit is slow, in seconds.
SLOW_S = 0.5

#: 95 % of the answers take longer than the median by this, in seconds, and by this factor: a
#: cable does not do so, Wi-Fi does.
SPREAD_S, SPREAD = 0.15, 3.0

#: Share of answers that may be damaged, and damaged frames that mean nothing yet.
DAMAGED, FEW_DAMAGED = 0.02, 2

#: Differences of the clocks, in seconds, that are not worth a word; time zones differ by multiples
#: of a quarter of an hour, and by half an hour at least.
CLOCK_S, QUARTER_S, LEAST_ZONE_S = 60.0, 900.0, 1800.0

_PROBLEM, _WARNING, _NOTE = Severity.PROBLEM, Severity.WARNING, Severity.NOTE


# -- figures in words --------------------------------------------------------------------------


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.0f} %" if share >= 0.1 or not share else f"{100 * share:.1f} %"


def milliseconds(seconds: float) -> str:
    """A time for people."""
    return f"{1000 * seconds:.0f} ms"


def pace_text(pace: Pace) -> str:
    """A pace for people."""
    return f"{milliseconds(pace.gap)} apart, {pace.window} at a time"


def _fixed(text: str) -> Callable[[Case], str]:
    return lambda _case: text


# -- what is lost ------------------------------------------------------------------------------


def _is_hasty(case: Case) -> bool:
    """A slower pace loses less."""
    return bool(case.figures.judged) and case.figures.good != case.figures.judged


def _hasty_much(case: Case) -> bool:
    return _is_hasty(case) and case.figures.judged[-1].loss > TOO_MUCH


def _hasty_losses(case: Case) -> str:
    fast, best = case.figures.judged[-1], case.figures.good[-1]
    return (
        f"{percent(fast.loss)} of the answers are lost {pace_text(fast.pace)};"
        f" {percent(best.loss)} {pace_text(best.pace)}"
    )


def _slower(case: Case) -> str:
    requests = case.settings.requests
    return (
        f"Set requests.gap to {shown('gap', requests.gap)} and requests.window to"
        f" {requests.window}, as below. The collector would find that out itself, but only after"
        " it has lost values."
    )


def _floor(case: Case) -> float:
    """What is lost at every pace that is slow enough."""
    return loss_of(case.figures.good)


def _floor_text(case: Case) -> str:
    requests = sum(pace.requests for pace in case.figures.good)
    good = case.figures.good[-1].pace
    return f"{percent(_floor(case))} of {requests} answers are lost, even {pace_text(good)}"


def _is_late(case: Case) -> bool:
    late = sum(len(pace.late) for pace in case.figures.good)
    lost = sum(pace.lost for pace in case.figures.good)
    return _floor(case) > LITTLE and 2 * late >= lost


def _late_text(case: Case) -> str:
    waits = tuple(wait for pace in case.figures.good for wait in pace.late)
    return (
        f"{percent(_floor(case))} of the answers are not there within {case.figures.timeout:g} s;"
        f" {len(waits)} of them came later, the last after {max(waits):.1f} s"
    )


def _longer_timeout(case: Case) -> str:
    timeout = shown("timeout", case.settings.requests.timeout)
    return f"Set requests.timeout to {timeout} and keep the intervals below."


_NETWORK = (
    "Connect the inverter by cable, or bring it and the access point closer together. A port of"
    " the switch that is fixed to 100 Mbit/s has helped some. A slower pace does not."
)
_SHARED = (
    "Close the app and end the portal's or other programs' connection, at least to see whether it"
    " is they: examine again without them. A slower pace does not help."
)


def _damaged(case: Case) -> int:
    """Frames that were spoiled; noise between frames does no harm."""
    return sum(n for kind, n in case.figures.damaged.items() if kind != "noise")


def _is_damaged(case: Case) -> bool:
    damaged = _damaged(case)
    return damaged > FEW_DAMAGED and damaged > DAMAGED * max(case.figures.answers, 1)


def _damage_text(case: Case) -> str:
    kinds = {"crc": "with a wrong checksum", "length": "cut short", "decode": "without meaning"}
    parts = [
        f"{n} {kinds.get(kind, 'with an unknown command')}"
        for kind, n in sorted(case.figures.damaged.items())
        if n and kind != "noise"
    ]
    return f"{', '.join(parts)}, beside {case.figures.answers} good answers"


# -- how long it takes -------------------------------------------------------------------------


def _is_slow(case: Case) -> bool:
    return quantile(case.figures.waits, 0.5) > SLOW_S


def _is_spread(case: Case) -> bool:
    waits = case.figures.waits
    median, most = quantile(waits, 0.5), quantile(waits, 0.95)
    return most > median + SPREAD_S and most > SPREAD * median


def _latency_text(case: Case) -> str:
    waits = case.figures.waits
    median, most = quantile(waits, 0.5), quantile(waits, 0.95)
    return (
        f"half of the answers take {milliseconds(median)} or less, 95 % {milliseconds(most)} or"
        f" less, the slowest {milliseconds(max(waits, default=0.0))}"
    )


# -- who else is there -------------------------------------------------------------------------


def _talk(case: Case) -> float:
    return case.figures.per_minute("answer")


def _are_there(case: Case) -> bool:
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


def _is_stretched(case: Case) -> bool:
    return case.settings.stretch > 1


def _load_text(case: Case) -> str:
    queries = case.figures.queries
    each = ", ".join(f"{count} {poll.option}" for poll, count in queries.items())
    return f"requests per round: {each}"


def _intervals(case: Case) -> str:
    fast = shown("fast", case.settings.intervals.fast)
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


RULES: tuple[Rule, ...] = (
    Rule(
        "hangups", "keeping", lambda case: case.figures.hangups > 0 and case.figures.answers > 0,
        _PROBLEM, "The line breaks",
        lambda case: f"lost {case.figures.hangups} times: {case.figures.hangup_reason}",
        "Each time, what is under way is lost, and some seconds pass until it goes on.",
        _fixed(
            "Look for a second client that pushes others out, for weak Wi-Fi, and for a router"
            " that ends connections. A fixed IP address for the inverter helps, too."
        ),
    ),
    Rule(
        "haste", "pace", _hasty_much, _PROBLEM, "Answers get lost when they are asked for quickly",
        _hasty_losses,
        "The inverter's network side, or its firmware, loses parts of requests that come too close"
        " together.",
        _slower,
    ),
    Rule(
        "haste-some", "pace", _is_hasty, _WARNING,
        "A few answers get lost when they are asked for quickly",
        _hasty_losses,
        "They are asked for again, so little is missing, but a gentler pace spares the line.",
        _slower,
    ),
    Rule(
        "late", "loss", _is_late, _PROBLEM, "Answers come too late",
        _late_text,
        "The unit answers, but not before it is asked again, so each answer costs several"
        " requests.",
        _longer_timeout,
    ),
    Rule(
        "loss-shared", "loss", lambda case: _floor(case) > TOO_MUCH and _are_there(case),
        _PROBLEM, "Answers get lost while others are on the line",
        _floor_text,
        "All clients share one serial line in the unit, and their requests spoil each other.",
        _fixed(_SHARED),
    ),
    Rule(
        "loss", "loss", lambda case: _floor(case) > TOO_MUCH, _PROBLEM,
        "Answers get lost at any pace",
        _floor_text,
        "It is not the haste: the network on the way loses them, most often weak Wi-Fi.",
        _fixed(_NETWORK),
    ),
    Rule(
        "loss-some", "loss", lambda case: _floor(case) > LITTLE, _WARNING,
        "Some answers get lost at any pace",
        _floor_text,
        "They are asked for again within the same round, so that hardly any value is missing.",
        _fixed("Nothing, unless values are missing; then look at the network on the way."),
    ),
    Rule(
        "damage", "damage", _is_damaged, _WARNING, "Answers come damaged",
        _damage_text,
        "They are never published, and are asked for again. Long answers get cut short when"
        " another request arrives meanwhile, most of all one of another client.",
        _fixed("Nothing, if it stays rare. Otherwise end other connections to the inverter."),
    ),
    Rule(
        "slow", "latency", _is_slow, _WARNING, "The unit answers slowly",
        _latency_text,
        "It is busy, its firmware is old, or the way to it is long (a VPN or mobile network).",
        lambda case: (
            f"Give it time: requests.timeout {shown('timeout', case.settings.requests.timeout)},"
            f" intervals.fast {shown('fast', case.settings.intervals.fast)}, as below."
        ),
    ),
    Rule(
        "spread-shared", "latency", lambda case: _is_spread(case) and _are_there(case), _NOTE,
        "Some answers take much longer than others",
        _latency_text,
        "Our requests queue up behind those of another client.",
        _fixed("Nothing: the collector waits for a pause of the others."),
    ),
    Rule(
        "spread", "latency", _is_spread, _WARNING, "Some answers take much longer than others",
        _latency_text,
        "A cable does not do so. It looks like Wi-Fi with a weak signal or much traffic.",
        _fixed(
            "Bring the inverter and the access point closer together, or lay a cable. As long as"
            " little is lost it costs punctuality only."
        ),
    ),
    Rule(
        "shared-much", "others", lambda case: _are_there(case) and _talk(case) >= TALKATIVE,
        _WARNING, "Another client uses the line a lot",
        _talk_text,
        "The app is open, or a second collector or home automation reads as well. The collector"
        " yields: it waits for pauses and has fewer requests under way.",
        _fixed("Let only one program collect, and let the others take the values from there."),
    ),
    Rule(
        "shared", "others", lambda case: _are_there(case) or _heard("the vendor's app")(case),
        _NOTE, "Another client is on the line",
        _talk_text,
        "The app, the vendor's portal or another program. The collector yields to it, and takes"
        " its answers when they fit.",
        _fixed("Nothing."),
    ),
    Rule(
        "portal", "portal", _heard("the vendor's service"), _NOTE,
        "The vendor's service is connected",
        _count("the vendor's service", "signs of life"),
        "The inverter keeps a connection to the portal over the same serial line.",
        _fixed("Nothing, unless answers get lost; then try without the portal for a day."),
    ),
    Rule(
        "plant", "plant", lambda case: _heard("plant")(case) or _heard("write")(case), _NOTE,
        "The unit talks with other inverters of a plant",
        lambda case: f"{case.figures.per_minute('plant', 'write'):.0f} frames per minute",
        "Master and slaves exchange their state on the same line. It is counted and left.",
        _fixed("Nothing. Each inverter of the plant is a device of its own."),
    ),
    Rule(
        "echo", "echo", _heard("echo"), _NOTE, "Requests come back as an echo",
        _count("echo", "echoes"),
        "The inverter's network side does so under load.",
        _fixed("Nothing: an echo is told apart from an answer."),
    ),
    Rule(
        "timezone", "clock", _is_another_zone, _WARNING, "The clock is in another time zone",
        _drift_text,
        "It differs by just about a time zone or summer time. Daily energies begin at the"
        " device's own midnight.",
        _fixed("Set the option timezone to that of the device, or the clock in its app."),
    ),
    Rule(
        "clock", "clock", lambda case: abs(_drift(case)) > CLOCK_S, _WARNING, "The clock is wrong",
        _drift_text,
        "Samples carry the time of this host, so they are right; daily energies begin at the"
        " device's own midnight.",
        _fixed("Set the clock in the inverter's app, and see that this host's own is right."),
    ),
    Rule(
        "objects", "objects", lambda case: bool(case.figures.unanswered), _NOTE,
        "Some objects are not answered",
        _objects_text,
        "This firmware does not know them; what depends on them is not published.",
        _fixed("Nothing: the collector asks for them every 15 minutes only."),
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
        _fixed("Examine again, with a longer --duration."),
    ),
)  # fmt: skip
