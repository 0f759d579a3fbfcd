"""Whose turn it is on a line: one asks at a time, and nobody twice while another waits.

A turn is taken before a request is sent, and ended when nothing is outstanding any more. Who is
alone never waits. Who is not waits in the order of asking, so that all get their turns one after
the other, and none more of the line than one request, or what was out when the others came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Party(Generic[T]):
    """One of those who take turns; compared by identity.

    Attributes:
        owner: Whom it stands for.
        came: Called when the turn has come that was waited for.
    """

    __slots__ = ("came", "owner")

    def __init__(self, owner: T, came: Callable[[], object]) -> None:
        """Nothing is wanted yet."""
        self.owner = owner
        self.came = came


class Turns(Generic[T]):
    """The turns on one line.

    Attributes:
        holder: Whose turn it is; None while the line is free, and then nobody waits.
    """

    __slots__ = (
        "_used",
        "_waiting",
        "holder",
    )

    def __init__(self) -> None:
        """Begin with a line that is free."""
        self.holder: Party[T] | None = None
        self._used = False
        self._waiting: dict[Party[T], None] = {}

    def take(self, party: Party[T]) -> bool:
        """Take the turn for one request, or wait for it.

        Returns:
            Whether the request may go out now. If not, ``party.came`` is called once it may; who
            has the turn already ends it for that first.
        """
        holder = self.holder
        if holder is None or (holder is party and not (self._waiting and self._used)):
            self.holder, self._used = party, True
            return True
        self._waiting[party] = None
        return False

    def seize(self, party: Party[T]) -> None:
        """Take the turn from whoever has it, ahead of all who wait.

        Whose turn it is without a request yet, perhaps without being told, has the next one.
        """
        if self.holder is not None and not self._used:
            self._waiting = {self.holder: None, **self._waiting}
        self.holder, self._used = party, True

    def end(self, party: Party[T]) -> None:
        """Nothing of it is outstanding: the next one's turn has come, if any waits."""
        if self.holder is not party:
            return
        if not self._waiting:  # the most frequent case of all
            self.holder = None
            return
        self.holder = heir = next(iter(self._waiting))
        del self._waiting[heir]
        self._used = False
        # Not from within the work of the one before, which may have more to do.
        asyncio.get_running_loop().call_soon(self._tell, heir)

    def leave(self, party: Party[T]) -> None:
        """It wants no turn any more, and has none."""
        self._waiting.pop(party, None)
        self.end(party)

    @asynccontextmanager
    async def turn(self, owner: T) -> AsyncIterator[None]:
        """The line belongs to nobody else while the block runs; it may be cancelled at any time.

        Args:
            owner: For whom it is.
        """
        came = asyncio.Event()
        party = Party(owner, came.set)
        try:
            if not self.take(party):
                await came.wait()
            yield
        finally:
            self.leave(party)

    def _tell(self, heir: Party[T]) -> None:
        if self.holder is heir:
            heir.came()
