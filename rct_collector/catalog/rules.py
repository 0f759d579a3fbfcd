"""How derived metrics are computed from the values of one round.

Each rule gets one list of values per input metric, in the order of the inputs' series, and the
time of its last answer. It returns the value, or None where the values allow no honest answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rct_collector.model import Value

#: Values of one input metric, one per series, in catalogue order; None for a series that brought
#: no value. Only the rules in TOLERANT ever see a None.
Column = Sequence[float | None]
Rule = Callable[[Sequence[Column], float], Value | None]

#: Below this power, in watts, a share of it is noise.
LEAST_WATTS = 10.0


def _present_values(columns: Sequence[Column]) -> list[float]:
    return [value for column in columns for value in column if value is not None]


def _total(columns: Sequence[Column], _now: float) -> Value | None:
    values = _present_values(columns)
    return float(sum(values)) if values else None


def _positive_part(columns: Sequence[Column], _now: float) -> Value | None:
    return max(_present_values(columns)[0], 0.0) + 0.0  # no negative zero


def _negative_part(columns: Sequence[Column], _now: float) -> Value | None:
    return max(-_present_values(columns)[0], 0.0) + 0.0  # no negative zero


def _autarky(columns: Sequence[Column], _now: float) -> Value | None:
    load, grid = _present_values(columns)
    return _share(load - max(grid, 0.0), load)


def _self_consumption(columns: Sequence[Column], _now: float) -> Value | None:
    pv, grid = _present_values(columns)
    return _share(pv - max(-grid, 0.0), pv)


def _share(part: float, whole: float) -> Value | None:
    if whole < LEAST_WATTS:
        return None
    return min(max(100.0 * part / whole, 0.0), 100.0)


def _bits_set(columns: Sequence[Column], _now: float) -> Value | None:
    return sum(int(word).bit_count() for word in _present_values(columns))


def _drift(columns: Sequence[Column], now: float) -> Value | None:
    return round(_present_values(columns)[0] - now, 3)


def _quotient_percent(columns: Sequence[Column], _now: float) -> Value | None:
    part, whole = _present_values(columns)
    return 100.0 * part / whole if whole > 0 else None


def _minimum(columns: Sequence[Column], _now: float) -> Value | None:
    return float(min(_present_values(columns)))


def _maximum(columns: Sequence[Column], _now: float) -> Value | None:
    return float(max(_present_values(columns)))


def _spread(columns: Sequence[Column], _now: float) -> Value | None:
    values = _present_values(columns)
    return round(max(values) - min(values), 9)


def _index_of_minimum(columns: Sequence[Column], _now: float) -> Value | None:
    return columns[0].index(min(_present_values(columns)))


def _index_of_maximum(columns: Sequence[Column], _now: float) -> Value | None:
    return columns[0].index(max(_present_values(columns)))


def _present(_columns: Sequence[Column], _now: float) -> Value | None:
    return 1


#: Rule name, as written in the rows → rule.
RULES: dict[str, Rule] = {
    "total": _total,
    "positive_part": _positive_part,
    "negative_part": _negative_part,
    "autarky": _autarky,
    "self_consumption": _self_consumption,
    "bits_set": _bits_set,
    "drift": _drift,
    "quotient_percent": _quotient_percent,
    "minimum": _minimum,
    "maximum": _maximum,
    "spread": _spread,
    "index_of_minimum": _index_of_minimum,
    "index_of_maximum": _index_of_maximum,
    "present": _present,
}

#: Rules over a list of like parts that may lack some: a battery module with fewer cells. All
#: other rules are computed from complete inputs only, since a partial sum is a wrong number.
TOLERANT = frozenset({"minimum", "maximum", "spread", "index_of_minimum", "index_of_maximum"})
