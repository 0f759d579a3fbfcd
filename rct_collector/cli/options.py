"""Options that several commands share, and the kinds of values they take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])

if TYPE_CHECKING:
    _FloatType = click.ParamType[float]
    _StrType = click.ParamType[str]
else:  # older versions of click do not know the type at run time
    _FloatType = _StrType = click.ParamType

#: What ``--simulate`` means without a name.
DEFAULT_SCENARIO = "sunny"

#: The fullest system with one battery tower, what the default classes are made for.
SINGLE_TOWER = "single-tower"


class Duration(_FloatType):
    """``30s``, ``5m``; seconds in the program."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:  # noqa: ANN401
        """Parse it as the configuration does."""
        from rct_collector.option import Invalid, parse_duration

        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except Invalid as error:
            return self.fail(f"{value!r} is not {error}", param, ctx)


class Word(_StrType):
    """One of some words that are looked up only when needed.

    Args:
        name: What it is, for messages.
        words: Where the words come from.
    """

    def __init__(self, name: str, words: Callable[[], list[str]]) -> None:
        """Keep the words for later."""
        self.name = name
        self._words = words

    def convert(self, value: Any, param: Any, ctx: Any) -> str:  # noqa: ANN401
        """Refuse what is not among the words, and suggest the nearest."""
        known = self._words()
        if value in known:
            return str(value)
        return self.fail(f"{value!r} is no {self.name}; known: {', '.join(known)}", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the words that begin so."""
        return [CompletionItem(word) for word in self._words() if word.startswith(incomplete)]


class Words(Word):
    """Several of them, with commas between them; a tuple in the program."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ANN401
        """Refuse each that is not among the words."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in value.split(",")] if value else []
        return tuple(super(Words, self).convert(part, param, ctx) for part in parts)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer words for what follows the last comma."""
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [
            CompletionItem(f"{before}{comma}{item.value}")
            for item in super().shell_complete(ctx, param, last)
            if item.value not in given
        ]


def scenarios() -> list[str]:
    """Names of the simulated installations."""
    from rct_collector.drivers.rct.simulator import SCENARIOS

    return list(SCENARIOS)


def _drivers() -> list[str]:
    from rct_collector.drivers import BUILTIN

    return list(BUILTIN)


SCENARIO = Word("scenario", scenarios)
DRIVER = Word("driver", _drivers)
DURATION = Duration()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which devices and metrics the user asks for, as given on the command line."""

    config: Path | None = None
    device: tuple[str, ...] = ()
    address: str | None = None
    driver: str | None = None
    name: str | None = None
    timezone: str | None = None
    simulate: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    everything: bool = False
    cells: bool = False


_DEVICE_OPTIONS = (
    click.option(
        "-c", "--config", type=click.Path(path_type=Path), metavar="FILE",
        help="Devices of this file (default: $RCT_COLLECTOR_CONFIG, else"
        " /etc/rct-collector/config.yaml).",
    ),
    click.option(
        "-d", "--device", multiple=True, metavar="NAME",
        help="Only this device of the file; can be given more than once.",
    ),
    click.option(
        "-a", "--address", metavar="ADDRESS",
        help="One device without a file, such as tcp://192.0.2.10:8899.",
    ),
    click.option(
        "--driver", type=DRIVER, metavar="NAME", help="Family of that device (default: rct)."
    ),
    click.option("--name", metavar="NAME", help="Name of that device (default: its address)."),
    click.option(
        "--timezone", metavar="ZONE",
        help="Time zone of that device's clock, such as Europe/Berlin (default: this host's).",
    ),
    click.option(
        "-s", "--simulate", type=SCENARIO, is_flag=False, flag_value=DEFAULT_SCENARIO,
        metavar="[SCENARIO]",
        help="A simulated inverter inside this command; 'simulate rct --list' names the scenarios"
        f" (default: {DEFAULT_SCENARIO}).",
    ),
)  # fmt: skip

_METRIC_OPTIONS = (
    click.option(
        "--only", multiple=True, metavar="GLOB",
        help="Only the metrics that match, such as 'inverter_power.*'; quick.",
    ),
    click.option(
        "--include", multiple=True, metavar="GLOB", help="Also metrics that are off or excluded."
    ),
    click.option("--exclude", multiple=True, metavar="GLOB", help="Without these metrics."),
    click.option(
        "--all", "everything", is_flag=True, help="Also all metrics that are off by default."
    ),
    click.option("--cells", is_flag=True, help="Also every single battery cell."),
)  # fmt: skip


def target_options(function: Function) -> Function:
    """Add the options that choose devices and metrics; the command gets a :class:`Choice`."""
    return _with_choice(function, (*_DEVICE_OPTIONS, *_METRIC_OPTIONS))


def device_options(function: Function) -> Function:
    """Add the options that choose devices; the command gets a :class:`Choice`."""
    return _with_choice(function, _DEVICE_OPTIONS)


def _with_choice(function: Function, options: tuple[Callable[[Any], Any], ...]) -> Function:
    @functools.wraps(function)
    def wrapper(**parameters: Any) -> Any:  # noqa: ANN401
        names = [field.name for field in fields(Choice) if field.name in parameters]
        chosen = {name: parameters.pop(name) for name in names}
        return function(choice=Choice(**chosen), **parameters)

    for option in reversed(options):
        wrapper = option(wrapper)
    return wrapper  # type: ignore[return-value]


def listen_options(function: Function) -> Function:
    """Add the options of a command that serves: ``host`` and ``port``."""
    host = click.option(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="Address to listen on (default: 127.0.0.1).",
    )  # fmt: skip
    port = click.option(
        "--port", type=click.IntRange(0, 65535), default=8899,
        help="Port to listen on; 0 takes any that is free (default: 8899).",
    )  # fmt: skip
    return host(port(function))
