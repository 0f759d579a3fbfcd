"""``rct-collector simulate``: an inverter that is not there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from rct_collector.cli.options import (
    DOORS,
    LOOPBACK,
    Function,
    Word,
    Words,
    door_options,
    listen_options,
    usual_port,
)
from rct_collector.drivers import BUILTIN, DEFAULT, driver
from rct_collector.errors import MissingToolError

if TYPE_CHECKING:
    from rct_collector.cli.serving import Opening
    from rct_collector.drivers.base import Driver
    from rct_collector.drivers.tools import Simulator

_EPILOG = """\b
Examples:
{examples}
Then, in another terminal:
  rct-collector watch {driver}--address {address}
"""


class Families(click.Group):
    """One command per family, made when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The families that can be simulated."""
        return [name for name in BUILTIN if _can_be_simulated(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of one family.

        Raises:
            MissingToolError: The family cannot be simulated.
        """
        return _command(cmd_name) if cmd_name in BUILTIN else None


def _can_be_simulated(name: str) -> bool:
    try:
        driver(name).tools().simulator()
    except MissingToolError:
        return False
    return True


@click.group("simulate", cls=Families, short_help="Serve a simulated inverter.")
def command() -> None:
    """Serve a simulated inverter, until Ctrl-C."""


def _command(name: str) -> click.Command:
    family = driver(name)
    simulator = family.tools().simulator()
    usual = next(iter(simulator.scenarios))

    @click.command(
        name, help=simulator.text, short_help=simulator.title, epilog=_epilog(family, simulator)
    )
    @listen_options
    @click.option(
        "--scenario", type=Word("scenario", partial(list, simulator.scenarios)), default=usual,
        metavar="NAME", help=f"What the installation has, see --list (default: {usual}).",
    )  # fmt: skip
    @click.option(
        "--faults", type=Words("fault profile", partial(list, simulator.profiles)), default="",
        metavar="NAMES", help="What goes wrong, see --list; several with commas between them.",
    )  # fmt: skip
    @click.option("--seed", type=int, default=0, help="Weather, household, faults, serial numbers.")
    @click.option(
        "--speed", type=click.FloatRange(0, 100_000, min_open=True), default=1.0,
        help="How many times faster than real its world goes (default: 1).",
    )  # fmt: skip
    @click.option(
        "--sun", type=click.FloatRange(0, 24, max_open=True), metavar="HOUR",
        help="Hour of day at which the sun stands at the start (default: as by the clock).",
    )  # fmt: skip
    @click.option(
        "--list", "listing", is_flag=True, help="List scenarios and fault profiles, and end."
    )
    @_choices(simulator)
    @_doors(family)
    def simulate(listing: bool, **chosen: Any) -> None:  # noqa: FBT001
        if listing:
            _list(simulator)
        else:
            _serve(family, simulator, **chosen)

    return simulate


def _choices(simulator: Simulator) -> Callable[[Function], Function]:
    """Add what only this family lets choose."""

    def add(function: Function) -> Function:
        for choice in reversed(simulator.choices):
            takes: Any = choice.takes
            name = f"--{choice.name.replace('_', '-')}"
            if not takes:
                switch = click.option(name, choice.name, is_flag=True, help=choice.text)
                function = switch(function)
                continue
            kind = (
                click.IntRange(takes[0], takes[-1])
                if isinstance(takes, range)
                else Word(choice.name, partial(list, takes))
            )
            function = click.option(name, choice.name, type=kind, help=choice.text)(function)
        return function

    return add


def _doors(family: Driver) -> Callable[[Function], Function]:
    """Add how the unit is reached, where there are several ways."""
    words = ["tcp", *(word for word, way in DOORS.items() if way in family.ways)]
    port = family.ways.get("listen", {}).get("port")

    def add(function: Function) -> Function:
        if port is not None:
            function = click.option(
                "--to", metavar="ADDRESS", default=f"tcp://{LOOPBACK}:{port}",
                help=f"Whom units call (default: tcp://{LOOPBACK}:{port}).",
            )(function)  # fmt: skip
        if words == ["tcp"]:
            return function
        return door_options(words)(function)

    return add


