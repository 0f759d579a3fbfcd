"""How fast a device may be asked: a least gap, an average rate, and few requests at a time.

Pure arithmetic on a monotonic clock in seconds. The bridge of an RCT unit loses parts of what
comes too close together; peers' experience is 100 ms between requests and 4.4 requests a second
with almost no errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Average rate with a burst, so that one fast round may go out at the pace of the gap.

    Attributes:
        rate: Tokens per second.
        burst: Tokens it can hold.
        left: Tokens when one was taken last; negative before that.
        at: When that was, in monotonic seconds.
    """

    rate: float
    burst: float
    left: float = -1.0
    at: float = 0.0

    def tokens(self, now: float) -> float:
        """Tokens at a time; full before first use."""
        if self.left < 0:
            return self.burst
        tokens = self.left + (now - self.at) * self.rate
        return tokens if tokens < self.burst else self.burst

    def take(self, now: float) -> None:
        """Spend one token."""
        tokens = self.tokens(now) - 1.0
        self.left = tokens if tokens > 0.0 else 0.0
        self.at = now

    def ready_at(self, now: float, needed: float = 1.0) -> float:
        """When there will be ``needed`` tokens; now, if there are."""
        missing = needed - self.tokens(now)
        return now if missing <= 1e-9 else now + missing / self.rate


@dataclass(slots=True)
class Pacer:
    """When the next request may go out.

    Repeats have an average of their own, so that a line that loses answers does not cost the
    values that are asked for last; what they do not find there they take from the other. And
    there is an advance for the time after a start, when everything is wanted at once: it fills so
    slowly that it does not count in the long run, however often the line is lost.

    Attributes:
        gap: Least seconds between two requests, or after what was heard.
        bucket: The average.
        repeats: The average of repeats, beyond that.
        advance: Requests that may go at the pace of the gap alone.
        last: When the last request went out, or something was heard behind it.
    """

    gap: float
    bucket: TokenBucket
    repeats: TokenBucket = field(default_factory=lambda: TokenBucket(0.0, 0.0))
    advance: TokenBucket = field(default_factory=lambda: TokenBucket(0.0, 0.0))
    last: float = float("-inf")

    @property
    def free_at(self) -> float:
        """When the gap after the last request, or what was heard since, is over."""
        return self.last + self.gap

    def heard(self, at: float) -> None:
        """Bytes came at a time: the gap begins behind them, where nothing tells whose they are."""
        if at > self.last:
            self.last = at

    def ready_at(self, now: float, reserve: float = 0.0) -> float:
        """When the next request may go, leaving ``reserve`` tokens in the bucket."""
        at = self.last + self.gap
        if at < now:
            at = now
        full = self.bucket.ready_at(now, 1.0 + reserve)
        return full if full > at else at

    def repeat_at(self, now: float) -> float:
        """When the next repeat may go at the expense of repeats, infinite for never."""
        if self.repeats.burst < 1.0:
            return math.inf
        return max(self.free_at, self.repeats.ready_at(now))

    def sent(self, now: float, *, repeat: bool = False, advance: bool = False) -> None:
        """A request went out.

        Args:
            now: Monotonic seconds.
            repeat: It was asked before, in vain.
            advance: It went at the expense of the advance, if that has any left.
        """
        self.last = now
        bucket = self.bucket
        if repeat and self.repeats.tokens(now) >= 1.0:
            bucket = self.repeats
        elif advance and self.advance.tokens(now) >= 1.0:
            bucket = self.advance
        bucket.take(now)
