"""``doctor``: what is printed, and what is returned."""

from __future__ import annotations

import json
import os
import pty
import signal
from dataclasses import replace

import pytest

from rct_collector.cli import diagnosis, doctor
from rct_collector.config import Config, Intervals
from rct_collector.doctor import examiner, steps
from rct_collector.doctor.diagnosis import diagnose
from rct_collector.doctor.figures import Figures, Pace, PaceFigures, Trouble, UnitFigures
from rct_collector.drivers import driver
from rct_collector.drivers.base import Driver
from rct_collector.drivers.rct.options import RctRequests
from rct_collector.drivers.rct.tools.examination import EXAMINATION
from rct_collector.exits import Exit
from rct_collector.lines.kept import Calls
from rct_collector.lines.lock import DeviceLock
from rct_collector.model import PollClass
from rct_collector.transport import parse_address
from tests.cli.conftest import address_of, read_until
from tests.cli.test_read import Tells
from tests.doctor.cases import Loses, device
from tests.processes import free_port


@pytest.fixture
def quick(monkeypatch):
    """An examination that takes a second and asks without pauses."""
    monkeypatch.setattr(doctor, "SHORTEST_S", 0.1)
    monkeypatch.setattr(steps, "MOST_PER_SECOND", 50.0)
    monkeypatch.setattr(steps, "KNOCK_S", 3.0)
    monkeypatch.setattr(steps, "INVENTORY", Pace(0.003, 2))
    monkeypatch.setattr(steps, "LEARN", 5.0)


# -- how it looks ------------------------------------------------------------------------------

QUERIES = {PollClass.FAST: 33, PollClass.MEDIUM: 61, PollClass.SLOW: 87, PollClass.STATIC: 71}
_WAITS = tuple(0.04 + n / 1000 for n in range(50))

HEALTHY = Figures(
    seconds=57.0,
    requests=250,
    answers=250,
    paces=tuple(PaceFigures(pace=pace, latencies=_WAITS) for pace in steps.PACES),
    drift=-2.4,
    identity={"model": "PS 6.0 [bold]TEST[/]", "serial": "TESTSERIAL01", "firmware": "2.3.5600"},
    equipment=(("strings", "A and B"), ("battery", "one tower with 5 modules"), ("plant", "slave")),
    queries=QUERIES,
    complete=True,
)

ILL = replace(
    HEALTHY,
    answers=230,
    paces=(
        *HEALTHY.paces[:2],
        PaceFigures(pace=Pace(0.1, 2), latencies=_WAITS[:40], missing=9, spoiled=1),
        PaceFigures(pace=Pace(0.06, 4), latencies=_WAITS[:30], late=(2.31,), missing=19),
    ),
    identity={**HEALTHY.identity, "firmware": "2.3.5674"},
    quirks=tuple(EXAMINATION.quirks({"svnversion": "2.3.5674"})),
    others={"answer": 114, "the vendor's app": 3, "the vendor's service": 1, "echo": 0},
    damaged={"crc": 4, "length": 7, "noise": 2},
    drift=3598.0,
    hangups=1,
    hangup_reason="the device reset the connection",
    unanswered=("net.n_slaves (0xBFFF3CAD)", "power_mng.n_batteries (0x663F1452)"),
    queries={**QUERIES, PollClass.FAST: 36, PollClass.MEDIUM: 82, PollClass.SLOW: 116},
)

REFUSED = Figures(trouble=Trouble("refused", "cannot connect to 192.0.2.10:8899: refused"))


#: Units that talk: one that does well, and one with a wrong clock, of which little came.
TALK = Figures(
    seconds=300.0,
    answers=24,
    damaged={"crc": 3, "command": 2, "foreign": 4},
    units={
        "7F101234": UnitFigures(
            times=tuple(range(0, 300, 30)),
            records={"inverters": 1, "optimizers": 40},
            parts={"inverters": 1, "optimizers": 20},
            repeated=41,
            lags=(12.0, 290.0),
        ),
        "7F105678": UnitFigures(
            times=(7.0,), records={"events": 1}, parts={"events": 1}, lags=(-205.0,)
        ),
    },
    reasons={"foreign": ("the inverter 7F109ABC is not among 'units': it gets no answer",)},
    calls=Calls(2, 1),
    talks=True,
    keeps=True,
    settings={"units": "[7F101234, 7F105678]"},
    complete=True,
)
(TALKERS,) = Config.parse(
    {"devices": [{"name": "roof", "driver": "solaredge", "address": "listen://0.0.0.0"}]}
).devices