def _serve(
    family: Driver,
    simulator: Simulator,
    *,
    host: str,
    port: int | None,
    transport: str = "tcp",
    path: Path | None = None,
    to: str = "",
    **world: Any,  # noqa: ANN401
) -> None:
    """Let simulated units be reached, or call, until Ctrl-C."""
    from rct_collector.cli.serving import called_at, dialling, open_until_stopped, plugged_in
    from rct_collector.simulator import SimulatedInverter, serve

    chosen = {choice.name: world[choice.name] for choice in simulator.choices}
    lines = simulator.lines(world["scenario"], **chosen)
    hours = simulator.captured(**chosen)
    calls = simulator.calls(**chosen)
    if hours:
        _refuse_idle("these are written into a file, see --path", "path")
        _capture(family, lines, path, hours, world)
        return
    at = usual_port(family) if port is None else port
    if calls:
        _refuse_idle("these units call, and --to says whom", "to")
    else:
        _refuse_idle("these units are called, and call nobody", "host", "port", "transport", "path")
    called = called_at(to, family) if calls else None
    start = time()

    def opening(line: int, folder: Path) -> Opening:
        which = {**world, "line": line} if lines > 1 else world
        inverter = SimulatedInverter(driver=family.name, start=start, **which)
        if called is not None:
            return dialling(inverter.hub, *called)
        if transport == "tcp":
            return lambda: serve(inverter.hub(), host, at + line if at else 0)
        place = _numbered(path or folder / "inverter", line, lines)
        return plugged_in(transport, inverter.hub, place)

    trouble = f" with {', '.join(world['faults'])}" if world["faults"] else ""
    name = f"simulated inverter '{world['scenario']}'{trouble}"
    with TemporaryDirectory(prefix="rct-collector-") as folder:
        openings = [opening(line, Path(folder)) for line in range(lines)]
        where = f"{host}:{at}" if transport == "tcp" else str(path or folder)
        hints = simulator.hints(world["scenario"], seed=world["seed"], **chosen)
        open_until_stopped(openings, where=where, name=name, hints=hints)


def _refuse_idle(why: str, *used: str) -> None:
    """Refuse what was said of a way that is not taken.

    Args:
        why: What is done instead, in words.
        used: Options that count.

    Raises:
        click.UsageError: Another one is given.
    """
    context = click.get_current_context()
    for name in ("host", "port", "transport", "path", "to"):
        if name not in used and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} means nothing here: {why}")


def _capture(
    family: Driver, lines: int, path: Path | None, hours: float, world: dict[str, Any]
) -> None:
    """Write a capture file of units that have called until now."""
    from rct_collector.drivers.base import SessionOptions
    from rct_collector.simulator import SimulatedInverter
    from rct_collector.simulator.captured import write_calls
    from rct_collector.transport.tcp import explain

    if path is None:
        raise click.UsageError("--path is to name the capture file")
    start = time() - hours * 3600.0
    units = [
        SimulatedInverter(driver=family.name, start=start, line=line, **world).bridge
        for line in range(lines)
    ]
    known = SessionOptions(family.options, {}, "listen")
    disorder = bool(world["faults"])
    try:
        write_calls(
            path,
            units,
            lambda: family.session(known),
            start=start,
            seconds=hours * 3600.0,
            disorder=disorder,
        )
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {explain(error)}") from error
    click.echo(f"{hours:g} h of simulated inverters '{world['scenario']}' in {path}")


def _numbered(path: Path, line: int, lines: int) -> Path:
    """The path, of which there are several where an installation has several lines."""
    return path.with_name(f"{path.name}-{line}") if lines > 1 else path


def _epilog(family: Driver, simulator: Simulator) -> str:
    name = family.name
    lines = [f"  rct-collector simulate {name} {text}".rstrip() for text in simulator.examples]
    option = "" if name == DEFAULT else f"--driver {name} "
    scheme = "listen" if simulator.calls() else "tcp"
    port = family.ways.get(scheme, {}).get("port", "PORT")
    address = f"{scheme}://{LOOPBACK}:{port}"
    return _EPILOG.format(examples="\n".join(lines), driver=option, address=address)


def _list(simulator: Simulator) -> None:
    width = max(map(len, (*simulator.scenarios, *simulator.profiles)))
    for option, rows in (("--scenario", simulator.scenarios), ("--faults", simulator.profiles)):
        click.echo(f"{option}:")
        for name, description in rows.items():
            click.echo(f"  {name:{width}}  {description}")
