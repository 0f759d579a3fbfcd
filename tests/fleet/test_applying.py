"""The devices of a file brought into a fleet: only what differs, and nothing that is wrong."""

import asyncio
import json

import pytest

from rct_collector.config import interpret
from rct_collector.errors import ConfigError
from rct_collector.fleet.applying import compare, devices_of, write
from rct_collector.fleet.engine import EngineError
from rct_collector.fleet.keys import FleetKeys
from rct_collector.fleet.sharding import shard_of
from tests.fleet.memory import MemoryEngine

PREFIX = "/rct-collector/v1"
KEYS = FleetKeys(PREFIX)


def text(**devices):
    """A file: name → address, or more lines."""
    lines = ["devices:"]
    for name, address in devices.items():
        lines += [f"- name: {name}", "  driver: rct", f"  address: {address}"]
    return "\n".join(lines)


def read(content):
    return devices_of(interpret(content.encode(), "devices.yaml"), "devices.yaml")


def apply(engine, content, shards=None, *, is_other=False):
    """What was said of it."""

    async def main():
        found = await compare(engine, PREFIX, read(content), shards, is_other=is_other)
        await write(engine, PREFIX, found)
        return found

    return asyncio.run(main())


def names(engine):
    """Shard → names of its devices."""
    return {
        int(key.rpartition("/")[2]): {item["name"] for item in json.loads(entry.value)}
        for key, entry in engine.store.entries.items()
        if key.startswith(KEYS.devices)
    }


MANY = {f"d{n}": f"tcp://192.0.2.{n}" for n in range(1, 101)}


def test_a_fleet_is_made():
    engine = MemoryEngine()
    found = apply(engine, text(**MANY), 16)
    assert json.loads(engine.store.entries[KEYS.settings].value) == {"shards": 16}
    assert set.union(*names(engine).values()) == set(MANY)
    for n, address in MANY.items():
        key = f"tcp/{address.removeprefix('tcp://')}/8899"
        (placed,) = read(text(**{n: address}))
        assert placed.key == key
        assert n in names(engine)[shard_of(key, 16)]
    assert found.words == ("100 devices in 16 shards: 100 new, 0 gone, 0 changed, 0 as they were")
    assert "+ d7 at tcp://192.0.2.7" in list(found)
    assert apply(MemoryEngine(), text(**MANY)).shards == 4096


def test_only_shards_that_differ_are_written():
    engine = MemoryEngine()
    apply(engine, text(**MANY), 16)
    engine.written.clear()
    assert list(apply(engine, text(**dict(reversed(MANY.items()))))) == []
    assert engine.written == []
    changed = {**MANY, "d1": "tcp://192.0.2.1\n  cells: yes", "new": "tcp://198.51.100.1"}
    del changed["d2"]
    found = apply(engine, text(**changed), 16)
    assert list(found) == ["~ d1: cells", "- d2 at tcp://192.0.2.2", "+ new at tcp://198.51.100.1"]
    assert found.words == "100 devices in 16 shards: 1 new, 1 gone, 1 changed, 98 as they were"
    assert 1 <= len(engine.written) <= 3
    assert set.union(*names(engine).values()) == set(changed)


def test_a_device_that_has_moved_is_in_one_shard():
    engine = MemoryEngine()
    apply(engine, text(**MANY), 16)
    found = apply(engine, text(**{**MANY, "d1": "tcp://203.0.113.9"}))
    assert list(found) == ["~ d1: address 'tcp://192.0.2.1' → 'tcp://203.0.113.9'"]
    assert sum("d1" in there for there in names(engine).values()) == 1


def test_two_names_of_one_line_are_in_one_shard():
    content = text(a="tcp://192.0.2.1", b="tcp://192.0.2.1:8899")
    with pytest.raises(ConfigError, match="ask a device only once"):
        read(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "devices.yaml: is empty"),
        ("devices: []", "devices: found [], expected a list with at least one device"),
        ("devices: [{name: a}]", "driver is missing"),
        ("log_level: info\ndevices: []", "devices.yaml: log_level: found it beside devices"),
        ("fleet: {etcd: [http://a]}", "devices.yaml: fleet: found it beside devices"),
        (
            "devices: [{name: a, driver: voltronic, address: 'serial:///dev/ttyUSB0'}]",
            "devices[0].address: found 'serial:///dev/ttyUSB0', expected one that leads to the"
            " device from every host of the fleet: tcp or listen://",
        ),
    ],
)
def test_a_file_with_a_mistake(content, said):
    with pytest.raises(ConfigError) as caught:
        read(content)
    assert said in str(caught.value)


def test_the_number_of_shards_stays():
    engine = MemoryEngine()
    apply(engine, text(**MANY), 16)
    engine.written.clear()
    with pytest.raises(ConfigError) as caught:
        apply(engine, text(**MANY), 32)
    assert str(caught.value).startswith(
        "--shards: found 32, expected 16 as /rct-collector/v1/settings says"
    )
    assert engine.written == []


def test_the_file_of_another_fleet():
    engine = MemoryEngine()
    apply(engine, text(**MANY), 16)
    other = text(x="tcp://203.0.113.9")
    with pytest.raises(ConfigError, match="none of the 100 devices .* --replace if it is meant"):
        apply(engine, other)
    assert apply(engine, other, is_other=True).count == 1
    assert set.union(*names(engine).values()) == {"x"}


def test_the_keys_of_something_else():
    engine = MemoryEngine()
    asyncio.run(engine.put(KEYS.settings, b"mine"))
    with pytest.raises(EngineError, match="is the prefix that of something else"):
        apply(engine, text(**MANY))


def test_keys_that_are_of_no_shard_are_left_alone():
    engine = MemoryEngine()
    apply(engine, text(**MANY), 16)
    for last, value in {"x": b"", "03": b"[]", "٣": b"[]", "x/3": b'[{"name": "other"}]'}.items():
        asyncio.run(engine.put(f"{KEYS.devices}{last}", value))
    engine.written.clear()
    found = apply(engine, text(**{**MANY, "new": "tcp://198.51.100.1"}))
    assert list(found) == ["+ new at tcp://198.51.100.1"]
    assert found.count == 101
    assert len(engine.written) == 1
    assert engine.store.entries[f"{KEYS.devices}x/3"].value == b'[{"name": "other"}]'


def test_two_apply_at_the_same_time():
    """The later one changes nothing that it has not seen."""
    engine = MemoryEngine()
    apply(engine, text(**MANY), 16)

    async def main():
        one = text(**{**MANY, "d1": "tcp://192.0.2.1\n  cells: yes"})
        found = await compare(engine, PREFIX, read(one), None, is_other=False)
        ((number, _),) = found.writes.items()
        engine.store.put(f"{KEYS.devices}{number}", b"[]")
        with pytest.raises(EngineError) as caught:
            await write(engine, PREFIX, found)
        assert str(caught.value) == (
            f"1 of 1 shards were not written: somebody else has written {KEYS.devices}{number} at"
            " the same time; apply again"
        )

    asyncio.run(main())
