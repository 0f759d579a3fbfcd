"""The two clocks of the collector, in one place so that tests can put others in."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall clock and monotonic clock."""

    def wall(self) -> float:
        """Unix seconds; may step."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; may step."""


class SystemClock:
    """The clocks of this host; the monotonic one is the event loop's."""

    def wall(self) -> float:
        """Unix seconds."""
        return time.time()

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()
