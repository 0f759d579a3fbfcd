"""From the command line to the devices that are meant."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from rct_collector.catalog import catalog
from rct_collector.cli.options import LOOPBACK, TargetOptions, usual_port
from rct_collector.collector import fit
from rct_collector.config import Config, DeviceConfig, Intervals, device_options, state_dir
from rct_collector.drivers import BUILTIN, DEFAULT, driver
from rct_collector.drivers.base import Driver
from rct_collector.errors import ConfigError
from rct_collector.model import PREFIX
from rct_collector.option import Invalid, options
from rct_collector.transport import Address, has_scheme, hosts, parse_address, transport

T = TypeVar("T")

#: Options that choose a device.
_CHOOSING = ("config", "device", "address", "simulate")

#: Requests per second while one complete round is read; the gap between two stays.
HURRY_PER_SECOND = 16.0

#: How long an answer is waited for then. Older firmware leaves dozens of objects unanswered, and
#: somebody sits there waiting; an answer that comes later is taken all the same.
HURRY_TIMEOUT_S = 0.6

#: The simulated inverter inside a command has no slow serial line, so that all is there at once.
SIMULATED_PER_SECOND, SIMULATED_GAP_S = 100.0, 0.01
SIMULATED_INTERVALS = Intervals(fast=2.0, medium=10.0, slow=30.0)
SIMULATED_LATENCY = (0.002, 0.008)
SIMULATED_RATE = 40_000.0

#: Where the sun stands over a simulated inverter, so that there is something to see by night.
SUN_HOUR = 10.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The devices that are meant.

    Attributes:
        devices: One configuration each.
        prefix: First word of every measurement.
        scenario: What is simulated, or "".
        state_dir: Where what was learnt is kept; None for nowhere.
    """

    devices: tuple[DeviceConfig, ...]
    prefix: str = PREFIX
    scenario: str = ""
    state_dir: Path | None = None


def targets(choice: TargetOptions) -> Targets:
    """Find out which devices are meant.

    Raises:
        click.UsageError: The options contradict each other.
        ConfigError: The configuration cannot be used.
    """
    _check(choice)
    found = _chosen(choice)
    return replace(found, devices=_with_cells(found.devices)) if choice.cells else found


def _chosen(choice: TargetOptions) -> Targets:
    if choice.simulate:
        # Where it will listen, is known when it does.
        address = _address(choice, _stand_in(driver(_family(choice))))
        device = _single(choice, address, choice.name or "simulated")
        requests = replace(device.requests, per_second=SIMULATED_PER_SECOND, gap=SIMULATED_GAP_S)
        device = replace(device, requests=requests, intervals=SIMULATED_INTERVALS)
        return Targets(devices=(device,), scenario=choice.simulate)
    if choice.address:
        address = _address(choice, choice.address)
        return Targets(devices=(_single(choice, address, choice.name or _name(address)),))
    return _from_file(choice)


def named(choice: TargetOptions, words: Sequence[str]) -> Targets:
    """The devices that are meant, of a command that takes names and addresses as arguments.

    Args:
        choice: As given by options.
        words: Names of the configuration, and addresses.

    Raises:
        click.UsageError: The options contradict each other.
        ConfigError: There is no such device, or the configuration cannot be used.
    """
    if not words:
        return targets(choice)
    if given := _given(choice, ("address", "simulate", "device")):
        raise click.UsageError(f"{words[0]} and --{given} both name a device: one of both")
    addresses = [word for word in words if "/" in word or is_address(word)]
    names = tuple(word for word in words if word not in addresses)
    if choice.name and len(addresses) > 1:
        raise click.UsageError("--name is for one address")
    found = [targets(replace(choice, config=None, address=address)) for address in addresses]
    if names:
        chosen = replace(choice, device=names)
        if addresses:  # whose these are
            chosen = replace(chosen, driver=None, name=None, timezone=None)
        found.insert(0, targets(chosen))
    every = [device for part in found for device in part.devices]
    return replace(found[0], devices=tuple(every))


def is_address(word: str) -> bool:
    """Whether it is one, and neither the name of a device nor a path."""
    if has_scheme(word) or word == "localhost":
        return True
    return "/" not in word and (":" in word or word.replace(".", "").isdigit())


