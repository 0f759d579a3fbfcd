"""The rules about a line that works: what it loses, and how long it takes.

One row, one rule. Within a topic the first that applies has its say.
"""

from __future__ import annotations

from rct_collector.device.polling.adaptive_rate import TOO_MUCH
from rct_collector.doctor.figures import loss_of, quantile
from rct_collector.doctor.findings import Case, Rule, Severity
from rct_collector.doctor.format import always, milliseconds, pace_text, percent
from rct_collector.doctor.recommendation import shown
from rct_collector.doctor.surroundings import are_there

#: Median answer times from which on a unit is slow, in seconds.
SLOW_S = 0.5

#: 95 % of the answers take longer than the median by this, in seconds, and by this factor: a
#: cable does not do so, Wi-Fi does.
SPREAD_S, SPREAD = 0.15, 3.0

#: Share of lost answers from which on it is worth a word.
LITTLE = 0.05

#: Share of answers that may be damaged, and damaged frames that mean nothing yet.
DAMAGED, FEW_DAMAGED = 0.02, 2

_PROBLEM, _WARNING, _NOTE = Severity.PROBLEM, Severity.WARNING, Severity.NOTE


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
    requests = case.recommendation.requests
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
    timeout = shown("timeout", case.recommendation.requests.timeout)
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
    damaged = 0 if case.figures.talks else _damaged(case)  # see the rules about talk
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


RULES: tuple[Rule, ...] = (
    Rule(
        "hangups", "keeping", lambda case: case.figures.hangups > 0 and case.figures.answers > 0,
        _PROBLEM, "The line breaks",
        lambda case: f"times lost: {case.figures.hangups}; {case.figures.hangup_reason}",
        "Each time, what is under way is lost, and some seconds pass until it goes on.",
        always(
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
        "loss-shared", "loss", lambda case: _floor(case) > TOO_MUCH and are_there(case),
        _PROBLEM, "Answers get lost while others are on the line",
        _floor_text,
        "All clients share one serial line in the unit, and their requests spoil each other.",
        always(_SHARED),
    ),
    Rule(
        "loss", "loss", lambda case: _floor(case) > TOO_MUCH, _PROBLEM,
        "Answers get lost at any pace",
        _floor_text,
        "It is not the haste: the network on the way loses them, most often weak Wi-Fi.",
        always(_NETWORK),
    ),
    Rule(
        "loss-some", "loss", lambda case: _floor(case) > LITTLE, _WARNING,
        "Some answers get lost at any pace",
        _floor_text,
        "They are asked for again within the same round, so that hardly any value is missing.",
        always("Nothing, unless values are missing; then look at the network on the way."),
    ),
    Rule(
        "damage", "damage", _is_damaged, _WARNING, "Answers come damaged",
        _damage_text,
        "They are never published, and are asked for again. Long answers get cut short when"
        " another request arrives meanwhile, most of all one of another client.",
        always("Nothing, if it stays rare. Otherwise end other connections to the inverter."),
    ),
    Rule(
        "slow", "latency", _is_slow, _WARNING, "The unit answers slowly",
        _latency_text,
        "It is busy, its firmware is old, or the way to it is long (a VPN or mobile network).",
        lambda case: (
            "Give it time: requests.timeout "
            f"{shown('timeout', case.recommendation.requests.timeout)}, intervals.fast "
            f"{shown('fast', case.recommendation.intervals.fast)}, as below."
        ),
    ),
    Rule(
        "spread-shared", "latency", lambda case: _is_spread(case) and are_there(case), _NOTE,
        "Some answers take much longer than others",
        _latency_text,
        "Our requests queue up behind those of another client.",
        always("Nothing: the collector waits for a pause of the others."),
    ),
    Rule(
        "spread", "latency", _is_spread, _WARNING, "Some answers take much longer than others",
        _latency_text,
        "A cable does not do so. It looks like Wi-Fi with a weak signal or much traffic.",
        always(
            "Bring the inverter and the access point closer together, or lay a cable. As long as"
            " little is lost it costs punctuality only."
        ),
    ),
)  # fmt: skip
