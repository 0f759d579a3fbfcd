"""A collector that takes itself to be on a host of its own.

Usage: python -m tests.fleet.host NAME ARGUMENTS...

Its host has a name of its own, and so do the locks of devices: those of one host keep its processes
apart by themselves, and are of no use between hosts.
"""

from __future__ import annotations

import platform
import socket
import sys

from rct_collector.cli.main import main
from rct_collector.lines import lock

if __name__ == "__main__":
    name = sys.argv.pop(1)
    socket.gethostname = platform.node = lambda: name
    lock._PREFIX = f"\0{name}/rct-collector/".encode()
    main()
