"""Tables of the documentation: options, devices, codes, exit status, findings of the doctor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from rct_collector.config import Config, device_options, device_sections
from rct_collector.config.fleet import FleetOptions
from rct_collector.docs.samples import needs_example
from rct_collector.doctor.contact import CONTACT
from rct_collector.doctor.rules import RULES
from rct_collector.doctor.surroundings import SURROUNDINGS
from rct_collector.doctor.talk import TALK
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.base import Driver, Pushed
from rct_collector.exits import MEANINGS
from rct_collector.markdown import code, table
from rct_collector.option import Option, Shape
from rct_collector.option import options as options_of
from rct_collector.transport import TRANSPORTS, bus, examples, transport
from rct_collector.transport.address import Parameter

#: How the list of devices is written in front of the name of an option.
_DEVICE = "devices[]"

#: How the section of a fleet is.
_FLEET = "fleet"

#: Options that collectd has no use for: it has a log of its own, and is one process.
_NOT_COLLECTD = (("logging",), ("processes",))


def every_option() -> Iterator[tuple[tuple[str, ...], Option]]:
    """Where each option of the file stands, by the keys that lead to it, and the option.

    Where families differ, each of their options comes, and says whose it is.
    """
    families: dict[tuple[tuple[str, ...], tuple[str, str, str, str]], list[str]] = {}
    found: dict[tuple[tuple[str, ...], tuple[str, str, str, str]], Option] = {}
    for name in BUILTIN:
        for place, option in _of_device(driver(name)):
            what = place, (option.doc, option.takes, option.default, option.example)
            found.setdefault(what, option)
            families.setdefault(what, []).append(name)
    groups = [*dict.fromkeys(place[:-1] for place, _ in found)]
    places = [*dict.fromkeys(place for place, _ in found)]
    for what in sorted(found, key=lambda w: (groups.index(w[0][:-1]), places.index(w[0]))):
        option, names = found[what], families[what]
        if len(names) < len(BUILTIN):
            option = replace(option, doc=f"{option.doc} Only with driver {' or '.join(names)}.")
        yield what[0], option
    for name, option in options_of(Config).items():
        yield (name,), option
    for name, option in options_of(FleetOptions).items():
        yield (_FLEET, name), option


def _of_device(family: Driver) -> Iterator[tuple[tuple[str, ...], Option]]:
    for name, option in device_options(family).items():
        yield (_DEVICE, name), option
    for key, (kind, _) in device_sections(family).items():
        for name, option in options_of(kind).items():
            yield (_DEVICE, key, name), option


def options() -> str:
    """Every option of the configuration file."""
    return table(("Option", "Takes", "Default", "Meaning"), _options())


def history_options() -> str:
    """The options of what is restored."""
    head = "Option", "Takes", "Default", "Meaning"
    return table(head, (row for row in _options() if ".history." in row[0]))


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
        if (*place, name) in _NOT_COLLECTD or place == [_FLEET]:
            continue
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
                " or ".join(map(code, examples(driver(name).ways))),
                str(len(driver(name).queries) + len(_pushed(name).records)),
                str(len(driver(name).homes) + len(_pushed(name).origins)),
            )
            for name in BUILTIN
        ),
    )


def _pushed(name: str) -> Pushed:
    """What units of a family send unasked: nothing, of most."""
    return driver(name).pushed or Pushed(records={})


def addresses() -> str:
    """How devices are addressed, by the ways in which families are reached."""
    return table(("Address", "What is there", "`driver`"), _addresses())


def _addresses() -> Iterator[tuple[str, ...]]:
    takers: dict[str, dict[str, str]] = {}
    for name in BUILTIN:
        for scheme, defaults in driver(name).ways.items():
            takers.setdefault(scheme, {})[name] = transport(scheme).example(defaults)
    for scheme, examples_of in takers.items():
        example, *_ = examples_of.values()
        buses = [name for name in examples_of if "mode" in driver(name).ways[scheme]]
        what = " ".join([_what(scheme), *_of_bus(buses)])
        yield code(example), what, ", ".join(map(code, examples_of))


def _of_bus(names: list[str]) -> Iterator[str]:
    """What families that share a bus have in addresses beside all others."""
    if names:
        yield f"With the driver {' and '.join(map(code, names))}:"
        yield _parameters(bus.PARAMETERS)


def transports() -> str:
    """The schemes of addresses, whether a family takes them or not."""
    return table(
        ("Scheme", "For example", "What is there"),
        ((code(name), code(transport(name).example({})), _what(name)) for name in TRANSPORTS),
    )


def _what(scheme: str) -> str:
    found = transport(scheme)
    return " ".join(filter(None, (found.DESCRIPTION, _parameters(found.PARAMETERS))))


def _parameters(parameters: Mapping[str, Parameter]) -> str:
    """What options of an address take, and do."""
    return " ".join(
        f"{code(key)} takes {parameter.takes}. {parameter.meaning}"
        for key, parameter in parameters.items()
    )


def codes() -> str:
    """What the codes of each metric mean."""
    parts = []
    for name in BUILTIN:
        metrics: dict[str, list[str]] = {}
        for feed, record in driver(name).coded():
            metrics.setdefault(record, []).append(feed.name)
        for query_name, series_names in metrics.items():
            texts = driver(name).texts[query_name]
            title = ", ".join(code(text) for text in series_names)
            rows = ((str(value), text) for value, text in texts.items())
            intro = f"{title} ({driver(name).title}: {code(query_name)})\n\n"
            parts.append(intro + table(("Code", "Meaning"), rows))
    return "\n".join(parts)


def faults(name: str) -> str:
    """Fault bits of a family's units."""
    return table(
        ("Fault", "Word", "Bit", "Meaning"),
        ((str(n), str(n // 32), str(n % 32), text) for n, text in driver(name).faults.items()),
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
            for rule in (*CONTACT, *TALK, *RULES, *SURROUNDINGS)
        ),
    )
