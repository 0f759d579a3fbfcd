"""The Telegraf shim as a process, under the contract of inputs.execd."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from line_protocol_parser import parse_line

import rct_collector_telegraf
from rct_collector.catalog import catalog
from rct_collector.config import Config
from rct_collector.control.client import Client
from rct_collector.receipt import Receipt
from tests.inverter import running_inverter
from tests.plugins.agent import SHIM
from tests.processes import nobody

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

UP = re.compile(r"inverter_collector,.*[ ,]up=1i")


def fields(lines):
    """Measurement.field → value of the last line that has it."""
    return {
        f"{parsed['measurement']}.{name}": value
        for parsed in map(parse_line, lines)
        for name, value in parsed["fields"].items()
    }


def refused_port():
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_the_first_round_is_finished_although_stdin_is_at_its_end(shim, write_config, inverter):
    out, err, code = shim(write_config(inverter.address)).finish()
    assert code == 0
    assert not err
    values = fields(out)
    assert values["inverter_power.grid_watts"] is not None
    assert values["inverter_collector.up"] == 1
    assert len({line.rsplit(" ", 1)[1] for line in out}) == 1, "one time for the whole round"


def test_every_line_is_of_the_catalogue_with_its_types(shim, write_config, inverter):
    out, _, _ = shim(write_config(inverter.address)).finish()
    known = {metric.name: metric for metric in catalog().metrics}
    for line in out:
        parsed = parse_line(line)
        assert parsed["tags"]["source"] == "unit0"
        assert parsed["tags"]["vendor"] == "rct"
        assert re.fullmatch(r"\d{19}", line.rsplit(" ", 1)[1])
        for field, value in parsed["fields"].items():
            metric = known[f"{parsed['measurement']}.{field}"]
            assert type(value) is metric.value_type
            assert set(dict(metric.dimensions)) == set(parsed["tags"]) - {"source", "vendor"}


def test_the_end_of_stdin_ends_a_running_shim_and_loses_nothing(shim, write_config, inverter):
    one = shim(write_config(inverter.address))
    first = one.lines_until("inverter_power")
    rest, _, code = one.finish(timeout=8)
    assert code == 0
    assert any(UP.match(line) for line in first + rest)


def test_sigterm_ends_it_when_stdin_stays_open(shim, write_config, inverter):
    one = shim(write_config(inverter.address))
    one.lines_until("inverter_power")
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(8) == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP])
def test_a_tick_right_after_the_start_does_no_harm(shim, write_config, inverter, number):
    one = shim(write_config(inverter.address))
    time.sleep(0.005)  # what is tested is this very moment
    one.process.send_signal(number)
    out, _, code = one.finish()
    assert code == 0
    assert fields(out)["inverter_collector.up"] == 1


def test_sighup_has_a_file_read_again_that_has_changed(shim, write_config, inverter):
    """Otherwise it is a tick, as Telegraf may send it every few seconds."""
    path = write_config(inverter.address, extra="    intervals: {fast: 5s}\n")
    one = shim(path)
    one.lines_until("kind=plant")
    one.process.send_signal(signal.SIGHUP)
    one.lines_until("kind=plant")
    path.write_text(path.read_text() + "  - {name: barn, driver: rct, address: 'tcp://[::1]:1'}\n")
    one.process.send_signal(signal.SIGHUP)
    one.lines_until("source=barn")
    path.write_text("devices: []\n")
    for _ in range(3):
        one.process.send_signal(signal.SIGHUP)
        one.lines_until("source=unit0")
    log = one.log_until("going on with")
    _, err, code = one.finish()
    assert code == 0
    told = [line for line in log + err if "barn" not in line or "was read again" in line]
    assert told == [
        "I! the configuration was read again: 1 device added (barn), 1 unchanged",
        f"E! {path}: devices: found [], expected a list with at least one device",
        "E! the configuration is wrong; going on with the one before",
    ]


def test_its_file_is_also_read_again_when_somebody_asks_at_its_door(shim, write_config, inverter):
    path = write_config(inverter.address)
    one = shim(path)
    one.lines_until("kind=plant")
    path.write_text(path.read_text() + "  - {name: barn, driver: rct, address: 'tcp://[::1]:1'}\n")

    async def ask():
        address = Config.load(path).devices[0].address
        async with await Client.connect(address) as client:
            return await client.call("reload")

    told = asyncio.run(ask())
    assert (told["added"], told["unchanged"]) == (["barn"], ["unit0"])
    one.lines_until("source=barn")
    _, _, code = one.finish()
    assert code == 0


def test_many_newlines_are_one_round(shim, write_config, inverter):
    path = write_config(inverter.address, extra="    intervals: {fast: 5s}\n")
    one = shim(path)
    one.lines_until("kind=plant")  # the last line of the first round
    for _ in range(3):
        one.process.stdin.write(b"\n" * 100)
        one.process.stdin.flush()
    more = one.lines_until("kind=plant")
    values = fields(more)
    assert values["inverter_collector.polls_total"] == 2


def test_a_newline_brings_a_round_before_its_time(shim, write_config, inverter):
    path = write_config(inverter.address, extra="    intervals: {fast: 8s}\n")
    one = shim(path)
    one.lines_until("kind=plant")
    started = time.monotonic()
    while time.monotonic() - started < 20:
        one.process.stdin.write(b"\n")
        one.process.stdin.flush()
        fcntl.fcntl(one.process.stdout, fcntl.F_SETFL, os.O_NONBLOCK)
        data = one.process.stdout.read()
        fcntl.fcntl(one.process.stdout, fcntl.F_SETFL, 0)
        if data:
            break
        time.sleep(0.1)
    assert data.startswith(b"inverter_")


def test_each_write_is_whole_lines_of_at_most_4096_bytes(shim, write_config, inverter):
    # A pipe in packet mode hands over each write by itself.
    reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    one = shim(write_config(inverter.address), stdout=writer)
    os.close(writer)
    one.process.stdin.close()
    packets = []
    while data := os.read(reader, 65536):
        packets.append(data)
    os.close(reader)
    assert one.process.wait(10) == 0
    assert packets
    assert max(map(len, packets)) <= 4096
    assert all(packet.endswith(b"\n") for packet in packets)


def test_polling_goes_on_while_nobody_reads(shim, write_config):
    with running_inverter(seed=5) as inverter:
        path = write_config(
            inverter.address, extra="    intervals: {fast: 1s}\n    requests: {per_second: 50}\n"
        )
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        one = shim(path, stdout=writer)
        os.close(writer)
        name = "g_sync.p_ac_grid_sum_lp"
        deadline = time.monotonic() + 60
        while inverter.requests(name) < 6 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert inverter.requests(name) >= 6
        one.process.stdin.close()
        received = b""
        while data := os.read(reader, 65536):
            received += data
        os.close(reader)
        lines = received.decode().splitlines()
        assert fields(lines)["inverter_collector.polls_total"] >= 5, "kept for the late reader"


def shim_of(config, stdout, *, once):
    """One whose file is nobody's business."""
    path = Path("/nowhere/config.yaml")
    version = rct_collector_telegraf.rct_collector.Version(path)
    arguments = rct_collector_telegraf.Arguments(path, once=once)
    return rct_collector_telegraf.Shim(
        config, stdout, path=path, version=version, arguments=arguments
    )


