"""The connection itself: made anew when asked to, encrypted, and never a queue without end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from rct_collector.bridge.broker import MOST_WAITING, MqttBroker, MqttSession
from rct_collector.bridge.commands import TopicNames
from tests.bridge.at_work import Bridge
from tests.certificates import certificate
from tests.servers.mosquitto import Mosquitto

TOPICS = TopicNames("inverter")


class Heard:
    """What a session brings."""

    def __init__(self):
        self.messages = []
        self.said = []

    def session(self, port=1):
        broker = MqttBroker(host="127.0.0.1", port=port, client="broker-test")
        return MqttSession(
            broker, TOPICS, self.messages.append, lambda *words: self.said.append(words)
        )

    @property
    def kinds(self):
        return [kind for _, kind, _ in self.said]


@pytest.fixture
def heard():
    return Heard()


def message(payload=b"on", *, retain=False, dup=False):
    return SimpleNamespace(
        topic="inverter/roof/set/buzzer", payload=payload, retain=retain, dup=dup
    )


def test_messages_keep_what_the_broker_says_of_them(heard):
    async def main():
        session = heard.session()
        session.number = 3
        session._message(None, None, message(retain=True))
        session._message(None, None, message(dup=True))
        await asyncio.sleep(0)

    asyncio.run(main())

    assert [(m.retained, m.repeated, m.connection) for m in heard.messages] == [
        (True, False, 3),
        (False, True, 3),
    ]


def test_what_comes_faster_than_it_is_taken_is_dropped(heard):
    async def main():
        session = heard.session()
        for number in range(MOST_WAITING + 50):
            session._message(None, None, message(b"%d" % number))
        await asyncio.sleep(0)
        session._message(None, None, message(b"later"))
        await asyncio.sleep(0)

    asyncio.run(main())

    assert len(heard.messages) == MOST_WAITING + 1
    assert heard.messages[-1].payload == b"later"
    assert heard.kinds == ["flood"] * 50


#: What both generations of paho tell of a refusal, of the connection and of a subscription.
class Reason:
    """Of paho-mqtt 2."""

    def __init__(self, value, text):
        self.value = value
        self._text = text

    def __eq__(self, other):
        return self.value == other

    __hash__ = None

    def __str__(self):
        return self._text


@pytest.mark.parametrize(
    ("reasons", "text"),
    [((5,), "not authorised"), ((Reason(135, "Not authorized"), None), "Not authorized")],
    ids=["1.6", "2"],
)
def test_a_refusal_is_told(heard, reasons, text):
    async def main():
        session = heard.session()
        session._connected(None, None, {}, *reasons)
        await asyncio.sleep(0)
        assert session.number == 0

    asyncio.run(main())
    ((level, kind, said),) = heard.said

    assert (level, kind) == (logging.ERROR, "refused")
    assert said.startswith("mqtt://127.0.0.1:1 refuses us: ")
    assert text in said


@pytest.mark.parametrize("granted", [(1, 0x80), [Reason(1, ""), Reason(135, "")]], ids=["1.6", "2"])
def test_a_subscription_that_is_refused_is_told(heard, granted):
    async def main():
        heard.session()._subscribed(None, None, 1, granted)
        await asyncio.sleep(0)

    asyncio.run(main())

    assert heard.said[0][1:] == (
        "refused",
        "mqtt://127.0.0.1:1 does not let us read inverter/+/set and inverter/+/set/+",
    )


@pytest.mark.parametrize(
    ("reasons", "said"),
    [((0,), 0), ((7,), 1), ((None, Reason(0, "")), 0), ((None, Reason(128, "lost")), 1)],
)
def test_a_connection_that_is_lost_is_told(heard, reasons, said):
    async def main():
        heard.session()._disconnected(None, None, *reasons)
        await asyncio.sleep(0)

    asyncio.run(main())

    assert heard.kinds == ["lost"] * said


@asynccontextmanager
async def connected(heard, port):
    session = heard.session(port)
    session.start()
    try:
        await until(lambda: "connected" in heard.kinds)
        yield session
    finally:
        await session.stop()


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.servers
@pytest.mark.slow
def test_a_connection_is_made_anew(heard, tmp_path):
    async def main(broker):
        async with connected(heard, broker.port) as session:
            assert session.number == 1
            session.renew()
            await until(lambda: heard.kinds.count("connected") == 2)
            broker.publish("inverter/roof/set/buzzer", "on")
            await until(lambda: heard.messages)
            assert heard.messages[0].connection == session.number == 2

    with Mosquitto(tmp_path) as broker:
        asyncio.run(main(broker))


# -- encryption ----------------------------------------------------------------------------------


@pytest.mark.servers
@pytest.mark.slow
def test_the_broker_is_who_it_says(tmp_path):
    """Nobody is trusted but whom we are told to, and only under the name that was meant."""
    key, own = certificate(tmp_path, "localhost")
    tls = f"cafile {own}\ncertfile {own}\nkeyfile {key}\nallow_anonymous true\nuser root\n"
    with Mosquitto(tmp_path / "broker", tls) as broker:
        for number, (host, options, said) in enumerate([
            ("localhost", ("--ca", own), "connected with"),
            ("localhost", (), "self-signed certificate"),
            ("127.0.0.1", ("--ca", own), "IP address mismatch"),
        ]):  # fmt: skip
            folder = tmp_path / str(number)
            folder.mkdir()
            found = Bridge(folder, "--broker", f"mqtts://{host}:{broker.port}", *options)
            with found.running():
                found.says(said)
