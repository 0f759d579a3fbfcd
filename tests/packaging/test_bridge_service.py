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
from tests.needs import lacking
from tests.packaging.system import ROOT, field
from tests.packaging.system import command as command_output
from tests.packaging.units import BRIDGE, DEBIAN

EXAMPLE = DEBIAN / "bridge" / "bridge.env"


def test_it_may_come_in_at_the_doors():
    """They belong to the name space of the network, and look at the groups of the process."""
    assert not BRIDGE.values("PrivateNetwork")
    assert BRIDGE.values("SupplementaryGroups") == ["rct-collector rct-collector-control"]
    assert "AF_UNIX" in BRIDGE.values("RestrictAddressFamilies")[0]
    assert BRIDGE.values("ExecStart")[0].split() == ["/usr/bin/rct-collector", "bridge"]
    assert "bridge" in COMMANDS
    assert BRIDGE.values("RestartPreventExitStatus") == ["2"]


def test_the_example_has_options_that_there_are():
    known = {f"{VARIABLES}_{name.name.upper()}" for name in command.params}
    known.add(f"{VARIABLES}_PASSWORD")
    named = set(re.findall(r"(?m)^#?(\w+)=", EXAMPLE.read_text()))

    assert f"{VARIABLES}_BROKER" in named
    assert named <= known
    (path,) = BRIDGE.values("EnvironmentFile")
    assert BRIDGE.values("ConditionPathExists") == [path]
    assert path in EXAMPLE.read_text()
    assert path in (DEBIAN / "rct-collector-bridge.README.Debian").read_text()


@pytest.mark.slow
def test_doors_are_found_where_all_but_processes_is_hidden():
    """As with ``ProcSubset=pid``."""
    assert BRIDGE.values("ProcSubset") == ["pid"]
    name = f"\0rct-collector/hidden-{os.getpid()}"
    look = "from rct_collector.lines.lock import lock_names; print(*lock_names())"
    script = 'mount -t proc -o subset=pid proc /proc && echo hidden && exec "$0" -c "$1"'
    words = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, sys.executable, look]
    with socket.socket(socket.AF_UNIX) as lock:
        lock.bind(name)
        lock.listen()
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    if not done.stdout.startswith("hidden\n"):
        lacking(f"name space of its own: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
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
