"""Which queries of a family something is true of, in a bit for each."""

from __future__ import annotations

from collections.abc import Container

from rct_collector.drivers.base import Query


class Marks(Container[Query]):
    """A set of queries that takes some 80 bytes, where Python's takes 8,000 for 200 of them.

    Each device has a few of them. Which queries they are is not told, only asked for.

    Attributes:
        bits: The bit of each query's number is set, if it is in the set.
    """

    __slots__ = ("bits",)

    def __init__(self) -> None:
        """None is in it."""
        self.bits = 0

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self.bits != 0

    def __contains__(self, query: object) -> bool:
        """Whether a query is in it."""
        return bool(self.bits >> query.number & 1)  # type: ignore[attr-defined]

    def add(self, query: Query) -> None:
        """It is in it from now on."""
        self.bits |= 1 << query.number

    def discard(self, query: Query) -> None:
        """It is not in it any more."""
        self.bits &= ~(1 << query.number)

    def clear(self) -> None:
        """None is in it any more."""
        self.bits = 0
