"""Components that nobody has configured turn up while the collector runs, and go all the way."""

from __future__ import annotations

import pytest

from rct_collector import ConfigError
from rct_collector.model import CollectdId
from tests.toys import growing
from tests.toys.running import WALL, Run, Unit


class Growing(Unit):
    """Tells of one component after the other."""

    def __init__(self, *lines):
        super().__init__()
        for n, line in enumerate(lines):
            self.say(line, 1004.5 + n)


@pytest.fixture
def family(register):
    driver, rows = growing.made()
    return register(driver), rows


def test_new_components_reach_line_protocol_and_collectd(family):
    driver, _ = family
    serials = ["1A2B3C4D", "00000001", "1A2B3C4D"]
    run = Run(driver, Growing(*(f"{s};{WALL + n};{n}" for n, s in enumerate(serials))))
    assert run.lines == [
        f"inverter_optimizer,optimizer={serial},source=toy,vendor=toys"
        f" power_watts={n}.0 {WALL + n}000000000"
        for n, serial in enumerate(serials)
    ]
    places = [s.collectd for b in run.batches for s, _ in b.values if s.metric is growing.POWER]
    assert places == [CollectdId("power", f"optimizer_{serial}") for serial in serials]


def test_what_looks_like_no_component_is_counted_and_left_out(family):
    driver, rows = family
    lines = [f"{serial};{WALL};1" for serial in ("1a2b3c4d", "1A2B3C4", "*", "A=1,b\\ ", "")]
    run = Run(driver, Growing(*lines), 90.0)
    assert run.lines == []
    assert run.own("errors_total")[-1] == len(lines)
    assert list(rows) == []


def test_unit_that_makes_components_up_gets_no_more_than_there_may_be(family):
    driver, rows = family
    lines = [f"{n:08X};{WALL + n};1" for n in range(40)]
    run = Run(driver, Growing(*lines, f"00000002;{WALL + 50};7"), 150.0)
    assert len(list(rows)) == growing.MOST
    assert len(run.lines) == growing.MOST + 1
    assert "optimizer=00000002" in run.lines[-1]
    assert run.own("errors_total")[-1] == 40 - growing.MOST


@pytest.mark.parametrize(
    ("exclude", "told"),
    [
        ("inverter_optimizer{optimizer=1A*}.*", {"00000001"}),
        ("inverter_optimizer*", set()),
        ("inverter_optimizer.power_watts", set()),
    ],
)
def test_globs_choose_among_components_that_nobody_knows_yet(family, exclude, told):
    driver, _ = family
    unit = Growing(f"1A2B3C4D;{WALL};1", f"00000001;{WALL};1")
    run = Run(driver, unit, exclude=[exclude])
    assert {dict(s.tags)["optimizer"] for b in run.batches for s, _ in b.values if s.tags
            and s.metric is growing.POWER} == told  # fmt: skip


@pytest.mark.parametrize("glob", ["inverter_optimizer{optimizer=1a*}.*", "inverter_optimiser*",
                                  "inverter_string{string=q}.power_watts"])  # fmt: skip
def test_globs_that_no_component_can_match_are_refused(family, glob):
    driver, _ = family
    with pytest.raises(ConfigError, match="expected globs that match a metric"):
        Run(driver, Growing(), include=[glob])
