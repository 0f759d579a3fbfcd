"""A bound for what is said of the same matter, however often it happens."""

from __future__ import annotations

from collections import deque


class Seldom:
    """Allows something so many times within so many seconds."""

    def __init__(self, times: int, seconds: float) -> None:
        """Nothing has happened yet.

        Args:
            times: How often it is allowed …
            seconds: … within this time.
        """
        self._seconds = seconds
        self._allowed: deque[float] = deque(maxlen=times)

    def allows(self, now: float) -> bool:
        """Whether it is allowed at this moment; that counts then.

        Args:
            now: Monotonic seconds.
        """
        full = len(self._allowed) == self._allowed.maxlen
        if full and now - self._allowed[0] < self._seconds:
            return False
        self._allowed.append(now)
        return True