def of_address(choice: TargetOptions, address: str) -> TargetOptions:
    """The choice of an address that was given without ``--address``.

    Raises:
        click.UsageError: Another device is chosen as well.
    """
    if given := _given(choice, _CHOOSING):
        raise click.UsageError(f"{address} and --{given} both name a device: one of both")
    return replace(choice, address=address)


def of_file(choice: TargetOptions, file: str) -> TargetOptions:
    """The choice of a recording in place of a device.

    Args:
        choice: As given on the command line.
        file: Path of a file or a folder; ``-`` for standard input.

    Raises:
        click.UsageError: Another device is chosen as well, or there is no such file.
    """
    from rct_collector.transport.paths import quoted

    if given := _given(choice, _CHOOSING):
        raise click.UsageError(f"--{given} names a device, and {file} is a file: one of both")
    if file != "-" and not Path(file).exists():
        raise click.UsageError(
            f"{file}: there is no such file; a device of the configuration is named with --device,"
            " another one with --address"
        )
    path = "/dev/stdin" if file == "-" else str(Path(file).absolute())
    recorded = (name for name in BUILTIN if "file" in driver(name).ways)
    family = choice.driver or next(recorded, DEFAULT)
    called = choice.name or (None if file != "-" else "stdin")
    return replace(choice, address=f"file://{quoted(path)}", driver=family, name=called)


def _given(choice: TargetOptions, names: Sequence[str]) -> str:
    """The first of some options that was given; "" for none."""
    return next((name for name in names if getattr(choice, name)), "")


def hurried(device: DeviceConfig) -> DeviceConfig:
    """The same device, asked as quickly as is decent for a short time.

    Whoever has lowered the pace of a device knows why: then it stays. So does the timeout where
    answers do not name what they answer, since a late one costs more than to wait for it.
    """
    requests, polled = device.requests, driver(device.driver).polled
    if requests.per_second < device.usual.per_second:
        return device
    quick = replace(requests, per_second=max(requests.per_second, HURRY_PER_SECOND))
    if polled is None or polled.resync is None:
        quick = replace(quick, timeout=min(requests.timeout, HURRY_TIMEOUT_S))
    return replace(device, requests=quick)


@asynccontextmanager
async def reachable(found: Targets) -> AsyncIterator[tuple[DeviceConfig, ...]]:
    """The devices, with the simulated one running as long as the context lasts.

    Raises:
        ConfigError: There are more than this process may have open lines to.
    """
    if not found.scenario:
        _, words = fit(found.devices)
        if words:
            raise ConfigError([f"{words}; or choose some of them with --device"])
        yield found.devices
        return
    from rct_collector.simulator import SimulatedInverter

    (device,) = found.devices
    family = driver(device.driver)
    simulator = family.tools().simulator()
    world: dict[str, Any] = {"driver": family.name, "zone": device.timezone, "sun": SUN_HOUR}
    if simulator.calls():
        host, port = _free_place()
        lines = range(simulator.lines(found.scenario))
        callers = [SimulatedInverter(found.scenario, **world, line=n, hurried=True) for n in lines]
        async with AsyncExitStack() as stack:
            for inverter in callers:
                await stack.enter_async_context(inverter.dial(host, port))
            address = parse_address(f"listen://{hosts.joined(host, port)}", family.ways)
            yield (replace(device, address=address),)
        return
    inverter = SimulatedInverter(
        found.scenario, **world, latency=SIMULATED_LATENCY, rate=SIMULATED_RATE
    )
    async with await inverter.serve(LOOPBACK) as server:
        address = parse_address(server.address, family.ways)
        yield (replace(device, address=address),)


