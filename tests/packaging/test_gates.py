"""The packages from scratch: built with what they ask for, and put to Debian's own tests."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.packaging.system import CLEAN, ROOT, SUDO, System, command
from tests.packaging.test_build import digest

pytestmark = [pytest.mark.gates, pytest.mark.timeout(1800)]


def base_system(*options):
    """Archive of a system."""
    find = [sys.executable, ROOT / "tools" / "debian_env.py", *options]
    return command(*find, env=os.environ).splitlines()[-1]


def in_new(release, folder):
    """A minimal system of a release, with a fresh list of its packages."""
    system = System.unpacked(base_system("--minimal", "--release", release), folder)
    system.run("apt-get", "update", "-q")
    return system


@pytest.fixture
def new(tmp_path):
    """Make minimal systems of a release."""
    made = []

    def make(release):
        made.append(in_new(release, tmp_path / f"{release}-{len(made)}"))
        return made[-1]

    yield make
    for system in made:
        system.delete()


#: Starts a program with no network but loopback, which is down in a new name space; 0x8914 is
#: SIOCSIFFLAGS, and 1 IFF_UP.
ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket() as any:
    fcntl.ioctl(any, 0x8914, struct.pack("16sh", b"lo", 1))
os.execvp(sys.argv[1], sys.argv[1:])
"""

#: What sbuild and pbuilder mount in the system that they build in: processes, terminals, shared
#: memory. They go with the name space that they are mounted in.
MOUNT = """
set -e
cd "$1"
mount -t proc proc proc
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
exec chroot . sh -c "$2"
"""

#: As nobody in particular.
REBUILD = """
set -e
cd /build
dpkg-source --extract {dsc} tree-{name}
chown -R nobody /build
cd tree-{name}
HOME=/build setpriv --reuid=nobody --clear-groups dpkg-buildpackage --build=binary -us -uc
"""


def rebuilt(system, dsc):
    """Build a source package in a system, with its tests; what that said."""
    name = dsc.name.partition("_")[0]
    system.run("mkdir", "-p", "/build")
    command(*SUDO, "cp", *dsc.parent.glob(f"{name}_*"), system.path("build"))
    install = ("-q", "-y", "--no-install-recommends")
    system.run("apt-get", "install", *install, "dpkg-dev")
    system.run("apt-get", "build-dep", *install, f"/build/{dsc.name}")
    script = REBUILD.format(dsc=dsc.name, name=name)
    apart = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
    alone = (*apart, "/usr/bin/python3", "-c", ALONE)
    return command(*SUDO, *alone, "sh", "-c", MOUNT, "mount", system.folder, script)


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_each_builds_with_what_it_asks_for_and_without_a_network(built, new, release, tmp_path):
    system = new(release)
    log = rebuilt(system, next(built.folder.glob("python-rctclient_*.dsc")))
    (client,) = system.path("build").glob("python3-rctclient_*.deb")
    system.install(client)
    log += rebuilt(system, next(built.folder.glob("rct-collector_*.dsc")))
    assert " passed" in log
    assert "Cannot find package that provides" not in log
    made = sorted(system.path("build").glob("*_all.deb"))
    assert {p.name for p in made} == {p.name for p in built.packages()}
    if release == "bookworm":
        assert [digest(p) for p in made] == [digest(built.folder / p.name) for p in made]


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_autopkgtest(built, new, release, tmp_path):
    for dsc in sorted(built.folder.glob("*.dsc")):
        output = tmp_path / f"output-{dsc.stem}"
        options = ["--output-dir", output, *built.packages(), dsc, "--", "chroot"]
        done = subprocess.run(
            [*SUDO, "autopkgtest", *options, new(release).folder],
            env=CLEAN,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        summary = (output / "summary").read_text()
        # 8: all tests were skipped; 2: at least one was.
        assert done.returncode == 0, f"{summary}\n{done.stderr}"
        assert "PASS" in summary


def test_piuparts(built, tmp_path):
    archive = base_system("--minimal")
    options = ["--no-eatmydata", "--distribution", "bookworm", "--basetgz", archive]
    for more in ([], ["--install-remove-install"]):
        log = tmp_path / f"log{len(more)}"
        said = command(*SUDO, "piuparts", *options, *more, "-l", log, *built.packages())
        assert "PASS: All tests" in said


def test_a_debian_of_later_takes_the_packages_of_this_one(built, new):
    system = new("trixie")
    system.install(*built.packages())
    assert system.run("rct-collector", "--version").startswith("rct-collector")
    system.run("apt-get", "install", "-q", "-y", "--no-install-recommends", "udev")
    (rules,) = system.folder.glob("usr/lib/udev/rules.d/*rct-collector.rules")
    system.run("udevadm", "verify", f"/usr/lib/udev/rules.d/{rules.name}")
