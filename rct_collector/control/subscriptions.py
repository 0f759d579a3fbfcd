"""Who is told what is new of a device: each what it wants, encoded once for all who want that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from rct_collector.config import matches
from rct_collector.control.batches import to_json
from rct_collector.control.messages import LONGEST, line_of, notification
from rct_collector.device.polling.plan import Choice
from rct_collector.device.publisher import Emit
from rct_collector.model import Batch, Series


class Wish(NamedTuple):
    """Which series somebody wants.

    Attributes:
        series: Globs, one of which must match; none of them takes everything.
        choice: What the device is to be asked for, as its options have it; None for all that its
            own user wants.
    """

    series: tuple[str, ...] = ()
    choice: Choice | None = None

    def takes(self, series: Series) -> bool:
        """Whether a series is one of those; the device itself sees to what is to be asked."""
        return not self.series or matches(self.series, series)


class Subscriber(Protocol):
    """Who is told."""

    def send(self, data: bytes) -> None:
        """Send whole lines, or give it up; never waits, never raises."""


class _Group:
    """Those who want the same."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._known: dict[Series, bool] = {}
        self.subscribers: list[Subscriber] = []
        self.end: Callable[[], None] | None = None

    def take(self, batch: Batch) -> None:
        """Tell what is new."""
        wanted = self.of(batch)
        if wanted is not None:
            data = b"".join(updates(wanted))
            for subscriber in list(self.subscribers):
                subscriber.send(data)

    def of(self, batch: Batch) -> Batch | None:
        """What they want of a batch; None where that is nothing."""
        if not self._wish.series:
            return batch
        values = tuple(pair for pair in batch.values if self._takes(pair[0]))
        if batch.values and not values and not batch.ends_round:
            return None
        return batch._replace(values=values)

    def _takes(self, series: Series) -> bool:
        taken = self._known.get(series)
        if taken is None:
            taken = self._known[series] = self._wish.takes(series)
        return taken


class Subscriptions:
    """Those who have subscribed to one device."""

    def __init__(self, listen: Callable[[Emit, Choice], Callable[[], None]]) -> None:
        """Begin with none.

        Args:
            listen: As :meth:`.device.device.Device.listen`, for those who want something else than
                the user of the device.
        """
        self._listen = listen
        self._groups: dict[Wish, _Group] = {}

    def __len__(self) -> int:
        return sum(len(group.subscribers) for group in self._groups.values())

    def add(self, subscriber: Subscriber, wish: Wish) -> None:
        """Tell one more what is new, or from now on other things."""
        self.drop(subscriber)
        group = self._groups.get(wish)
        if group is None:
            group = self._groups[wish] = _Group(wish)
            if wish.choice is not None:
                group.end = self._listen(group.take, wish.choice)
        group.subscribers.append(subscriber)

    def drop(self, subscriber: Subscriber) -> None:
        """Tell one no more, if it was told anything."""
        for wish, group in list(self._groups.items()):
            if subscriber in group.subscribers:
                group.subscribers.remove(subscriber)
                if not group.subscribers:
                    del self._groups[wish]
                    if group.end is not None:
                        group.end()

    def take(self, batch: Batch) -> None:
        """Tell those what is new who want what the user of the device does."""
        for group in list(self._groups.values()):
            if group.end is None:
                group.take(batch)

    def tell(self, data: bytes) -> None:
        """Tell everybody something."""
        for group in list(self._groups.values()):
            for subscriber in list(group.subscribers):
                subscriber.send(data)


def updates(batch: Batch, method: str = "update") -> Iterator[bytes]:
    """The lines that tell a batch: one, or where that would be too long several.

    Args:
        batch: What is told.
        method: As what.
    """
    line = line_of(notification(method, to_json(batch)))
    half = len(batch.values) // 2
    if len(line) <= LONGEST or not half:
        yield line
    else:
        yield from updates(batch._replace(values=batch.values[:half], ends_round=False), method)
        yield from updates(batch._replace(values=batch.values[half:]), method)
