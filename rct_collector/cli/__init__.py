"""The command ``rct-collector``, for people.

::

    app ─► one module per command ─► targets ─► collect ─► snapshot ─► layout, present
           (loaded when asked for)   which       one round  latest      how it looks
                                     devices     or many    values

Nothing heavy is imported at the top of a command's module, so that help and completion are
there at once.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process."""
    from rct_collector.cli.app import PROGRAM, application

    # A terminal that cannot show a degree sign shall get a question mark, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    application(prog_name=PROGRAM)
