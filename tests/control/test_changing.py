"""Settings at the door: who may set, what is told, and to whom."""

import asyncio
import json
import os
import pwd
import sys

import pytest

from rct_collector.control import door
from rct_collector.control.messages import Code
from rct_collector.control.rights import Rights
from rct_collector.device.settings import Gate
from rct_collector.errors import ConfigError, RpcError, TransportError
from tests.toys import settable
from tests.toys.test_settable import Settable
from tests.visiting import visited

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own"
)

WISH = {"name": "float_volts", "value": 54.0}


@pytest.fixture(autouse=True)
def operator(monkeypatch):
    """The caller is a member of the group of those who may set; a test may say otherwise."""

    def become(rights):
        monkeypatch.setattr(door, "rights_of", lambda _caller: rights)

    become(Rights(reads=True, sets=True, governs=True))
    return become


def setting(register, job, unit=None, **more):
    driver = register(settable.DRIVER)
    options = {"driver": driver.name, "writes": ["float_volts"], "labels": {}, **more}
    unit = unit or Settable()
    return unit, visited(job, unit=unit, **options)


async def told(client):
    async with asyncio.timeout(300):
        while True:
            method, params = await anext(client.notifications)
            if method == "setting":
                return params


async def refusal(house, params, method="set"):
    async with await house.client() as client:
        with pytest.raises(RpcError) as caught:
            await client.call(method, params)
    return caught.value


def test_what_may_be_set_is_told(register):
    async def job(house):
        async with await house.client() as client:
            known = await client.call("settings")
            return known, await client.call("settings", {"read": True}), await client.call("status")

    _, (known, read, status) = setting(register, job)
    (item,) = read["settings"]
    assert {key: item[key] for key in ("name", "kind", "low", "high", "step", "value")} == {
        "name": "float_volts", "kind": "number", "low": 48.0, "high": 58.4, "step": 0.1,
        "value": 52.0,
    }  # fmt: skip
    assert (item["enabled"], item["why"]) == (True, "")
    assert known["settings"][0]["name"] == "float_volts"
    assert status["devices"][0]["writes"] == ["float_volts"]


def test_a_family_without_settings_has_none():
    async def job(house):
        async with await house.client() as client:
            found = await client.call("settings", {"read": True})
        return found, await refusal(house, WISH)

    found, error = visited(job)
    assert found == {"settings": []}
    assert error.code == Code.PARAMS
    assert "have no settings that can be written" in error.message


def test_what_becomes_of_it_is_told_to_the_caller_and_to_subscribers_once(register):
    async def job(house):
        async with await house.client() as caller, await house.client() as other:
            async with await house.client() as stranger:
                await other.call("subscribe")
                accepted = await caller.call("set", WISH)
                results = [await told(caller), await told(other)]
                assert stranger._told.empty()
            await caller.call("subscribe")
            await asyncio.sleep(60)
            again = await caller.call("set", {**WISH, "value": 55.0})
            assert (await told(caller))["ticket"] == again["ticket"]
            await asyncio.sleep(60)
            rest = []
            while not caller._told.empty():
                rest.append((await anext(caller.notifications))[0])
            return accepted, results, rest

    unit, (accepted, results, rest) = setting(register, job)
    assert accepted["state"] == "accepted"
    assert results[0] == results[1]
    assert results[0] == {
        "source": "roof",
        "ticket": accepted["ticket"],
        "name": "float_volts",
        "state": "applied",
        "before": 52.0,
        "after": 54.0,
        "why": "",
    }
    assert unit.written == ["volts=54.0", "volts=55.0"]
    assert "setting" not in rest


def test_it_is_done_though_the_caller_has_gone(register):
    async def job(house):
        client = await house.client()
        await client.call("set", WISH)
        await client.close()
        await asyncio.sleep(60)
        gate = house.made.devices[0].settings
        return [(entry.who, entry.result) for entry in gate.journal.entries]

    unit, entries = setting(register, job)
    assert unit.written == ["volts=54.0"]
    ((who, result),) = entries
    assert result == "applied"
    assert ", uid " in who
    assert ", process " in who


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"name": "nothing", "value": 1}, Code.PARAMS, "there is no setting nothing"),
        ({"name": "float_volts", "value": 99}, Code.REFUSED, "float_volts takes"),
        ({"name": "float_volts", "value": "54"}, Code.REFUSED, "float_volts takes"),
        ({"name": "float_volts", "value": True}, Code.REFUSED, "float_volts takes"),
        ({"name": "float_volts", "value": [54]}, Code.PARAMS, "value is a number, a text"),
        ({"name": "float_volts", "value": None}, Code.PARAMS, "value is missing"),
        ({"value": 54}, Code.PARAMS, "name is missing"),
        ({"name": "float_volts"}, Code.PARAMS, "value is missing"),
        ({**WISH, "expect": {}}, Code.PARAMS, "expect is a number, a text"),
    ],
)
def test_what_cannot_be_set_is_refused_at_once(register, params, code, words):
    unit, error = setting(register, lambda house: refusal(house, params))
    assert error.code == code
    assert words in error.message
    assert unit.written == []
    if code == Code.REFUSED:
        assert error.data["right"]


