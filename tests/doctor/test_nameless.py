"""Examinations of units whose answers do not tell what they answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rct_collector.config import DeviceConfig
from rct_collector.device.options import Options
from rct_collector.doctor.checkup import Checkup
from rct_collector.doctor.diagnosis import diagnose
from rct_collector.drivers import base
from rct_collector.drivers.tools import Examination, Tools
from tests import virtual
from tests.addresses import tcp
from tests.toys import nameless
from tests.toys.test_nameless import VALUES, Late


class Examined(Tools):
    def examination(self):
        return Examination(
            probes=("load", "grid", "battery"),
            equipment=lambda _facts: [],
            quirks=lambda _facts: [],
            signs={},
        )


@pytest.fixture
def family(register):
    return register(nameless.DRIVER, Examined)


class Visited:
    """What an examination has found, and what the unit has heard meanwhile."""

    def __init__(self, unit, seconds=60.0):
        self.unit = unit
        self.config = DeviceConfig(name="toy", driver="nameless", address=tcp("192.0.2.10:1"))
        virtual.run(lambda loop: self._examine(loop, seconds))

    async def _examine(self, loop, seconds):
        options = virtual.options(loop, virtual.Plug(self.unit))
        checkup = Checkup(self.config, seconds, options)
        await checkup.run()
        self.took = loop.time() - 1000.0
        self.figures = checkup.figures()
        self.diagnosis = diagnose(self.figures, self.config)
        self.found = {finding.key for finding in self.diagnosis.findings}


@pytest.fixture
def healthy(family):
    return Visited(Late())


def test_a_healthy_line_needs_nothing(healthy):
    assert healthy.found == set()
    assert healthy.figures.complete
    assert healthy.figures.answers == healthy.figures.requests > 40
    assert all(pace.loss == 0 for pace in healthy.figures.paces)


def test_nothing_is_asked_before_the_line_was_drained_and_probed(healthy):
    (at, first), (_, second) = healthy.unit.heard[:2]
    assert (first, second in VALUES) == ("PI 1", True)
    assert at >= 1000 + nameless.RESYNC.silence_s


def test_one_request_is_under_way_at_a_time_at_paces_that_such_units_stand(healthy):
    assert [pace.pace for pace in healthy.figures.paces] == [(0.5, 1), (0.2, 1), (0.1, 1)]
    times = [at for at, _ in healthy.unit.heard]
    assert all(b - a >= 0.2 for a, b in zip(times, times[1:], strict=False)), "answered first"
    assert healthy.diagnosis.recommendation.requests.window == 1


def test_a_late_answer_is_taken_for_no_other(family):
    """It comes after its time; the line is drained and probed, and goes on."""
    unit = Late(delays=[0.2] * 9 + [2.6])
    visit = Visited(unit)
    probes = [line for _, line in unit.heard if line.startswith("PI")]
    assert probes == ["PI 1", "PI 2"]
    (pace, *_), others = visit.figures.paces, visit.figures.others
    assert sum(p.missing + len(p.late) for p in visit.figures.paces) == 1
    assert pace.requests > 10
    assert others.get("answer", 0) == 0
    assert visit.figures.complete


def test_a_refusal_is_an_answer_in_time_and_told_as_what_the_unit_does_not_know(family):
    visit = Visited(Late(refuses=("grid",)))
    assert visit.figures.answers == visit.figures.requests
    assert all(pace.loss == 0 for pace in visit.figures.paces)
    assert "grid" in visit.figures.unanswered
    assert visit.found == {"objects"}


def test_a_silent_line_is_told_before_the_time_is_over(family):
    visit = Visited(Late(usual=None))
    assert visit.found == {"silent"}
    assert (visit.figures.answers, visit.took < 40) == (0, True)
    assert all(line.startswith("PI") for _, line in visit.unit.heard)


class Other(nameless.Session):
    """Knows by what comes that it is another device."""

    def receive(self, data, wall_ns):
        return [base.Unfit("this is a UPS")]


def test_a_device_that_is_something_else_is_told_with_what_it_is(register):
    register(replace(nameless.DRIVER, session=lambda _known: Other()), Examined)
    visit = Visited(Late())
    assert visit.found == {"unfit"}
    (finding,) = visit.diagnosis.findings
    assert finding.measured == "this is a UPS"


def test_a_line_that_is_lost_is_opened_again_and_probed_again(family):
    class Cut(virtual.Plug):
        async def __call__(self, *arguments):
            wire = await super().__call__(*arguments)
            if len(self.wires) == 1:
                asyncio.get_running_loop().call_later(10.0, wire.cut)
            return wire

    unit = Late()
    config = DeviceConfig(name="toy", driver="nameless", address=tcp("192.0.2.10:1"))

    async def main(loop):
        options = Options(clock=virtual.VirtualClock(loop), opener=Cut(unit), lock=False)
        checkup = Checkup(config, 60.0, options)
        await checkup.run()
        return checkup.figures()

    figures = virtual.run(main)
    assert (figures.hangups, figures.complete) == (1, True)
    assert [line for _, line in unit.heard if line.startswith("PI")] == ["PI 1", "PI 2"]
