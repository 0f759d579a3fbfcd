"""The clocks of the collector, in one place so that tests can put others in.

And whose clock is wrong, when a unit tells a time that has not come yet. A host without a clock of
its own, such as a Raspberry Pi, begins with the time at which it was switched off, or one years
ago, and gets the right one over the network: after minutes, or when the network is back. Until then
units seem to be in the future. What they record is lost if it is acknowledged and not published,
and comes again if it is not acknowledged. Which it is to be is decided by what the kernel knows:
whether somebody keeps the clock right.

- If so, the unit is wrong.
- If not, the clock may be right all the same: in virtual machines, and where what keeps it does not
  tell the kernel. So we are believed to be wrong for some hours from the start of the host on, and
  no longer, lest a unit whose clock is ahead say the same for ever. Waiting loses nothing: units
  keep records for longer.

That several units agree is no evidence. They are set by whoever they call, so they may be wrong
together; there may be one only; and anybody could say that he is two.

Whoever asks for the time sets his clock by the answer, and then all that he records is wrong. So
nobody is told what is in doubt: in the first minutes, and while units seem to be in the future.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Protocol

log = logging.getLogger(__name__)

#: So long after its start a host that nobody has told the time may be wrong, in seconds: less than
#: units keep records, and more than a network takes to come back.
UNSET_S = 6 * 3600.0

#: So long after its start such a host tells nobody what time it is, in seconds.
UNTOLD_S = 900.0

#: Neither does it for so long after a unit seemed to be in the future, in seconds: until it would
#: have said that once more.
DOUBTED_S = 3600.0

#: What ``adjtimex`` gives when nobody keeps the clock right.
_UNSYNCHRONISED = 5

#: More than the structure has that it fills.
_TIMEX_BYTES = 1024


class Clock(Protocol):
    """Wall clock and monotonic clock."""

    def wall(self) -> float:
        """Unix seconds; may step."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; may step."""

    def is_kept(self) -> bool:
        """Whether somebody keeps it right; also where that cannot be told."""

    def since_boot(self) -> float:
        """Seconds since the host was started."""


class SystemClock:
    """The clocks of this host; the monotonic one is the event loop's."""

    def wall(self) -> float:
        """Unix seconds."""
        return time.time()

    #: Nanoseconds since the epoch; asked for each answer, so that a function around it would tell.
    wall_ns = staticmethod(time.time_ns)

    def is_kept(self) -> bool:
        """Whether the kernel says so; also where it is not asked, or does not say."""
        import ctypes  # half a megabyte, for who has units that tell the time

        try:
            state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
        except (OSError, AttributeError):  # no Linux
            return True
        return state != _UNSYNCHRONISED

    def since_boot(self) -> float:
        """Seconds since the host was started."""
        return time.monotonic()


class Doubt:
    """Whether the clock of this host may be wrong."""

    def __init__(self, clock: Clock) -> None:
        """Begin.

        Args:
            clock: That of the host.
        """
        self._clock = clock
        self._doubted_at = -math.inf
        self._told = False

    def is_ours(self) -> bool:
        """Whether more likely we are wrong, where a unit tells a time that has not come yet."""
        clock = self._clock
        if clock.is_kept() or clock.since_boot() > UNSET_S:
            return False
        self._doubted_at = clock.since_boot()
        return True

    def knows_time(self) -> bool:
        """Whether a unit may be told what time it is."""
        up = self._clock.since_boot()
        if (up > UNTOLD_S and up - self._doubted_at > DOUBTED_S) or self._clock.is_kept():
            return True
        if not self._told:
            self._told = True
            log.warning(
                "the clock of this host was not set since the host was started: units that ask for"
                " the time are not answered for now; see that it is kept by NTP"
            )
        return False