def test_what_the_configuration_does_not_name_is_not_set(register):
    unit, error = setting(register, lambda house: refusal(house, WISH), writes=[])
    assert error.code == Code.NOT_ENABLED
    assert unit.written == []


@pytest.mark.parametrize("rights", [Rights(reads=True), Rights(reads=True, governs=True)])
def test_who_is_no_member_of_the_group_sets_nothing_not_even_root(register, operator, rights):
    async def job(house):
        operator(rights)
        return await refusal(house, WISH)

    unit, error = setting(register, job)
    assert error.code == Code.NOT_PERMITTED
    me = pwd.getpwuid(os.geteuid()).pw_name  # what it takes is told, for this very user
    assert f"usermod --append --groups rct-collector-control {me}" in error.message
    assert unit.written == []


def test_another_value_than_was_expected_refuses(register):
    async def job(house):
        async with await house.client() as client:
            await client.call("set", {**WISH, "expect": 53.0})
            return await told(client)

    unit, result = setting(register, job)
    assert (result["state"], result["before"]) == ("refused", 52.0)
    assert "not 53.0 as expected" in result["why"]
    assert unit.written == []


def test_of_two_who_set_at_once_one_is_told_to_wait(register):
    async def job(house):
        async def attempt(value):
            async with await house.client() as client:
                try:
                    await client.call("set", {**WISH, "value": value})
                except RpcError as error:
                    return error.code
                return (await told(client))["state"]

        return await asyncio.gather(attempt(54.0), attempt(55.0))

    unit, results = setting(register, job)
    assert sorted(map(str, results)) == [str(int(Code.TOO_OFTEN)), "applied"]
    assert len(unit.written) == 1


def test_a_unit_that_is_away_is_not_set(register):
    async def job(house):
        house.plug.refuse = "connection refused"
        house.plug.cut()
        await asyncio.sleep(30)
        async with await house.client() as client:
            try:
                await client.call("set", WISH)
            except RpcError as error:
                return error.code
            result = await told(client)
            return result["state"] if "cannot be read" in result["why"] else None

    unit, result = setting(register, job)
    assert result in (Code.AWAY, "refused")
    assert unit.written == []


def test_a_defect_while_it_is_written_is_told(register, monkeypatch, caplog):
    async def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(Gate, "set", broken)

    async def job(house):
        async with await house.client() as client:
            await client.call("set", WISH)
            return await told(client)

    _, result = setting(register, job)
    assert (result["state"], result["why"]) == ("unknown", "bug: ZeroDivisionError()")
    assert "bug: float_volts of roof" in caplog.text


# -- the configuration ------------------------------------------------------------------------


def test_the_configuration_is_read_again():
    async def job(house):
        async def reload():
            return {"added": ["barn"]}

        async with await house.client() as client:
            with pytest.raises(RpcError, match="no configuration to read again"):
                await client.call("reload")
            house.made.broker.reload = reload
            return await client.call("reload")

    assert visited(job) == {"added": ["barn"]}


def test_who_could_not_end_the_process_does_not_have_it_read_again(operator):
    operator(Rights(reads=True, sets=True))
    assert visited(lambda house: refusal(house, {}, "reload")).code == Code.NOT_PERMITTED


def test_a_wrong_configuration_is_told_with_all_that_is_wrong():
    async def job(house):
        async def reload():
            raise ConfigError(["devices[0]: no name", "devices[1]: no address"])

        house.made.broker.reload = reload
        return await refusal(house, {}, "reload")

    error = visited(job)
    assert error.code == Code.REFUSED
    assert error.data == ["devices[0]: no name", "devices[1]: no address"]


def test_reading_it_again_is_not_left_half_done_by_the_door_that_it_closes():
    done = []

    async def job(house):
        async def reload():
            await house.made.remove("roof")
            await asyncio.sleep(1)
            done.append(True)
            return {"removed": ["roof"]}

        house.made.broker.reload = reload
        async with await house.client() as client:
            assert await client.call("reload") == {"removed": ["roof"]}
            with pytest.raises(TransportError):
                await client.call("status")

    visited(job)
    assert done == [True]


def test_json_is_all_that_is_told(register):
    """So that whoever is at the other end needs no types of ours."""

    async def job(house):
        async with await house.client() as client:
            return [await client.call(name) for name in ("status", "values", "settings")]

    _, found = setting(register, job)
    assert json.loads(json.dumps(found)) == found
