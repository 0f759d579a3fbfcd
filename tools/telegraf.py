#!/usr/bin/env python3
"""Print the path of a Telegraf binary for the tests; build one if there is none.

In this order: ``$TELEGRAF``; ``telegraf`` on the PATH; a build kept from an earlier
run; a new build with a Go toolchain. The build holds only the plugins that the tests
use, takes a minute or two, and is kept outside the source tree::

    ${RCT_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rct-collector}/
        telegraf-<version>-<hash of the plugin list>/telegraf

The path is the only output on stdout; progress and errors go to stderr.

Exit status: 0 found, 1 ``$TELEGRAF`` is wrong or the build failed, 2 wrong usage,
3 no Telegraf and no way to build one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from setup_tools import EXIT_NOT_AVAILABLE, MissingError, cache, command_line, exit_status, say

VERSION = "1.39.3"
GO_MINIMUM = (1, 26)  # from the go.mod of this Telegraf version
MODULE = "github.com/influxdata/telegraf"

#: Build tags. "custom" leaves out every plugin that has no tag of its own here.
TAGS = (
    "custom",
    "inputs.execd",
    "inputs.exec",
    "inputs.internal",
    "outputs.file",
    "outputs.discard",
    "outputs.influxdb",
    "outputs.influxdb_v2",
    "outputs.prometheus_client",
    "outputs.graphite",
    "outputs.mqtt",
    "outputs.amqp",
    "outputs.nats",
    "outputs.http",
    "outputs.kafka",
    "outputs.postgresql",
    "parsers.influx",
    "serializers.influx",
    "serializers.json",
    "serializers.csv",
    "serializers.graphite",
    "serializers.prometheusremotewrite",
    "serializers.prometheus",
    "serializers.template",
    "processors.rename",
    "processors.starlark",
    "processors.regex",
    "aggregators.basicstats",
)

PROGRESS_EVERY_S = 10.0


def is_program(path: Path) -> bool:
    """Tell whether ``path`` is a file that may be executed."""
    return path.is_file() and os.access(path, os.X_OK)


def cached_path() -> Path:
    """Return where the build of this version and plugin list is kept."""
    digest = hashlib.sha256(",".join(TAGS).encode()).hexdigest()[:12]
    return cache() / f"telegraf-{VERSION}-{digest}" / "telegraf"


def from_environment() -> Path | None:
    """Return ``$TELEGRAF``, or None when it is unset or empty.

    Raises:
        MissingError: It is set but not a program.
    """
    value = os.environ.get("TELEGRAF")
    if not value:
        return None
    path = Path(value).expanduser()
    if not is_program(path):
        raise MissingError(f"TELEGRAF={value} is not an executable file; correct it or unset it")
    return path.absolute()


def go_candidates() -> Iterator[Path]:
    """Yield Go commands, most wanted first."""
    on_path = shutil.which("go")
    if on_path:
        yield Path(on_path)
    home = Path.home()
    for root in (
        Path("/usr/local/go"),
        Path("/usr/lib/go"),
        *sorted(Path("/usr/lib").glob("go-1.*"), reverse=True),
        home / "go",
        home / ".local/go",
        *sorted((home / "sdk").glob("go1.*"), reverse=True),
        Path("/opt/go"),
        Path("/snap"),
    ):
        command = root / "bin" / "go"
        if is_program(command):
            yield command


def go_version(go: Path) -> tuple[int, int] | None:
    """Return (major, minor) of a Go command, None when it does not say."""
    try:
        done = subprocess.run(
            [go, "version"], env=go_environment(), capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\bgo(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else None


def go_environment() -> dict[str, str]:
    """Return the environment for Go: the version found is the version that runs."""
    environment = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    environment.setdefault("HOME", str(Path.home()))  # Go needs it for its caches
    return environment


def find_go() -> Path:
    """Return a Go command that can build this Telegraf.

    Raises:
        MissingError: There is none.
    """
    too_old = []
    for go in go_candidates():
        version = go_version(go)
        if version and version >= GO_MINIMUM:
            return go
        if version:
            too_old.append(f"{go} is {version[0]}.{version[1]}")
    minimum = "{}.{}".format(*GO_MINIMUM)
    found = f"no Go ≥ {minimum}" + (f" ({', '.join(too_old)})" if too_old else "")
    raise MissingError(
        f"no Telegraf on the PATH, and {found} to build it. Do one of:\n"
        "  - install Telegraf, so that `telegraf` is on the PATH\n"
        f"  - install Go {minimum} or newer (PATH or /usr/local/go); it is then built once\n"
        "  - set TELEGRAF to the path of a Telegraf binary",
        EXIT_NOT_AVAILABLE,
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; wait for whoever holds it. Ends with the process at the latest."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run is building Telegraf, waiting for {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Progress:
    """How far ``go install`` has come, by what it says.

    Attributes:
        tail: Its last lines.
    """

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=20)
        self._began = time.monotonic()
        self._downloaded = self._compiled = 0

    def read(self, lines: Iterable[str]) -> None:
        """Count lines until there are no more."""
        for line in lines:
            self.tail.append(line.rstrip())
            if line.startswith("go: downloading"):
                self._downloaded += 1
            else:
                self._compiled += 1

    def wait(self, process: subprocess.Popen[str]) -> int:
        """Tell now and then, until the process has ended; its exit status."""
        while True:
            try:
                return process.wait(PROGRESS_EVERY_S)
            except subprocess.TimeoutExpired:
                self.say(
                    f"{self._downloaded} modules downloaded, {self._compiled} packages compiled"
                )

    def say(self, text: str) -> None:
        """Tell something, and how long it took until then."""
        say(f"{time.monotonic() - self._began:4.0f} s: {text}")


def run_go_install(go: Path, into: Path) -> None:
    """Run ``go install`` with progress lines.

    Args:
        go: The Go command.
        into: Folder for the binary.

    Raises:
        MissingError: Go failed; its last lines are in the message.
    """
    command = [
        *(str(go), "install", "-v", "-trimpath"),
        *("-ldflags", f"-s -w -X {MODULE}/internal.Version={VERSION}"),
        *("-tags", ",".join(TAGS)),
        f"{MODULE}/cmd/telegraf@v{VERSION}",
    ]
    progress = _Progress()
    with subprocess.Popen(
        command,
        cwd=into,  # away from any go.mod or go.work of the user
        env={**go_environment(), "GOBIN": str(into), "GOWORK": "off"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        reader = threading.Thread(target=progress.read, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            status = progress.wait(process)
        except BaseException:
            process.terminate()
            raise
        reader.join()
    if status:
        raise MissingError("\n  ".join([f"go install failed ({status}):", *progress.tail]))
    progress.say("done")


def build(binary: Path) -> None:
    """Build Telegraf at ``binary``, unless another run has just done so.

    Raises:
        MissingError: No Go, or the build failed.
    """
    go = find_go()
    folder = binary.parent
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        if is_program(binary):
            return
        say(f"building Telegraf {VERSION} with {go}, once, into {folder}")
        with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as temporary:
            run_go_install(go, Path(temporary))
            made = Path(temporary, "telegraf")
            shown = subprocess.run([made, "--version"], capture_output=True, text=True)
            if VERSION not in shown.stdout:
                raise MissingError(f"the new Telegraf does not run: {shown.stdout}{shown.stderr}")
            made.replace(binary)  # atomic: a path that exists is a whole binary


def find(*, may_build: bool) -> Path:
    """Return the path of a Telegraf binary.

    Args:
        may_build: Build one when there is none.

    Raises:
        MissingError: None found, none built.
    """
    path = from_environment()
    if path:
        return path
    on_path = shutil.which("telegraf")
    if on_path:
        return Path(on_path).absolute()
    binary = cached_path()
    if not is_program(binary):
        if not may_build:
            raise MissingError("no Telegraf found", EXIT_NOT_AVAILABLE)
        build(binary)
    return binary


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = command_line(__doc__ or "")
    parser.add_argument("--no-build", action="store_true", help="only look, never build")
    may_build = not parser.parse_args(arguments).no_build
    # As an exception, so that the build is stopped and its folder removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return exit_status(lambda: print(find(may_build=may_build)))


if __name__ == "__main__":
    sys.exit(main())
