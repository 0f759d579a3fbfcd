"""Commands that only one family has: ``rct-collector FAMILY COMMAND``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from rct_collector.drivers import WITH_COMMANDS, driver


class FamilyCommands(click.Group):
    """The commands of one family, each loaded when it is asked for."""

    def __init__(self, family: str, text: str) -> None:
        """Those of one family.

        Args:
            family: Name of the driver.
            text: What they are, in a line.
        """
        super().__init__(family, callback=click.pass_context(_outside), help=text, short_help=text)
        self._family = family

    @property
    def _modules(self) -> Mapping[str, str]:
        return driver(self._family).tools().commands()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the family."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        module = self._modules.get(cmd_name)
        if module is None:
            return None
        command: click.Command = import_module(module).command
        return command


def _outside(ctx: click.Context) -> None:
    """Hand files, programs and people to the family's command."""
    from rct_collector.cli.main import start_logging
    from rct_collector.cli.outside import ThisSide

    start_logging(ctx.obj, "warning")
    ctx.obj = ThisSide()


def commands_of(family: str) -> FamilyCommands | None:
    """The commands of a family; None where it has none, or there is no such family."""
    text = WITH_COMMANDS.get(family)
    return FamilyCommands(family, text) if text else None
