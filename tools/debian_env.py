#!/usr/bin/env python3
"""Prepare what the Debian packages are built and tested with; print where the base system is.

The tools are installed with apt-get, as root or with sudo. The packages are tested in chroots that
are made of one archive, a small system of the release, made once and kept outside of the source
tree::

    ${RCT_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rct-collector}/
        debian-<release>-<hash of the list of packages>.tar.gz

The path is the only output on stdout; progress and errors go to stderr.

Exit status: 0 all is there, 1 something failed, 2 wrong usage, 3 something is missing and there is
no way to install it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

from setup_tools import (
    EXIT_NOT_AVAILABLE,
    MissingError,
    as_root,
    cache,
    command_line,
    ensure,
    exit_status,
    run,
    say,
)

#: Debian package → a file of it by which it is known to be installed. First what a build needs.
BUILD = {
    "debhelper": "/usr/bin/dh",
    "dh-python": "/usr/bin/dh_python3",
    "dpkg-dev": "/usr/bin/dpkg-buildpackage",
    "pybuild-plugin-pyproject": "/usr/share/doc/pybuild-plugin-pyproject",
    "python3-all": "/usr/share/doc/python3-all",
    "python3-click": "/usr/lib/python3/dist-packages/click",
    "python3-hypothesis": "/usr/lib/python3/dist-packages/hypothesis",
    "python3-pytest": "/usr/lib/python3/dist-packages/pytest",
    "python3-rich": "/usr/lib/python3/dist-packages/rich",
    "python3-serial": "/usr/lib/python3/dist-packages/serial",
    "python3-setuptools": "/usr/lib/python3/dist-packages/setuptools",
    "python3-tenacity": "/usr/lib/python3/dist-packages/tenacity",
    "python3-yaml": "/usr/lib/python3/dist-packages/yaml",
    "tzdata": "/usr/share/zoneinfo/Europe/Berlin",
}
CHECK = {
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "faketime": "/usr/bin/faketime",
    "lintian": "/usr/bin/lintian",
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "systemd": "/usr/bin/systemd-analyze",
}
GATES = {
    "autopkgtest": "/usr/bin/autopkgtest",
    "buildah": "/usr/bin/buildah",
    "diffoscope-minimal": "/usr/bin/diffoscope",
    "piuparts": "/usr/sbin/piuparts",
}

#: What every base system has. systemd, since a package of ours depends on it: installed and
#: removed with ours it would leave folders behind, for which piuparts would blame us.
MINIMAL = ("systemd", "systemd-sysv")

#: What our packages need besides, so that they can be installed again and again without a network;
#: a library that the configuration which comes with collectd needs; and what reads our rule.
NEEDED = (
    *("adduser", "collectd", "libmnl0", "python3"),
    *("python3-aiohttp", "python3-click", "python3-paho-mqtt", "python3-rich"),
    *("python3-tenacity", "python3-yaml", "tzdata", "udev"),
)
#: Release → the Python library that its collectd is linked with.
LIBPYTHON = {"bookworm": "libpython3.11", "trixie": "libpython3.13"}


def base(release: str, packages: tuple[str, ...]) -> Path:
    """The archive with a base system; it is made if there is none.

    Args:
        release: Code name.
        packages: What it is to have besides the essential packages.

    Raises:
        MissingError: It cannot be made.
    """
    include = ",".join(packages)
    digest = hashlib.sha256(include.encode()).hexdigest()[:8]
    path = cache() / f"debian-{release}-{digest}.tar.gz"
    if path.exists():
        return path
    sudo = as_root()
    if sudo is None:
        raise MissingError("a base system can only be made by root", EXIT_NOT_AVAILABLE)
    say(f"making a base system of {release}, once: {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{os.getpid()}-{path.name}")
    make = ("mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", f"--include={include}")
    run(*sudo, *make, release, draft)
    draft.replace(path)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = command_line(__doc__ or "")
    parser.add_argument("--no-install", action="store_true", help="only tell what is missing")
    parser.add_argument("--build", action="store_true", help="only what a build needs; no path")
    parser.add_argument("--gates", action="store_true", help="also what `make deb-check` needs")
    parser.add_argument("--release", choices=LIBPYTHON, default="bookworm")
    parser.add_argument("--minimal", action="store_true", help="a base without what we need")
    options = parser.parse_args(arguments)
    return exit_status(lambda: prepare(options))


def prepare(options: argparse.Namespace) -> None:
    """Install what is missing, and print the path.

    Raises:
        MissingError: Something cannot be had.
    """
    packages = BUILD if options.build else {**BUILD, **CHECK, **(GATES if options.gates else {})}
    ensure(packages, install=not options.no_install, purpose="for the Debian packages")
    if not options.build:
        needed = () if options.minimal else (*NEEDED, LIBPYTHON[options.release])
        print(base(options.release, (*MINIMAL, *needed)))


if __name__ == "__main__":
    sys.exit(main())
