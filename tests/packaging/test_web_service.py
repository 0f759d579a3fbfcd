"""The service of the page: what it may do, and that it is off until somebody starts it."""

from __future__ import annotations

import re
import subprocess

import pytest

from rct_collector.cli.main import COMMANDS
from rct_collector.cli.web import PORT
from tests.packaging.system import CLEAN, ROOT, command, field
from tests.processes import program

DEBIAN = ROOT / "packaging" / "debian"
UNIT = DEBIAN / "rct-collector-web.service"


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


def test_it_may_read_at_the_doors_and_set_only_where_somebody_lets_it():
    found = options()

    assert "PrivateNetwork" not in found
    assert found["SupplementaryGroups"] == ["rct-collector"]
    assert "AF_UNIX" in found["RestrictAddressFamilies"][0]
    assert found["ExecStart"] == ["/usr/bin/rct-collector web $OPTIONS"]
    assert "web" in COMMANDS
    readme = (DEBIAN / "rct-collector-web.README.Debian").read_text()
    assert found["EnvironmentFile"][0].removeprefix("-") in readme
    assert f"http://127.0.0.1:{PORT}," in readme
    assert f"/var/lib/{found['StateDirectory'][0]}." in readme


@pytest.mark.debian
@pytest.mark.slow
def test_the_package_holds_it_and_does_not_start_it(built):
    package = built.package("rct-collector-web")
    files = command("dpkg-deb", "--contents", package)

    for path in (
        "/lib/systemd/system/rct-collector-web.service",
        "/usr/share/doc/rct-collector-web/README.Debian",
    ):
        assert f".{path}\n" in files
    assert "python3-aiohttp (>= 3.8)" in field(package, "Depends").split(", ")
    postinst = command("dpkg-deb", "--info", package, "postinst")
    assert "was-enabled 'rct-collector-web.service'" in postinst
    assert set(re.findall(r"deb-systemd-invoke (\S+)", postinst)) == {"try-restart"}
    assert "page/page.js" in command(
        "dpkg-deb", "--contents", built.package("python3-rct-collector")
    )
