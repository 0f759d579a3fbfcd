"""Inverters that call collectd: each under its own name, acknowledged when it has the values."""

from __future__ import annotations

import socket

import pytest

from rct_collector.drivers.solaredge import request
from rct_collector.drivers.solaredge.frame import assemble
from tests.bench.callers import post
from tests.plugins.collectd.daemon import device, module
from tests.processes import free_port, wait_for

pytestmark = pytest.mark.collectd


def acknowledged(line, frame):
    """Whether a post is acknowledged in time."""
    line.sendall(assemble(frame))
    wanted = request.acknowledge(frame)
    found = b""
    while len(found) < len(wanted):
        found += line.recv(100)
    return found == wanted


def test_each_inverter_that_calls_has_a_place_of_its_own(collectd, tmp_path):
    port = free_port()
    address = f"listen://127.0.0.1:{port}"
    daemon = collectd(module(tmp_path, device("roof", address, "", driver="solaredge"))).start()

    def call():
        try:
            return socket.create_connection(("127.0.0.1", port), 30.0)
        except ConnectionRefusedError:
            return None

    assert wait_for(lambda: (line := call()) and line.close() is None), daemon.log()
    with call() as one, call() as other:
        for count in range(3):
            assert acknowledged(one, post(1, count))
            assert acknowledged(other, post(2, count))
        names = [f"inverter-roof-7E00000{number}/power-output" for number in (1, 2)]
        assert wait_for(lambda: all(len(daemon.rows(name)) >= 3 for name in names)), sorted(
            daemon.names()
        )
    for name in names:
        times = [when for when, _ in daemon.rows(name)]
        assert [b - a for a, b in zip(times, times[1:], strict=False)] == [1.0, 1.0], "their own"
    panels = {name for name in daemon.names() if "optimizer" in name}
    assert {name.split("/")[0] for name in panels} == {
        "inverter-roof-7E000001",
        "inverter-roof-7E000002",
    }
    assert daemon.stop() < 2
    assert daemon.errors() == []
