"""``rct-collector web``: a page of all inverters that are collected from on this host."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import click

from rct_collector.cli.options import LOOPBACK
from rct_collector.errors import ConfigError, MissingToolError

#: Where the page is, unless somebody wants it elsewhere.
PORT = 8487

#: Folder of the service, which systemd makes.
_SYSTEM = Path("/var/lib/rct-collector-web")

_EPILOG = """\b
Examples:
  rct-collector web
  rct-collector web link
  rct-collector web --public https://solar.example
  curl -H "Authorization: Bearer TOKEN" http://127.0.0.1:8487/metrics
"""


def _folder() -> Path:
    """That of the service, for the service and for root; else the user's own."""
    if own := os.environ.get("STATE_DIRECTORY"):  # set by systemd
        return Path(own.partition(":")[0])
    if os.access(_SYSTEM, os.W_OK):
        return _SYSTEM
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(home).expanduser() / "rct-collector-web"
    except RuntimeError:
        raise ConfigError(["there is no home folder for the tokens; --folder names one"]) from None


@click.group(
    "web", short_help="Show a page of all inverters.", invoke_without_command=True, epilog=_EPILOG
)
@click.option(
    "--host", default=LOOPBACK, show_default=True, metavar="HOST",
    help="Address of this host to listen at. The page has no TLS: from elsewhere it is better"
    " reached by a proxy that has.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Port there."
)
@click.option(
    "--public", multiple=True, metavar="ADDRESS",
    help="Address by which people reach the page, where a proxy is in front of it, such as"
    " https://solar.example; may be given several times.",
)  # fmt: skip
@click.option(
    "--cells", is_flag=True,
    help="Have the single cells of batteries read, even where nobody else wants them.",
)  # fmt: skip
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Where the tokens are kept (default: that of the service, else your own).",
)  # fmt: skip
@click.pass_context
def command(  # noqa: D417
    ctx: click.Context,
    host: str,
    port: int,
    public: tuple[str, ...],
    cells: bool,  # noqa: FBT001
    folder: Path | None,
) -> None:
    """Serve a page that shows all inverters which somebody on this host collects from.

    It asks Telegraf's or collectd's plugin, or whoever else collects, and has no line to an
    inverter of its own. To see anything takes a token: 'web link' prints a link that has it.
    """
    ctx.obj = (ctx.obj, folder or _folder())
    if ctx.invoked_subcommand is not None:
        return
    from rct_collector.cli.main import start_logging

    start_logging(ctx.obj[0], "warning")
    try:
        with _light():
            from rct_collector.web.serving import WebPlace, run
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise MissingToolError(
            "the page needs aiohttp: the Debian package rct-collector-web or python3-aiohttp, or"
            " with pip the extra rct-collector[web]"
        ) from None
    chosen = WebPlace(host, port, public, ctx.obj[1])
    place = f" --folder {shlex.quote(str(folder))}" if folder else ""
    told = f"The page is at {chosen.address}; 'rct-collector web{place} link' prints the way in."
    run(chosen, cells=cells, ready=lambda: click.echo(told, err=True))


#: What aiohttp and asyncio load where they find it, and what is of no use here: OpenSSL (TLS, and
#: check sums that Python computes without it), and quicker lists and addresses. That is 9 MB.
_USELESS = ("ssl", "_hashlib", "frozenlist._frozenlist", "yarl._quoting_c")

#: Guesses the encoding of pages that a client gets; aiohttp 3.8 takes 3 MB for another one without.
_GUESSER = "cchardet"


@contextmanager
def _light() -> Iterator[None]:
    """Let what is imported meanwhile take no more memory than it is worth."""
    stand_ins: dict[str, ModuleType | None] = dict.fromkeys(_USELESS)
    stand_ins[_GUESSER] = ModuleType(_GUESSER)
    mine = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(mine)  # type: ignore[arg-type] # None is what forbids an import
    try:
        yield
    finally:
        for name in mine:
            del sys.modules[name]


@command.command("link", short_help="Print a link that lets in.")
@click.option("--set", "sets", is_flag=True, help="For setting as well as for reading.")
@click.pass_context
def link(ctx: click.Context, sets: bool) -> None:  # noqa: FBT001
    """Print a link that lets whoever opens it in, for a year.

    With it in the browser the page needs no more. Who has it may read everything, and with --set
    also change settings, where the configuration allows it; so give it to nobody else. To shut out
    all who have come in, remove the files of the tokens and start the page anew.
    """
    from rct_collector.web.tokens import Right, address_of, load

    folder = ctx.obj[1]
    right = Right.SET if sets else Right.READ
    click.echo(f"{address_of(folder)}/#token={load(folder, make=False)[right]}")
