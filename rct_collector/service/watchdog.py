"""Whether the service really does its work: every device goes on doing rounds.

That a loop still turns does not say so; what hangs may be a device, in a wait that nothing ends. A
unit that does not answer is no reason: its rounds bring nothing, but go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

#: Seconds that a device may need beside three rounds: to begin anew after a bug takes a minute.
GRACE_S = 120.0

ROUNDS = 3


class Working(Protocol):
    """What is watched: a device."""

    @property
    def name(self) -> str:
        """Configured name."""

    @property
    def rounds(self) -> int:
        """Rounds that ended."""

    @property
    def interval_s(self) -> float:
        """Seconds from one round to the next."""


class _Seen(NamedTuple):
    """When a device was last seen to go on, and how many rounds it had done by then."""

    device: Working
    rounds: int
    at: float


class Watchdog:
    """Watches devices, looking at them every few seconds."""

    def __init__(self, pause_s: float) -> None:
        """Begin.

        Args:
            pause_s: Seconds from one look to the next.
        """
        self._pause_s = pause_s
        self._seen: dict[str, _Seen] = {}
        self._looked_at = 0.0

    def stalled(self, devices: Iterable[Working], now: float) -> list[str]:
        """Look at the devices.

        Args:
            devices: All that should be at work now.
            now: Seconds of a clock that is never set.

        Returns:
            Names of those that should have done a round long ago and have not.
        """
        if now - self._looked_at > 3 * self._pause_s:  # all stood still, or it is the first time
            self._seen.clear()
        self._looked_at = now
        found: dict[str, _Seen] = {}
        for device in devices:
            seen = self._seen.get(device.name)
            if seen is None or seen.device is not device or seen.rounds != device.rounds:
                seen = _Seen(device, device.rounds, now)
            found[device.name] = seen
        self._seen = found
        return [
            name
            for name, seen in found.items()
            if now - seen.at > ROUNDS * seen.device.interval_s + GRACE_S
        ]
