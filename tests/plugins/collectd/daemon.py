"""A real collectd at work, in a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.processes import CLEAN, wait_for

COLLECTD = Path("/usr/sbin/collectd")
ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "plugins" / "collectd"

#: A pace at which tests see several rounds.
QUICK = """
      <Intervals>
        Fast "2s"
        Medium "4s"
        Slow "4s"
      </Intervals>
      <Requests>
        PerSecond 50
        Gap "5ms"
      </Requests>
"""

#: A pace at which thirty rounds are half a minute, even those that nobody answers.
OFTEN = QUICK.replace('Fast "2s"', 'Fast "1s"').replace("Gap", 'Timeout "200ms"\n        Gap')

#: The interval is what a signal in the very moment before collectd falls asleep waits for.
HEAD = """
Hostname "solar1"
Interval 1
FQDNLookup false
BaseDir "{folder}/base"
PIDFile "{folder}/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{folder}/log"
  Timestamp true
  PrintSeverity true
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "{folder}/csv"
  StoreRates false
</Plugin>
LoadPlugin python
<Plugin python>
{paths}
  Import "rct_collector_collectd"
{modules}
</Plugin>
"""

#: What collectd itself says at each start of write_prometheus.
_NOT_OURS = re.compile("MHD_OPTION_EXTERNAL_LOGGER")


def device(name, address, more=QUICK, driver="rct"):
    """One block Device."""
    return (
        f'    <Device "{name}">\n      Driver {driver}\n      Address "{address}"\n'
        f"{more}    </Device>"
    )


def module(folder, *lines):
    """One block Module, with what was learnt in the test's folder."""
    inner = "\n".join(lines)
    return f'  <Module rct_collector_collectd>\n    StateDir "{folder}/state"\n{inner}\n  </Module>'


class Daemon:
    """One collectd, in the foreground unless it is told to fork."""

    def __init__(self, folder, paths, modules, extra=""):
        self.folder = folder
        self.config = folder / "collectd.conf"
        self.output = folder / "output"
        lines = "\n".join(f'  ModulePath "{path}"' for path in paths)
        self.config.write_text(
            HEAD.format(folder=folder, paths=lines, modules="\n".join(modules)) + extra
        )
        self.process = None

    def start(self, *, fork=False, files=None):
        """Start it.

        Args:
            fork: As a daemon.
            files: Limit of its open files, hard and soft.
        """
        limit = [] if files is None else ["prlimit", f"--nofile={files}:{files}"]
        with self.output.open("a") as output:
            self.process = subprocess.Popen(
                [*limit, COLLECTD, "-C", self.config, *([] if fork else ["-f"])],
                env=CLEAN,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return self

    def stop(self, number=signal.SIGTERM):
        """Stop it; how many seconds that took."""
        started = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(10) == 0
        return time.monotonic() - started

    def kill(self):
        """At the end of a test, whatever has become of it."""
        pid = self.pid()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if pid is not None and alive(pid):
            os.kill(pid, signal.SIGKILL)

    def pid(self):
        """Process id of a daemon that forked."""
        path = self.folder / "collectd.pid"
        text = path.read_text().strip() if path.exists() else ""
        return int(text) if text else None

    def log(self):
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def ready(self):
        assert wait_for(lambda: "entering read-loop" in self.log()), self.output.read_text()
        return self

    def errors(self):
        return [
            line.partition("] ")[2]
            for line in self.log().splitlines()
            if (" [error] " in line or "Value too old" in line) and not _NOT_OURS.search(line)
        ]

    def names(self):
        """``plugin-instance/type-type_instance`` of all that was written."""
        return {
            path.relative_to(self.folder / "csv/solar1").as_posix()[:-11] for path in self._files()
        }

    def rows(self, name):
        """Time and value of all that was written of one series."""
        found = []
        for path in sorted(self.folder.glob(f"csv/solar1/{name}-20??-??-??")):
            for line in path.read_text().splitlines(keepends=True)[1:]:
                if line.endswith("\n"):
                    when, _, value = line.strip().partition(",")
                    found.append((float(when), float(value)))
        return found

    def _files(self):
        return self.folder.glob("csv/solar1/*/*")


def ask(path, command):
    """Lines that the unixsock plugin answers to a command."""
    with socket.socket(socket.AF_UNIX) as sock, sock.makefile("rw") as stream:
        sock.connect(str(path))
        stream.write(command + "\n")
        stream.flush()
        count = int(stream.readline().split()[0])
        return [stream.readline().strip() for _ in range(count)]


def alive(pid):
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not stat.rpartition(") ")[2].startswith("Z")
