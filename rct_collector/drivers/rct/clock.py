"""The unit's clock: local wall clock, encoded as if it were UTC, in whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

DAY_S = 86400


def wall_clock(unix: float, zone: tzinfo | None) -> int:
    """What the unit's clock shows.

    Args:
        unix: Unix seconds.
        zone: The unit's time zone; None for that of this host.
    """
    return int(datetime.fromtimestamp(int(unix), zone).replace(tzinfo=UTC).timestamp())


def readings(wall: int, zone: tzinfo | None) -> tuple[int, ...]:
    """When the clock showed a time: once, in the hour that spring leaves out never, else twice.

    Args:
        wall: What it showed.
        zone: The unit's time zone; None for that of this host.

    Returns:
        Unix seconds, the earlier one first.
    """
    shown = datetime.fromtimestamp(wall, UTC).replace(tzinfo=zone)
    first, second = int(shown.timestamp()), int(shown.replace(fold=1).timestamp())
    if first == second:
        return (first,)
    return (first, second) if wall_clock(first, zone) == wall else ()


def end_of_repeated(wall: int, zone: tzinfo | None) -> int:
    """The first time after one that is shown twice which is not."""
    first, second = readings(wall, zone)
    low, high = 0, second - first
    while high - low > 1:
        middle = (low + high) // 2
        if len(readings(wall + middle, zone)) > 1:
            low = middle
        else:
            high = middle
    return wall + high


def begin_of(resolution: str, wall: int) -> int:
    """When the day, month or year of a time began, both by the clock."""
    date = datetime.fromtimestamp(wall, UTC)
    month = 1 if resolution == "year" else date.month
    day = date.day if resolution == "day" else 1
    return int(datetime(date.year, month, day, tzinfo=UTC).timestamp())


def begin_after(resolution: str, wall: int) -> int:
    """When the next day, month or year begins."""
    longest = {"day": 1, "month": 31, "year": 366}[resolution] * DAY_S
    return begin_of(resolution, begin_of(resolution, wall) + longest)
