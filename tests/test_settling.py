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
    gc.set_threshold(process.USUALLY)
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # as it was: what the collection of tests has made


class Ring:
    """Garbage that only a search finds."""

    def __init__(self):
        self.itself = self


def searched(objects):
    """How many of them a full search looks at."""
    found = set(map(id, gc.get_objects()))
    return sum(id(item) in found for item in objects)


def test_what_is_there_is_not_searched_again_and_what_comes_later_is():
    stays = [Ring() for _ in range(1000)]

    async def main(loop):
        process.settle(loop)
        assert searched(stays) == 0
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
        assert searched(made) == 1000
        await asyncio.sleep(process.SETTLED_S + 1)
        assert searched(made) == 0

    run(main)


def test_what_was_removed_is_found_once_the_configuration_was_read_again():
    async def main(loop):
        device, stays = Ring(), Ring()
        gone = weakref.ref(device)
        process.settle(loop)
        del device
        gc.collect()
        assert gone() is not None
        process.unsettle(loop)
        assert searched([stays]) == 1
        await asyncio.sleep(process.SETTLED_S + 1)
        assert gone() is None
        assert searched([stays]) == 0

    run(main)


def test_it_is_seldom_searched_while_devices_learn_and_as_usual_afterwards():
    def searches():
        """How often, while some thousand objects are made that stay."""
        before, count = gc.get_stats()[0]["collections"], 7 * process.USUALLY
        made = [Ring() for _ in range(count)]
        assert len(made) == count < process.WHILE_LEARNING
        return gc.get_stats()[0]["collections"] - before

    async def main(loop):
        process.settle(loop)
        learning = searches()
        await asyncio.sleep(process.SETTLED_S + 1)
        return learning, searches()

    learning, later = run(main)
    assert learning <= 1
    assert later >= 5
