"""The packages, built once, and systems to install them in."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.needs import lacking
from tests.packaging.system import CLEAN, OURS, ROOT, System, command, field


class Built:
    """Packages and their sources.

    Attributes:
        folder: Where they are.
        log: What the build said.
    """

    def __init__(self, folder):
        self.folder = folder
        self.log = (folder / "log").read_text()

    def package(self, name):
        """File of a package."""
        (found,) = self.folder.glob(f"{name}_*_all.deb")
        return found

    def packages(self, *names):
        return [self.package(name) for name in names or OURS]


@pytest.fixture(scope="session")
def base():
    """Archive with a small system, or a skip; on a build server that is a failure."""
    found = os.environ.get("DEBIAN_BASE")
    if found and Path(found).exists():
        return found
    return lacking("DEBIAN_BASE, see tools/debian_env.py")


@pytest.fixture(scope="session")
def source():
    """Source archive of rctclient."""
    fetch = [sys.executable, ROOT / "tools" / "rctclient_source.py"]
    return command(*fetch, env=os.environ).splitlines()[-1]


@pytest.fixture(scope="session")
def built(base, source, tmp_path_factory):
    """The packages; their tests are left out, since they are run beside this.

    All processes of the tests have them from the first one that wants them: a build takes half a
    minute of processor time.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "built"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        log = folder / "log"
        if not log.exists():
            environment = {**CLEAN, "DEB_BUILD_OPTIONS": "nocheck", "RCTCLIENT_SOURCE": source}
            said = command(ROOT / "packaging" / "build-deb.sh", folder, env=environment)
            log.write_text(said)
    return Built(folder)


@pytest.fixture(scope="session")
def prepared(base, tmp_path_factory):
    """A system with collectd and all that our packages need, but without those."""
    system = System.unpacked(base, tmp_path_factory.mktemp("prepared") / "system")
    yield system
    system.delete()


@pytest.fixture
def system(prepared, tmp_path):
    """A system of one's own."""
    with prepared.copy(tmp_path / "system") as mine:
        yield mine


@pytest.fixture(scope="session")
def telegraf_package(telegraf, tmp_path_factory):
    """A package with the real Telegraf, and with what that of its makers does beside it."""
    folder = tmp_path_factory.mktemp("telegraf")
    tree = folder / "telegraf"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "etc/telegraf/telegraf.d").mkdir(parents=True)
    shutil.copy(telegraf, tree / "usr/bin/telegraf")
    (tree / "DEBIAN/control").write_text(
        "Package: telegraf\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@invalid>\n"
        "Depends: adduser\nDescription: stand-in\n"
    )
    script = tree / "DEBIAN/postinst"
    script.write_text(
        "#!/bin/sh\nset -e\n"
        "adduser --quiet --system --group --no-create-home --home /etc/telegraf telegraf\n"
    )
    script.chmod(0o755)
    command("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, folder)
    (found,) = folder.glob("*.deb")
    return found


@pytest.fixture(scope="session")
def newer(built, tmp_path_factory):
    """The same packages as a later version, whose conffiles have changed."""
    folder = tmp_path_factory.mktemp("newer")
    made = []
    for package in built.packages():
        if package.name.startswith("python3-rctclient"):
            continue
        tree = folder / package.stem
        command("dpkg-deb", "--raw-extract", package, tree)
        version = field(package, "Version")
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace(version, f"{version}.1"))
        names = tree / "DEBIAN/conffiles"
        for name in names.read_text().split() if names.exists() else ():
            with (tree / name.lstrip("/")).open("a") as file:
                file.write("# This line is new.\n")
        command("dpkg-deb", "--root-owner-group", "--build", tree, folder)
    made = sorted(folder.glob("*.deb"))
    assert made
    return made
