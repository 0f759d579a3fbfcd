#!/usr/bin/env python3
"""Write the manual pages, from what ``--help`` and the documentation of the options are made of.

Usage: ``manpages.py FOLDER`` makes ``man1/``, ``man5/`` and ``man8/`` in FOLDER.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

import rct_collector_telegraf
from rct_collector import __version__
from rct_collector.cli.main import PROGRAM, application
from rct_collector.config import DEFAULT_PATH, ENVIRONMENT
from rct_collector.docs.samples import needs_example
from rct_collector.docs.tables import every_option
from rct_collector.exits import MEANINGS

SHIM = "rct-collector-telegraf"
CONFIG = "rct-collector-config"
SERVICE = "rct-collector-daemon"

#: Page → section and what it is, in a line.
PAGES = {
    PROGRAM: (1, "read solar inverters"),
    SHIM: (1, "solar inverter metrics for Telegraf"),
    CONFIG: (5, "which inverters to read, and how"),
    SERVICE: (8, "the service that reads solar inverters"),
}

_ENVIRONMENT = f"Configuration file to use in place of {DEFAULT_PATH}."

_FORMAT = f"""\
One file in YAML says which inverters are read; the command {PROGRAM}, the plugin of collectd and
that of Telegraf share it. Only devices must be given, each with name, driver and address:

\b
devices:
  - name: roof
    driver: rct
    address: tcp://192.0.2.10:8899
  - name: axpert
    driver: voltronic
    address: usb://0665:5161

In the list below devices[]. stands for any entry of that list. Durations are written 500ms, 10s,
5m, 1h. "{PROGRAM} config sample" prints a file with all options, "{PROGRAM} config check" tells all
mistakes of one at once.
"""


_SERVICE = f"""\
The service rct-collector runs "{PROGRAM} daemon", see {PROGRAM}(1): it holds the inverters of
{DEFAULT_PATH}, keeps what it learns of them, and answers those who ask, such as
"{PROGRAM} status". It is for hosts on which neither collectd nor Telegraf collects.

It does not start while no inverter has an address. After a change of the configuration
"systemctl reload rct-collector" adds, removes and changes inverters without a disturbance of the
others; a mistake in the file makes that fail, and changes nothing.

"systemctl status rct-collector" tells how the inverters do. The watchdog starts the service anew if
an inverter has not come to the end of a round for three intervals and two minutes, which is a
defect; one that does not answer is none.

It runs as the user rct-collector, and may open serial ports and inverters at USB, use the network,
and write into two folders. For more, see README.Debian.
"""

_SIGNALS = {
    "SIGHUP": "Read the configuration again.",
    "SIGTERM, SIGINT": "End; what was learnt is on the disk then.",
}

_SERVICE_FILES = {
    str(DEFAULT_PATH): f"The configuration, see {CONFIG}(5).",
    "/var/lib/rct-collector": "What was learnt of the inverters.",
    "/var/log/rct-collector": "For log files, where the option logging names some.",
}


def escaped(text: str) -> str:
    """Text that roff takes as it stands."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def bold(text: str) -> str:
    """Text in bold."""
    return f"\\fB{escaped(text)}\\fR"


def prose(text: str) -> Iterator[str]:
    """Paragraphs in the manner of click: one that begins with a backspace keeps its lines."""
    for paragraph in re.split(r"\n\s*\n|\n(?=\x08\n)", text.strip()):
        yield ".PP"
        if not paragraph.startswith("\b"):
            yield escaped(" ".join(paragraph.split()))
            continue
        yield from (".nf", *map(escaped, paragraph.splitlines()[1:]), ".fi")


