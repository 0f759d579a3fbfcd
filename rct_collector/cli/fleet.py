"""``rct-collector fleet``: many hosts that share devices."""

from __future__ import annotations

from importlib import import_module

import click

#: Command → module that holds its ``command``, in the order in which help lists them.
COMMANDS = {
    "apply": "rct_collector.cli.fleet_apply",
    "status": "rct_collector.cli.fleet_status",
    "simulate": "rct_collector.cli.fleet_simulate",
}


class _Fleet(click.Group):
    """Loads a command when it is asked for: what talks to etcd is not wanted by the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command


@click.group("fleet", cls=_Fleet, short_help="Plan and look after many hosts that share devices.")
def command() -> None:
    """Plan and look after a fleet: many hosts, each device asked by exactly one process."""
