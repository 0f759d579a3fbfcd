"""``read`` and ``watch`` of units that talk by themselves: it is a matter of waiting."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from rct_collector.cli import collect
from rct_collector.drivers.solaredge.frame import assemble
from tests.drivers.solaredge.tools.suite import inverter, post
from tests.processes import free_port, listening, wait_for

_ACKNOWLEDGEMENT = 22


@pytest.fixture
def port(monkeypatch):
    """Where units call; whoever is asked would not be waited for."""
    monkeypatch.setattr(collect, "SILENCE_S", 0.01)
    return free_port()


def _call(port, frames, taken):
    wait_for(lambda: listening(port))
    with socket.create_connection(("127.0.0.1", port), 60) as unit:
        for frame in frames:
            unit.sendall(assemble(frame))
            taken.append(unit.recv(100))


def test_whoever_only_says_that_it_is_there_is_waited_for(run, port):
    taken = []
    frames = [post(), post(inverter(), sequence=2)]
    unit = Thread(target=_call, args=(port, frames, taken))
    unit.start()
    result = run("read", "--driver", "solaredge", "--address", f"listen://127.0.0.1:{port}")
    unit.join()

    assert (result.exit_code, result.stderr) == (0, "")
    assert "7F101234" in result.stdout
    assert list(map(len, taken)) == [_ACKNOWLEDGEMENT] * 2


def test_who_is_not_heard_in_time_may_speak_later(run, port):
    result = run(
        "read", "--driver", "solaredge", "--address", f"listen://127.0.0.1:{port}",
        "--timeout", "300ms",
    )  # fmt: skip

    assert result.exit_code == 3
    assert result.stderr == (
        f"Error: listen-{port}: nobody has called yet within 0.3 s;"
        " some units speak every few minutes only\n"
    )


def test_watching_waits_for_the_first_call(run, port):
    result = run(
        "watch", "--driver", "solaredge", "--address", f"listen://127.0.0.1:{port}",
        "--for", "500ms",
    )  # fmt: skip

    assert (result.exit_code, result.stderr) == (0, "")


def test_an_address_that_is_not_of_this_host_is_told_at_once(run, port):
    address = f"listen://192.0.2.1:{port}"
    result = run("watch", "--driver", "solaredge", "--address", address)

    assert result.exit_code == 3
    assert f"cannot listen at 192.0.2.1:{port}: cannot assign requested address" in result.stderr
