"""Who takes what a device says: the agent of this process, and others who listen to it.

Each gets what it has chosen, and no more: the device asks for all that any of them wants, and its
agent notices nothing of the others. Texts about the unit are gathered for each by itself, since
they go out on one line, as soon as all are there that it wants.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from rct_collector.catalog import catalog
from rct_collector.device.polling.plan import Choice, is_wanted
from rct_collector.model import PREFIX, Batch, Series, Value

log = logging.getLogger(__name__)

#: Takes what a device has to say. Must not block and must not raise.
Emit = Callable[[Batch], None]

#: Values of one time.
Pairs = list[tuple[Series, Value]]


def is_about_unit(series: Series) -> bool:
    """Whether a text tells what the unit is, and not what happened to it."""
    return series.metric.measurement == PREFIX


def info_line(texts: Iterable[tuple[Series, Value]]) -> Pairs:
    """Texts about a unit as one line, without those that it leaves empty."""
    complete = [pair for pair in texts if pair[1] != ""]
    return [(catalog().info, 1), *complete] if complete else []


class _Wanted(dict[Series, bool]):
    """Whether series are wanted, worked out once for each."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self._choice = choice

    def __missing__(self, series: Series) -> bool:
        found = self[series] = is_wanted(series, self._choice)
        return found


@lru_cache(maxsize=256)
def _wanted(choice: Choice) -> _Wanted:
    """The same for all who have chosen the same."""
    return _Wanted(choice)


class Consumer:
    """One who takes what a device says.

    Attributes:
        choice: What of it.
        emit: Takes it.
        is_narrow: Others want more, so that not all is for this one.
    """

    def __init__(
        self, choice: Choice, emit: Emit, texts: Mapping[Series, Value] = MappingProxyType({})
    ) -> None:
        """Begin.

        Args:
            choice: What of it.
            emit: Takes it.
            texts: What is known of the unit by now.
        """
        self.choice = choice
        self.emit = emit
        self.is_narrow = False
        self._wanted = _wanted(choice)
        self._texts = {series: text for series, text in texts.items() if self.wants(series)}

    def wants(self, series: Series) -> bool:
        """Whether it has chosen a series."""
        return self._wanted[series]

    def of(self, values: Iterable[tuple[Series, Value]]) -> Pairs:
        """What of some values is for it; that there are texts about the unit only with such."""
        info, wanted = catalog().info, self._wanted
        found = [pair for pair in values if pair[0] is info or wanted[pair[0]]]
        if any(type(value) is str and is_about_unit(series) for series, value in found):
            return found
        return [pair for pair in found if pair[0] is not info]

    def line(self, texts: dict[Series, Value], expected: Callable[[], Collection[Series]]) -> Pairs:
        """All texts of the unit, once they are complete, as one line; then wait for new ones.

        A line with some of them would open new series in agents that turn texts into labels.

        Args:
            texts: Those of the present round.
            expected: Tells those that the unit is known to have.
        """
        if texts:
            self._texts.update(filter(self._takes, texts.items()) if self.is_narrow else texts)
        if not self._texts:
            return []
        wanted = set(expected())
        if self.is_narrow:
            wanted = set(filter(self.wants, wanted))
        if not wanted or not wanted <= self._texts.keys():
            return []
        found = info_line([(series, self._texts[series]) for series in wanted])
        self._texts.clear()
        return found

    def _takes(self, pair: tuple[Series, Value]) -> bool:
        return self._wanted[pair[0]]

    def forget(self) -> None:
        """Another unit answers now."""
        self._texts.clear()


class Consumers:
    """All who take what one device says, its own agent first.

    Attributes:
        texts: What rounds have told of the unit in words; whoever comes later does not wait until
            it is asked for again.
    """

    def __init__(self, choice: Choice, emit: Emit) -> None:
        """Begin with the agent of this process.

        Args:
            choice: What it wants.
            emit: Takes that.
        """
        self._own = Consumer(choice, emit)
        self._all = [self._own]
        self.texts: dict[Series, Value] = {}

    def __iter__(self) -> Iterator[Consumer]:
        return iter(self._all)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What is wanted altogether; each choice once, that of the agent first."""
        return tuple(dict.fromkeys(consumer.choice for consumer in self._all))

    def wants(self, series: Series) -> bool:
        """Whether anybody wants a series."""
        return any(consumer.wants(series) for consumer in self._all)

    def add(self, choice: Choice, emit: Emit) -> Consumer:
        """One more listens.

        Args:
            choice: What it wants.
            emit: Takes that; it is dropped when it raises, for that is no trouble of the device.
        """
        consumer = Consumer(choice, emit, self.texts)
        self._all = [*self._all, consumer]
        for other in self._all:
            other.is_narrow = True
        return consumer

    def remove(self, consumer: Consumer) -> bool:
        """One listens no more.

        Returns:
            Whether it did until now.
        """
        before = self._all
        self._all = [other for other in before if other is not consumer]
        return len(before) > len(self._all)

    def settle(self) -> None:
        """No more is asked for any longer than is wanted altogether by now."""
        many = len(self.choices) > 1
        for consumer in self._all:
            consumer.is_narrow = many

    def send(self, batch: Batch) -> None:
        """Hand over a batch, to each what is for it.

        Whoever waits for a receipt waits for the agent of this process.
        """
        if len(self._all) == 1 and not self._own.is_narrow:  # the most frequent case of all
            self._own.emit(batch)
            return
        for consumer in self._all:
            values = batch.values
            if consumer.is_narrow:
                values = tuple(consumer.of(values))
            self.hand(consumer, batch, values)

    def hand(
        self, consumer: Consumer, batch: Batch, values: tuple[tuple[Series, Value], ...]
    ) -> None:
        """Hand a batch to one of them, with the values that are for it.

        Without any it is of no use, unless there were none to begin with, or it ends a round.
        """
        if batch.values and not values and not batch.ends_round:
            return
        if consumer is self._own:
            consumer.emit(batch._replace(values=values))
            return
        try:
            consumer.emit(batch._replace(values=values, receipt=None))
        except Exception:
            log.exception("bug: who listens to %s is not told any more", batch.source)
            self.remove(consumer)

    def forget(self) -> None:
        """Another unit answers now."""
        self.texts.clear()
        for consumer in self._all:
            consumer.forget()