def test_what_a_stalled_reader_does_not_take_is_dropped_and_counted(monkeypatch, tmp_path):
    config = rct_collector_telegraf.rct_collector.Config.parse(
        {"devices": [{"name": "unit0", "driver": "rct", "address": nobody()}]}
    )
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    monkeypatch.setattr(rct_collector_telegraf, "STDOUT_LIMIT", 20_000)
    shim = shim_of(config, writer, once=True)
    monkeypatch.setattr(rct_collector_telegraf, "FIRST_ROUND_S", 0.0)
    dropped = []
    pipe = rct_collector_telegraf.rct_collector.PipeWriter(
        writer, limit=20_000, dropped=lambda source, samples: dropped.append((source, samples))
    )
    shim._writer = pipe
    series = catalog().series("inverter_power.grid_watts")
    batch = rct_collector_telegraf.rct_collector.Batch(
        "unit0", "rct", (), 1_700_000_000_000_000_000, ((series, 1.5),), 10.0
    )
    for _ in range(2000):
        shim._emit(batch)
    assert sum(samples for _, samples in dropped) > 1000
    assert {source for source, _ in dropped} == {"unit0"}
    os.close(reader)
    os.close(writer)


def test_once_ends_within_its_time_although_the_device_is_dead(shim, write_config):
    # A listener whose queue is full answers no more connects, like a host that is gone.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        out, err, code = shim(write_config(f"tcp://127.0.0.1:{port}"), "--once").finish(timeout=10)
        for filler in fillers:
            filler.close()
    assert code == 0
    assert fields(out)["inverter_collector.up"] == 0
    assert {parse_line(line)["measurement"] for line in out} == {
        "inverter_collector",
        "inverter_collector_errors",
    }


