"""Present values at the broker: each once, and again where a new connection may have lost it."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.adapter.home_assistant import settables
from rct_collector.bridge import mirror as module
from rct_collector.bridge.commands import SetCommand, TopicNames, typed
from rct_collector.bridge.mirror import READ_S, Mirror
from rct_collector.control.doors import Door, Seen
from rct_collector.errors import TransportError


@pytest.mark.parametrize(
    ("value", "kind"),
    [("sbu", "choice"), (True, "flag"), (False, "flag"), (60, "number"), (53.8, "number")],
)
def test_values_are_plain_and_may_come_back_as_they_are(value, kind):
    published = []
    found = Mirror(TopicNames("inverter"), lambda *sent: published.append(sent), lambda: 0.0)
    found.show("roof", "x", value)
    ((topic, payload),) = published

    assert topic == "inverter/roof/setting/x"
    assert typed(SetCommand("roof", "x", payload.decode()), {"kind": kind}) == value


SETTINGS = [
    {"name": "output_priority", "enabled": True, "value": "sbu"},
    {"name": "buzzer", "enabled": True, "value": None},
    {"name": "battery_type", "enabled": False, "value": "user"},
]


class Doors:
    """What there is to ask, and what was asked."""

    def __init__(self, monkeypatch):
        self.asked = []
        self.fails = False
        monkeypatch.setattr(module, "survey", self.survey)
        monkeypatch.setattr(module, "Client", self)

    async def survey(self):
        status = {"devices": [{"source": "roof", "writes": ["buzzer"]}, {"source": "barn"}]}
        return [Seen(Door(b"x", 0, 1), status), Seen(Door(b"y", 0, 2), None, "away")]

    async def connect(self, name):
        assert name == b"x"
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def call(self, method, params, *, timeout):  # noqa: ASYNC109
        if self.fails:
            raise TransportError("away")
        self.asked.append((method, params["source"], params["read"]))
        return {"settings": SETTINGS}


@pytest.fixture
def doors(monkeypatch):
    return Doors(monkeypatch)


def test_what_may_be_set_is_shown_once(doors):
    now, published = 0.0, []
    found = Mirror(TopicNames("inverter"), lambda *sent: published.append(sent), lambda: now)

    asyncio.run(found.refresh(1))
    assert published == [("inverter/roof/setting/output_priority", b"sbu")]
    now = READ_S - 1
    asyncio.run(found.refresh(1))
    assert len(published) == 1
    found.show("roof", "output_priority", "solar")
    assert published[-1] == ("inverter/roof/setting/output_priority", b"solar")
    now = READ_S
    asyncio.run(found.refresh(2))  # a broker that may have been started anew
    assert len(published) == 3

    assert doors.asked == [("settings", "roof", read) for read in (True, False, True)]


def test_a_door_that_fails_is_asked_again(doors):
    published = []
    found = Mirror(TopicNames("inverter"), lambda *sent: published.append(sent), lambda: 0.0)
    doors.fails = True
    asyncio.run(found.refresh(1))
    assert published == []
    doors.fails = False
    asyncio.run(found.refresh(1))

    assert doors.asked == [("settings", "roof", True)]
    assert len(published) == 1


def test_home_assistant_is_told_of_these_topics():
    """It sends to where commands are taken, and looks where values are."""
    topics = TopicNames(settables.ROOT)

    assert topics.availability == settables.BRIDGE
    assert settables.state_topic("roof", "buzzer") == topics.setting("roof", "buzzer")
    assert topics.split(settables.command_topic("roof", "buzzer")) == ("roof", "buzzer")