@pytest.mark.parametrize(
    ("name", "figures"),
    [("healthy", HEALTHY), ("ill", ILL), ("refused", REFUSED), ("talk", TALK)],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_report_looks_as_accepted(capsys, golden, name, figures, form):
    config = device(requests=RctRequests(), intervals=Intervals())
    if figures.talks:
        config = TALKERS
    show = {"text": diagnosis.print_text, "json": diagnosis.print_json}[form]
    show(config, "RCT Power", figures, diagnose(figures, config))
    text = capsys.readouterr().out

    assert form == "text" or json.loads(text)
    assert not any(line != line.rstrip() for line in text.splitlines())
    golden(f"doctor-{name}.{'txt' if form == 'text' else 'json'}", text)


def test_running_text_is_not_too_wide(capsys):
    diagnosis.print_text(device(), "RCT Power", ILL, diagnose(ILL, device()))

    assert all(len(line) <= 96 for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("figures", "status"),
    [
        (HEALTHY, Exit.OK),
        (ILL, Exit.PROBLEM),
        (REFUSED, Exit.UNREACHABLE),
        (Figures(silent=True, requests=5), Exit.UNREACHABLE),
        (Figures(trouble=Trouble("busy", "held")), Exit.BUSY),
        (replace(HEALTHY, drift=3600.0), Exit.OK),
    ],
)
def test_the_status_says_how_it_is(figures, status):
    assert doctor.status(figures, diagnose(figures, device())) is status


# -- examinations ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_unit_is_examined_and_reported(run, serve, quick, config_file):
    running = serve("two-towers")
    result = run("doctor", "--config", config_file(roof=running.address), "--duration", "12s")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"roof  {running.address}\nRCT Power, PS 8.0 ")
    assert "battery          two towers with 5 and 3 modules" in result.stdout
    assert "none heard" in result.stdout
    assert "Findings  no problem" in result.stdout
    assert running.inverter.bridge.observed.writes == 0


@pytest.mark.slow
def test_json_is_for_scripts_and_its_yaml_can_be_used(run, serve, quick, config_file, tmp_path):
    path = config_file(roof=serve().address)
    result = run("doctor", "-c", path, "--device", "roof", "--duration", "4s", "--json")

    found = json.loads(result.stdout)
    assert found["complete"]
    assert found["unit"]["equipment"]["battery"] == "one tower with 5 modules"
    assert [pace["gap"] for pace in found["paces"]] == [0.5, 0.2, 0.1, 0.06]
    assert "firmware" in [finding["key"] for finding in found["findings"]]
    snippet = tmp_path / "snippet.yaml"
    snippet.write_text(found["settings"]["yaml"])
    assert Config.load(snippet).devices[0].name == "roof"


class LosesLater(Loses):
    """The first requests get through."""

    left = 10

    def on_request(self, request, now):
        self.left -= 1
        return request if self.left >= 0 else super().on_request(request, now)


@pytest.mark.slow
def test_a_problem_has_a_status_of_its_own(run, serve, quick, config_file, monkeypatch):
    gaps = (0.05, 0.02, 0.01, 0.006)
    paces = tuple(pace._replace(gap=gap) for pace, gap in zip(steps.PACES, gaps, strict=True))
    monkeypatch.setattr(steps, "PACES", paces)
    monkeypatch.setattr(steps, "LEARN", 0.4)
    monkeypatch.setattr(examiner, "SHORTEST_WAIT_S", 0.1)
    path = config_file(roof=serve(faults=[LosesLater(0.4)]).address)
    path.write_text(path.read_text().replace("per_second:", "timeout: 100ms\n    per_second:"))
    result = run("doctor", "--config", path, "--duration", "4s")

    assert result.exit_code == 5, result.stdout
    assert "problem: Answers get lost" in result.stdout


