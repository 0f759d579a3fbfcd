"""Whether what came together was taken over by whoever passes it on, such as an agent.

A unit that keeps what nobody acknowledges is told only then. Whoever takes something over later
than at once holds its receipt until that is settled, in the thread of the event loop::

    receipt.hold()
    …
    receipt.settle(True)    # it was written; False if that cannot be done any more
"""

from __future__ import annotations

from collections.abc import Callable

#: Those who may wait for one receipt; one more is told that it was lost, and may come again. So
#: nobody who repeats himself while an agent stands still fills the memory.
MOST_WAITING = 8


class Receipt:
    """Of what came together; pending until all who hold it have settled it.

    Attributes:
        is_lost: Some of it was not taken over, and will not be.
    """

    __slots__ = ("_holders", "_waiting", "is_lost")

    def __init__(self) -> None:
        """Begin held by whoever makes it, who settles it as well."""
        self.is_lost = False
        self._holders = 1
        self._waiting: list[Callable[[bool], object]] = []

    @property
    def is_pending(self) -> bool:
        """Whether anybody holds it."""
        return self._holders > 0

    def hold(self) -> None:
        """One more takes some of it over, later."""
        self._holders += 1

    def settle(self, taken: bool) -> None:  # noqa: FBT001 - a callback
        """One who holds it has taken it over, or cannot."""
        self.is_lost = self.is_lost or not taken
        self._holders -= 1
        if not self._holders:
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                call(not self.is_lost)

    def lose(self) -> None:
        """Some of it cannot be taken over; who holds it goes on to do so."""
        self.is_lost = True

    def then(self, call: Callable[[bool], object]) -> None:
        """Have something called once it is settled, at once if it is; with whether all was taken.

        If too many wait already, it is called with False.
        """
        if not self.is_pending:
            call(not self.is_lost)
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append(call)
        else:
            call(False)  # noqa: FBT003 - as above

    def follow(self, other: Receipt) -> None:
        """Be settled no sooner than another one, and lost with it."""
        if other is not self:
            self.hold()
            other.then(self.settle)
