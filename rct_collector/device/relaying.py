"""What another process on this host has read of a device, handed over as if it were our own.

It goes out under the name and the labels of this process, and how the unit does with it. What was
handed over so need not be restored from the memory of the unit, once the device is ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from rct_collector.catalog import catalog
from rct_collector.catalog.faults import EVENT
from rct_collector.config import DeviceConfig
from rct_collector.device.coverage import MOST, SLOT_S, SlotRange, SlotRanges, floor
from rct_collector.device.publisher import Publisher
from rct_collector.device.stats import Stats
from rct_collector.model import Batch, Health, Origin, Series, Value
from rct_collector.receipt import Receipt


class Relaying:
    """Hands over what the owner of a device tells.

    Attributes:
        spans: Times of which rounds were taken over by our agent.
        events_to_ns: When the newest event began that was, nanoseconds since the epoch; 0 for none.
    """

    def __init__(
        self, config: DeviceConfig, vendor: str, publisher: Publisher, stats: Stats
    ) -> None:
        """Begin with nothing.

        Args:
            config: The device's options.
            vendor: Vendor of the device family.
            publisher: Says how the device does.
            stats: Counts what our own agent could not take.
        """
        self._source = config.name
        self._labels = tuple(sorted(config.labels.items()))
        self._vendor = vendor
        self._publisher = publisher
        self._stats = stats
        self._dropped = catalog().series("inverter_collector.samples_dropped_total")
        self._units: dict[str, Health] = {}
        self.spans = SlotRanges()
        self.events_to_ns = 0

    def take(self, batch: Batch) -> None:
        """Hand over what was told.

        Args:
            batch: As the owner has it. That the owner collects no more is no business of ours.
        """
        if batch.health.removed:
            if batch.unit in self._units:
                del self._units[batch.unit]
                self._send(batch)
            return
        if batch.unit:
            self._units[batch.unit] = batch.health
        else:
            self._publisher.relayed(batch.health, batch.time_ns / 1e9)
        self._send(batch)

    def removed(self, time_ns: int) -> None:
        """Nobody collects from the device any more: none of its units is there either."""
        for unit, health in self._units.items():
            last = health._replace(removed=True)
            self._send(Batch("", "", (), time_ns, (), 0.0, health=last, unit=unit))
        self._units.clear()

    def _send(self, batch: Batch) -> None:
        receipt = self._receipt(batch)
        self._publisher.consumers.send(
            batch._replace(
                source=self._source,
                vendor=self._vendor,
                labels=self._labels,
                values=tuple(self._own(batch)) if batch.ends_round else batch.values,
                receipt=receipt,
            )
        )
        if receipt is not None:
            receipt.settle(True)  # noqa: FBT003 - by us

    def _own(self, batch: Batch) -> Iterator[tuple[Series, Value]]:
        """The values, with what our own agent has not taken in place of the owner's."""
        for series, value in batch.values:
            own = series is self._dropped
            yield series, self._stats.totals["samples_dropped"] if own else value

    def _receipt(self, batch: Batch) -> Receipt | None:
        """For what would be restored if it were not handed over."""
        wall, events_ns = batch.time_ns / 1e9, 0
        if any(series.metric.measurement == EVENT for series, _ in batch.values):
            events_ns = batch.time_ns
        is_round = batch.ends_round and batch.origin is Origin.LIVE and batch.health.up
        if not events_ns and (not is_round or wall in self.spans):
            return None

        def settled(taken: bool) -> None:  # noqa: FBT001 - a callback
            if taken and events_ns:
                self.events_to_ns = max(self.events_to_ns, events_ns)
            elif taken:
                self.spans.add(SlotRange(floor(wall), floor(wall) + SLOT_S))
                self.spans.shorten(MOST)

        receipt = Receipt()
        receipt.then(settled)
        return receipt