@pytest.mark.slow
def test_a_simulated_unit_is_asked_like_a_real_one(run, quick):
    result = run("doctor", "--simulate", "inverter-only", "--duration", "2s", "--json")

    found = json.loads(result.stdout)
    assert found["source"] == "simulated"
    assert found["requests"] <= 10 + 1
    assert found["settings"]["requests"]["per_second"] == 5


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_refused_connection_is_told(run, nobody):
    result = run("doctor", nobody)

    assert result.exit_code == 3
    assert "problem: The connection is refused" in result.stdout
    assert nobody.rpartition(":")[2] in result.stdout


def test_a_name_that_nobody_knows_is_told(run):
    result = run("doctor", "nobody.invalid")

    assert result.exit_code == 3
    assert "problem: The name cannot be resolved" in result.stdout
    assert "Check the spelling of nobody.invalid" in result.stdout


@pytest.mark.slow
def test_a_silent_device_is_told(run, quick, listener):
    result = run("doctor", address_of(listener), "--duration", "1s")

    assert result.exit_code == 3
    assert "takes the connection, but does not answer" in result.stdout


def test_a_device_that_is_held_is_told(run, nobody):
    lock = DeviceLock(parse_address(nobody, {"tcp": {}}))
    lock.acquire()
    try:
        result = run("doctor", nobody)
    finally:
        lock.release()

    assert result.exit_code == 4
    assert f"already collected by process {os.getpid()} on this host" in result.stdout
    assert "systemctl stop" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("192.0.2.1", "--duration", "5s"), "an examination takes from 20s to 30m"),
        (("192.0.2.1", "--duration", "2h"), "an examination takes from 20s to 30m"),
        (("192.0.2.1", "--address", "192.0.2.1"), "ADDRESS and --address are the same"),
        (("192.0.2.1", "--simulate"), "--address and --simulate exclude each other"),
        (("udp://1.2.3.4",), "--address: found 'udp://1.2.3.4', expected an address"),
        ((), "does not exist; name a device with --address"),
    ],
)
def test_a_mistake_of_the_user_is_told_in_words(run, monkeypatch, tmp_path, arguments, words):
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG", str(tmp_path / "missing.yaml"))
    result = run("doctor", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_one_device_is_examined_at_a_time(run, config_file):
    path = config_file(roof="tcp://192.0.2.1", barn="tcp://192.0.2.2")
    result = run("doctor", "--config", path)

    assert result.exit_code == 2
    assert "choose with --device; known: roof, barn" in result.stderr


def test_a_family_that_cannot_be_examined_is_told(run, register):
    register(replace(driver("rct"), name="bare", toolbox=Driver.toolbox))

    result = run("doctor", "192.0.2.1", "--driver", "bare")

    assert result.exit_code == 2
    assert result.stderr == "Error: devices of the family 'bare' cannot be examined\n"


@pytest.mark.slow
def test_units_that_talk_are_listened_to(run, quick):
    result = run("doctor", "--driver", "solaredge", "--simulate", "roofs", "--duration", "6s")

    assert result.exit_code == 0, result.output
    assert "Units  3 heard in 6 s, 3 calls, 0 hung up on\n" in result.stdout
    assert "What they told was not acknowledged" in result.stdout
    assert "    units: [7F" in result.stdout
    assert "requests:" not in result.stdout


@pytest.mark.slow
def test_nobody_to_be_heard_is_no_success(run, quick, config_file):
    port = free_port()
    address = f"listen://127.0.0.1:{port}"
    result = run("doctor", address, "--driver", "solaredge", "--duration", "1s", "--json")

    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert [finding["key"] for finding in found["findings"]] == ["uncalled"]
    assert (found["units"], found["calls"]) == ({}, {"open": 0, "rejected": 0})


# -- as a process ------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_interrupted_examination_prints_what_was_learnt(start, serve):
    profile = Tells(20)
    running = serve(faults=[profile])
    process = start("doctor", running.address)
    assert profile.reached.wait(60)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "serial SIM" in stdout
    assert "Too few figures to judge every pace" in stdout
    assert stderr.splitlines() == ["Interrupted: the examination is incomplete."]


@pytest.mark.slow
def test_progress_is_shown_where_somebody_waits(start, serve):
    parent, child = pty.openpty()
    process = start("doctor", serve().address, stderr=child, env={"TERM": "xterm"})
    os.close(child)
    read_until(parent, "listening", "s left", "500 ms apart, 1 at a time")
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    os.close(parent)

    assert process.returncode == 130
    assert "\x1b" not in stdout
