"""The options that a family gives its devices: what only they have, and how hard they are asked.

A configuration says them beside those that all devices share, see :mod:`rct_collector.option`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from rct_collector.option import Invalid, number, option, parse_duration


class Limit(NamedTuple):
    """Within what the user lets a guarded setting be written.

    Attributes:
        words: The words or flags; empty for a range of numbers.
        low: Smallest number.
        high: Largest number.
    """

    words: tuple[str | bool, ...] = ()
    low: float = -inf
    high: float = inf

    def __contains__(self, value: object) -> bool:
        """Whether it lets a value be written."""
        if self.words:
            return value in self.words
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        """As messages say it."""
        if self.words:
            return " or ".join(str(word) for word in self.words)
        return f"{self.low:g} to {self.high:g}"


class Permission(NamedTuple):
    """What of the settings of a unit the user lets be written.

    Attributes:
        names: Names of settings.
        guarded: Settings that battery or supply depend on may be among them …
        limits: … within these limits, by name.
    """

    names: tuple[str, ...] = ()
    guarded: bool = False
    limits: Mapping[str, Limit] = {}


@dataclass(frozen=True, kw_only=True)
class FamilyOptions:
    """The options that only one family has. A family with any makes a class of its own of it.

    A flag may be named by rows of the catalogue, which it turns on (``Metric.option``).
    """

    @property
    def permission(self) -> Permission:
        """What of the settings may be written: what the option ``writes`` names, if there is one.

        Nothing unless the user has named it.
        """
        return Permission(tuple(getattr(self, "writes", ())))


@dataclass(frozen=True, kw_only=True)
class Requests:
    """How hard a unit is asked.

    Each family makes a class of its own of it, with what its units stand well, of the functions
    below.

    Attributes:
        per_second: Requests per second on average.
        gap: Least seconds between two requests.
        window: Requests that may be unanswered at the same time.
        timeout: Longest wait for an answer, in seconds; for its first byte, where answers do not
            name what they answer.
    """

    per_second: float
    gap: float
    window: int
    timeout: float


#: What any unit stands, for a family of which nobody has tried more.
MODEST = Requests(per_second=1.0, gap=0.25, window=1, timeout=2.0)

#: Units that are never asked for anything, since they talk by themselves.
NEVER = Requests(per_second=0.0, gap=inf, window=0, timeout=inf)


def per_second(default: float) -> Any:
    """The field of :class:`Requests`."""
    return option(
        number(0.1, 50),
        "Requests per second on average; repeats of lost ones may add half as many, and unless it"
        " is lowered, all is asked once at the pace of the gap after a start.",
        example=f"{default:g}", takes="number", default=float(default), shown=f"{default:g}",
    )  # fmt: skip


def gap(default: str) -> Any:
    """The field of :class:`Requests`."""
    return option(
        parse_duration, "Least time between two requests; longer while haste loses answers.",
        example=default, takes="duration", default=parse_duration(default), shown=default,
    )  # fmt: skip


def window(most: int) -> Any:
    """The field of :class:`Requests`; what units stand at most is the default."""
    return option(
        number(1, most, whole=True) if most > 1 else _parse_one,
        "Requests that may be unanswered at the same time.",
        example=f"{most}", takes=f"1 to {most}" if most > 1 else "1", default=most, shown=f"{most}",
    )  # fmt: skip


def _parse_one(value: Any) -> float:
    try:
        return number(1, 1, whole=True)(value)
    except Invalid as error:
        raise Invalid("1, since only one request can be under way to such a unit") from error


def timeout(
    default: str, of: str = "an answer; a unit known to be quicker is asked again sooner"
) -> Any:
    """The field of :class:`Requests`, and what is waited for."""
    return option(
        parse_duration,
        f"Longest wait for {of}.",
        example=default, takes="duration", default=parse_duration(default), shown=default,
    )  # fmt: skip
