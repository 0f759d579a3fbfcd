"""Other processes of this host: what they are called, and what they have open.

Linux tells it in ``/proc``, as far as it is for us to see: of processes of other users only root
sees the files. Elsewhere nothing is found.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from rct_collector.trust import user_name

#: Where the system tells of its processes.
PROC = Path("/proc")

#: Characters of a command that are shown.
_LONGEST_COMMAND = 120


def described(pid: int, uid: int | None = None) -> str:
    """A process in words, as far as they can be found.

    Args:
        pid: The process, or 0 where it is not known.
        uid: Its user, where that is known.
    """
    details = [] if uid is None else [user_name(uid)]
    if pid and (typed := command(pid)):
        details.append(f"command {typed}")
    who = f"process {pid}" if pid else "another process"
    return f"{who} on this host" + (f" ({', '.join(details)})" if details else "")


def openers(what: str, proc: Path = PROC) -> Iterator[int]:
    """The processes that have a file open.

    Args:
        what: As the links in ``/proc/<pid>/fd`` have it: a real path, or ``socket:[<inode>]``.
        proc: Where the system tells of its processes.
    """
    for process in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ends meanwhile, or is not for us to see
            if _has_open(process, what):
                yield int(process.name)


def _has_open(process: Path, what: str) -> bool:
    # A host has thousands of these, and whoever asks keeps others waiting: no paths are made.
    with os.scandir(process / "fd") as links:
        for link in links:
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.readlink(link) == what:  # noqa: PTH115
                    return True
    return False


def holder_of(status: os.stat_result, proc: Path = PROC) -> int:
    """The process that has locked a file by flock(2), or 0 where nobody can be named.

    Args:
        status: Of the file.
        proc: Where the system tells of its locks.
    """
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with contextlib.suppress(OSError, ValueError):  # no such list here
        for line in (proc / "locks").read_text(encoding="ascii").splitlines():
            # 1: FLOCK  ADVISORY  WRITE 708 00:05:1234 0 EOF
            words = line.split()
            if words[1:2] == ["FLOCK"] and words[5:6] == [file]:
                return max(int(words[4]), 0)
    return 0


def command(pid: int) -> str:
    """The command of a process as it was typed, or "" where that is not for us to see."""
    try:
        with (PROC / str(pid) / "cmdline").open("rb") as file:
            data = file.read(4 * _LONGEST_COMMAND)
    except OSError:
        return ""
    text = data.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= _LONGEST_COMMAND else shown[: _LONGEST_COMMAND - 1] + "…"
