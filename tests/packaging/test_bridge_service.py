"""The service of the bridge: what it may do, and that this is enough."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys

import pytest

from rct_collector.cli.bridge import VARIABLES, command
from rct_collector.cli.main import COMMANDS
from tests.packaging.system import CLEAN, ROOT, field
from tests.packaging.system import command as command_output
from tests.processes import program

DEBIAN = ROOT / "packaging" / "debian"
UNIT = DEBIAN / "rct-collector-bridge.service"
EXAMPLE = DEBIAN / "bridge" / "bridge.env"


def options():
    """Name → values of what the unit says."""
    found = {}
    for name, value in re.findall(r"(?m)^(\w+)=(.*)$", UNIT.read_text()):
        found.setdefault(name, []).append(value)
    return found


def test_systemd_takes_it_and_lets_it_do_little():
    analyze = program("systemd-analyze")
    words = [analyze, "security", "--offline=yes", "--threshold=16", UNIT]
    done = subprocess.run(words, env=CLEAN, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-200:]
    unit = UNIT.read_text().replace("/usr/bin/rct-collector", "/bin/true")
    done = subprocess.run(
        [analyze, "verify", "--man=no", "/dev/stdin"],
        env=CLEAN, input=unit, capture_output=True, text=True,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "rct-collector" in line] == []


def test_it_may_come_in_at_the_doors():
    """They belong to the name space of the network, and look at the groups of the process."""
    found = options()

    assert "PrivateNetwork" not in found
    assert found["SupplementaryGroups"] == ["rct-collector rct-collector-control"]
    assert "AF_UNIX" in found["RestrictAddressFamilies"][0]
    assert found["ExecStart"][0].split() == ["/usr/bin/rct-collector", "bridge"]
    assert "bridge" in COMMANDS
    assert found["RestartPreventExitStatus"] == ["2"]


def test_the_example_has_options_that_there_are():
    known = {f"{VARIABLES}_{name.name.upper()}" for name in command.params}
    known.add(f"{VARIABLES}_PASSWORD")
    named = set(re.findall(r"(?m)^#?(\w+)=", EXAMPLE.read_text()))

    assert f"{VARIABLES}_BROKER" in named
    assert named <= known
    (path,) = options()["EnvironmentFile"]
    assert options()["ConditionPathExists"] == [path]
    assert path in EXAMPLE.read_text()
    assert path in (DEBIAN / "rct-collector-bridge.README.Debian").read_text()


def test_doors_are_found_where_all_but_processes_is_hidden():
    """As with ``ProcSubset=pid``."""
    assert options()["ProcSubset"] == ["pid"]
    name = f"\0rct-collector/hidden-{os.getpid()}"
    look = "from rct_collector.lines.lock import lock_names; print(*lock_names())"
    script = 'mount -t proc -o subset=pid proc /proc && exec "$0" -c "$1"'
    words = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, sys.executable, look]
    with socket.socket(socket.AF_UNIX) as lock:
        lock.bind(name)
        lock.listen()
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        pytest.skip(f"no name spaces here: {done.stderr.strip()}")
    assert name[1:] in done.stdout


@pytest.mark.debian
@pytest.mark.slow
def test_the_package_holds_it(built):
    package = built.package("rct-collector-bridge")
    files = command_output("dpkg-deb", "--contents", package)

    for path in (
        "/lib/systemd/system/rct-collector-bridge.service",
        "/usr/share/doc/rct-collector-bridge/examples/bridge.env",
        "/usr/share/doc/rct-collector-bridge/README.Debian",
    ):
        assert f".{path}\n" in files
    assert "python3-paho-mqtt" in field(package, "Depends").split(", ")
    assert "rct-collector-bridge.service" in command_output(
        "dpkg-deb", "--info", package, "postinst"
    )