def test_a_refusing_device_is_told_once_and_gives_up_0(shim, write_config):
    port = refused_port()
    out, err, code = shim(write_config(f"tcp://127.0.0.1:{port}")).finish()
    assert code == 0
    assert fields(out)["inverter_collector.up"] == 0
    assert len(err) == 1
    assert err[0].startswith("W! unit0: cannot connect to 127.0.0.1")
    assert "refused" in err[0]


def test_an_unresolvable_name_is_told_once(shim, write_config):
    out, err, code = shim(write_config("tcp://no-such-host.invalid")).finish()
    assert code == 0
    assert fields(out)["inverter_collector.up"] == 0
    assert len(err) == 1
    assert "no-such-host.invalid cannot be resolved" in err[0]


def test_one_dead_device_does_not_delay_another(shim, write_config, inverter):
    out, _, code = shim(
        write_config(f"tcp://127.0.0.1:{refused_port()}", inverter.address)
    ).finish()
    assert code == 0
    ups = {
        parse_line(line)["tags"]["source"]: parse_line(line)["fields"]["up"]
        for line in out
        if line.startswith("inverter_collector,")
    }
    assert ups == {"unit0": 0, "unit1": 1}


def test_a_second_collector_on_this_host_has_the_values_of_the_first(shim, write_config, inverter):
    path = write_config(inverter.address)
    first = shim(path)
    first.lines_until("inverter_power")
    served = inverter.inverter.hub().served
    out, err, code = shim(path).finish()
    assert code == 0
    assert fields(out)["inverter_power.grid_watts"]
    (text,) = err
    assert f"I! unit0: collected by process {first.process.pid} on this host (user" in text
    assert ", command " in text
    assert inverter.inverter.hub().served == served


def test_two_names_of_one_unit_are_one_device(shim, write_config, inverter):
    address = inverter.address.replace("127.0.0.1", "localhost")
    out, err, code = shim(write_config(inverter.address, address)).finish()
    assert code == 0
    ups = [
        parse_line(line)["fields"]["up"] for line in out if line.startswith("inverter_collector,")
    ]
    assert sorted(ups) == [0, 1]
    (text,) = err
    assert text.startswith("E! unit")
    assert ", as device unit" in text


def test_state_files_that_are_none_stop_nothing(shim, write_config, inverter, tmp_path):
    path = write_config(inverter.address)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "unit0.json").write_bytes(b"[" * 60_000)
    out, err, code = shim(path).finish()
    assert code == 0
    assert fields(out)["inverter_collector.up"] == 1
    (text,) = err
    assert "W! unit0: " in text
    assert "unit0.json is not used: " in text


def test_telegraf_gone_means_end(shim, write_config, inverter):
    one = shim(write_config(inverter.address))
    one.lines_until("inverter_power")
    one.process.stdout.close()
    one.process.stdin.close()
    assert one.process.wait(8) == 1
    assert one.process.stderr.read() == b"E! stdout cannot be written to: Broken pipe\n"


#: A shim whose devices take an hour to end, or whose collector fails.
STUBBORN = """
import sys, time
import rct_collector_telegraf
from rct_collector import Collector

real = Collector.run
async def run(self):
    try:
        await real(self)
    finally:
        time.sleep(3600)

async def fail(self):
    raise ZeroDivisionError("a defect")

Collector.run = {how}
rct_collector_telegraf.STOP_S = 0.5
sys.exit(rct_collector_telegraf.main())
"""


@pytest.mark.parametrize("by", ["end of stdin", "SIGTERM"])
def test_it_ends_in_time_whatever_its_devices_are_at(write_config, inverter, by):
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            STUBBORN.format(how="run"),
            "--config",
            write_config(inverter.address),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT / "plugins" / "telegraf",
    )
    assert process.stdout.readline()
    if by == "SIGTERM":
        process.terminate()
        assert process.wait(60) == 0
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"W! not all devices, or not all metrics, could be brought to an end in time" in err


