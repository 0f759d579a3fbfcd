"""The unit of the service: what it may do, and when it starts."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.needs import lacking
from tests.packaging.system import ROOT

PACKAGING = ROOT / "packaging/debian"
UNIT = PACKAGING / "rct-collector-daemon.rct-collector.service"
SHIPPED = (PACKAGING / "config.yaml").read_text()

#: Ten times the highest exposure that there may be, from 0 to 10 as systemd counts it.
MOST_EXPOSED = 16


def values(key):
    """All values of a key in the unit."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), flags=re.M)


def test_its_exposure_is_low(tmp_path):
    analyze = shutil.which("systemd-analyze") or lacking("systemd-analyze")
    unit = tmp_path / "rct-collector.service"
    shutil.copy(UNIT, unit)

    def judge(most):
        words = (analyze, "security", "--offline=true", "--no-pager", f"--threshold={most}", unit)
        return subprocess.run(words, capture_output=True, text=True)

    done = judge(MOST_EXPOSED)
    assert done.returncode == 0, done.stdout
    assert judge(1).returncode == 1, "it would say so"


def test_devices_of_inverters_are_within_its_reach():
    assert values("DevicePolicy") == ["closed"]
    assert {f"char-{kind} rw" for kind in ("hidraw", "ttyUSB", "ttyACM", "ttyS")} <= {
        *values("DeviceAllow")
    }
    assert values("SupplementaryGroups") == ["dialout"]
    assert not values("PrivateDevices"), "it would hide them"
    assert not values("PrivateNetwork"), "the doors of devices would be other ones"


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        (SHIPPED, False),
        (SHIPPED.replace("address: ", "address: tcp://192.0.2.10 "), True),
        ("", False),
        ("# address: tcp://192.0.2.10\ndevices: []\nstate_dir: /var/lib/x\n", False),
        ("devices: [{name: a, driver: rct, address: 'tcp://192.0.2.10'}]\n", True),
        ("devices:\n  - name: a\n    address:\n      serial:///dev/ttyUSB0?baud=2400\n", True),
        (None, False),
    ],
    ids=["shipped", "edited", "empty", "comment", "flow", "next-line", "none"],
)
def test_it_starts_once_an_address_is_named(tmp_path, text, starts):
    (condition,) = values("ExecCondition")
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    words = condition.replace("/etc/rct-collector/config.yaml", str(path))
    assert str(path) in words
    done = subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True)
    assert (done.returncode == 0) == starts
    assert done.returncode < 255, "more than 254 would be a failure, not a reason not to start"
    assert not done.stderr
