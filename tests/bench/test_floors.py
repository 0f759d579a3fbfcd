"""What ours is measured beside works: units in C answer, and every client has its answers."""

from __future__ import annotations

import socket

import pytest

from tests.bench.floors import AT_ONCE, LOOK, Farm, answers, floor

pytestmark = [pytest.mark.slow, pytest.mark.servers]


@pytest.mark.parametrize("family", ["rct", "voltronic"])
def test_units_answer_what_they_know_and_note_what_they_do_not(family, tmp_path):
    known = [(asked, answer) for asked, answer in answers(family).items() if answer]
    (first, says), (second, adds) = known[0], known[-1]
    with Farm(family, 2, tmp_path, gap_ms=60) as farm:
        for port in farm.ports:
            with socket.create_connection(("127.0.0.1", port), 10) as line:
                line.settimeout(10)
                line.sendall(first + second)  # as if the units had come late
                assert read(line, len(says + adds)) == says + adds
                line.sendall(first)
                assert read(line, len(says)) == says
                line.sendall(b"what?")
                line.shutdown(socket.SHUT_WR)
                assert read(line, 1) == b"", "it has read all, and hangs up"
    heard = farm.heard
    assert heard.requests >= 8
    assert heard.unknown == 2
    assert heard.close_together >= 2
    assert heard.shortest_us < 60_000


def read(line, size):
    data = b""
    while len(data) < size and (more := line.recv(size - len(data))):
        data += more
    return data


@pytest.mark.parametrize("look", [AT_ONCE, LOOK])
@pytest.mark.parametrize("client", ["c", "epoll", "protocol", "buffered"])
def test_a_client_has_its_answers(client, look, tmp_path):
    with Farm("rct", 5, tmp_path) as farm:
        spent = floor(client, "rct", 10, farm.ports, look, seconds=1.0, least=0.05)
    assert sum(spent) > 0
    assert farm.heard.unknown == 0
    assert farm.heard.requests >= 5
