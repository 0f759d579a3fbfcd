"""The command ``rct-collector``, for people.

::

    app ─► one module per command ─► targets ─► collect ─► snapshot ─► layout, present
           (loaded when asked for)   which       one round  latest      how it looks
                                     devices     or many    values

Nothing heavy is imported at the top of a command's module, so that help and completion are
there at once.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process."""
    from rct_collector.process import prepare

    prepare()
    from rct_collector.cli.app import PROGRAM, application

    application(prog_name=PROGRAM)
