"""What one device has to say, as batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rct_collector.catalog import catalog
from rct_collector.model import Batch, Series, Tags, Value

#: Takes what a device has to say. Must not block and must not raise.
Emit = Callable[[Batch], None]


class Publisher:
    """Turns samples into batches, and gathers the texts of the unit on one line."""

    def __init__(self, source: str, vendor: str, labels: Tags, interval: float, emit: Emit) -> None:
        """Prepare.

        Args:
            source: Configured name of the device.
            vendor: Vendor of the device family.
            labels: The user's own tags.
            interval: Seconds between two rounds.
            emit: Takes the batches.
        """
        self._source = source
        self._vendor = vendor
        self._labels = labels
        self._interval = interval
        self._emit = emit
        self._texts: dict[Series, Value] = {}

    def send(self, time_ns: int, values: list[tuple[Series, Value]]) -> None:
        """Hand over samples of one time, if there are any."""
        if values:
            self._emit(
                Batch(
                    *(self._source, self._vendor, self._labels),
                    *(time_ns, tuple(values), self._interval),
                )
            )

    def forget(self) -> None:
        """Another unit answers now."""
        self._texts.clear()

    def info_line(
        self, texts: dict[Series, Value], expected: Iterable[Series]
    ) -> list[tuple[Series, Value]]:
        """All texts of the unit, once they are complete, as one line; then wait for new ones.

        A line with some of them would open new series in agents that turn texts into labels.

        Args:
            texts: Those of the present round.
            expected: Those that the unit is known to have.
        """
        self._texts.update(texts)
        wanted = set(expected)
        if not wanted or not wanted <= self._texts.keys():
            return []
        complete = [(s, self._texts[s]) for s in wanted if self._texts[s] != ""]
        self._texts.clear()
        return [(catalog().info, 1), *complete] if complete else []
