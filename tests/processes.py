"""Real programs at work beside the tests: on loopback, in folders of their own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path

from tests.needs import lacking

#: Others' python3 on the PATH would exchange the library under programs written in Python, and
#: under those that embed it.
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/bin", "LANG": "C.UTF-8"}

#: How the names of variables begin by which coverage is measured in programs, too.
MEASURING = ("COV_", "COVERAGE_")

#: A broker starts in 5 s; on a machine with too much to do it has been seen to take 60.
START_S = 180


def unmeasured(**more):
    """The environment, without what would have the coverage of a program measured.

    What measures it loads modules, and changes what objects take.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(MEASURING)}
    return {**own, **more}


def wait_for(condition, seconds=60):
    """Poll until a condition holds; its last value.

    What it costs to look is spent a third of the time at most: others have work to do meanwhile,
    perhaps those that are waited for.
    """
    end = time.monotonic() + seconds
    while True:
        begin = time.monotonic()
        value = condition()
        now = time.monotonic()
        if value or now >= end:
            return value
        time.sleep(min(max(0.05, 2 * (now - begin)), 1.0))


#: Ports that the system gives to nobody by itself, a share of them for each process of the tests:
#: between the look for a port and its use nobody else takes it.
_FIRST_PORT, _PORTS = 20_000, 1_500
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_ports = itertools.cycle(
    range(_FIRST_PORT + _WORKER * _PORTS, _FIRST_PORT + (_WORKER + 1) * _PORTS)
)


def free_port(kind=socket.SOCK_STREAM):
    """A port of loopback that nobody listens on."""
    for port in itertools.islice(_ports, _PORTS):
        with socket.socket(type=kind) as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def nobody(other=0):
    """Address that nobody answers at, and that no other process of the tests holds the lock of."""
    return f"tcp://127.0.0.1:{1 + 2 * _WORKER + other}"


def listening(port):
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get(url, **parameters):
    """Text of a page, None while there is none; mistakes in a question are raised.

    A server that says 503 is still starting.
    """
    query = "?" + urllib.parse.urlencode(parameters, doseq=True) if parameters else ""
    try:
        with urllib.request.urlopen(url + query, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                return None
            raise AssertionError(f"{url}{query}: {error} {error.read().decode()}") from error
    except OSError:
        return None


def get_json(url, **parameters):
    """The same of a page in JSON."""
    text = get(url, **parameters)
    return None if text is None else json.loads(text)


def require(program):
    """Skip the test where a program is missing; on a build server that is a failure."""
    if not program.exists():
        lacking(f"{program}, see tools/servers.py")


def descriptors():
    """The files that this process has open."""
    return sorted(Path("/proc/self/fd").iterdir())


def program(name):
    """Path of a program on the PATH, or a skip; on a build server its absence is a failure."""
    path = Path(shutil.which(name) or name)
    require(path)
    return path


class Server:
    """One program that serves while the block runs.

    Attributes:
        program: The program's path.
        folder: For all that it writes.
        user: Who runs it; None for who runs the tests.
    """

    program = Path()
    user = None

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = None

    def command(self):
        """Command line; files that it names are to be written by then."""
        raise NotImplementedError

    def environment(self):
        """What is added to a clean environment."""
        return {}

    def ready(self):
        """Whether it can be talked to."""
        raise NotImplementedError

    def log(self):
        return (self.folder / "output").read_text()

    def __enter__(self):
        require(self.program)
        with (self.folder / "output").open("w") as output:
            self._process = subprocess.Popen(
                list(map(str, [self.program, *self.command()])),
                env={**CLEAN, "HOME": str(self.folder), **self.environment()},
                cwd=self.folder,
                user=self.user,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            wait_for(lambda: self._process.poll() is not None or self.ready(), START_S)
            up = self._process.poll() is None and self.ready()
            assert up, f"{self.program} does not come up: {self.log()}"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
