"""``rct-collector find``: which devices are here, and what to write to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import DRIVER, DURATION, format_option

if TYPE_CHECKING:
    from rct_collector.finder.finder import Finder
    from rct_collector.finder.places import Place

_EPILOG = """\b
Examples:
  rct-collector find
  rct-collector find --probe
  rct-collector find --listen 1m
  rct-collector find --network 192.0.2.0/24
  rct-collector find --network 192.0.2.0/24 --format json
Then:
  rct-collector read --driver DRIVER --address ADDRESS
"""


@click.command("find", short_help="Find devices at this host, or in a network.", epilog=_EPILOG)
@click.option(
    "--network", "networks", multiple=True, metavar="NETWORK",
    help="Also ask at every address of this network, such as 192.0.2.0/24, or at one address; can"
    " be given more than once.",
)  # fmt: skip
@click.option(
    "--probe", is_flag=True,
    help="Also ask at what is connected here which device it is, and which dialect it speaks.",
)  # fmt: skip
@click.option(
    "--listen", type=DURATION, metavar="DURATION",
    help="Also listen at the serial ports for so long, for devices that talk by themselves.",
)  # fmt: skip
@click.option("--driver", type=DRIVER, metavar="NAME", help="Look for devices of this family only.")
@format_option("How the places are printed")
@click.pass_context
def command(
    ctx: click.Context,
    networks: tuple[str, ...],
    probe: bool,  # noqa: FBT001
    listen: float | None,
    driver: str | None,
    form: str,
) -> None:
    """List the devices that are connected here, and the address to write for each.

    These are USB devices with the ids of a known family, and serial ports, with the links that
    outlast the next plugging. What keeps this user from one of them is told, and what to do.
    Nothing is opened and nothing is sent.

    With --probe each is opened and asked for the family's identification, which changes nothing in
    an inverter. At a serial port there may be something else, such as a modem: it gets these bytes,
    too.

    With --listen nothing is sent: at each serial port it is only heard whether devices talk there
    by themselves, as SolarEdge inverters on a bus do while one of them is its master. Devices that
    call the collector over a network cannot be searched for, since they wait for nobody: the
    doctor tells who calls.

    With --network it is tried to connect to every address of that network at the port of each
    family that has a usual one: 24 per second at most, 16 at a time, 1024 altogether. Who listens
    there is asked for the serial number. No network is searched that was not named.
    """
    from rct_collector.cli.collect import quiet_link, run
    from rct_collector.cli.main import start_logging
    from rct_collector.drivers import driver as load
    from rct_collector.drivers import families
    from rct_collector.finder.finder import Finder
    from rct_collector.finder.host import ThisHost

    start_logging(ctx.obj, "error")
    chosen = [load(driver)] if driver else families()
    finder = Finder(chosen)
    hosts = _addresses(networks, finder)
    if listen is not None and not finder.talkers:
        raise click.UsageError("--listen: devices of this family talk at no serial port unasked")
    places = ThisHost().places(chosen)
    with quiet_link():
        if probe or listen:
            places = run(_look(finder, places, listen, probe=probe))
        if hosts:
            places += run(_search(finder, hosts, networks))
    _print(places, form)
    _advise(places, finder, len(hosts), probe=probe, listen=bool(listen))


def _addresses(networks: Sequence[str], finder: Finder) -> list[str]:
    """All addresses of the networks.

    Raises:
        click.BadParameter: One is none, or too large.
        click.UsageError: Nothing could be found there.
    """
    from rct_collector.finder.network import addresses, parse_network
    from rct_collector.option import Invalid

    if networks and not finder.ports:
        raise click.UsageError("--network: devices of this family have no usual port to look at")
    try:
        return addresses(map(parse_network, networks))
    except Invalid as error:
        raise click.UsageError(f"--network: wanted is {error}") from error


async def _look(
    finder: Finder, places: Sequence[Place], listen: float | None, *, probe: bool
) -> list[Place]:
    """Listen at all places of this host at a time, and ask at each, one after the other."""
    import asyncio

    found = list(places)
    with _progress() as tell:
        if listen:
            tell(f"listening for {listen:g} s …")
            found = await asyncio.gather(*(finder.listen(place, listen) for place in places))
        for number, (place, heard) in enumerate(zip(places, found, strict=True)):
            if probe and not heard.said:
                tell(f"asking at {place.node or place.title}, {number} of {len(places)} done")
                found[number] = _together(heard, await finder.probe(place))
    return found


def _together(heard: Place, asked: Place) -> Place:
    """What asking has brought where listening has brought nothing; or why neither has."""
    if asked.said:
        return asked
    return replace(asked, trouble="; ".join(dict.fromkeys(filter(None, _troubles(heard, asked)))))


def _troubles(*places: Place) -> Iterator[str]:
    return (place.trouble for place in places)


async def _search(finder: Finder, hosts: list[str], networks: Sequence[str]) -> list[Place]:
    """Ask at each address."""
    names = ", ".join(networks)
    with _progress() as tell:
        tell(f"searching {names} …")
        return await finder.search(
            hosts,
            lambda attempt, found: tell(
                f"searching {names}: {attempt.done} of {attempt.all} addresses, {found} found"
            ),
        )


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line that tells how far it has come, where somebody waits at a terminal."""
    from rct_collector.cli.console import console

    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda _text: None
        return
    with out.status("") as status:
        yield status.update


