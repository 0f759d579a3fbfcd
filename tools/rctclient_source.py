#!/usr/bin/env python3
"""Print where the source archive of rctclient is, of which a Debian package is made.

Fetched once, with pip, in the version that packaging/rctclient/SHA256SUMS names, and kept outside
of the source tree::

    ${RCT_COLLECTOR_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rct-collector}/sources/

The path is the only output on stdout; progress and errors go to stderr.

Exit status: 0 it is there, 1 it cannot be had or is another one.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from setup_tools import MissingError, cache, command_line, exit_status, run, say

SUMS = Path(__file__).resolve().parents[1] / "packaging" / "rctclient" / "SHA256SUMS"


def source() -> Path:
    """Path of the archive; it is fetched if it is not there.

    Raises:
        MissingError: It cannot be fetched, or is not the one that is expected.
    """
    expected, name = SUMS.read_text().split()
    path = cache() / "sources" / name
    if not path.exists():
        project, _, version = name.removesuffix(".tar.gz").rpartition("-")
        say(f"fetching {name}, once, into {path.parent}")
        path.parent.mkdir(parents=True, exist_ok=True)
        requirement = f"{project}=={version}"
        options = ("-q", "--no-deps", "--no-binary", project, "--dest", path.parent)
        run(sys.executable, "-m", "pip", "download", *options, requirement)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise MissingError(f"{path}: sha256 is {found}, expected {expected} of {SUMS}")
    return path


def main() -> int:
    """Run the command; return its exit status."""
    command_line(__doc__ or "").parse_args()
    return exit_status(lambda: print(source()))


if __name__ == "__main__":
    sys.exit(main())
