"""What the scripts that set up the tests share: messages, the cache, Debian packages."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

EXIT_FAILED = 1
EXIT_NOT_AVAILABLE = 3

#: Programs with which packages start and enable their services. What the tests need is the
#: programs; nobody who runs tests wants a message broker on this machine from then on.
_STARTERS = ("invoke-rc.d", "deb-systemd-invoke", "deb-systemd-helper")


class MissingError(Exception):
    """Something cannot be had; carries the message for the user and the exit status."""

    def __init__(self, message: str, status: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.status = status


def say(message: str) -> None:
    """Write one progress line to stderr."""
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr, flush=True)


def cache() -> Path:
    """Folder for what is kept between runs.

    ``${RCT_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rct-collector}``.
    """
    chosen = os.environ.get("RCT_COLLECTOR_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    # A relative XDG_CACHE_HOME is to be ignored, says its specification.
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "rct-collector"


def run(*command: str | Path, **more: str) -> None:
    """Run a command, with its output among the progress.

    Raises:
        MissingError: It failed.
    """
    done = subprocess.run(command, stdout=sys.stderr, env={**os.environ, **more})
    if done.returncode:
        raise MissingError(f"{' '.join(map(str, command))}: failed ({done.returncode})")


def command_line(text: str) -> argparse.ArgumentParser:
    """A parser whose help is the text of a script: a sentence, and after a blank line the rest."""
    description, _, details = text.partition("\n\n")
    return argparse.ArgumentParser(
        description=description,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def exit_status(action: Callable[[], object]) -> int:
    """Do what a script is for, tell what went wrong, and return the exit status."""
    try:
        action()
    except MissingError as error:
        say(str(error))
        return error.status
    except OSError as error:
        say(f"cannot write the cache: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130
    return 0


def as_root() -> list[str] | None:
    """What is put before a command to run it as root; None if that cannot be had."""
    if os.getuid() == 0:
        return []
    found = shutil.which("sudo")
    return [found] if found else None


def apt_install(packages: Iterable[str]) -> None:
    """Install Debian packages without what they recommend, and without starting services.

    Args:
        packages: Names; of names with a "|" between them the first that the distribution has.

    Raises:
        MissingError: There is no apt-get, nobody who may use it, or it failed.
    """
    apt = shutil.which("apt-get")
    sudo = as_root()
    if apt is None or sudo is None:
        wanted = " ".join(name.partition("|")[0] for name in packages)
        raise MissingError(
            f"no way to install it; on Debian, as root: apt-get install {wanted}",
            EXIT_NOT_AVAILABLE,
        )
    run(*sudo, apt, "update", "-q")
    with _no_services() as shadows:
        run(
            *sudo, "env", "DEBIAN_FRONTEND=noninteractive",
            apt, "-o", f"DPkg::Path={shadows}:/usr/sbin:/usr/bin:/sbin:/bin",
            "install", "-q", "-y", "--no-install-recommends", *map(_known, packages),
        )  # fmt: skip


def ensure(packages: Mapping[str, str], *, install: bool, purpose: str) -> None:
    """Install those of some Debian packages that are missing.

    Args:
        packages: Package → a file of it by which it is known to be installed, or a pattern of it.
        install: Install them; else missing ones are an error.
        purpose: What they are for, to be told.

    Raises:
        MissingError: Some are missing and stay so.
    """
    missing = [name for name, file in packages.items() if not any(Path("/").glob(file[1:]))]
    if missing and not install:
        raise MissingError(f"missing: {', '.join(missing)}", EXIT_NOT_AVAILABLE)
    if missing:
        say(f"installing {', '.join(missing)}, {purpose}")
        apt_install(missing)


def _known(names: str) -> str:
    """The first of several packages that the distribution has."""
    *others, last = names.split("|")
    for name in others:
        shown = subprocess.run(["apt-cache", "show", name], capture_output=True)  # noqa: S607
        if shown.returncode == 0 and shown.stdout:
            return name
    return last


@contextmanager
def _no_services() -> Iterator[Path]:
    """A folder for the front of the search path of packages' scripts."""
    with tempfile.TemporaryDirectory(prefix="no-services-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for program in _STARTERS:
            path = folder / program
            path.write_text("#!/bin/sh\nexit 0\n")
            path.chmod(0o755)
        yield folder
