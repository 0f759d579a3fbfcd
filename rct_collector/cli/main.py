"""The command line: the group of all commands, what they share, and how failures are told."""

from __future__ import annotations

import errno
import logging
import sys
from importlib import import_module
from typing import Any

import click

from rct_collector import __version__
from rct_collector.errors import (
    BusyError,
    CaptureError,
    CollectorError,
    ConfigError,
    MissingToolError,
    TransportError,
)
from rct_collector.exits import MEANINGS, Exit
from rct_collector.process import output_failure, prepare

#: Command → module that holds its ``command``, in the order in which help lists them.
COMMANDS = {
    "read": "rct_collector.cli.read",
    "watch": "rct_collector.cli.watch",
    "history": "rct_collector.cli.history",
    "settings": "rct_collector.cli.settings",
    "doctor": "rct_collector.cli.doctor",
    "demo": "rct_collector.cli.demo",
    "metrics": "rct_collector.cli.metrics",
    "objects": "rct_collector.cli.objects",
    "config": "rct_collector.cli.config",
    "web": "rct_collector.cli.web",
    "find": "rct_collector.cli.find",
    "simulate": "rct_collector.cli.simulate",
    "record": "rct_collector.cli.record",
    "replay": "rct_collector.cli.replay",
    "decode": "rct_collector.cli.decode",
    "daemon": "rct_collector.cli.daemon",
    "reload": "rct_collector.cli.reload",
    "bridge": "rct_collector.cli.bridge",
    "fleet": "rct_collector.cli.fleet",
    "discovery": "rct_collector.cli.discovery",
    "status": "rct_collector.cli.status",
    "completion": "rct_collector.cli.completion",
}

#: Module that has the commands of single families.
FAMILIES = "rct_collector.cli.family"

PROGRAM = "rct-collector"


class Failure(click.ClickException):
    """Ends the program with a message and a status; no traceback."""

    def __init__(self, problems: tuple[str, ...], status: Exit) -> None:
        """Keep one line per problem."""
        super().__init__("\n".join(problems))
        self.problems = problems
        self.exit_code = status  # type: ignore[misc] # click itself does so

    def show(self, file: object = None) -> None:
        """Print the problems, one per line."""
        for problem in self.problems:
            click.echo(f"Error: {problem}", err=True)


_STATUS = {
    BusyError: Exit.BUSY,
    CaptureError: Exit.USAGE,
    MissingToolError: Exit.USAGE,
    TransportError: Exit.UNREACHABLE,
}


def failure(error: CollectorError) -> Failure:
    """What an error of the collector means for the exit status."""
    if isinstance(error, ConfigError):
        return Failure(error.problems, Exit.USAGE)
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            return Failure((str(error),), status)
    return Failure((str(error),), Exit.BUG)


class Application(click.Group):
    """Loads a command when it is asked for, and turns what goes wrong into words and a status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table, not of the alphabet; then those of single families."""
        from rct_collector.drivers import WITH_COMMANDS

        return [*COMMANDS, *WITH_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            group: click.Command | None = import_module(FAMILIES).commands_of(cmd_name)
            return group
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:  # noqa: ANN401
        """Run a command line, help and completion included, and end with its status.

        What click does itself about output that cannot be written differs from command to option.
        """
        run: Any = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        error: click.ClickException | None = None
        try:
            status = run(*args, standalone_mode=False, **extra)
        except click.ClickException as found:
            error, status = found, found.exit_code
        except click.Abort:
            status = Exit.INTERRUPTED
        except SystemExit as found:  # of completion
            status = found.code
        except OSError:
            if output_failure() is None:
                raise
            status = Exit.OUTPUT
        reason = output_failure()
        if reason is not None:
            status = _output_failed(reason)
        elif error is not None:
            error.show()
        sys.exit(status)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command."""
        try:
            super().invoke(ctx)
        except CollectorError as error:
            raise failure(error) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(Exit.INTERRUPTED) from None


def _output_failed(reason: OSError) -> Exit:
    """Say why output could not be written, unless somebody has ended who read it."""
    if reason.errno == errno.EPIPE:
        return Exit.PIPE
    click.echo(f"Error: standard output cannot be written: {reason.strerror}", err=True)
    return Exit.OUTPUT


def _epilog() -> str:
    lines = [f"  {status.value:>3}  {meaning}" for status, meaning in MEANINGS.items()]
    return "\n".join(["\b", "Exit status:", *lines])


_HELP = """\
Read solar inverters, and see what the agents' plugins get to see.

\b
Try it without an inverter:
  rct-collector demo
  rct-collector read --simulate
Then with one:
  rct-collector read --address tcp://192.0.2.10:8899
  rct-collector config sample > config.yaml
"""


@click.command(
    PROGRAM,
    cls=Application,
    help=_HELP,
    epilog=_epilog(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=PROGRAM)
@click.option(
    "--log-level",
    type=click.Choice(["error", "warning", "info", "debug"]),
    help="How much is logged on standard error.",
)
@click.pass_context
def application(ctx: click.Context, log_level: str | None) -> None:
    """Keep what all commands share."""
    ctx.obj = log_level


def start_logging(level: str | None, default: str) -> None:
    """Log to standard error.

    Args:
        level: What the user asked for.
        default: What the command takes otherwise.
    """
    logging.basicConfig(
        level=(level or default).upper(), format="%(levelname)s: %(message)s", stream=sys.stderr
    )


def main() -> None:
    """Run the command line of this process."""
    prepare()
    application(prog_name=PROGRAM)