def entries(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A list of words with explanations."""
    for word, text in pairs:
        yield from (".TP", bold(word), escaped(" ".join(text.split())))


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """One section."""
    yield from (f'.SH "{title}"', *lines)


def page(name: str, *sections: Iterable[str]) -> str:
    """A whole page.

    Args:
        name: One of those above.
        sections: What stands between its name and what else to read.
    """
    number, text = PAGES[name]
    others = (f"{bold(n)}({PAGES[n][0]})" for n in PAGES if n != name)
    lines = [
        f'.TH {name.upper()} {number} "" "rct-collector {__version__}"',
        *section("NAME", [f"{escaped(name)} \\- {escaped(text)}"]),
        *(line for part in sections for line in part),
        *section("SEE ALSO", [", ".join(others)]),
    ]
    return "\n".join(lines) + "\n"


def _records(context: click.Context) -> Iterator[tuple[str, str]]:
    """Options of a command, as its help shows them."""
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            yield record


def _commands(context: click.Context) -> Iterator[click.Context]:
    """All commands that do something, in the order of the help."""
    group = context.command
    if not isinstance(group, click.Group):
        yield context
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield from _commands(click.Context(command, info_name=name, parent=context))


def _usage(context: click.Context) -> str:
    words = " ".join(context.command.collect_usage_pieces(context))
    return f"{bold(context.command_path)} {escaped(words)}"


def _described(context: click.Context) -> Iterator[str]:
    command = context.command
    yield from (f'.SS "{escaped(context.command_path)}"', _usage(context))
    yield from prose(command.help or "")
    yield from entries(record for record in _records(context) if "--help" not in record[0])
    yield from prose(command.epilog or "")


def command_page() -> str:
    """The page of the command, with all that it can do."""
    root = click.Context(application, info_name=PROGRAM)
    described = (line for context in _commands(root) for line in _described(context))
    return page(
        PROGRAM,
        section("SYNOPSIS", [_usage(root)]),
        section("DESCRIPTION", prose(application.help or "")),
        section("OPTIONS", entries(_records(root))),
        section("COMMANDS", described),
        section("EXIT STATUS", entries((str(int(s)), text) for s, text in MEANINGS.items())),
        section("ENVIRONMENT", entries([(ENVIRONMENT, _ENVIRONMENT)])),
        section("FILES", entries([(str(DEFAULT_PATH), f"The configuration, see {CONFIG}(5).")])),
    )


def shim_page() -> str:
    """The page of the program that Telegraf starts."""
    parser = rct_collector_telegraf._parser()  # what its --help is made of
    formatter = argparse.HelpFormatter(SHIM)
    records = (
        (formatter._format_action_invocation(action), formatter._expand_help(action))
        for action in parser._actions
    )
    usage = parser.format_usage().partition(SHIM)[2]
    return page(
        SHIM,
        section("SYNOPSIS", [f"{bold(SHIM)} {escaped(' '.join(usage.split()))}"]),
        section("DESCRIPTION", prose(f"{parser.description}\n\n{parser.epilog}")),
        section("OPTIONS", entries(records)),
        section("ENVIRONMENT", entries([(ENVIRONMENT, _ENVIRONMENT)])),
        section("FILES", entries([(str(DEFAULT_PATH), f"The configuration, see {CONFIG}(5).")])),
    )


def config_page() -> str:
    """The page of the configuration file."""
    found = []
    for place, option in every_option():
        example = f" Example: {option.example}." if needs_example(option) else ""
        default = f" Default: {option.default}." if option.default else ""
        text = f"{option.doc} Takes: {option.takes}.{default}{example}"
        found.append((".".join(place), text))
    return page(
        CONFIG,
        section("SYNOPSIS", [escaped(str(DEFAULT_PATH))]),
        section("DESCRIPTION", prose(_FORMAT)),
        section("OPTIONS", entries(found)),
        section("ENVIRONMENT", entries([(ENVIRONMENT, _ENVIRONMENT)])),
    )


def service_page() -> str:
    """The page of the service."""
    return page(
        SERVICE,
        section("SYNOPSIS", [escaped("rct-collector.service")]),
        section("DESCRIPTION", prose(_SERVICE)),
        section("SIGNALS", entries(_SIGNALS.items())),
        section("FILES", entries(_SERVICE_FILES.items())),
    )


def pages() -> dict[str, str]:
    """File name → text of all pages."""
    made = {
        PROGRAM: command_page(),
        SHIM: shim_page(),
        CONFIG: config_page(),
        SERVICE: service_page(),
    }
    return {f"man{PAGES[n][0]}/{n}.{PAGES[n][0]}": text for n, text in made.items()}


def main() -> int:
    """Run the command; return its exit status."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: manpages.py FOLDER", file=sys.stderr)
        return 2
    for name, text in pages().items():
        path = Path(sys.argv[1], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