def _print(places: Sequence[Place], form: str) -> None:
    from rct_collector.cli.console import console, show, write_json_list

    if form == "json":
        write_json_list(place.as_mapping() for place in places)
    elif places:
        from rich.table import Table
        from rich.text import Text

        out = console()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for head in ("where", "what", "driver", "address", "found"):
            table.add_column(head, overflow="fold")
        for place in places:
            cells = (place.node or place.details.get("socket", ""), _what(place), *_ways(place))
            table.add_row(*map(Text, (*cells, _state(place))), style="red" if place.trouble else "")
        show(out, table)


def _what(place: Place) -> str:
    details = ", ".join(f"{label} {text}" for label, text in place.details.items())
    return f"{place.title} ({details})" if place.title and details else place.title or details


def _ways(place: Place) -> tuple[str, str]:
    """Drivers and addresses, each once."""
    return ", ".join(place.addresses), ", ".join(dict.fromkeys(place.addresses.values()))


def _state(place: Place) -> str:
    said = ", ".join(f"{label} {text}" for label, text in place.said.items())
    return said or place.trouble or ("" if place.addresses else "no family is read so")


def _advise(
    places: Sequence[Place], finder: Finder, asked: int, *, probe: bool, listen: bool
) -> None:
    """Say on standard error what was not found, and what could be done next."""
    here = [place for place in places if place.kind != "network"]
    if not here:
        click.echo("No USB device of a known family and no serial port is here.", err=True)
    if asked and len(here) == len(places):
        ports = ", ".join(sorted(set(finder.ports.values())))
        reasons = _reasons(finder)
        click.echo(f"Nobody listens at port {ports} of {asked} addresses{reasons}.", err=True)
    if not asked and finder.ports:
        click.echo("To search a network, name it: --network 192.0.2.0/24", err=True)
    if here and not probe and any(place.addresses and not place.trouble for place in here):
        click.echo("To ask them which device they are: --probe", err=True)
    if not listen and any(_may_talk(place, finder) for place in here):
        click.echo("To hear who talks at serial ports: --listen 1m", err=True)
    for name, address in finder.callers.items():
        click.echo(
            f"Who calls, as {name}, is not searched for but heard:"
            f" rct-collector doctor --driver {name} --address {address}",
            err=True,
        )


def _may_talk(place: Place, finder: Finder) -> bool:
    return place.kind == "serial" and not place.trouble and not place.said and bool(finder.talkers)


#: Kind of a :class:`~rct_collector.errors.TransportError` → in words.
_REASONS = {"timeout": "silent", "refused": "refused", "unreachable": "not reachable"}


def _reasons(finder: Finder) -> str:
    words = [f"{n} {_REASONS.get(kind, kind)}" for kind, n in sorted(finder.failures.items())]
    return f" ({', '.join(words)})" if words else ""
