"""Times on the command line: dates, moments, and how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_AGO = re.compile(r"-(\d+(?:\.\d+)?)\s*(min|m|h|d|w|y)")
_LONG = {"min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}

#: What is taken, for messages.
TAKES = (
    "a date (2026-11-01), a date with a time (2026-11-01T06:30, with +01:00 or Z behind it if it is"
    " not of the device's zone), today, yesterday, now, or how long ago (-12h, -7d, -4w, -1y)"
)


def parse_moment(text: str, now: float, zone: tzinfo | None) -> float:
    """Unix seconds of what somebody wrote.

    Args:
        text: See :data:`TAKES`; a date means its begin.
        now: Unix seconds.
        zone: Of dates and times that name none; None for that of this host.

    Raises:
        ValueError: With what would be right.
    """
    word = text.strip().lower()
    if word == "now":
        return now
    if match := _AGO.fullmatch(word):
        return now - float(match[1]) * _LONG[match[2]]
    days = {"today": 0, "yesterday": 1}.get(word)
    try:
        if days is not None:
            midnight = datetime.fromtimestamp(now, UTC).astimezone(zone).replace(
                hour=0, minute=0, second=0, microsecond=0, tzinfo=None
            )  # fmt: skip
            found = midnight - timedelta(days=days)
        else:
            found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(TAKES) from error


def moment_of(time_ns: int, zone: tzinfo | None) -> str:
    """A time as ISO 8601 with its offset: local, and yet none means two.

    Args:
        time_ns: Nanoseconds since the epoch.
        zone: None for that of this host.
    """
    seconds, rest = divmod(time_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).astimezone(zone).isoformat()
    return text if not rest else f"{text[:19]}.{rest // 1_000_000:03d}{text[19:]}"
