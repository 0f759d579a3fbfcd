"""Sample configurations: our own file, and the piece for Telegraf."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rct_collector.config import (
    DEFAULT_PATH,
    ENVIRONMENT,
    Config,
    device_options,
    device_sections,
)
from rct_collector.drivers import DEFAULT, driver
from rct_collector.drivers.base import Driver
from rct_collector.option import Option, options
from rct_collector.transport import examples

_WIDTH = 88

_INTRO = f"""\
# Configuration of rct-collector: which devices, and what of them. One file for the command
# rct-collector, for Telegraf and for collectd; by default {DEFAULT_PATH},
# otherwise named by ${ENVIRONMENT}.
#
# Only name, driver and address must be given. Lines with one # show the default, or an
# example where there is none. Durations are written 500ms, 10s, 5m, 1h.
# `rct-collector config check` tells all mistakes at once.
"""

_TELEGRAF = f"""\
# Read the measurements of solar inverters with rct-collector
[[inputs.execd]]
  ## Name of this input in Telegraf's own log and statistics.
  alias = "rct"

  ## Program and arguments, each a string of its own. Devices and options are in the
  ## collector's own file, by default {DEFAULT_PATH}. Keep that file
  ## out of telegraf.d, where Telegraf would take it for its own.
  command = ["rct-collector-telegraf"]
  # command = ["rct-collector-telegraf", "--config", "{DEFAULT_PATH}"]

  ## Who sets the pace. With "none" the collector keeps its own schedule, with the
  ## intervals of its own file, and the interval of this input has no effect. With
  ## "STDIN" samples are also handed over at each interval of Telegraf.
  signal = "none"

  ## Environment of the program, in addition to that of Telegraf.
  # environment = ["{ENVIRONMENT}={DEFAULT_PATH}"]

  ## Delay before the program is started again after it has ended.
  # restart_delay = "10s"

  ## Format of the samples. Do not change it.
  data_format = "influx"
"""

_COLLECTD = f"""\
# Read the measurements of solar inverters with rct-collector
LoadPlugin python
<Plugin python>
  # Where rct-collector and what it needs are installed, for the Python that collectd embeds.
  # Never name collectd's own folder here: Python would take its csv.so for the module csv.
  ModulePath "/opt/rct-collector/lib/python3.11/site-packages"
  Import "rct_collector_collectd"

  <Module rct_collector_collectd>
    # Devices and options in the collector's own file ...
    Config "{DEFAULT_PATH}"

    # ... or, in place of that line, here. Quote every text.
    #<Device "roof">
    #  Driver "rct"
    #  Address "tcp://192.0.2.10:8899"
    #  <Intervals>
    #    Fast "10s"
    #  </Intervals>
    #</Device>
    #<Device "axpert">
    #  Driver "voltronic"
    #  Address "usb://0665:5161"
    #</Device>
  </Module>
</Plugin>
"""


def collectd_conf() -> str:
    """A drop-in for collectd."""
    return _COLLECTD


def telegraf_conf() -> str:
    """The configuration of ``inputs.execd``, in Telegraf's manner."""
    return _TELEGRAF


def config_yaml(family: str = DEFAULT) -> str:
    """A complete configuration file: required options filled in, all others commented out.

    Args:
        family: Driver of the device in it.
    """
    return "\n".join([_INTRO, "devices:", *_device(driver(family)), "", *_common()]) + "\n"


def _device(family: Driver) -> Iterator[str]:
    entry = "  - "
    for name, option in device_options(family).items():
        if entry == "  - ":
            yield from _comment(option, "  ")
        else:
            yield ""
            yield from _comment(option, "    ")
        own = {"driver": family.name, "address": examples(family.ways)[0]}
        shown = own.get(name) or _shown(option)
        yield f"{entry}{'' if option.required else '#'}{name}: {shown}"
        entry = "    "
    for name, (kind, doc) in device_sections(family).items():
        yield ""
        yield from _wrapped(doc, "    ")
        yield f"    #{name}:"
        for key, option in options(kind).items():
            yield from _comment(option, "    #  ")
            yield f"    #  {key}: {_shown(option)}"


def _common() -> Iterator[str]:
    for n, (name, option) in enumerate(options(Config).items()):
        if n:
            yield ""
        yield from _comment(option, "")
        yield f"#{name}: {_shown(option)}"


def _shown(option: Option) -> str:
    return option.default or option.example


def _comment(option: Option, indent: str) -> Iterator[str]:
    example = f" Example: {option.example}" if option.default and needs_example(option) else ""
    yield from _wrapped(option.doc + example, indent)


def needs_example(option: Option) -> bool:
    """Whether an example says more than the default and what the option takes."""
    return option.example != option.default and option.example not in option.takes


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """A comment, wrapped."""
    marked = f"{indent}# "
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=marked, subsequent_indent=marked, break_on_hyphens=False
    )
