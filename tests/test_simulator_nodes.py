"""Simulated inverters at a path, reached by the code that opens ports and USB devices."""

from __future__ import annotations

import asyncio
import socket
from functools import wraps

import pytest

from rct_collector.drivers.tools import Access, Cut
from rct_collector.drivers.voltronic.simulator import LineFaults, VoltronicLine, VoltronicUnit
from rct_collector.errors import TransportError
from rct_collector.simulator import Hub, ReportNode, SerialNode
from rct_collector.transport import open_line, parse_address

WAYS = {"serial": {"baud": "2400"}, "hidraw": {}}
QPI, PI30 = b"QPI\xbe\xac\r", b"(PI30\x9a\x0b\r"
QPIGS = b"QPIGS\xb7\xa9\r"
KINDS = (SerialNode, ReportNode)


def on_a_loop(test):
    """Run a test that is a coroutine."""

    @wraps(test)
    def runs(*args, **more):
        asyncio.run(test(*args, **more))

    return runs


class Pulled(LineFaults):
    """Out, or in, as a test says."""

    def __init__(self):
        self.out, self.at, self.now = False, None, 0.0

    def on_start(self, line, now):
        self.now = now

    def pull(self, hub, *, out):
        self.out = out
        self.at = asyncio.get_running_loop().time()
        hub._arm()  # time passes by itself otherwise

    def next_due(self):
        return self.at

    def access(self, now):
        return Access.REFUSED if self.out else Access.OPEN

    def cut(self, now):
        self.at = None
        return Cut.RESET if self.out else None


class Ends:
    """Takes what a line brings."""

    def __init__(self):
        self.received, self.lost = b"", []
        self.line = None

    async def open(self, node):
        def receive(data):
            self.received += data

        address = parse_address(node.address, WAYS)
        self.line = await open_line(address, receive, self.lost.append, 5.0)
        return self

    async def until(self, condition):
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.001)

    async def ask(self, data, ends=b"\r"):
        self.received = b""
        self.line.send(data)
        await self.until(lambda: self.received.endswith(ends))
        return self.received


def hub(*faults):
    """A unit whose line costs the tests no time."""
    unit = VoltronicUnit("sbu", seed=3)
    return Hub(VoltronicLine(unit, rate=1e6, latency=(0.0, 0.0), faults=faults))


@pytest.mark.parametrize("kind", KINDS)
@on_a_loop
async def test_questions_are_answered_at_a_path(kind, tmp_path):
    async with kind(hub(), tmp_path / "inverter") as node:
        ends = await Ends().open(node)
        assert await ends.ask(QPI) == PI30
        answer = await ends.ask(QPIGS)
        ends.line.close()
    assert answer.startswith(b"(")
    assert len(answer) > 100
    assert list(tmp_path.iterdir()) == []


@on_a_loop
async def test_reports_have_eight_bytes_and_are_filled_up(tmp_path):
    async with ReportNode(hub(), tmp_path / "inverter") as node:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.setblocking(False)
            sock.connect(str(node.path))
            loop = asyncio.get_running_loop()
            for report in (b"\0QPIGS2\x68\x2d", b"\r\0\0\0\0\0\0\0"):  # with its number, without
                await loop.sock_sendall(sock, report)
            reports = [await loop.sock_recv(sock, 100)]
            while b"\r" not in reports[-1]:
                reports.append(await loop.sock_recv(sock, 100))
    assert {len(report) for report in reports} == {8}
    assert reports[-1].endswith(b"\0")


@pytest.mark.parametrize("kind", KINDS)
@on_a_loop
async def test_who_has_gone_can_come_again(kind, tmp_path):
    async with kind(hub(), tmp_path / "inverter") as node:
        for _ in range(3):
            ends = await Ends().open(node)
            assert await ends.ask(QPI) == PI30
            assert node.hub.clients == 1
            ends.line.close()
            await ends.until(lambda: node.hub.clients == 0)


@pytest.mark.parametrize("kind", KINDS)
@on_a_loop
async def test_a_unit_that_is_pulled_out_is_not_there_until_it_is_put_in_again(kind, tmp_path):
    pulled = Pulled()
    async with kind(hub(pulled), tmp_path / "inverter") as node:
        ends = await Ends().open(node)
        assert await ends.ask(QPI) == PI30
        pulled.pull(node.hub, out=True)
        await ends.until(lambda: ends.lost)
        with pytest.raises(TransportError):
            await Ends().open(node)
        pulled.pull(node.hub, out=False)
        await ends.until(node.path.exists)
        again = await Ends().open(node)
        assert await again.ask(QPI) == PI30
        again.line.close()


@pytest.mark.parametrize("kind", KINDS)
@on_a_loop
async def test_what_has_come_to_the_path_meanwhile_is_left_alone_and_told(kind, tmp_path, caplog):
    pulled = Pulled()
    async with kind(hub(pulled), tmp_path / "inverter") as node:
        ends = await Ends().open(node)
        pulled.pull(node.hub, out=True)
        await ends.until(lambda: ends.lost)
        node.path.write_text("mine")
        pulled.pull(node.hub, out=False)
        await ends.until(lambda: caplog.messages)
        assert f"cannot make {node.path} again" in caplog.text
    assert node.path.read_text() == "mine"


@pytest.mark.parametrize("kind", KINDS)
@on_a_loop
async def test_who_comes_while_the_plug_is_pulled_is_not_let_in(kind, tmp_path):
    pulled = Pulled()
    async with kind(hub(pulled), tmp_path / "inverter") as node:
        ends = await Ends().open(node)
        pulled.pull(node.hub, out=True)  # before the unit has seen anybody
        await ends.until(lambda: ends.lost)
        assert node.hub.clients == 0
        assert not node.path.exists()


@pytest.mark.parametrize("kind", KINDS)
@on_a_loop
async def test_what_is_there_already_is_left_alone(kind, tmp_path):
    path = tmp_path / "inverter"
    path.write_text("mine")
    made = hub()
    with pytest.raises(FileExistsError, match="inverter exists already"):
        kind(made, path)
    made.close()
    assert path.read_text() == "mine"
