"""How much of what a device says is taken in, so that one that floods holds up nobody else.

Its bytes are work for us, and all devices of a process share one thread. A real line brings at
most 11.5 kB/s (a serial line at 115,200 baud), in answers of 14 bytes about 800 a second. What a
device sends beyond a multiple of that is left in the buffers of the network for some time, where
it costs nothing; there the device is stopped in the end.

Pure arithmetic on a monotonic clock in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rct_collector.transport import READ_BYTES

#: Work is counted in bytes that are read; so much each event costs beside its own bytes, and each
#: piece that is read.
EVENT = 48
PIECE = 64

#: Work per second that a device may ask of us, a few hundredths of what a processor does, and how
#: much of it at once.
RATE = 64 * 1024.0
BURST = 2 * RATE

#: Shortest pause, in seconds: what comes meanwhile is read at once, which costs less.
LEAST_PAUSE_S = 0.05

#: What has waited to be read for longer than this, in seconds, may be too old to be believed.
STALE_S = 1.0

#: A flood is over when the device needed no pause for so long, in seconds.
CALM_S = 60.0


@dataclass(slots=True)
class Inflow:
    """Meters what one device sends.

    Attributes:
        floods: The device has sent too much, and was not calm since.
        begun_at: When it began to send more than can be taken in for long.
        size: Bytes since then.
        noise: Those of them that were noise.
        behind_since: Since when each piece was full, so that more waits; None while none does.
    """

    floods: bool = False
    begun_at: float = 0.0
    size: int = 0
    noise: int = 0
    behind_since: float | None = None
    _left: float = BURST
    _at: float = -math.inf
    _paused_at: float = -math.inf

    def take(self, now: float, size: int, events: int, noise: int) -> float:
        """Account for a piece that was read.

        Args:
            now: Monotonic seconds.
            size: Its bytes.
            events: What came of them.
            noise: Those of the bytes that were noise.

        Returns:
            Seconds for which nothing is to be read; 0 goes on.
        """
        left = min(BURST, self._left + (now - self._at) * RATE)
        if left >= BURST:
            self.begun_at, self.size, self.noise = now, 0, 0
        self._at, self._left = now, left - size - EVENT * events - PIECE
        self.size += size
        self.noise += noise
        # A piece that is not full was the last one that waited.
        if size < READ_BYTES:
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since = now
        if self._left >= 0:
            return 0.0
        self.floods, self._paused_at = True, now
        return max(LEAST_PAUSE_S, -self._left / RATE)

    def spend(self, pieces: int, size: int) -> None:
        """Account for small pieces of one event each, which were read since the last one.

        Args:
            pieces: How many.
            size: Bytes of all of them.
        """
        self._left -= size + (EVENT + PIECE) * pieces
        self.size += size

    def is_stale(self, now: float) -> bool:
        """Whether what is read now may have waited for too long to be believed."""
        return self.behind_since is not None and now - self.behind_since > STALE_S

    def calms(self, now: float) -> bool:
        """Whether a flood is over, which is told once."""
        if not self.floods or now - self._paused_at < CALM_S:
            return False
        self.floods = False
        return True

    def reset(self) -> None:
        """The line is another one: what has waited is gone. What was spent is spent."""
        self.behind_since = None
