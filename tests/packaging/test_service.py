"""The unit of the service: what it may do, and when it starts."""

from __future__ import annotations

import subprocess

import pytest

from tests.packaging.units import DAEMON, DEBIAN

SHIPPED = (DEBIAN / "config.yaml").read_text()


def test_devices_of_inverters_are_within_its_reach():
    assert DAEMON.values("DevicePolicy") == ["closed"]
    assert {f"char-{kind} rw" for kind in ("hidraw", "ttyUSB", "ttyACM", "ttyS")} <= {
        *DAEMON.values("DeviceAllow")
    }
    assert DAEMON.values("SupplementaryGroups") == ["dialout"]
    assert not DAEMON.values("PrivateDevices"), "it would hide them"
    assert not DAEMON.values("PrivateNetwork"), "the doors of devices would be other ones"


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
    (condition,) = DAEMON.values("ExecCondition")
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    words = condition.replace("/etc/rct-collector/config.yaml", str(path))
    assert str(path) in words
    done = subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True)
    assert (done.returncode == 0) == starts
    assert done.returncode < 255, "more than 254 would be a failure, not a reason not to start"
    assert not done.stderr
