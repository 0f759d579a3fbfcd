"""A small Debian system in a folder, in which packages are installed and programs run."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: What a command in the system or for it may need of the environment, and no more.
CLEAN = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
}
SUDO = [] if os.getuid() == 0 else ["sudo", "-n"]

#: Debian package → a file of ours that is there as long as it is installed.
OURS = {
    "rct-collector": "/usr/bin/rct-collector",
    "rct-collector-bridge": "/lib/systemd/system/rct-collector-bridge.service",
    "rct-collector-collectd": "/usr/share/rct-collector-collectd/collectd.conf",
    "rct-collector-daemon": "/lib/systemd/system/rct-collector.service",
    "rct-collector-telegraf": "/usr/bin/rct-collector-telegraf",
    "rct-collector-web": "/lib/systemd/system/rct-collector-web.service",
    "python3-rct-collector": "/usr/lib/python3/dist-packages/rct_collector/__init__.py",
    "python3-rctclient": "/usr/lib/python3/dist-packages/rctclient/__init__.py",
}


def command(*words, check=True, **more):
    """Run a command; what it prints on either output."""
    done = subprocess.run(
        list(map(str, words)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **{"env": CLEAN, **more},
    )
    assert not (check and done.returncode), f"{words}: {done.returncode}\n{done.stdout}"
    return done.stdout


def field(package, name):
    """A field of a package's file."""
    return command("dpkg-deb", "--field", package, name).strip()


class System:
    """The system.

    Attributes:
        folder: Its root.
    """

    def __init__(self, folder):
        self.folder = folder

    @classmethod
    def unpacked(cls, archive, folder):
        """A new system from an archive; nothing in it starts services."""
        folder.mkdir()
        command(*SUDO, "tar", "--extract", "--file", archive, "--directory", folder)
        found = cls(folder)
        found.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
        found.run("chmod", "755", "/usr/sbin/policy-rc.d")
        return found

    @contextmanager
    def copy(self, folder):
        """Another one like this, while the block runs; a layer above it where that can be had."""
        parts = {name: folder / name for name in ("upper", "work", "system")}
        for part in parts.values():
            part.mkdir(parents=True)
        options = f"lowerdir={self.folder},upperdir={parts['upper']},workdir={parts['work']}"
        mount = [*SUDO, "mount", "-t", "overlay", "-o", options, "overlay", parts["system"]]
        layered = subprocess.run(mount, capture_output=True).returncode == 0
        if not layered:
            command(*SUDO, "cp", "--archive", "--no-target-directory", self.folder, parts["system"])
        try:
            yield System(parts["system"])
        finally:
            if layered:
                command(*SUDO, "umount", parts["system"])
            System(folder).delete()

    def delete(self):
        command(*SUDO, "rm", "--recursive", "--force", "--one-file-system", self.folder)

    def run(self, *words, check=True):
        """Run a command in the system; what it prints."""
        return command(*SUDO, "chroot", self.folder, *words, check=check)

    @contextmanager
    def running(self, *words, log):
        """A program in the system while the block runs."""
        with log.open("w") as output:
            process = subprocess.Popen(
                [*SUDO, "chroot", self.folder, *words],
                env=CLEAN,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def path(self, name):
        """Where a file of the system is."""
        return self.folder / name.lstrip("/")

    def read(self, name):
        return command(*SUDO, "cat", self.path(name))

    def write(self, name, text):
        path = self.path(name)
        subprocess.run([*SUDO, "mkdir", "-p", path.parent], check=True)
        write = [*SUDO, "tee", path]
        subprocess.run(write, input=text, text=True, stdout=subprocess.DEVNULL, check=True)

    # -- packages ----------------------------------------------------------------------------

    def install(self, *packages, options=()):
        """Install package files, with the rest from the archive; what the scripts print."""
        names = []
        for package in packages:
            command(*SUDO, "cp", package, self.path("tmp"))
            names.append(f"/tmp/{Path(package).name}")  # noqa: S108 - of the system
        keep = ["-o", "Dpkg::Options::=--force-confold"]  # nobody there to be asked
        install = ["install", "-q", "-y", "--no-install-recommends", "--reinstall"]
        return self.run("apt-get", *keep, *options, *install, *names)

    def remove(self, *names):
        self.run("apt-get", "remove", "-q", "-y", *names)

    def purge(self, *names):
        """Remove packages with their settings; they may be removed already."""
        self.run("dpkg", "--purge", *names)

    def installed(self):
        """Those of our packages that are installed, by what is there of them."""
        return {name for name, file in OURS.items() if self.path(file).exists()}

    # -- what a user does --------------------------------------------------------------------

    def name_address(self, address):
        """The one thing that is to be edited."""
        name = "/etc/rct-collector/config.yaml"
        text = self.read(name)
        edited = re.sub(r"^( *address:).*$", rf"\1 {address}", text, flags=re.M)
        assert edited.count(address) == 1
        self.write(name, edited)
