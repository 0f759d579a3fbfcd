"""What is kept under the keys of a fleet, and what of it is not ours."""

import pytest

from rct_collector.fleet.engine import EngineError, Entry
from rct_collector.fleet.keys import (
    FleetMember,
    devices_for,
    devices_in,
    member_for,
    member_in,
    number_of,
    settings_for,
    shards_in,
)


def entry(value, key="/fleet/x/7"):
    return Entry(key, value, 1, 1, 0)


def test_all_comes_back_as_it_was():
    devices = [{"name": "a", "address": "tcp://192.0.2.1"}, {"name": "ö", "labels": {"x": "no"}}]
    assert shards_in(entry(settings_for(4096))) == 4096
    assert devices_in(entry(devices_for(devices))) == devices
    member = FleetMember("7", "one", 2.5, "1.2")
    assert member_in(entry(member_for(member))) == member


def test_what_is_the_same_is_kept_alike():
    """However it is ordered, so that only what differs is written."""
    one, other = {"name": "a", "x": 1}, {"x": 1, "name": "a"}
    assert devices_for([one, {"name": "b"}]) == devices_for([{"name": "b"}, other])


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"7", b"[]", b"{}", b'{"shards": 0}', b'{"shards": "9"}', b'{"shards": true}',
     b'{"shards": 1.5}', b'{"shards": 99999999}'],
)  # fmt: skip
def test_settings_of_something_else(value):
    with pytest.raises(EngineError, match="/fleet/x/7: found .*, expected .*of something else"):
        shards_in(entry(value))


@pytest.mark.parametrize("value", [b"", b"{", b"{}", b"[1]", b'"x"'])
def test_devices_of_something_else(value):
    with pytest.raises(EngineError, match="/fleet/x/7: found .*, expected a list of devices"):
        devices_in(entry(value))


@pytest.mark.parametrize(
    "value",
    [b"", b"[]", b"{}", b'{"weight": "2"}', b'{"weight": -1}', b'{"weight": true}',
     b'{"weight": 1%s}' % (400 * b"0"), b'{"weight": 1e999}', b'{"weight": NaN}',
     20_000 * b"["],
    ids=lambda value: value[:14].decode(),
)  # fmt: skip
def test_a_member_that_tells_nothing_takes_nothing(value):
    assert member_in(entry(value)) == FleetMember("7", "", 0.0, "")


@pytest.mark.parametrize(
    ("key", "number"),
    [("/a/shard/17", 17), ("/a/shard/0", 0), ("/a/shard/", -1), ("/a/shard/x", -1), ("²", -1),
     ("/a/shard/03", -1), ("/a/shard/٣", -1), ("/a/shard/b/3", -1), ("/b/shard/3", -1), ("3", -1),
     ("/a/shard/" + 5000 * "9", -1), ("/a/shard/-1", -1)],
)  # fmt: skip
def test_numbers_of_shards(key, number):
    assert number_of(key, "/a/shard/") == number
