"""What is asked before every request to a device: may this process still ask it?

It is compared at the last moment, in front of the socket, since a process may be stopped anywhere
for any time, and timers that should have told it are late then, too. What comes between this look
and the wire is for :data:`rct_collector.fleet.membership.MARGIN_S`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable


def since_boot() -> float:
    """Seconds since the host was started, those included in which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Fence:
    """Lets requests pass until a deadline.

    Attributes:
        deadline: In seconds of the clock; it is moved on as the lease is kept alive.
    """

    __slots__ = ("_now", "deadline")

    def __init__(self, now: Callable[[], float] = since_boot) -> None:
        """Let nothing pass yet.

        Args:
            now: A clock that also runs while the host is suspended, in seconds.
        """
        self._now = now
        self.deadline = -math.inf

    def may_send(self) -> bool:
        """Whether anything may be sent to a device at this moment."""
        return self._now() < self.deadline
