"""What one device has to say, as batches, and how it does."""

from __future__ import annotations

from collections.abc import Callable, Collection

from rct_collector.device.consumers import Consumers, Emit, info_line, is_about_unit
from rct_collector.model import Batch, Health, Origin, Series, Tags, Value
from rct_collector.receipt import Receipt

__all__ = ["Emit", "Publisher"]


class Publisher:
    """Turns samples into batches, and has the texts of the unit gathered on one line.

    Attributes:
        health: How the unit does; goes out with each batch.
        consumers: Take the batches.
    """

    def __init__(
        self,
        source: str,
        vendor: str,
        labels: Tags,
        interval: float,
        consumers: Consumers,
        *,
        now: float,
        unit: str = "",
    ) -> None:
        """Prepare; nothing was heard of the unit yet.

        Args:
            source: Configured name of the device.
            vendor: Vendor of the device family.
            labels: The user's own tags.
            interval: Seconds between two rounds.
            consumers: Take the batches.
            now: Unix seconds.
            unit: Which of its units, of a device that takes many.
        """
        self._source = source
        self._unit = unit
        self._vendor = vendor
        self._labels = labels
        self._interval = interval
        self.consumers = consumers
        self._heard_at = now
        self.health = Health(up=False, since=now)

    def of(self, unit: str, now: float) -> Publisher:
        """That of one of its units, of which nothing was heard yet.

        Args:
            unit: Which of them.
            now: Unix seconds.
        """
        return Publisher(
            self._source,
            self._vendor,
            self._labels,
            self._interval,
            self.consumers,
            now=now,
            unit=unit,
        )

    def heard(self, at: float) -> None:
        """The unit answers.

        Args:
            at: Unix seconds.
        """
        self._heard_at = at
        if not self.health.up:
            self.health = Health(up=True, since=at)

    def relayed(self, health: Health, at: float) -> None:
        """Whoever collects from the unit says how it does.

        Args:
            health: So.
            at: Unix seconds.
        """
        self.health = health
        if health.up:
            self._heard_at = at

    def missed(self, error: str) -> None:
        """A round brought no answer.

        Args:
            error: Why, in words for people.
        """
        missed = self.health.missed + 1
        self.health = Health(up=False, since=self._heard_at, missed=missed, error=error)

    def send(
        self,
        time_ns: int,
        values: list[tuple[Series, Value]],
        origin: Origin = Origin.LIVE,
        *,
        ends_round: bool = False,
        receipt: Receipt | None = None,
    ) -> None:
        """Hand over samples of one time, if there are any, and that a round is over."""
        if values or ends_round:
            self.consumers.send(self._batch(time_ns, tuple(values), origin, ends_round, receipt))

    def send_round(
        self,
        time_ns: int,
        values: list[tuple[Series, Value]],
        texts: dict[Series, Value],
        expected: Callable[[], Collection[Series]],
    ) -> None:
        """Hand over what is new of a round, and the texts of the unit once all are there.

        Args:
            time_ns: Time of the round, nanoseconds since the epoch.
            values: What is new.
            texts: Texts about the unit that are.
            expected: Tells which of them the unit is known to have.
        """
        batch = self._batch(time_ns, ())
        self.consumers.texts.update(texts)
        for consumer in self.consumers:
            mine = consumer.of(values) if consumer.is_narrow else values
            if mine := mine + consumer.line(texts, expected):
                self.consumers.hand(consumer, batch, tuple(mine))

    def send_apart(
        self,
        time_ns: int,
        values: list[tuple[Series, Value]],
        origin: Origin,
        receipt: Receipt | None = None,
    ) -> None:
        """Hand over values that no round has brought; texts about the unit on a line of theirs."""
        texts = dict([pair for pair in values if type(pair[1]) is str and is_about_unit(pair[0])])
        if texts:
            values = [pair for pair in values if pair[0] not in texts]
            values += info_line(texts.items())
        self.send(time_ns, values, origin, receipt=receipt)

    def restore(
        self,
        time_ns: int,
        values: list[tuple[Series, Value]],
        resolution_s: float,
        receipt: Receipt,
    ) -> None:
        """Hand over what a unit remembers of a time, each value of which is of so many seconds."""
        batch = self._batch(time_ns, tuple(values), Origin.HISTORY, receipt=receipt)
        self.consumers.send(batch._replace(interval_s=resolution_s))

    def remove(self, time_ns: int) -> None:
        """Tell that nothing will come any more."""
        self.health = self.health._replace(removed=True)
        self.consumers.send(self._batch(time_ns, ()))

    def _batch(
        self,
        time_ns: int,
        values: tuple[tuple[Series, Value], ...],
        origin: Origin = Origin.LIVE,
        ends_round: bool = False,  # noqa: FBT001, FBT002 - private
        receipt: Receipt | None = None,
    ) -> Batch:
        return Batch(
            self._source,
            self._vendor,
            self._labels,
            time_ns,
            values,
            self._interval,
            origin,
            ends_round,
            self.health,
            self._unit,
            receipt,
        )

    def forget(self) -> None:
        """Another unit answers now."""
        self.consumers.forget()
