"""A state file, whatever is in it: it is read at little cost, and the device runs.

The bytes are the file as it is, and again repeated as a list of the largest size that is read, and
of one that is too large, for only so are the bounds of memory and of work reached.
"""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from functools import cache
from pathlib import Path

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.polling.discovery import Discovery, facts_from
from rct_collector.device.state import LARGEST, StateFile
from rct_collector.drivers import driver as load_driver
from tests import work
from tests.scripted import ScriptedUnit
from tests.virtual import Plug, Recorder, collect, options, run

RCT = load_driver("rct")

#: Where the file is; one process tries one input at a time.
_FOLDER = tempfile.TemporaryDirectory(prefix="state-")
FOLDER = Path(_FOLDER.name)

#: What a unit may say that its driver decides from, of all types, and what no unit says.
_VALUES = (
    *(None, True, False, 0, 1, 2, 5, -1, 255, 256, 10**30, 0.5, -0.0, 1e999, "", "0", "X1"),
    *("\x00", "\x1b[2J", "\ud800", "x" * 300, [], {}, [1], {"a": 1}, [[[]]]),
)

#: Bytes of memory, and calls of functions, that reading may take: per byte of the file, and in any
#: case. The smallest piece of JSON that becomes an object is two bytes long, ``[]`` or ``1,``.
MEMORY, MEMORY_BASE = 64, 1 << 18
CALLS, CALLS_BASE = 2, 5000

#: Seconds until a device knows its unit, for which it asks everything twice; after facts of another
#: one it has to begin anew.
LEARNING_S, RELEARNING_S = 60.0, 900.0


@cache
def _genuine():
    """A file as a device leaves it behind."""

    async def main(loop):
        made = options(loop, Plug(ScriptedUnit()), state_dir=FOLDER)
        await collect(Device(_config(), Recorder(), made), LEARNING_S)

    run(main)
    return (FOLDER / "roof.json").read_bytes()


def genuine(random):
    """The same with some of the facts only, since a fuzzer prefers short inputs."""
    content = json.loads(_genuine())
    facts = content["facts"]
    kept = {*RCT.identity, *random.sample(sorted(facts), 3)}
    content["facts"] = {name: facts[name] for name in sorted(kept)}
    return json.dumps(content, separators=(",", ":")).encode()


def mutate(data, random):
    """Change the file as somebody might who edits it, or who means harm."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or random.random() < 0.2:
        return random.choice(
            (genuine(random), b"[" * random.randrange(200), data + b"}", data[:-1])
        )
    place = content
    while random.random() < 0.6:
        inner = [value for value in place.values() if isinstance(value, dict)]
        if not inner:
            break
        place = random.choice(inner)
    names = [query.name for query in RCT.deciding()]
    key = random.choice([*place, random.choice(names), "version"])
    if random.random() < 0.2:
        place.pop(key, None)
    else:
        place[key] = random.choice(_VALUES)
    return json.dumps(content, separators=(",", ":")).encode()


def dictionary():
    yield from (
        b'"version":',
        b'"driver":"rct"',
        b'"facts":{',
        b"NaN",
        b"-Infinity",
        b"null",
        b"[[",
    )
    yield from (query.name.encode() for query in RCT.deciding())


def check(data):
    logging.disable(logging.WARNING)
    try:
        many = b"[" + (data + b",") * (LARGEST // (len(data) + 2)) + b"0]"
        for content in (data, many, b"[" + (many + b",") * 8 + b"0]"):
            costs_no_more_than_its_size(content)
        put(data)
        runs_and_learns()
    finally:
        logging.disable(logging.NOTSET)


def put(content):
    """Leave a file behind, as an earlier run would."""
    path = FOLDER / "roof.json"
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def costs_no_more_than_its_size(content):
    """Reading it, and deciding from it."""
    put(content)
    most_bytes, most_calls = work.peak(_known), work.calls(_known)
    size = min(len(content), LARGEST)
    assert most_bytes <= MEMORY * size + MEMORY_BASE, (
        f"{most_bytes} bytes for a file of {len(content)}"
    )
    assert most_calls <= CALLS * size + CALLS_BASE, (
        f"{most_calls} calls for a file of {len(content)}"
    )
    known = _known()
    for query in RCT.deciding():
        assert query.could_say(known.facts.get(query.name)), "it may raise later"


def _known():
    """What a device makes of the file at its start."""
    content = StateFile(FOLDER, "roof", "rct").load()
    known = Discovery(RCT, facts_from(content, RCT, "tcp://unit.test:8899"))
    for name in RCT.conditions:
        known.has(name)
    return known


def runs_and_learns():
    """The device runs, and what its unit has said twice is what it believes.

    Without any facts all devices are alike, so one of them suffices.
    """
    unit = ScriptedUnit()
    out = Recorder()

    async def main(loop):
        made = options(loop, Plug(unit), state_dir=FOLDER)
        device = Device(_config(), out, made)
        if not device.discovery.facts:
            return
        task = asyncio.create_task(device.run())
        await asyncio.sleep(LEARNING_S / 4)
        end = loop.time() + RELEARNING_S
        while device.discovery.facts.get("inverter_sn") != unit.values["inverter_sn"]:
            assert loop.time() < end, "another unit is never found out"
            await asyncio.sleep(LEARNING_S / 4)
        assert not task.done(), "a device runs until it is told to end"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main)
    assert {value for _, value in out.values().get("inverter_collector.up", ())} <= {1}


def _config():
    device = {"name": "roof", "driver": "rct", "address": "tcp://unit.test"}
    return Config.parse({"devices": [device]}).devices[0]
