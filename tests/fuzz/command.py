"""What a broker delivers: a command within bounds, done once, or an answer that says why not.

The first byte says how: by which topic, whether retained or delivered before, and how old it is by
the clock. The rest is the payload.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

from rct_collector.bridge.commands import (
    LARGEST,
    LONGEST_TEXT,
    Message,
    Misread,
    TopicNames,
    command_of,
    refusal,
    typed,
)
from rct_collector.bridge.judge import AHEAD_S, OLDEST_S, Remembered, objection
from rct_collector.control.messages import Code
from rct_collector.errors import RpcError
from tests import work

TOPICS = TopicNames("inverter")

#: Seconds since 1970 at which all of it happens.
NOW = 1782036003.0

#: Bytes of an answer, whatever was asked; and calls of functions, of any command.
LONGEST_ANSWER, CALLS = 1000, 400

_TOPICS = ("inverter/roof/set", "inverter/roof/set/buzzer", "inverter/a.b/set", "inverter/+/set")
_KINDS = ("choice", "number", "flag")

_PARTS = (*("jsonrpc", "id", "method", "params", "name", "value", "expect", "time", "source", "x"),)
_VALUES = (
    *("2.0", "set", "roof", "output_priority", "buzzer", "sbu", "on", "7f", "", "x" * 70, "\ud800"),
    *("PBT03\r", None, True, False, 0, 1, -1, 60, 53.8, NOW, NOW - 61, NOW + 11, 1e300, 10**400),
    *([], {}, [[]], {"a": 1}),
)


def genuine():
    """A command as it should be."""
    params = {"name": "output_priority", "value": "sbu", "time": NOW}
    return {"jsonrpc": "2.0", "id": "7f", "method": "set", "params": params}


def mutate(data, random):
    """Change a part of a good command, or how it comes."""
    how = data[:1] or bytes([random.randrange(256)])
    if random.random() < 0.2:
        return bytes([random.randrange(256)]) + data[1:]
    try:
        said = json.loads(data[1:])
    except (ValueError, RecursionError):
        said = genuine()
    if not isinstance(said, dict):
        said = genuine()
    place = said.get("params") if random.random() < 0.6 else said
    if isinstance(place, dict):
        place[random.choice(_PARTS)] = random.choice(_VALUES)
    return how + json.dumps(said, separators=(",", ":")).encode()


def dictionary():
    yield from (f'"{word}":'.encode() for word in _PARTS)
    yield from (b"1782036003", b"NaN", b"Infinity", b"null", b"[[", b"on", b"off", b"1e999", b"-0")


def check(data):
    how, payload = (data or b"\0")[0], data[1:]
    retained, repeated = bool(how & 0x04), bool(how & 0x08)
    message = Message(_TOPICS[how & 0x03], payload, retained, repeated)
    assert work.calls(_read, message) <= CALLS
    command = _read(message)
    if command is None:
        return
    keeps_within_bounds(command)
    becomes_a_value(command, _KINDS[how % 3])
    is_done_once(message, command)


def _read(message):
    """The command; None where the answer says what it is instead."""
    try:
        return command_of(TOPICS, message)
    except Misread as error:
        answered(refusal(error.error, error.id))
        return None


def answered(text):
    """An answer is JSON-RPC that anybody can read, and not much of it."""
    assert len(text) <= LONGEST_ANSWER
    said = json.loads(text)
    assert said["error"]["code"] in set(Code)
    assert said["error"]["message"]


def keeps_within_bounds(command):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", command.name)
    assert len(repr(command.id)) <= LONGEST_TEXT + 2
    for value in (command.value, *command.expect):
        if isinstance(value, str):
            assert 0 < len(value) <= LONGEST_TEXT
            assert value.isprintable()
        else:
            assert isinstance(value, bool) or abs(value) <= LARGEST
    assert command.is_plain or math.isfinite(command.time)


def becomes_a_value(command, kind):
    try:
        value = typed(command, {"kind": kind})
    except RpcError as error:
        answered(refusal(error, command.id, command.name))
        return
    if command.is_plain and kind == "number":
        assert abs(value) <= LARGEST


def is_done_once(message, command):
    """Neither what is old nor what was done before, and never what was kept."""
    seen = Remembered()
    first = objection(message, command, seen, NOW, 0.0)
    if message.retained:
        assert first is not None
    if first is not None:
        answered(refusal(first, command.id, command.name))
        return
    if command.is_plain:
        assert not message.repeated
        return
    assert -AHEAD_S <= NOW - command.time <= OLDEST_S
    seen.add(command)
    after = Remembered.from_json(json.loads(json.dumps(seen.to_json())))
    for now in (NOW, NOW + OLDEST_S, NOW + 2 * OLDEST_S, NOW - OLDEST_S, NOW):
        assert objection(message, command, after, now, 0.0) is not None, "it is done twice"
        # One that comes later lets go of what is too old by the clock, which may be set back then.
        objection(message, replace(command, id="later", time=now), after, now, 0.0)
