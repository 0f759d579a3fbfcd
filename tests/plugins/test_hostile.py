"""Texts of a unit that means harm, clocks that step, and processes that are killed, end to end."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from line_protocol_parser import parse_line

from rct_collector.adapter.alerts import Alerts
from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.cli import diagnosis
from rct_collector.device.state import StateFile
from rct_collector.model import Batch, Kind
from tests.device.test_device import Bench, bench, config
from tests.doctor.cases import Visit
from tests.hostile import Says, each_text, harmless, hostile_unit
from tests.scripted import ScriptedUnit
from tests.virtual import run as run_virtually

# -- texts --------------------------------------------------------------------------------------


@pytest.mark.slow
@each_text
def test_lines_hold_what_the_metric_is_and_nothing_that_a_unit_says_adds_any(said, shown, caplog):
    caplog.set_level(logging.DEBUG)
    made = bench(400, hostile_unit(said))
    serializer = LineProtocol("inverter")
    known = {s.metric.measurement for s, _, _ in made.device.driver.found()}
    known |= {metric.metric.measurement for metric in made.device.plan.wanted}
    known |= {"inverter_collector", "inverter_collector_errors"}
    told = set()
    for batch in made.out.batches:
        for line in serializer.lines(batch):
            text = line.decode("ascii")
            assert text.endswith("\n")
            assert text.count("\n") == 1
            assert harmless(text)
            parsed = parse_line(text)
            assert parsed["measurement"] in known
            assert parsed["tags"]["source"] == "roof"
        told |= {v for s, v in batch.values if s.metric.kind is Kind.TEXT}
    assert told <= {shown}
    assert "inverter_power.grid_watts" in made.out.last()
    for record in caplog.records:
        assert harmless(record.getMessage())


@pytest.mark.slow
@each_text
@pytest.mark.parametrize("form", [diagnosis.print_text, diagnosis.print_json])
def test_an_examination_shows_no_text_that_does_anything(capsys, form, said, shown):
    visit = Visit("inverter-only", faults=[Says(said)])
    form(config(), "RCT Power", visit.figures, visit.diagnosis)
    text = capsys.readouterr().out

    assert harmless(text.translate(str.maketrans("", "", "–…×≥≤")))
    assert set(visit.figures.identity.values()) <= {shown}


@pytest.mark.slow
@each_text
def test_notifications_are_made_of_our_own_words(said, shown):
    alerts = Alerts(config())
    texts = [s for b in bench(400, hostile_unit(said)).out.batches for s in b.values]
    batch = Batch("roof", "rct", (), 1, tuple(texts), 10.0)
    found = list(alerts.take(batch))
    assert all(harmless(alert.text) for alert in found)
    assert all(shown is None or shown not in alert.text for alert in found)


@pytest.mark.slow
@each_text
def test_a_serial_number_that_changes_is_logged_harmlessly(said, shown, caplog):
    """Even when it is a text that may be shown: quotes end where it ends."""
    unit = ScriptedUnit()

    async def main(loop):
        made = Bench(loop, unit)
        async with made.running():
            await asyncio.sleep(30)
            unit.mangle = hostile_unit(said).mangle
            made.plug.cut()
            await asyncio.sleep(30)
        return made

    made = run_virtually(main)
    assert all(harmless(record.getMessage()) for record in caplog.records)
    if shown:
        assert made.device.discovery.facts["inverter_sn"] == shown


# -- clocks -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "steps",
    [
        [3600.0],
        [-3600.0],
        [5 * 3600.0, -5 * 3600.0],
        [-9 * 3600.0] * 3,
        [12 * 3600.0] * 3,
        [10 * 365 * 86400.0],
        [-10 * 365 * 86400.0],
    ],
    ids=str,
)
def test_the_wall_clock_may_step_by_hours_while_values_keep_coming(steps):
    """Each has the time of the clock as it is; all classes go on; nothing bursts."""

    async def main(loop):
        made = Bench(loop)
        clock = made.options.clock
        seen = []
        made.device.listen(lambda b: seen.append((loop.time(), clock.wall(), b)))
        async with made.running():
            await asyncio.sleep(each)
            for step in steps:
                clock.step(step)
                await asyncio.sleep(each)
        return seen

    each = 700
    seen = run_virtually(main)
    for _, wall, batch in seen:
        late = wall - batch.time_ns / 1e9
        # A round in which the clock steps is named after its first answer, before the step.
        assert -1.0 <= late <= 12.0 or any(abs(late - step) < 12.0 for step in steps)
    for name, most in (
        ("inverter_power.grid_watts", 10.0),
        ("inverter_temperature{sensor=core}.celsius", 60.0),
        ("inverter_energy{flow=load}.watt_hours_total", 300.0),
    ):
        times = [at for at, _, b in seen if any(s.name == name for s, _ in b.values)]
        pauses = [b - a for a, b in zip(times, times[1:], strict=False)]
        assert max(pauses) <= 2 * most + 10, name
        assert len(times) <= (len(steps) + 1) * each / most + 3 * (len(steps) + 1) + 1, name


# -- processes that are killed ------------------------------------------------------------------

_SAVES = """
    import itertools, sys
    from pathlib import Path
    from rct_collector.device.state import StateFile
    state = StateFile(Path(sys.argv[1]), "roof", "rct")
    for number in itertools.count():
        state.save({"facts": {"n": number, "padding": "x" * 20000, "again": number}})
        if number == 5:
            print("saves", flush=True)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_keeps_what_it_learnt_leaves_all_or_nothing(tmp_path):
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_SAVES), tmp_path],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        assert process.stdout.readline() == b"saves\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        facts = StateFile(tmp_path, "roof", "rct").load()["facts"]
        assert facts["n"] == facts["again"] >= 5
        assert len(facts["padding"]) == 20000
    StateFile(tmp_path, "roof", "rct").save({"facts": {"n": -1}})
    assert StateFile(tmp_path, "roof", "rct").load()["facts"] == {"n": -1}
