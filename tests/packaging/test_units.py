"""What all units have in common: systemd takes them, and lets them do little."""

from __future__ import annotations

import subprocess

import pytest

from tests.packaging.system import CLEAN
from tests.packaging.units import BRIDGE, DAEMON, DEBIAN, WEB
from tests.processes import program

#: Ten times the highest exposure that there may be, from 0 to 10 as systemd counts it.
MOST_EXPOSED = 16

UNITS = [BRIDGE, DAEMON, WEB]


def test_these_are_all():
    assert {unit.path for unit in UNITS} == {*DEBIAN.glob("*.service")}


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_its_exposure_is_low(unit):
    analyze = program("systemd-analyze")

    def judge(most):
        words = [analyze, "security", "--offline=yes", "--no-pager", f"--threshold={most}"]
        return subprocess.run([*words, unit.path], env=CLEAN, capture_output=True, text=True)

    done = judge(MOST_EXPOSED)
    assert done.returncode == 0, done.stdout[-200:]
    assert judge(1).returncode == 1, "it would say so"


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_systemd_understands_all_of_it(unit, tmp_path):
    path = tmp_path / unit.path.name
    text = unit.text.replace("/usr/bin/rct-collector", "/bin/true")

    def complaints(text):
        path.write_text(text)
        words = [program("systemd-analyze"), "verify", "--man=no", path]
        done = subprocess.run(words, env=CLEAN, capture_output=True, text=True)
        return [line for line in done.stderr.splitlines() if path.name in line]

    assert complaints(text) == []
    assert complaints(text.replace("[Service]", "[Service]\nNonsense=1")), "it would say so"
