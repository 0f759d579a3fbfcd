"""Values as an agent wants them that knows numbers only, and expects each series at its interval.

Such an agent takes a series for lost when it does not come, and refuses what is not newer than
the last value of the same series. So what comes late is only for it where it is newer all the same;
and what a unit remembers of the past becomes series of its own, oldest first, since among the live
ones it would be refused, and stop nobody from taking it for the present.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from rct_collector.config import DeviceConfig
from rct_collector.model import Batch, CollectdId, Origin, PollClass, Series

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
        history: It is of the past, and belongs to a series of its own.
    """

    place: CollectdId
    value: float
    interval: float
    history: bool = False


class Gauges:
    """The values of one unit, in strictly increasing time within each series.

    Attributes:
        stale: Live values left out so far since they were not newer than the last: the clock was
            set back.
        late: Values left out so far since they came when newer ones had come already.
    """

    def __init__(self, device: DeviceConfig) -> None:
        """Begin.

        Args:
            device: The device's options.
        """
        self._seconds = {poll: device.intervals.seconds(poll) for poll in PollClass}
        self._last: dict[Series, int] = {}
        self._past: dict[Series, int] = {}  # of history
        self._ahead: set[Series] = set()  # whose last value was no live one
        self.stale = 0
        self.late = 0

    def take(self, batch: Batch) -> Iterator[Gauge]:
        """What can be handed over of a batch; texts cannot."""
        past = batch.origin is Origin.HISTORY
        for series, value in batch.values:
            place = series.collectd
            if place is None or isinstance(value, str) or not math.isfinite(value):
                continue
            # An event that has just been read of may have begun a while ago.
            history = past or series.metric.poll is PollClass.HISTORY
            times = self._past if history else self._last
            gap = batch.time_ns - times.get(series, 0)
            if gap <= 0:
                self._leave_out(series, batch.origin)
                continue
            times[series] = batch.time_ns
            if history:
                yield Gauge(place, value, batch.interval_s, history)
                continue
            if batch.origin is Origin.LATE:
                self._ahead.add(series)
            elif self._ahead:
                self._ahead.discard(series)
            seconds = self._expected(batch, series)
            late = LATE * seconds < gap / 1e9 < AWAY * seconds
            yield Gauge(place, value, gap / 1e9 if late else seconds)

    def _leave_out(self, series: Series, origin: Origin) -> None:
        """Count a value that is not newer; a live one behind a late one was overtaken by it."""
        is_live = origin is Origin.LIVE and series.metric.poll is not PollClass.HISTORY
        if is_live and series not in self._ahead:
            self.stale += 1
        else:
            self.late += 1

    def _expected(self, batch: Batch, series: Series) -> float:
        """How often a series is configured to come, which is never more often than rounds do."""
        seconds = self._seconds[series.metric.poll]
        if series.metric.own or not math.isfinite(seconds):
            return batch.interval_s
        return max(batch.interval_s, seconds)
