"""What stays is left out of the search for garbage, and what may have become garbage is not."""

import asyncio
import gc
import weakref

import pytest

from rct_collector import process
from tests.virtual import run


@pytest.fixture(autouse=True)
def unfrozen():
    yield
    gc.unfreeze()


class Ring:
    """Garbage that only a search finds."""

    def __init__(self):
        self.itself = self


def test_what_is_there_is_not_searched_again_and_what_comes_later_is():
    stays = [Ring() for _ in range(1000)]

    async def main(loop):
        process.settle(loop)
        assert len(gc.get_objects()) < 1000 < gc.get_freeze_count()
        later = Ring()
        gone = weakref.ref(later)
        del later
        gc.collect()
        assert gone() is None

    run(main)
    assert len(stays) == 1000


def test_what_the_first_rounds_have_made_is_left_out_as_well():
    async def main(loop):
        process.settle(loop)
        made = [Ring() for _ in range(1000)]
        before = gc.get_freeze_count()
        await asyncio.sleep(process.SETTLED_S + 1)
        assert gc.get_freeze_count() >= before + len(made)

    run(main)


def test_what_was_removed_is_found_once_the_configuration_was_read_again():
    async def main(loop):
        device = Ring()
        gone = weakref.ref(device)
        process.settle(loop)
        del device
        gc.collect()
        assert gone() is not None
        process.unsettle(loop)
        await asyncio.sleep(process.SETTLED_S + 1)
        assert gone() is None
        assert gc.get_freeze_count() > 1000

    run(main)
