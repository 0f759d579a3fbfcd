"""A setting is written through the gate, once, and only if the option of the family names it."""

from __future__ import annotations

import pytest

from rct_collector.device.settings import State
from rct_collector.drivers.base import Approved, Ask, Setting
from rct_collector.errors import ConfigError, RefusedFrameError
from tests.toys import settable
from tests.toys.running import Run, Unit


class Settable(Unit):
    """Takes a voltage, shows it when it likes, and may say no, or nothing."""

    def __init__(self, answer="ok", *, takes=True):
        super().__init__()
        self.volts = 52.0
        self._answer, self._takes = answer, takes

    def read(self, line, now):
        if line == "volts?":
            self.say(str(self.volts), now + 0.1)
            return
        if self._takes:
            self.volts = float(line.removeprefix("volts="))
        if self._answer:
            self.say(self._answer, now + 0.1)

    @property
    def written(self):
        return [line for _, line in self.heard if line.startswith("volts=")]


@pytest.fixture
def driver(register):
    return register(settable.DRIVER)


def write(driver, unit, value=54.0, **options):
    options = {"writes": ["float_volts"], **options}
    return Run(
        driver,
        unit,
        30.0,
        during=lambda run: run.device.settings.set("float_volts", value),
        **options,
    )


def test_setting_is_written_and_its_value_reaches_line_protocol(driver):
    run = write(driver, Settable())
    assert run.result.state is State.APPLIED
    assert run.unit.written == ["volts=54.0"]
    assert run.lines[0].startswith(
        "inverter_battery,battery=0,source=toy,vendor=toys voltage_volts=52.0 "
    )
    assert run.lines[-1].startswith(
        "inverter_battery,battery=0,source=toy,vendor=toys voltage_volts=54.0 "
    )


@pytest.mark.parametrize(
    ("unit", "state"),
    [
        (Settable("no", takes=False), State.REFUSED),
        (Settable("", takes=True), State.APPLIED),
        (Settable("", takes=False), State.UNKNOWN),
        (Settable("ok", takes=False), State.ACCEPTED_NOT_VISIBLE),
    ],
    ids=["refused", "answer lost", "request lost", "accepted but not shown"],
)
def test_whatever_becomes_of_it_it_is_sent_once(driver, unit, state):
    """Rounds go on meanwhile, and repeat nothing of it."""
    run = write(driver, unit)
    assert run.result.state is state
    assert len(run.unit.written) == 1
    assert len(run.lines) >= 3


@pytest.mark.parametrize(
    ("value", "options"), [(54.0, {"writes": []}), (60.0, {}), ("54", {}), (54.05, {})]
)
def test_what_is_not_allowed_never_leaves(driver, value, options):
    run = write(driver, Settable(), value, **options)
    assert run.result.state is State.REFUSED
    assert run.result.denied
    assert not run.result.sent
    assert run.unit.written == []


def test_nothing_may_be_set_unless_the_user_names_it(driver):
    run = Run(
        driver, Settable(), 5.0, during=lambda run: run.device.settings.set("float_volts", 54.0)
    )
    assert run.result.state is State.REFUSED
    assert "not among the settings" in run.result.why


def test_option_of_the_family_is_checked_like_any_other(driver):
    with pytest.raises(ConfigError, match=r"devices\[0\]\.writes.*expected float_volts"):
        Run(driver, Settable(), 1.0, writes=["colour"])


def test_session_builds_nothing_that_the_gate_has_not_approved():
    session = settable.Session()
    other = Setting(name="other", query=settable.SET, shown_by=settable.SHOW)
    for argument in (None, 54.0, "54.0", (settable.FLOAT, 54.0), Approved(other, 54.0)):
        with pytest.raises(RefusedFrameError):
            session.request(Ask(settable.SET, argument=argument))
