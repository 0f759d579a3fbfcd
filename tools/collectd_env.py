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

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLLECTD = Path("/usr/sbin/collectd")
PLUGINS = Path("/usr/lib/collectd")
PYTHON = Path("/usr/bin/python3")

#: Libraries of the writers that the tests use, which the package only suggests; of names with a
#: "|" between them the first that the distribution has.
LIBRARIES = ("libyajl2", "libmicrohttpd12t64|libmicrohttpd12", "libprotobuf-c1", "libcap2")

EXIT_FAILED = 1
EXIT_NOT_AVAILABLE = 3


class MissingError(Exception):
    """Something cannot be had; carries the message for the user and the exit status."""

    def __init__(self, message: str, status: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.status = status


def say(message: str) -> None:
    """Write one progress line."""
    print(f"collectd_env.py: {message}", file=sys.stderr, flush=True)


def run(*command: str | Path, **more: str) -> None:
    """Run a command, with its output among the progress.

    Raises:
        MissingError: It failed.
    """
    done = subprocess.run(command, stdout=sys.stderr, env={**os.environ, **more})
    if done.returncode:
        raise MissingError(f"{' '.join(map(str, command))}: failed ({done.returncode})")


def has_collectd() -> bool:
    """Whether collectd with its Python plugin is installed."""
    return COLLECTD.exists() and (PLUGINS / "python.so").exists()


def python_version() -> str:
    """Version of the distribution's Python, as in "3.11"."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True).stdout.strip()


def install_collectd() -> None:
    """Install collectd and the libraries of its plugins.

    Raises:
        MissingError: There is no apt-get, or nobody who may use it.
    """
    apt = shutil.which("apt-get")
    sudo = [] if os.getuid() == 0 else [found for found in [shutil.which("sudo")] if found]
    if apt is None or (os.getuid() and not sudo):
        raise MissingError(
            "no collectd, and no way to install it; on Debian, as root:"
            " apt-get install collectd-core",
            EXIT_NOT_AVAILABLE,
        )
    say("installing collectd-core, which the tests need")
    run(*sudo, apt, "update", "-q")
    libraries = [f"libpython{python_version()}", *map(_known, LIBRARIES)]
    environment = "DEBIAN_FRONTEND=noninteractive"
    run(
        *(*sudo, "env", environment, apt, "install", "-q", "-y", "--no-install-recommends"),
        *("collectd-core", *libraries),
    )


def _known(names: str) -> str:
    """The first of several packages that the distribution has."""
    *others, last = names.split("|")
    for name in others:
        shown = subprocess.run(["apt-cache", "show", name], capture_output=True)  # noqa: S607
        if shown.returncode == 0 and shown.stdout:
            return name
    return last


def cache() -> Path:
    """Folder for what is kept between runs."""
    chosen = os.environ.get("RCT_COLLECTOR_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    # A relative XDG_CACHE_HOME is to be ignored, says its specification.
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "rct-collector"


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
    description, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--no-install", action="store_true", help="do not install collectd")
    options = parser.parse_args(arguments)
    try:
        if not PYTHON.exists():
            raise MissingError(f"no {PYTHON}, which collectd embeds", EXIT_NOT_AVAILABLE)
        if not has_collectd():
            if options.no_install:
                raise MissingError("no collectd found", EXIT_NOT_AVAILABLE)
            install_collectd()
        print(site_packages())
    except MissingError as error:
        say(str(error))
        return error.status
    except OSError as error:
        say(f"cannot write the cache: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