def _free_place() -> tuple[str, int]:
    """A place that nobody listens at: an address of this host is told before it is listened at."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        host, port = sock.getsockname()
        return host, port


def _check(choice: TargetOptions) -> None:
    ways = [name for name in ("config", "address", "simulate") if getattr(choice, name)]
    if len(ways) > 1:
        raise click.UsageError(f"--{ways[0]} and --{ways[1]} exclude each other")
    if not choice.address and not choice.simulate:
        for name in ("driver", "name", "timezone"):
            if getattr(choice, name):
                raise click.UsageError(f"--{name} needs --address")
    if choice.device and (choice.address or choice.simulate):
        raise click.UsageError("--device chooses from a file, see --config")
    if choice.only and choice.exclude:
        raise click.UsageError("--only and --exclude exclude each other")


def _address(choice: TargetOptions, text: str) -> Address:
    """An address, of which the scheme may be left out where it is one in a network."""
    ways = driver(_family(choice)).ways
    bare = "tcp" in ways and not has_scheme(text) and not text.startswith("/")
    full = f"tcp://{text}" if bare else text
    return _checked("address", full, lambda value: parse_address(value, ways))


def _stand_in(family: Driver) -> str:
    """An address that a simulated device has until its real one is known."""
    if family.tools().simulator().calls():
        return f"listen://{LOOPBACK}:1"
    return f"tcp://{LOOPBACK}:{usual_port(family) or 1}"


def _family(choice: TargetOptions) -> str:
    return choice.driver or DEFAULT


def _name(address: Address) -> str:
    """A name that the configuration would take too."""
    name = transport(address.scheme).name(address)
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "device"


def _value(option: str, value: Any, shown: str = "", family: Driver | None = None) -> Any:  # noqa: ANN401
    """Check one value as the configuration would.

    Args:
        option: Name of the configuration's option.
        value: As it would be written there.
        shown: Name of the command line's option, if that is another.
        family: Whose device is meant.
    """
    return _checked(shown or option, value, device_options(family)[option].parse)


def _checked(name: str, value: Any, parse: Callable[[Any], T]) -> T:
    try:
        return parse(value)
    except Invalid as error:
        found = value[0] if isinstance(value, list) and len(value) == 1 else value
        message = f"--{name}: found {found!r}, expected {error}"
        raise ConfigError([message]) from error


def _single(choice: TargetOptions, address: Address, name: str) -> DeviceConfig:
    device = DeviceConfig(
        name=_value("name", name),
        driver=_family(choice),
        address=address,
        timezone=_value("timezone", choice.timezone or "local"),
    )
    return _with_metrics(device, choice)


def _from_file(choice: TargetOptions) -> Targets:
    config = Config.load(_path(choice))
    _expect_devices(config, _path(choice))
    known = [device.name for device in config.devices]
    for name in choice.device:
        if name not in known:
            raise ConfigError([f"--device: there is no {name!r}; known: {', '.join(known)}"])
    devices = tuple(
        _with_metrics(device, choice)
        for device in config.devices
        if not choice.device or device.name in choice.device
    )
    return Targets(devices=devices, prefix=config.prefix, state_dir=state_dir(config))


def _expect_devices(config: Config, path: Path) -> None:
    """Devices of a fleet are no single process's to ask.

    Raises:
        ConfigError: The configuration is that of a process in a fleet.
    """
    if config.fleet is not None:
        raise ConfigError(
            [
                f"{path}: found fleet, expected devices, which it has not: name one with --address,"
                " or see 'rct-collector fleet status'"
            ]
        )


def _path(choice: TargetOptions) -> Path:
    if choice.config:
        return choice.config
    path = Config.default_path()
    if not path.exists():
        raise ConfigError(
            [
                f"no device: {path} does not exist; name a device with --address, another file"
                " with --config, or try --simulate"
            ]
        )
    return path


def _with_metrics(device: DeviceConfig, choice: TargetOptions) -> DeviceConfig:
    """Apply the options that choose metrics, on top of what the file says."""
    family = driver(device.driver)
    include = _value("include", list(choice.include), family=family)
    exclude = _value("exclude", list(choice.exclude), family=family)
    if choice.only:
        only = _value("include", list(choice.only), "only", family)
        return replace(device, include=(*only, *include), exclude=("*",))
    if choice.everything:
        include = (*include, *_off_by_default())
    return replace(
        device,
        include=(*device.include, *include),
        exclude=(*device.exclude, *exclude),
    )


def _with_cells(devices: tuple[DeviceConfig, ...]) -> tuple[DeviceConfig, ...]:
    """Turn the option on in those that have it."""
    if not any(map(_has_cells, devices)):
        names = ", ".join(sorted({device.driver for device in devices}))
        raise ConfigError([f"--cells: is no option of the driver {names}"])
    return tuple(
        replace(d, options=replace(cast(Any, d.options), cells=True)) if _has_cells(d) else d
        for d in devices
    )


def _has_cells(device: DeviceConfig) -> bool:
    return "cells" in options(type(device.options))


def _off_by_default() -> list[str]:
    return [m.name for m in catalog().metrics if not m.default and not m.option]
