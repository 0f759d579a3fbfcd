"""Tables of the documentation: options, devices, codes, exit status, findings of the doctor."""

from __future__ import annotations

from collections.abc import Iterator

from rct_collector.config import Config, DeviceConfig, Intervals, Requests
from rct_collector.config import options as options_of
from rct_collector.docs.markdown import code, table
from rct_collector.docs.metrics import homes
from rct_collector.docs.samples import needs_example
from rct_collector.doctor.contact import CONTACT
from rct_collector.doctor.rules import RULES
from rct_collector.doctor.surroundings import SURROUNDINGS
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.rct.texts import FAULTS
from rct_collector.exits import MEANINGS

#: Where an option stands in the file → the class that has it.
PLACES: tuple[tuple[str, type], ...] = (
    ("devices[].", DeviceConfig),
    ("devices[].intervals.", Intervals),
    ("devices[].requests.", Requests),
    ("", Config),
)


def options() -> str:
    """Every option of the configuration file."""
    return table(("Option", "Takes", "Default", "Meaning"), _options())


def _options() -> Iterator[tuple[str, ...]]:
    required = {"name", "driver", "address"}
    for place, cls in PLACES:
        for name, option in options_of(cls).items():
            needed = cls is DeviceConfig and name in required
            default = "required" if needed else code(option.default)
            example = f" Example: {code(option.example)}" if needs_example(option) else ""
            meaning = option.doc + example
            yield code(place + name), option.takes, default, meaning


#: Where an option stands in collectd's configuration → the class that has it.
_BLOCKS: tuple[tuple[str, type], ...] = (
    ("Device", DeviceConfig),
    ("Device, Intervals", Intervals),
    ("Device, Requests", Requests),
    ("Module", Config),
)


def collectd_options() -> str:
    """Every option as it is written in collectd's configuration."""
    head = ("Option", "In block", "Takes", "Default", "Meaning")
    return table(head, _collectd_options())


def _collectd_options() -> Iterator[tuple[str, ...]]:
    for block, cls in _BLOCKS:
        for name, option in options_of(cls).items():
            written = "".join(word.capitalize() for word in name.split("_"))
            takes, default = option.takes, code(option.default)
            if cls is DeviceConfig and name in ("name", "driver", "address"):
                default = "required"
            if default in ("`[]`", "`{}`"):  # as YAML writes lists and mappings
                default = ""
            if name == "name":
                written, takes = '<Device "name">', "name"
            elif name == "labels":
                written, takes = "<Labels>", "lines with a label and its value, quoted"
            elif name in ("include", "exclude"):
                takes = "globs, each quoted"
            yield code(written), block, takes, default, option.doc


def devices() -> str:
    """Supported device families."""
    return table(
        ("Family", "`driver`", "Address", "Objects", "Series"),
        (
            (
                driver(name).title,
                code(name),
                " or ".join(code(f"{s}://host:{driver(name).port}") for s in driver(name).schemes),
                str(len(driver(name).queries)),
                str(len(homes()[name])),
            )
            for name in BUILTIN
        ),
    )


def codes() -> str:
    """What the codes of each metric mean."""
    parts = []
    for name in BUILTIN:
        metrics: dict[str, list[str]] = {}
        for series, (query, _) in homes()[name].items():
            if query.name in driver(name).texts:
                metrics.setdefault(query.name, []).append(series.name)
        for query_name, series_names in metrics.items():
            texts = driver(name).texts[query_name]
            title = ", ".join(code(text) for text in series_names)
            rows = ((str(value), text) for value, text in texts.items())
            intro = f"{title} ({driver(name).title}: {code(query_name)})\n\n"
            parts.append(intro + table(("Code", "Meaning"), rows))
    return "\n".join(parts)


def faults() -> str:
    """Fault bits of RCT units."""
    return table(
        ("Fault", "Word", "Bit", "Meaning"),
        ((str(n), str(n // 32), str(n % 32), text) for n, text in FAULTS.items()),
    )


def exit_codes() -> str:
    """Exit status of ``rct-collector``."""
    return table(
        ("Status", "Meaning"), ((str(status.value), text) for status, text in MEANINGS.items())
    )


def findings() -> str:
    """What ``rct-collector doctor`` may find."""
    return table(
        ("Finding", "Severity", "What it means"),
        (
            (rule.title, rule.severity.word, rule.meaning)
            for rule in (*CONTACT, *RULES, *SURROUNDINGS)
        ),
    )
