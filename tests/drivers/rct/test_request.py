"""The only frames that may leave: reads of the table's objects, times to the unit's logger."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rctclient.frame import ReceiveFrame, make_frame
from rctclient.registry import REGISTRY
from rctclient.types import Command, DataType

import rct_collector
from rct_collector.drivers import BUILTIN
from rct_collector.drivers.base import Answer, Ask, Fault, Garbled, Query
from rct_collector.drivers.rct import request
from rct_collector.drivers.rct.further import SECRET, further
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.table import BY_OID, OBJECTS, RctObject
from rct_collector.drivers.rct.wire import LENGTHS
from rct_collector.errors import RefusedFrameError

READ = [item for item in OBJECTS if not item.logger]
LOGGER = [item for item in OBJECTS if item.logger]
BY_NAME = {item.name: item for item in OBJECTS}
SOC, LOGGED = BY_NAME["battery.soc"], BY_NAME["logger.minutes_soc_log_ts"]
PASSWORD = 0x14C0E627

#: What is not in the table, however much it looks like it.
STRANGERS = {
    "a query of another driver": Query("battery.soc", "always"),
    "an object of the registry that is not in the table": RctObject(
        "wifi.password", "always", oid=PASSWORD, type=DataType.STRING
    ),
    "a copy with another id": replace(SOC, oid=PASSWORD),
    "a copy that is the same": replace(SOC),
    "an object made anew": RctObject(SOC.name, "always", oid=SOC.oid, type=SOC.type),
    "a copy that claims to be of the logger": replace(SOC, logger=True),
    "a copy of a logger object with another id": replace(LOGGED, oid=SOC.oid),
    "a copy of a logger object that is to be read": replace(LOGGED, logger=False),
}


def parsed(data: bytes) -> ReceiveFrame:
    frame = ReceiveFrame()
    assert frame.consume(data) == len(data)
    assert frame.complete()
    return frame


def asked(query: Query) -> bytes:
    return RctSession().request(Ask(query))


def test_read_is_what_rctclient_takes_for_one():
    for item in READ:
        for data in (request.read(item), asked(item)):
            frame = parsed(data)
            assert (frame.command, frame.id, frame.data) == (Command.READ, item.oid, b"")


@given(st.sampled_from(LOGGER), st.integers(0, 0xFFFFFFFF))
@settings(deadline=None)
def test_logger_query_is_a_write_of_four_bytes(item, time):
    frame = parsed(request.query_logger(item, time))
    assert (frame.command, frame.id) == (Command.WRITE, item.oid)
    assert frame.data == time.to_bytes(4, "big")


def test_session_asks_the_logger_with_the_time_that_goes_with_the_query():
    """And nothing else: what is no logger object takes no argument, and no logger object none."""
    session = RctSession()
    assert session.request(Ask(LOGGED, argument=7)) == request.query_logger(LOGGED, 7)
    assert session.request(Ask(LOGGED, argument=8)) == request.query_logger(LOGGED, 8)
    for refused in (Ask(SOC, argument=7), Ask(LOGGED, argument=-1), Ask(LOGGED, argument="7")):
        with pytest.raises(RefusedFrameError):
            session.request(refused)


def test_requests_by_example():
    assert request.read(SOC).hex() == "2b0104959930bf0d65"
    assert request.read(BY_OID[0xDB2D69AE]).hex() == "2b0104db2d2d69ae55ab"
    assert request.query_logger(LOGGED, 1_700_000_000).hex() == "2b02085293b6686553f100b9cb"


@pytest.mark.parametrize("query", STRANGERS.values(), ids=STRANGERS.keys())
def test_stranger_is_refused(query):
    for refused in (request.read, asked, lambda q: request.query_logger(q, 1)):
        with pytest.raises(RefusedFrameError, match="not in the driver's table"):
            refused(query)


def test_every_object_of_the_registry_can_be_read_but_the_logger_and_secrets():
    """In their own words, and only as they are there: a copy is a stranger."""
    expected = {item.object_id for item in REGISTRY.all()} - {item.oid for item in LOGGER}
    readable = {}
    for item in (*READ, *further().values()):
        frame = parsed(request.read(item))
        assert (frame.command, frame.id, frame.data) == (Command.READ, item.oid, b"")
        readable[item.oid] = item
    assert set(readable) == expected - set(SECRET)
    assert {REGISTRY.get_by_id(oid).name for oid in SECRET} == {"wifi.password", "flash_mem"}

    for item in further().values():
        with pytest.raises(RefusedFrameError, match="not in the driver's table"):
            request.read(replace(item))
        with pytest.raises(RefusedFrameError, match="nothing is ever written to it"):
            request.query_logger(item, 1)
        name = REGISTRY.get_by_id(item.oid).name
        assert not re.search("pass|secret|psk", name)


def test_nobody_who_collects_hears_of_what_feeds_no_metric():
    """The answer to a question of somebody else is told as that."""
    item = next(item for item in further().values() if item.type in LENGTHS)
    answer = make_frame(Command.RESPONSE, item.oid, bytes(LENGTHS[item.type]))
    (event,) = RctSession().receive(answer)
    assert (type(event), event.kind) == (Garbled, Fault.FOREIGN)
    (event,) = RctSession({item.oid: item}).receive(answer)
    assert (type(event), event.query) == (Answer, item)


def test_logger_object_is_not_read():
    for item in LOGGER:
        for refused in (request.read, asked):
            with pytest.raises(RefusedFrameError, match="queried with a time"):
                refused(item)


def test_nothing_is_written_to_what_is_read():
    for item in READ:
        with pytest.raises(RefusedFrameError, match="nothing is ever written to it"):
            request.query_logger(item, 1_700_000_000)


@pytest.mark.parametrize("time", [-1, 1 << 32, 1 << 64, -(1 << 31), -0.5, 1e10, float("nan")])
def test_time_of_more_than_32_bits_is_refused(time):
    with pytest.raises(RefusedFrameError, match="no time of 32 bits"):
        request.query_logger(LOGGED, time)


@pytest.mark.parametrize("time", [True, False, 1.0, 1.5, "1", b"\0\0\0\1", None])
def test_time_that_is_no_integer_is_refused(time):
    with pytest.raises(RefusedFrameError, match="no time of 32 bits"):
        request.query_logger(LOGGED, time)


@pytest.mark.slow
def test_frames_are_assembled_in_one_place():
    """Only the request builder and the simulated unit may call ``assemble``."""
    root = Path(rct_collector.__file__).parent
    users = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if "assemble" in (getattr(node, "id", ""), getattr(node, "attr", ""))
        or (isinstance(node, ast.alias) and node.name.split(".")[-1] == "assemble")
    }
    assert "drivers/rct/request.py" in users
    simulators = ("drivers/rct/simulator/", "simulator/", "simulator.py")
    families = tuple(f"drivers/{name}/" for name in BUILTIN if name != "rct")  # have their own
    others = {name for name in users if not name.startswith((*simulators, *families))}
    assert others == {"drivers/rct/request.py"}
