"""The clock of a host that was just started, and those of units."""

from __future__ import annotations

import ctypes

import pytest

from rct_collector.device.clock import DOUBTED_S, UNSET_S, UNTOLD_S, Doubt, SystemClock


class Clock(SystemClock):
    """That of a host which was started a while ago."""

    def __init__(self, up, *, kept=False):
        self.up, self.kept = up, kept

    def is_kept(self):
        return self.kept

    def since_boot(self):
        return self.up


@pytest.mark.parametrize(
    ("up", "kept", "ours"),
    [
        (10.0, False, True),
        (UNSET_S - 1, False, True),
        (UNSET_S + 1, False, False),
        (10.0, True, False),
        (UNSET_S + 1, True, False),
    ],
)
def test_who_is_wrong_when_a_unit_is_ahead(up, kept, ours):
    assert Doubt(Clock(up, kept=kept)).is_ours() is ours


@pytest.mark.parametrize(
    ("up", "kept", "knows"),
    [(10.0, False, False), (10.0, True, True), (UNTOLD_S + 1, False, True)],
)
def test_who_may_be_told_the_time(up, kept, knows):
    assert Doubt(Clock(up, kept=kept)).knows_time() is knows


def test_nobody_is_told_the_time_while_units_are_ahead(caplog):
    clock = Clock(UNTOLD_S + 1)
    doubt = Doubt(clock)
    assert doubt.is_ours()
    clock.up += DOUBTED_S - 1
    assert not doubt.knows_time()
    assert not doubt.knows_time()
    assert caplog.text.count("kept by NTP") == 1
    clock.up += 2
    assert doubt.knows_time()
    doubt.is_ours()
    clock.kept = True
    assert doubt.knows_time(), "it was set"


def test_the_kernel_is_asked():
    clock = SystemClock()
    assert clock.is_kept() in (True, False)
    assert clock.since_boot() > 0


@pytest.mark.parametrize(
    ("state", "kept"),
    [(0, True), (5, False), (-1, True)],
    ids=["kept", "not", "it may not be asked"],
)
def test_what_the_kernel_says(monkeypatch, state, kept):
    kernel = type("C", (), {"adjtimex": staticmethod(lambda _buffer: state)})
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: kernel)
    assert SystemClock().is_kept() is kept


def test_where_there_is_no_such_question_the_clock_is_believed(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert SystemClock().is_kept()
