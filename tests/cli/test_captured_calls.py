"""Capture files of simulated inverters: read back, they say what the units said."""

from __future__ import annotations

import io

import pytest

from rct_collector.capture.headers import segment
from rct_collector.capture.packets import PacketReader
from rct_collector.capture.source import Source
from rct_collector.drivers import driver
from rct_collector.drivers.base import SessionOptions
from rct_collector.drivers.solaredge.simulator import SolarEdgeWitness
from rct_collector.simulator import SimulatedInverter
from rct_collector.simulator.captured import write_calls
from tests.faulty_solaredge import means
from tests.slow import slow_but
from tests.virtual import START

HOUR = 3600.0


@pytest.fixture
def written(tmp_path):
    """Write a file; gives it and its witness."""

    def write(*, disorder=False, faults=(), inverters=2, hours=2.0):
        path, witness = tmp_path / "calls.pcap", SolarEdgeWitness()
        units = [
            SimulatedInverter(
                driver="solaredge", start=START, sun=11.0, seed=3, line=line, witness=witness,
                optimizers=4, faults=faults,
            ).bridge
            for line in range(inverters)
        ]  # fmt: skip
        family = driver("solaredge")
        known = SessionOptions(family.options, {}, "listen")
        write_calls(
            path, units, lambda: family.session(known), start=START, seconds=hours * HOUR,
            disorder=disorder,
        )  # fmt: skip
        return path, witness

    return write


def said(told):
    return {(record.unit, record.time_ns) for item in told for record in means(item)}


@pytest.mark.slow
@pytest.mark.parametrize("disorder", [False, True])
@pytest.mark.parametrize("faults", slow_but(["outage"], [[], ["reset", "lost-ack"], ["outage"]]))
def test_all_that_was_acknowledged_is_in_the_file(written, run, disorder, faults):
    path, witness = written(disorder=disorder, faults=faults)
    result = run(
        "read", "--driver", "solaredge", "--address", f"file://{path}", "--format", "influx"
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    lines = [
        line for line in result.stdout.splitlines()
        if "unit=" in line and not line.startswith("inverter_collector")
    ]  # fmt: skip
    assert len(set(lines)) == len(lines)
    found = {(line.partition("unit=")[2][:8], int(line.rpartition(" ")[2])) for line in lines}
    due = said(told for told in witness.told if told.acknowledged is not None)
    assert len(due) > 150
    assert due <= found <= said(witness.told)


def test_segments_overlap_and_arrive_in_the_wrong_order(written):
    path, _ = written(hours=0.5, inverters=1, disorder=True)
    kept = {}
    behind = 0
    for packet in PacketReader(Source(io.BytesIO(path.read_bytes()), "calls.pcap")):
        found = segment(packet.time_ns, packet.link, packet.data)
        sender = found.ends.local
        behind += found.data != b"" and found.sequence < kept.get(sender, 0)
        kept[sender] = max(kept.get(sender, 0), found.sequence + len(found.data))
    assert behind > 5


def test_a_file_that_is_there_stays(written):
    path, _ = written(hours=0.1)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        written(hours=0.1)
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.measured
def test_the_command_writes_a_day_up_to_now(run, tmp_path):
    path = tmp_path / "day.pcap"
    arguments = ("simulate", "solaredge", "--way", "pcap", "--inverters", 1, "--optimizers", 1)
    result = run(*arguments, "--path", path, "--sun", 0, "--faults", "lost-ack")
    assert result.exit_code == 0, result.stderr
    assert f"24 h of simulated inverters 'roofs' in {path}" in result.stdout
    read = run("read", "--driver", "solaredge", "--address", f"file://{path}", "--format", "influx")
    optimizers = [line for line in read.stdout.splitlines() if line.startswith("inverter_optimi")]
    assert 130 < len(optimizers) < 160, "twelve an hour while there is light"
    again = run(*arguments, "--path", path)
    assert again.exit_code == 2
    assert f"cannot write {path}: file exists" in again.stderr


def test_the_command_needs_a_path(run):
    result = run("simulate", "solaredge", "--way", "pcap")
    assert result.exit_code == 2
    assert "--path is to name the capture file" in result.stderr
