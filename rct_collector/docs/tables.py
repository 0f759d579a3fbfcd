"""Tables of the documentation: options, devices, codes, exit status, findings of the doctor."""

from __future__ import annotations

from collections.abc import Iterator

from rct_collector.config import Config, DeviceConfig
from rct_collector.docs.markdown import code, table
from rct_collector.docs.metrics import homes
from rct_collector.docs.samples import needs_example
from rct_collector.doctor.contact import CONTACT
from rct_collector.doctor.rules import RULES
from rct_collector.doctor.surroundings import SURROUNDINGS
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.rct.texts import FAULTS
from rct_collector.exits import MEANINGS
from rct_collector.option import Option, Shape, sections
from rct_collector.option import options as options_of

#: How the list of devices is written in front of the name of an option.
_DEVICE = "devices[]"


def every_option() -> Iterator[tuple[tuple[str, ...], Option]]:
    """Where each option of the file stands, by the keys that lead to it, and the option."""
    yield from _below((_DEVICE,), DeviceConfig)
    for key, (kind, _) in sections(DeviceConfig).items():
        yield from _below((_DEVICE, key), kind)
    yield from _below((), Config)


def _below(place: tuple[str, ...], kind: type) -> Iterator[tuple[tuple[str, ...], Option]]:
    return (((*place, name), option) for name, option in options_of(kind).items())


def options() -> str:
    """Every option of the configuration file."""
    return table(("Option", "Takes", "Default", "Meaning"), _options())


def _options() -> Iterator[tuple[str, ...]]:
    for place, option in every_option():
        example = f" Example: {code(option.example)}" if needs_example(option) else ""
        meaning = option.doc + example
        yield code(".".join(place)), option.takes, _default(option), meaning


def _default(option: Option) -> str:
    return "required" if option.required else code(option.default)


def collectd_options() -> str:
    """Every option as it is written in collectd's configuration."""
    head = ("Option", "In block", "Takes", "Default", "Meaning")
    return table(head, _collectd_options())


def _collectd_options() -> Iterator[tuple[str, ...]]:
    for (*place, name), option in every_option():
        block = ", ".join(_word(key).removesuffix("s[]") for key in place) or "Module"
        written, takes, default = _word(name), option.takes, _default(option)
        if option.shape is Shape.MAPPING:
            written, takes = f"<{written}>", "lines with a name and its value, quoted"
        elif option.shape is Shape.LIST:
            takes = f"{option.takes.removeprefix('list of ')}, each quoted"
        elif (*place, name) == (_DEVICE, "name"):
            written = '<Device "name">'
        if option.shape is not Shape.ONE:
            default = ""  # YAML writes lists and mappings that are empty
        yield code(written), block, takes, default, option.doc


def _word(name: str) -> str:
    """A name as collectd writes it: ``PerSecond``."""
    return "".join(word.capitalize() for word in name.split("_"))


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
