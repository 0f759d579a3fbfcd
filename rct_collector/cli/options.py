"""Options that several commands share, and the kinds of values they take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from rct_collector.drivers import DEFAULT
from rct_collector.errors import MissingToolError

Function = TypeVar("Function", bound=Callable[..., Any])

if TYPE_CHECKING:
    from rct_collector.drivers.base import Driver

    _FloatType = click.ParamType[float]
    _StrType = click.ParamType[str]
else:  # older versions of click do not know the type at run time
    _FloatType = _StrType = click.ParamType

LOOPBACK = "127.0.0.1"

#: What ``--simulate`` means without a name: the usual scenario of the family.
USUAL = "usual"


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

    def known(self, ctx: click.Context | None) -> list[str]:
        """The words, which may depend on what else is on the command line."""
        return self._words()

    def convert(self, value: Any, param: Any, ctx: Any) -> str:  # noqa: ANN401
        """Refuse what is not among the words."""
        known = self.known(ctx)
        if value in known:
            return str(value)
        return self.fail(f"{value!r} is no {self.name}; known: {', '.join(known)}", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the words that begin so."""
        return [CompletionItem(word) for word in self.known(ctx) if word.startswith(incomplete)]


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


class ScenarioName(Word):
    """A simulated installation of the family that ``--driver`` names."""

    def __init__(self) -> None:
        """Its words come from the family."""
        super().__init__("scenario", list)

    def known(self, ctx: click.Context | None) -> list[str]:
        """The scenarios of the family, the usual one first."""
        family = ctx.params.get("driver") if ctx else None
        return scenarios(family if isinstance(family, str) else DEFAULT)

    def convert(self, value: Any, param: Any, ctx: Any) -> str:  # noqa: ANN401
        """Refuse what is not among them."""
        return self.known(ctx)[0] if value == USUAL else super().convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer nothing where a family has none; whoever runs the command is told so."""
        try:
            return super().shell_complete(ctx, param, incomplete)
        except MissingToolError:
            return []


def scenarios(family: str = DEFAULT) -> list[str]:
    """Names of the simulated installations of a family, the usual one first.

    Raises:
        MissingToolError: The family cannot be simulated.
    """
    from rct_collector.drivers import driver

    return list(driver(family).tools().simulator().scenarios)


def _drivers() -> list[str]:
    from rct_collector.drivers import BUILTIN

    return list(BUILTIN)


class ObjectName(_StrType):
    """Name or id of something that units of a family can be asked for; devices tell which family.

    Completion takes the family that ``--driver`` names.
    """

    name = "object"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the names that begin so, with what they are."""
        from rct_collector.drivers import driver

        family = ctx.params.get("driver")
        try:
            items = driver(family if isinstance(family, str) else DEFAULT).tools().registry().items
        except MissingToolError:
            return []
        return [
            CompletionItem(item.name, help=item.description)
            for item in items
            if item.name.startswith(incomplete) and not item.secret
        ]


DRIVER = Word("driver", _drivers)
DURATION = Duration()
OBJECT = ObjectName()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
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
        "--driver", type=DRIVER, metavar="NAME", is_eager=True,
        help=f"Family of that device, or of the simulated one (default: {DEFAULT}).",
    ),
    click.option("--name", metavar="NAME", help="Name of that device (default: its address)."),
    click.option(
        "--timezone", metavar="ZONE",
        help="Time zone of that device's clock, such as Europe/Berlin (default: this host's).",
    ),
    click.option(
        "-s", "--simulate", type=ScenarioName(), is_flag=False, flag_value=USUAL,
        metavar="[SCENARIO]",
        help=f"A simulated inverter inside this command; 'simulate {DEFAULT} --list' names the"
        " scenarios (default: the first of them).",
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
    """Add the options that choose devices and metrics, which the command gets together."""
    return _with_choice(function, (*_DEVICE_OPTIONS, *_METRIC_OPTIONS))


def device_options(function: Function) -> Function:
    """Add the options that choose devices; the command gets a :class:`TargetOptions`."""
    return _with_choice(function, _DEVICE_OPTIONS)


def _with_choice(function: Function, options: tuple[Callable[[Any], Any], ...]) -> Function:
    @functools.wraps(function)
    def wrapper(**parameters: Any) -> Any:  # noqa: ANN401
        names = [field.name for field in fields(TargetOptions) if field.name in parameters]
        chosen = {name: parameters.pop(name) for name in names}
        return function(choice=TargetOptions(**chosen), **parameters)

    for option in reversed(options):
        wrapper = option(wrapper)
    return wrapper  # type: ignore[return-value]


def driver_option(what: str) -> Callable[[Function], Function]:
    """Add the option that names a family: ``driver``.

    Args:
        what: What it is the family of, for the help.
    """
    return click.option(
        "--driver", type=DRIVER, default=DEFAULT, metavar="NAME",
        help=f"Family of {what} (default: {DEFAULT}).",
    )  # fmt: skip


def format_option(
    what: str, words: Sequence[str] = ("table", "json")
) -> Callable[[Function], Function]:
    """Add the option that chooses how something is printed: ``form``.

    Args:
        what: What it chooses, for the help.
        words: The formats, the usual one first.
    """
    return click.option(
        "-f", "--format", "form", type=click.Choice(words), default=words[0],
        help=f"{what} (default: {words[0]}).",
    )  # fmt: skip


def listen_options(function: Function) -> Function:
    """Add the options of a command that serves: ``host``, and ``port``, see :func:`usual_port`."""
    host = click.option(
        "--host", default=LOOPBACK, metavar="ADDRESS",
        help=f"Address to listen on (default: {LOOPBACK}).",
    )  # fmt: skip
    port = click.option(
        "--port", type=click.IntRange(0, 65535),
        help="Port to listen on; 0 takes any that is free (default: that of real devices, if they"
        " have one).",
    )  # fmt: skip
    return host(port(function))


#: How a unit can be reached beside TCP → scheme of the addresses that it stands in for.
DOORS = {"pty": "serial", "hid": "hidraw"}


def door_options(words: Sequence[str]) -> Callable[[Function], Function]:
    """Add the options of a command that serves in other ways as well: ``transport``, ``path``.

    Args:
        words: The ways, the usual one first.
    """
    transport = click.option(
        "--transport", type=Word("transport", lambda: list(words)), default=words[0],
        metavar="NAME",
        help=f"How it is reached: {' or '.join(words)} (default: {words[0]}).",
    )  # fmt: skip
    path = click.option(
        "--path", type=click.Path(path_type=Path), metavar="PATH",
        help="Where it is with another transport than tcp (default: in a new folder).",
    )  # fmt: skip
    return lambda function: transport(path(function))


def usual_port(family: Driver) -> int:
    """The TCP port at which devices of a family listen; 0, any that is free, if that varies."""
    return int(family.ways.get("tcp", {}).get("port", 0))
