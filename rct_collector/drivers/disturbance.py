"""What goes wrong with a simulated line of any family: its connections, and bytes besides.

A family's faults add what can happen to its own requests and answers. Several form a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from rct_collector.drivers.tools import Access, Cut


class Disturbance:
    """A line on which nothing goes wrong, and the base of all others."""

    def unasked(self, now: float) -> bytes:
        """Bytes that nobody asked for; called when :meth:`next_due` is over, and now and then."""
        return b""

    def next_due(self) -> float | None:
        """When something happens by itself; None for never."""
        return None

    def access(self, now: float) -> Access:
        """What happens to those who want something. Its changes are times of next_due()."""
        return Access.OPEN

    def cut(self, now: float) -> Cut | None:
        """How all connections end now, if they do; asked when :meth:`next_due` is over."""
        return None


Link = TypeVar("Link", bound=Disturbance)


class DisturbanceChain(Disturbance, Generic[Link]):
    """Several of them, one after the other."""

    def __init__(self, links: Sequence[Link] = ()) -> None:
        """Put them in order."""
        self._links = tuple(links)

    def unasked(self, now: float) -> bytes:
        """See the base class."""
        return b"".join(link.unasked(now) for link in self._links)

    def next_due(self) -> float | None:
        """See the base class."""
        dues = (link.next_due() for link in self._links)
        return min((due for due in dues if due is not None), default=None)

    def access(self, now: float) -> Access:
        """See the base class; of several the highest counts."""
        return max((link.access(now) for link in self._links), default=Access.OPEN)

    def cut(self, now: float) -> Cut | None:
        """See the base class; the first one counts, all are asked."""
        cuts = [link.cut(now) for link in self._links]
        return next((cut for cut in cuts if cut is not None), None)
