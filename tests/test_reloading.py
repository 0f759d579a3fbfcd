"""A configuration read again: what differs is done, mistakes change nothing, all is told."""

from __future__ import annotations

import asyncio
import logging
import os
import threading

import pytest

from rct_collector.collector import Applied, Collector
from rct_collector.config import Config
from rct_collector.device.options import Options
from rct_collector.errors import ConfigError
from rct_collector.reloading import MOST_NAMED, Reloading, Version, in_words
from tests.virtual import AtOnce, Recorder, run


def entry(name):
    return {"name": name, "driver": "rct", "address": f"tcp://{name}.test"}


def parsed(*names, **more):
    return Config.parse({"devices": [entry(name) for name in names], **more})


EMPTY = Config()


def reloaded(*pairs, caplog=None):
    """What comes of it, for (before, after) of each configuration of a process."""

    async def main(loop):
        loop.set_default_executor(AtOnce())
        made = [Collector(before, Recorder(), Options(lock=False)) for before, _ in pairs]
        reloading = Reloading(lambda: [after for _, after in pairs], lambda: made)
        found = await reloading()
        return found, [[device.name for device in one.devices] for one in made], made

    return run(main)


def test_what_differs_is_applied_and_told(caplog):
    with caplog.at_level(logging.INFO):
        found, names, _ = reloaded((parsed("roof", "barn"), parsed("barn", "shed")))
    assert found == Applied(("shed",), ("roof",), (), ("barn",), {})
    assert sorted(names[0]) == ["barn", "shed"]
    assert [record.getMessage() for record in caplog.records] == [
        "the configuration was read again: 1 device added (shed), 1 removed (roof), 1 unchanged"
    ]


def test_all_configurations_of_a_process_are_one(caplog):
    with caplog.at_level(logging.INFO):
        found, names, _ = reloaded(
            (parsed("roof"), parsed("roof", "attic")),
            (parsed("barn"), EMPTY),
            (EMPTY, parsed("shed")),
        )
    assert found == Applied(("attic", "shed"), ("barn",), (), ("roof",), {})
    assert names == [["roof", "attic"], [], ["shed"]]


@pytest.mark.parametrize(
    ("option", "new", "shown", "stays"),
    [("prefix", "solar", "solar", "inverter"), ("home_assistant", True, "true", False)],
)
def test_what_cannot_change_is_told_and_stays(caplog, option, new, shown, stays):
    with caplog.at_level(logging.WARNING):
        found, _, (made,) = reloaded((parsed("roof"), parsed("roof", **{option: new})))
    (told,) = found.later
    assert told.startswith(f"{option}: {shown} counts from the next start on, since ")
    assert [record.getMessage() for record in caplog.records] == [told]
    assert getattr(made.config, option) == stays


def test_where_nothing_was_published_nothing_is_renamed():
    found, _, (made,) = reloaded((EMPTY, parsed("roof", prefix="solar")))
    assert not found.later
    assert made.config.prefix == "solar"


def test_a_mistake_changes_nothing_and_is_told(caplog):
    async def main(loop):
        loop.set_default_executor(AtOnce())
        made = Collector(parsed("roof"), Recorder(), Options(lock=False))

        def read():
            raise ConfigError(["file: devices[0].name: found 3", "file: prefix: found 4"])

        reloading = Reloading(read, lambda: [made])
        with pytest.raises(ConfigError, match="prefix"):
            await reloading()
        reloading.begin()
        await asyncio.sleep(1)
        return [device.name for device in made.devices]

    with caplog.at_level(logging.ERROR):
        assert run(main) == ["roof"]
    assert [record.getMessage() for record in caplog.records] == 2 * [
        "file: devices[0].name: found 3",
        "file: prefix: found 4",
        "the configuration is wrong; going on with the one before",
    ]


def test_it_is_read_in_another_thread_one_after_the_other():
    """A large file takes a second, in which devices go on; and the last one counts."""
    threads, order = [], []
    begun, go_on = threading.Event(), threading.Event()

    async def main():
        made = Collector(parsed("roof"), Recorder(), Options(lock=False))
        versions = iter([parsed("roof", "one"), parsed("roof", "two")])

        def read():
            threads.append(threading.current_thread())
            begun.set()
            assert go_on.wait(30)
            return [next(versions)]

        reloading = Reloading(read, lambda: [made])

        async def ask():
            order.append((await reloading()).added)

        asked = [asyncio.create_task(ask())]
        await asyncio.to_thread(begun.wait, 30)
        asked += [asyncio.create_task(ask()) for _ in range(3)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*asked)
        return [device.name for device in made.devices]

    assert asyncio.run(main()) == ["roof", "two"]
    assert order == [("one",), *[("two",)] * 3], "who asks meanwhile is content with the next"
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_who_gives_up_waiting_does_not_stop_it():
    go_on = threading.Event()

    async def main():
        made = Collector(parsed("roof"), Recorder(), Options(lock=False))

        def read():
            assert go_on.wait(30)
            return [parsed("roof", "barn")]

        reloading = Reloading(read, lambda: [made])
        asking = asyncio.create_task(reloading())
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        go_on.set()
        while len(made.devices) < 2:
            await asyncio.sleep(0)
        return [device.name for device in made.devices]

    assert asyncio.run(main()) == ["roof", "barn"]


def test_a_long_list_of_names_is_cut_short():
    names = tuple(f"unit{n}" for n in range(100))
    text = in_words(Applied((), (), names, (), {"x": "why"}))
    assert "100 devices changed (unit0, unit1, unit2" in text
    assert f"{100 - MOST_NAMED} more), 1 refused (x)" in text
    assert in_words(Applied((), (), (), (), {})) == "no device"


# -- whether a file has changed --------------------------------------------------------------------


def write(path):
    path.write_text("other")


def replace(path):
    (path.parent / "draft").write_text("1234")
    os.replace(path.parent / "draft", path)  # noqa: PTH105


def touch(path):
    os.utime(path, (1, 1))


@pytest.mark.parametrize("change", [write, replace, touch])
def test_a_change_of_a_file_is_told_once(tmp_path, change):
    path = tmp_path / "config.yaml"
    path.write_text("1234")
    version = Version(path)
    assert not version.has_changed()
    change(path)
    assert version.has_changed()
    assert not version.has_changed()


def test_a_file_that_is_gone_for_a_moment_has_not_changed(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("1234")
    version = Version(path)
    path.rename(tmp_path / "away")
    assert not version.has_changed()
    (tmp_path / "away").rename(path)
    version.has_changed()  # a rename is a change to some file systems
    path.unlink()
    path.write_text("12345")
    assert version.has_changed()


def test_a_pipe_never_changes(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    version = Version(path)
    os.utime(path, (1, 1))
    assert not version.has_changed()
