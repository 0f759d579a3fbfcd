"""From the broker to a simulated unit and back, through a collector's own door and gate."""

from __future__ import annotations

import asyncio
import json
import os
import threading

import pytest

from rct_collector.adapter.home_assistant.settables import settable
from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.control import door
from rct_collector.control.rights import Rights
from rct_collector.device import journal
from rct_collector.device.options import Options
from rct_collector.simulator import SimulatedInverter
from tests import home_assistant
from tests.bridge.at_work import Bridge, call
from tests.memory import MemoryPlug
from tests.processes import wait_for
from tests.servers.mosquitto import Mosquitto

pytestmark = [pytest.mark.servers, pytest.mark.slow]

#: A device that no other process of the tests has.
NAME = f"house-{os.getpid()}"


class Collected:
    """A collector of a simulated unit, in a thread of its own.

    Attributes:
        writes: Commands that the unit was written, and how often.
    """

    def __init__(self, folder):
        self._folder = folder
        self._started = threading.Event()

    def entity(self, name):
        """What Home Assistant is told of one setting."""
        described = self._collector.device(NAME).settings.describe()
        return settable(NAME, next(item for item in described if item["name"] == name))

    def __enter__(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._started.wait(30)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    async def _run(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        unit = SimulatedInverter("sbu", driver="voltronic", seed=1, dialect="pi30max", rate=1e6)
        unit.bridge.unit.shows_after = 0.1
        self.writes = unit.bridge.observed.writes
        config = Config.parse({
            "devices": [{
                "name": NAME, "driver": "voltronic", "address": f"tcp://{NAME}.test:1",
                "writes": ["output_priority"],
            }],
        })  # fmt: skip
        options = Options(opener=MemoryPlug(unit), state_dir=self._folder)
        self._collector = Collector(config, lambda _: None, options)
        running = asyncio.create_task(self._collector.run())
        self._started.set()
        await self._end.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        unit.hub().close()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Broker, bridge and collector; whoever is a member of the group is not looked at."""
    folder = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "APART_S", 3600.0)  # however slow this host is
        patch.setattr(door, "rights_of", lambda _: Rights(reads=True, sets=True))
        with Mosquitto(folder / "mosquitto") as broker, Collected(folder / "unit") as found:
            found.broker = broker
            bridge = Bridge(folder, "--broker", f"mqtt://127.0.0.1:{broker.port}")
            with bridge.running():
                bridge.says("connected with")
                found.bridge = bridge
                yield found


def test_the_output_priority_is_set_and_refused_where_it_must_be(house):
    topic = f"inverter/{NAME}"
    shown = f"{topic}/setting/output_priority"
    with house.broker.subscribed(f"{topic}/#") as received:

        def told():
            return [json.loads(text) for name, text in received if name == f"{topic}/result"]

        assert wait_for(lambda: (shown, b"sbu") in received), house.bridge.log.read_text()
        house.broker.publish(f"{topic}/set", call("1", "utility", expect="solar"))
        assert wait_for(lambda: len(told()) == 2)  # another value was believed in
        select = house.entity("output_priority")  # somebody chooses, in Home Assistant
        house.broker.publish(select["command_topic"], select["options"][0])
        assert wait_for(lambda: len(told()) == 4), told()
        assert wait_for(lambda: (shown, b"utility") in received)
        assert home_assistant.state(select, dict(received)[select["state_topic"]]) == "utility"
        house.broker.publish(f"{topic}/set", call("2", "sbu"))
        house.broker.publish(f"{topic}/set/output_priority", "nuclear")
        house.broker.publish(f"{topic}/set/buzzer", "off")
        house.broker.publish(f"{topic}/set/battery_type", "agm")
        assert wait_for(lambda: len(told()) == 8), told()
    states = [answer["params"] for answer in told() if "params" in answer]
    errors = [answer["error"] for answer in told() if "error" in answer]

    assert dict(house.writes) == {"POP00": 1}
    assert [(item["state"], item["before"], item["after"]) for item in states] == [
        ("refused", "sbu", "sbu"),
        ("applied", "sbu", "utility"),
    ]
    assert [error["code"] for error in errors] == [-32005, -32003, -32002, -32002], errors
