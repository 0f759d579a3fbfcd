"""A command that takes from an agent what that reads, when the agent ends meanwhile."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from rct_collector.cli import collect
from rct_collector.control.following import Following, Owners
from rct_collector.errors import BusyError, NobodyError, TransportError
from rct_collector.model import Health
from tests.virtual import run


class Dying:
    """Follows an owner who ends while it asks the unit for our sake."""

    trouble, early, wider, health = "", False, True, Health()

    def __init__(self):
        self.known = asyncio.Event()
        self.known.set()

    async def run(self, _busy):
        await asyncio.sleep(0.5)
        return 0

    async def asking(self):
        raise TransportError("it has hung up")


@pytest.mark.parametrize("answered", [False, True])
def test_what_the_owner_could_not_finish_is_not_taken_for_all(answered):
    """Nobody has the device any more then, so that it is read from here."""

    async def main(_loop):
        snapshot = SimpleNamespace(rounds=1, answered=answered, trouble="")
        return await collect._through_owner(Dying(), snapshot, BusyError("taken"), 60.0)

    assert run(main) is None


def test_what_one_owner_knew_is_not_waited_for_as_that_of_the_next():
    async def main(_loop):
        async def nobody(_door, **_more):
            raise NobodyError("gone")

        following = Following(SimpleNamespace(name="roof"), Owners(nobody))
        following.known.set()
        await following.run(BusyError("taken", b"\0rct-collector/tcp/192.0.2.10/8899"))
        return following.known.is_set()

    assert not run(main)
