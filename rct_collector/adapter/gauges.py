"""Values as an agent wants them that knows numbers only, and expects each series at its interval.

Such an agent takes a series for lost when it does not come, and refuses what is not newer than
the last value of the same series.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from rct_collector.config import DeviceConfig
from rct_collector.model import Batch, CollectdId, PollClass, Series

#: A value that comes this much later than its interval has an interval of its own: the device is
#: to be asked more than its pace allows …
LATE = 1.5
#: … unless it comes so late that the device must have been away.
AWAY = 10.0


class Gauge(NamedTuple):
    """One value.

    Attributes:
        place: Type and type instance.
        value: A finite number.
        interval: Seconds until the next one is to be expected.
    """

    place: CollectdId
    value: float
    interval: float


class Gauges:
    """The values of one device, in strictly increasing time within each series.

    Attributes:
        stale: Values left out so far since they were not newer than the last.
    """

    def __init__(self, device: DeviceConfig) -> None:
        """Begin.

        Args:
            device: The device's options.
        """
        self._seconds = {poll: device.intervals.seconds(poll) for poll in PollClass}
        self._last: dict[Series, int] = {}
        self.stale = 0

    def take(self, batch: Batch) -> Iterator[Gauge]:
        """What can be handed over of a batch; texts cannot."""
        for series, value in batch.values:
            place = series.collectd
            if place is None or isinstance(value, str) or not math.isfinite(value):
                continue
            last = self._last.get(series, 0)
            gap = batch.time_ns - last
            if gap <= 0:
                self.stale += 1
                continue
            self._last[series] = batch.time_ns
            seconds = self._expected(batch, series)
            late = LATE * seconds < gap / 1e9 < AWAY * seconds
            yield Gauge(place, value, gap / 1e9 if late else seconds)

    def _expected(self, batch: Batch, series: Series) -> float:
        """How often a series is configured to come, which is never more often than rounds do."""
        seconds = self._seconds[series.metric.poll]
        if series.metric.own or not math.isfinite(seconds):
            return batch.interval_s
        return max(batch.interval_s, seconds)
