#!/usr/bin/env python3
"""Prepare what the tests of the collectd plugin need; print where its packages are.

collectd embeds the distribution's Python, whichever ``python3`` comes first on the PATH. So the
libraries that the collector needs go into an environment made from that Python, once, outside
of the source tree::

    ${RCT_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rct-collector}/
        collectd-python<version>-<hash of the requirements>/lib/python<version>/site-packages

Where collectd is missing, it is installed with apt-get, as root or with sudo. The path is the
only output on stdout; progress and errors go to stderr.

Exit status: 0 all is there, 1 something failed, 2 wrong usage, 3 no collectd and no way to
install it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

from setup_tools import (
    EXIT_NOT_AVAILABLE,
    MissingError,
    apt_install,
    cache,
    command_line,
    exit_status,
    run,
    say,
)

ROOT = Path(__file__).resolve().parents[1]
COLLECTD = Path("/usr/sbin/collectd")
PLUGINS = Path("/usr/lib/collectd")
PYTHON = Path("/usr/bin/python3")

#: Debian package → library in it, for the writers that the tests use; collectd's package only
#: suggests them. Of names with a "|" between them the first that the distribution has.
LIBRARIES = {
    "libcap2": "libcap.so.2",
    "libcurl3t64-gnutls|libcurl3-gnutls": "libcurl-gnutls.so.4",
    "libgcrypt20": "libgcrypt.so.20",
    "libmicrohttpd12t64|libmicrohttpd12": "libmicrohttpd.so.12",
    "libmosquitto1": "libmosquitto.so.1",
    "libprotobuf-c1": "libprotobuf-c.so.1",
    "librrd8t64|librrd8": "librrd.so.8",
    "libyajl2": "libyajl.so.2",
}


def has_collectd() -> bool:
    """Whether collectd is installed, with its Python plugin and the libraries of its writers."""
    libraries = all(any(Path("/usr/lib").glob(f"*/{name}")) for name in LIBRARIES.values())
    return COLLECTD.exists() and (PLUGINS / "python.so").exists() and libraries


def python_version() -> str:
    """Version of the distribution's Python, as in "3.11"."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True).stdout.strip()


def install_collectd() -> None:
    """Install collectd and the libraries of its plugins.

    Raises:
        MissingError: It cannot be installed.
    """
    say("installing collectd-core, which the tests need")
    apt_install(["collectd-core", f"libpython{python_version()}", *LIBRARIES])


def site_packages() -> Path:
    """Where the libraries are; they are installed first if there are none.

    Raises:
        MissingError: They cannot be installed.
    """
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    version = python_version()
    digest = hashlib.sha256(",".join(requirements).encode()).hexdigest()[:12]
    folder = cache() / f"collectd-python{version}-{digest}"
    found = folder / "lib" / f"python{version}" / "site-packages"
    complete = folder / ".complete"
    if not complete.exists():
        say(f"installing the collector's libraries for Python {version}, once, into {folder}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        run(ROOT / "tools" / "venv.sh", PYTHON, folder)
        run(folder / "bin" / "pip", "install", "-q", *requirements)
        complete.touch()
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = command_line(__doc__ or "")
    parser.add_argument("--no-install", action="store_true", help="do not install collectd")
    options = parser.parse_args(arguments)
    return exit_status(lambda: prepare(install=not options.no_install))


def prepare(*, install: bool) -> None:
    """Install what is missing, if that is wanted, and print the path.

    Raises:
        MissingError: Something cannot be had.
    """
    if not PYTHON.exists():
        raise MissingError(f"no {PYTHON}, which collectd embeds", EXIT_NOT_AVAILABLE)
    if not has_collectd():
        if not install:
            raise MissingError("no collectd found", EXIT_NOT_AVAILABLE)
        install_collectd()
    print(site_packages())


if __name__ == "__main__":
    sys.exit(main())
