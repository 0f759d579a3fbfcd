"""Other users of the host who are in the way."""

from __future__ import annotations

import contextlib
import subprocess
import sys

#: Takes names as a user without rights, fills a queue of callers, and waits.
SQUATTER = """\
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
kept = []
for name in sys.argv[2:]:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(chr(0) + name)
    kept.append(sock)
    if sys.argv[1] != "deaf":
        sock.listen(1)
    while sys.argv[1] == "full":
        caller = socket.socket(socket.AF_UNIX)
        caller.setblocking(False)
        try:
            caller.connect(chr(0) + name)
        except BlockingIOError:
            break
        kept.append(caller)
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def squatter(manner, *names):
    """A process of user nobody that has names."""
    words = [name.decode().strip("\0") for name in names]
    process = subprocess.Popen(
        [sys.executable, "-c", SQUATTER, manner, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()