def test_a_collection_that_ends_by_itself_ends_the_shim_with_a_message(write_config, inverter):
    """Telegraf starts it anew; one that is there and collects nothing would not be noticed."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            STUBBORN.format(how="fail"),
            "--config",
            write_config(inverter.address),
        ],
        stdin=subprocess.PIPE,
        capture_output=True,
        timeout=60,
        check=False,
        cwd=ROOT / "plugins" / "telegraf",
    )
    assert done.returncode == 1
    assert b"E! bug: the collection has ended" in done.stderr


def test_a_closed_stdout_is_told(write_config, inverter):
    done = subprocess.run(
        ["sh", "-c", f"exec {SHIM} --config {write_config(inverter.address)} >&-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"E! stdout cannot be written to")


def test_mistakes_in_the_configuration_are_told_all_at_once(shim, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("devices:\n  - name: röof\n    driver: rtc\n    adress: tcp://x\n")
    out, err, code = shim(path).finish()
    assert code == 2
    assert not out
    assert len(err) == 4
    assert all(line.startswith(f"E! {path}: devices[0]") for line in err)


def test_check_tells_that_all_is_well(shim, write_config, inverter):
    out, err, code = shim(write_config(inverter.address), "--check").finish()
    assert (out, code) == ([], 0)
    assert err[0].endswith("is right: 1 device(s)")


def test_a_read_only_state_folder_costs_a_message_and_nothing_else(shim, write_config, inverter):
    path = write_config(inverter.address)
    path.write_text(path.read_text().replace(str(path.parent / "state"), "/proc/nowhere"))
    out, err, code = shim(path).finish()
    assert code == 0
    assert fields(out)["inverter_collector.up"] == 1
    assert all(line.startswith("W! unit0: cannot keep wh") for line in err)
    assert len(err) <= 2, "one for each of its files"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--config", "a.yaml"],
        ["--config", ""],
        ["--config=a.yaml"],
        ["--conf", "a.yaml"],
        ["--config", "a.yaml", "--once"],
        ["--check"],
        ["--config"],
        ["--config", "-x"],
        ["--config", "--once"],
        ["a.yaml"],
    ],
    ids=" ".join,
)
def test_what_needs_no_parser_is_understood_as_the_parser_does(words, capsys):
    def read(how):
        try:
            found = how(words)
        except SystemExit as end:
            return end.code, capsys.readouterr()
        return found.config, found.once, found.check

    parser = rct_collector_telegraf._parser()
    assert read(rct_collector_telegraf._arguments) == read(parser.parse_args)


class Lines:
    """Stands in for the writer of stderr."""

    def __init__(self):
        self.lines = []

    def put(self, lines):
        self.lines += lines


@pytest.mark.parametrize(
    ("level", "text", "expected"),
    [
        (logging.ERROR, "broken", b"E! broken\n"),
        (logging.WARNING, "two\nlines", b"W! two\\nlines\n"),
        (logging.INFO, "Grüße \x00", b"I! Gr\\xfc\\xdfe \x00\n"),
        (logging.DEBUG, "\udc80", b"D! \\udc80\n"),
    ],
)
def test_log_lines_have_telegrafs_levels(level, text, expected):
    writer = Lines()
    handler = rct_collector_telegraf.StderrHandler(writer)
    handler.handle(logging.LogRecord("x", level, "", 0, "%s", (text,), None))
    assert writer.lines == [expected]


def test_a_message_of_100_kib_is_cut():
    writer = Lines()
    handler = rct_collector_telegraf.StderrHandler(writer)
    handler.handle(logging.LogRecord("x", logging.ERROR, "", 0, "x" * 102_400, None, None))
    assert len(writer.lines[0]) <= 4096
    assert writer.lines[0].endswith(b"\n")


@pytest.mark.parametrize("reads", [True, False], ids=["a reader", "nobody"])
def test_a_receipt_is_settled_in_the_loop_once_telegraf_could_read_it(write_config, reads):
    (config,) = [rct_collector_telegraf.rct_collector.Config.load(write_config(nobody()))]
    reader, writer = os.pipe()
    shim = shim_of(config, writer, once=False)
    found = catalog().series("inverter_power.grid_watts")
    receipt = Receipt()
    batch = rct_collector_telegraf.rct_collector.Batch(
        "roof", "rct", (), 1_700_000_000 * 10**9, ((found, 1.0),), 10.0, receipt=receipt
    )

    async def main():
        shim._writer = rct_collector_telegraf.rct_collector.PipeWriter(writer, limit=1 << 16)
        settled = asyncio.get_running_loop().create_future()
        receipt.then(settled.set_result)
        if not reads:
            os.close(reader)
        shim._emit(batch)
        receipt.settle(True)
        assert not settled.done(), "it is in the hands of another thread"
        return await asyncio.wait_for(settled, 60)

    assert asyncio.run(main()) is reads
    if reads:
        assert os.read(reader, 4096).startswith(b"inverter_power,source=roof")
        os.close(reader)
    os.close(writer)
