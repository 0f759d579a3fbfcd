"""From a message to the door and back, with a door of the tests and in virtual time."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import pytest

from rct_collector.bridge.commands import LONGEST, Message, TopicNames
from rct_collector.bridge.journal import CommandJournal
from rct_collector.bridge.judge import LOOK_S
from rct_collector.bridge.relay import MOST_ALL, MOST_EACH, OUTCOME_S, Relay
from rct_collector.errors import RpcError, TransportError
from tests.virtual import VirtualClock, VirtualLoop

SETTINGS = [
    {"name": "output_priority", "kind": "choice", "choices": ["utility", "solar", "sbu"]},
    {"name": "max_charge_amperes", "kind": "number", "low": 10, "high": 120, "step": 10},
    {"name": "buzzer", "kind": "flag"},
]


class Door:
    """Takes what is set, and tells the end of it after some seconds.

    Attributes:
        sent: The params of each ``set``.
        fate: What becomes of the next: its last notification; an error of the first answer; or
            None for a door that is lost in between.
    """

    def __init__(self):
        self.sent = []
        self.open = 0
        self.fate = {"state": "applied", "before": "utility", "after": "sbu", "why": ""}
        self.after_s = 2.0

    @asynccontextmanager
    async def opened(self, source):
        if source == "barn":
            raise RpcError(-32004, "nobody on this host collects from barn")
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1

    async def call(self, method, params=None, *, timeout=30.0):  # noqa: ASYNC109
        if method == "settings":
            return {"settings": SETTINGS}
        assert method == "set"
        self.sent.append(params)
        if isinstance(self.fate, Exception):
            raise self.fate
        return {"state": "accepted", "ticket": f"t{len(self.sent)}"}

    @property
    def notifications(self):
        return self._told(f"t{len(self.sent)}")

    async def _told(self, ticket):
        await asyncio.sleep(self.after_s)
        yield "update", {"source": "roof"}
        yield "setting", {"ticket": "another", "state": "applied"}
        if self.fate is not None:
            yield "setting", {"source": "roof", "ticket": ticket, **self.fate}


class Bench:
    """A relay with everything around it."""

    def __init__(self, folder, loop):
        self.folder = folder
        self.door = Door()
        self.answers = []
        self.log = []
        self.shown = []
        self.clock = VirtualClock(loop)
        self.lapse = 0.0
        self.renewed = 0
        self.connection = 1

    def start(self):
        self.relay = Relay(
            topics=TopicNames("inverter"),
            journal=CommandJournal(self.folder, lambda: self.clock.wall() - 100),
            opened=self.door.opened,
            publish=lambda topic, payload: self.answers.append((topic, json.loads(payload))),
            renew=self.renew,
            say=lambda level, kind, text: self.log.append((level, kind, text)),
            show=lambda *shown: self.shown.append(shown),
            wall=self.clock.wall,
            awake=lambda: self.clock.wall() + self.lapse,
        )
        return self.relay

    def renew(self):
        self.renewed += 1
        self.connection += 1
        return self.connection - 1

    def plain(self, value="sbu", name="output_priority", source="roof", **flags):
        flags = {"connection": self.connection, **flags}
        self.relay.take(Message(f"inverter/{source}/set/{name}", str(value).encode(), **flags))

    def call(self, key="7f", value="sbu", age=0.0, source="roof", **more):
        params = {"name": "output_priority", "value": value, "time": self.clock.wall() - age}
        said = {"jsonrpc": "2.0", "id": key, "method": "set", "params": {**params, **more}}
        flags = {"connection": self.connection}
        self.relay.take(Message(f"inverter/{source}/set", json.dumps(said).encode(), **flags))

    @property
    def told(self):
        """State, or rule or code of the error, of each answer."""
        return [state(answer) for _, answer in self.answers]


def state(answer):
    error = answer.get("error")
    if error:
        return (error.get("data") or {}).get("rule", error["code"])
    return (answer.get("result") or answer.get("params"))["state"]


@pytest.fixture
def bench(tmp_path):
    """Runs a coroutine with a bench, in virtual time."""

    def run(story):
        loop = VirtualLoop()
        found = Bench(tmp_path / "state", loop)

        async def main():
            found.start()
            await asyncio.wait_for(story(found), 10_000)
            await found.relay.stop()

        try:
            loop.run_until_complete(main())
        finally:
            loop.close()
        return found

    return run


def test_a_call_goes_to_the_door_and_its_end_comes_back(bench):
    async def story(b):
        b.call(expect="utility")
        await asyncio.sleep(10)

    found = bench(story)

    assert found.door.sent == [
        {"source": "roof", "name": "output_priority", "value": "sbu", "expect": "utility"}
    ]
    assert found.answers == [
        (
            "inverter/roof/result",
            {
                "jsonrpc": "2.0",
                "id": "7f",
                "result": {"state": "accepted", "ticket": "t1", "name": "output_priority"},
            },
        ),
        (
            "inverter/roof/result",
            {
                "jsonrpc": "2.0",
                "method": "setting",
                "params": {
                    "id": "7f",
                    "source": "roof",
                    "name": "output_priority",
                    "ticket": "t1",
                    "state": "applied",
                    "before": "utility",
                    "after": "sbu",
                    "why": "",
                },
            },
        ),
    ]
    assert found.door.open == 0
    assert found.shown == [("roof", "output_priority", "sbu")]


def test_plain_values_get_the_type_of_the_setting(bench):
    async def story(b):
        b.plain("sbu")
        b.plain("60", "max_charge_amperes")
        b.plain("ON", "buzzer")
        await asyncio.sleep(20)

    found = bench(story)

    assert [params["value"] for params in found.door.sent] == ["sbu", 60, True]
    assert [
        answer.get("id", answer.get("params", {}).get("id")) for _, answer in found.answers
    ] == [None] * 6


def test_a_setting_that_there_is_not(bench):
    async def story(b):
        b.plain("1", "battery_type")
        await asyncio.sleep(1)

    found = bench(story)

    assert found.door.sent == []
    ((_, answer),) = found.answers
    assert answer["error"]["message"].startswith("there is no setting battery_type; there are: out")
    assert answer["error"]["data"] == {"name": "battery_type"}


#: What a door may refuse with; it goes back as it is.
REFUSALS = [
    RpcError(-32001, "not permitted"),
    RpcError(-32002, "not enabled"),
    RpcError(-32003, "out of range", {"rule": "range", "right": "10 to 120"}),
    RpcError(-32005, "too often"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: error.message)
def test_what_the_door_refuses_goes_back(bench, error):
    async def story(b):
        b.door.fate = error
        b.call()
        await asyncio.sleep(1)

    found = bench(story)
    ((_, answer),) = found.answers

    assert answer["id"] == "7f"
    assert (answer["error"]["code"], answer["error"]["message"]) == (error.code, error.message)
    assert answer["error"]["data"] == {**(error.data or {}), "name": "output_priority"}


def test_a_device_that_nobody_collects_from(bench):
    async def story(b):
        b.call(source="barn")
        b.plain(source="barn")
        await asyncio.sleep(1)

    found = bench(story)

    assert found.told == [-32004, -32004]
    assert {topic for topic, _ in found.answers} == {"inverter/barn/result"}


# -- hostile commands ----------------------------------------------------------------------------

HOSTILE = {
    "retained": lambda b: b.plain(retained=True),
    "age": lambda b: b.call(age=61),
    "replay": lambda b: b.plain(repeated=True),
    -32602: lambda b: b.plain("x" * 65),
    -32600: lambda b: b.plain("x" * (LONGEST + 1)),
}


@pytest.mark.parametrize("rule", HOSTILE)
def test_hostile_commands_reach_no_door(bench, rule):
    async def story(b):
        HOSTILE[rule](b)
        await asyncio.sleep(100)

    found = bench(story)

    assert found.door.sent == []
    assert found.told == [rule]


def test_a_replayed_command_is_done_once(bench):
    async def story(b):
        for _ in range(3):
            b.call()
        await asyncio.sleep(10)
        b.call()
        await asyncio.sleep(10)

    found = bench(story)

    assert len(found.door.sent) == 1
    assert found.told.count("replay") == 3


@pytest.mark.slow
def test_a_flood_is_refused_beyond_a_number(bench):
    async def story(b):
        for number in range(1000):
            b.call(key=number, source=f"device{number % 10}")
        assert len(b.relay._tasks) == MOST_ALL
        await asyncio.sleep(1000)

    found = bench(story)

    assert len(found.door.sent) <= MOST_ALL
    assert found.told.count(-32005) == 1000 - MOST_ALL
    assert len(found.relay._turns) == 0


def test_one_device_leaves_room_for_others(bench):
    async def story(b):
        for number in range(MOST_EACH + 5):
            b.call(key=number)
        b.call(key="other", source="shed")
        await asyncio.sleep(200)

    found = bench(story)

    assert found.told.count(-32005) == 5
    assert "shed" in {params["source"] for params in found.door.sent}


def test_one_at_a_time_and_what_waits_grows_old(bench):
    async def story(b):
        b.door.after_s = 50.0
        for number in range(4):
            b.call(key=number)
        await asyncio.sleep(1)
        assert (len(b.door.sent), b.door.open) == (1, 1)
        await asyncio.sleep(500)

    found = bench(story)

    assert len(found.door.sent) == 2
    assert found.told.count("age") == 2


def test_plain_values_of_a_host_that_was_asleep_are_refused(bench):
    async def story(b):
        await asyncio.sleep(LOOK_S)
        b.relay.look()
        b.lapse = 600.0
        b.plain()  # it lay in our own system
        b.plain(connection=b.connection - 1)  # and so did this
        b.call()  # this one tells its time
        b.plain("solar")  # by the new connection
        await asyncio.sleep(10)

    found = bench(story)

    assert found.renewed == 1
    assert [params["value"] for params in found.door.sent] == ["sbu", "solar"]
    assert found.told[:2] == ["age", "age"]


def test_what_comes_astray_is_told_to_nobody(bench):
    async def story(b):
        b.relay.take(Message("inverter/../set", b"x"))

    found = bench(story)

    assert found.answers == []
    assert found.log == [
        (logging.WARNING, "misread", "'inverter/../set': 'inverter/../set' is no topic of a device")
    ]


# -- what nobody knows ---------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [TransportError("hung up"), None], ids=["at once", "later"])
def test_a_door_that_is_lost_leaves_the_end_unknown(bench, fate):
    async def story(b):
        b.door.fate = fate
        b.call()
        await asyncio.sleep(100)

    found = bench(story)

    assert len(found.door.sent) == 1
    assert found.told[-1] == "unknown"
    assert "may have been done, and is not done again" in found.answers[-1][1]["params"]["why"]


def test_a_door_that_tells_no_end(bench):
    async def story(b):
        b.door.after_s = 10 * OUTCOME_S
        b.call()
        await asyncio.sleep(OUTCOME_S + 1)

    assert bench(story).told == ["accepted", "unknown"]


def test_a_bridge_that_is_told_to_end_tells_it(bench):
    async def story(b):
        b.call()
        await asyncio.sleep(1)
        await b.relay.stop()

    found = bench(story)

    assert found.told == ["accepted", "unknown"]


@pytest.mark.parametrize("when", ["before the answer", "before the end"])
def test_what_was_sent_once_is_never_sent_again(bench, when):
    """Killed in the middle: another one takes up the same journal, and the command comes again."""

    async def story(b):
        b.door.after_s = 1e9
        if when == "before the answer":
            b.door.call = slow(b.door)
        b.call()
        b.plain("1", "buzzer", source="shed")
        await asyncio.sleep(1)
        killed, before = b.relay, list(b.door.sent)  # it says no more
        b.answers.clear()
        b.start()
        b.relay.take_up()
        assert {(topic, state(answer)) for topic, answer in b.answers} == {
            ("inverter/roof/result", "unknown"),
            ("inverter/shed/result", "unknown"),
        }
        b.call()
        await asyncio.sleep(1)
        assert b.told[2:] == ["replay"]
        assert b.door.sent == before
        await killed.stop()

    bench(story)


def slow(door):
    """A door that never answers what is set."""
    call = door.call

    async def held(method, params=None, **more):
        answer = await call(method, params, **more)
        if method == "set":
            await asyncio.sleep(1e9)
        return answer

    return held


def test_without_a_journal_nothing_is_done(bench):
    async def story(b):
        b.folder.parent.mkdir(parents=True, exist_ok=True)
        b.folder.write_text("a file in its place")
        b.call()
        await asyncio.sleep(1)

    found = bench(story)

    assert found.door.sent == []
    assert found.told == [-32603]
    assert "cannot be noted" in found.answers[0][1]["error"]["message"]
