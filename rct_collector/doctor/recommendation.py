"""Which settings suit what was measured; a pure function, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import ceil

from rct_collector.config import DeviceConfig, Intervals
from rct_collector.device.polling.budget import Budget, Share
from rct_collector.doctor.figures import Figures, quantile
from rct_collector.drivers.options import Requests
from rct_collector.model import PollClass

#: An answer is waited for so many times as long as 95 % of them take, at least as long as is usual
#: for the family, and at most for so many seconds.
TIMEOUT_FACTOR = 2.0
LONGEST_TIMEOUT = 10.0

#: A fast round goes into its interval this many times, so that there is room for repeats.
LEEWAY = 1.5

#: Intervals are stretched by the first of these with which all requests fit.
STRETCHES = (1, 1.5, 2, 3, 4, 6, 9, 12, 18, 30, 60)


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What is recommended.

    Attributes:
        requests: How hard the device should be asked.
        intervals: How often each class should come.
        fits: All requests fit into these intervals.
        stretch: By how much the intervals had to be stretched.
    """

    requests: Requests
    intervals: Intervals
    fits: bool
    stretch: float


def recommend(figures: Figures, config: DeviceConfig) -> Recommendation:
    """What suits a device.

    Args:
        figures: What was measured; where nothing was, the configuration stays.
        config: What it is set to now.
    """
    if not figures.good:
        return Recommendation(
            requests=config.requests, intervals=config.intervals, fits=True, stretch=1
        )
    requests = _requests(figures, config.requests, config.usual)
    for stretch in STRETCHES:
        intervals = _stretched(config.intervals, stretch)
        if fits := _fits(figures, requests, intervals):
            break
    return Recommendation(requests=requests, intervals=intervals, fits=fits, stretch=stretch)


def changes(found: Recommendation, config: DeviceConfig) -> list[str]:
    """What differs from the present configuration, such as ``requests.gap: 60ms → 200ms``."""
    pairs = (
        ("requests", config.requests, found.requests),
        ("intervals", config.intervals, found.intervals),
    )
    return [
        f"{group}.{name}: {shown(name, getattr(old, name))} → {shown(name, getattr(new, name))}"
        for group, old, new in pairs
        for name in _names(old)
        if getattr(old, name) != getattr(new, name)
    ]


def snippet(found: Recommendation, config: DeviceConfig) -> str:
    """The settings as a device in the configuration file."""
    lines = _entry(config)
    for group, values in (("requests", found.requests), ("intervals", found.intervals)):
        lines.append(f"    {group}:")
        lines += [f"      {name}: {shown(name, getattr(values, name))}" for name in _names(values)]
    return "\n".join(lines) + "\n"


def listing(settings: Mapping[str, str], config: DeviceConfig) -> str:
    """Options of a family, as a device in the configuration file.

    Args:
        settings: Their values as they are written in YAML.
        config: The device.
    """
    lines = [f"    {name}: {value}" for name, value in settings.items()]
    return "\n".join([*_entry(config), *lines]) + "\n"


def _entry(config: DeviceConfig) -> list[str]:
    """The lines with which a device begins."""
    return [
        "devices:",
        f"  - name: {config.name}",
        f"    driver: {config.driver}",
        f"    address: {config.address}",
    ]


def shown(name: str, value: float) -> str:
    """A setting as it is written in the file."""
    if name in ("per_second", "window"):
        return f"{value:g}"
    if value < 1:
        return f"{1000 * value:.0f}ms"
    for unit, seconds in (("h", 3600), ("m", 60)):
        if value >= seconds and value % seconds == 0:
            return f"{value / seconds:.0f}{unit}"
    return f"{value:g}s"


def _names(of: Requests | Intervals) -> list[str]:
    return [item.name for item in fields(of)]


def _requests(figures: Figures, present: Requests, usual: Requests) -> Requests:
    """The fastest pace that loses no more than a slower one."""
    pace = figures.good[-1].pace
    # Whoever asks for less than usual on average knows why, and more was not tried.
    per_second = min(present.per_second, usual.per_second, round(1 / pace.gap, 3))
    return replace(
        present,
        gap=pace.gap,
        window=pace.window,
        per_second=per_second,
        timeout=_timeout(figures.waits, usual.timeout),
    )


def _timeout(waits: tuple[float, ...], shortest: float) -> float:
    wanted = ceil(2 * TIMEOUT_FACTOR * quantile(waits, 0.95)) / 2  # half seconds
    return min(max(wanted, shortest), LONGEST_TIMEOUT)


def seconds_each(figures: Figures, requests: Requests) -> float:
    """Seconds from one request to the next, on average: the window waits for answers."""
    best = figures.good[-1]
    in_time = tuple(wait for wait in best.latencies + best.late if wait <= requests.timeout)
    answered = len(in_time) / best.requests
    waiting = answered * quantile(in_time, 0.5) + (1 - answered) * requests.timeout
    return max(requests.gap, waiting / requests.window)


def _fits(figures: Figures, requests: Requests, intervals: Intervals) -> bool:
    each = seconds_each(figures, requests)
    shares = tuple(
        Share(poll, figures.queries.get(poll, 0), intervals.seconds(poll))
        for poll in PollClass.POLLED
    )
    budget = Budget(shares, min(requests.per_second, 1 / each), each)
    return budget.fits and LEEWAY * budget.fast_seconds <= intervals.fast


def _stretched(intervals: Intervals, stretch: float) -> Intervals:
    """The same, longer; what is read once an hour stays."""
    return replace(
        intervals,
        fast=_longer(intervals.fast, stretch),
        medium=_longer(intervals.medium, stretch),
        slow=_longer(intervals.slow, stretch),
    )


def _longer(seconds: float, stretch: float) -> float:
    return seconds if stretch == 1 else float(ceil(seconds * stretch))
