"""Where a simulated inverter can be made to misbehave: one method per stage, none does anything.

::

    records ── on_record ──► post ── on_payload ──► frame ── on_frame (bytes) ──► the collector
                                     unasked ───────────────────────────────────►
    the unit ◄── on_reply ◄── frames                   connections: access, cut; its clock: step

A profile is a subclass that overrides what it needs; several form a chain, in which each takes
what the one before it left. What :meth:`UnitFaults.on_record` changes is what the unit really says;
what :meth:`UnitFaults.on_frame` changes is damage.
"""

from __future__ import annotations

from typing import Protocol

from rct_collector.drivers.disturbance import Disturbance, DisturbanceChain
from rct_collector.drivers.solaredge.frame import Frame
from rct_collector.drivers.solaredge.simulator.bodies import Telemetry


class Speaker(Protocol):
    """What a profile may use of the unit that it works on."""

    @property
    def id(self) -> int:
        """Number of the inverter."""

    def numbered(self, function: int, payload: bytes) -> bytes:
        """A frame of the unit, with the next number."""


class UnitFaults(Disturbance):
    """A unit without faults, and the base of all others."""

    def on_start(self, speaker: Speaker, now: float) -> None:
        """The unit is put into operation; called once, before all others."""

    def on_record(self, record: Telemetry) -> list[Telemetry]:
        """What the unit says in place of a record."""
        return [record]

    def on_payload(self, payload: bytes, now: float) -> bytes:
        """What a post carries; the records in it stay whole."""
        return payload

    def on_frame(self, data: bytes, now: float) -> bytes:
        """The bytes that arrive of a frame."""
        return data

    def on_reply(self, frame: Frame, now: float) -> Frame | None:
        """A reply on its way to the unit; None loses it."""
        return frame

    def step(self, now: float) -> float:
        """Seconds by which the clock of the unit is set wrong now; asked now and then."""
        return 0.0


class FaultRow(DisturbanceChain[UnitFaults], UnitFaults):
    """Several profiles, one behind the other."""

    def on_start(self, speaker: Speaker, now: float) -> None:
        """See the base class."""
        for link in self._links:
            link.on_start(speaker, now)

    def on_record(self, record: Telemetry) -> list[Telemetry]:
        """See the base class."""
        records = [record]
        for link in self._links:
            records = [made for one in records for made in link.on_record(one)]
        return records

    def on_payload(self, payload: bytes, now: float) -> bytes:
        """See the base class."""
        for link in self._links:
            payload = link.on_payload(payload, now)
        return payload

    def on_frame(self, data: bytes, now: float) -> bytes:
        """See the base class."""
        for link in self._links:
            data = link.on_frame(data, now)
        return data

    def on_reply(self, frame: Frame, now: float) -> Frame | None:
        """See the base class; what is lost is not shown to the links behind."""
        left: Frame | None = frame
        for link in self._links:
            left = left and link.on_reply(left, now)
        return left

    def step(self, now: float) -> float:
        """See the base class."""
        return sum(link.step(now) for link in self._links)
