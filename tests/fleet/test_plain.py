"""Devices in a fleet mean what they mean in a file."""

import json

import pytest

from rct_collector.config import Config, device_options, device_sections, interpret
from rct_collector.config.options import section_options
from rct_collector.drivers import BUILTIN, driver
from rct_collector.fleet.plain import plain
from rct_collector.option import Invalid


def device_of(text):
    """A device as its file has it, from what stands behind its dash."""
    return interpret(text.encode(), "test")


def meaning(device):
    (found,) = Config.parse({"devices": [device]}).devices
    return found


def shipped(device):
    """What arrives elsewhere."""
    return json.loads(json.dumps(plain(device)))


def examples(known):
    """A line for each option that takes its example on this host, in the words of its example."""
    for name, option in known.items():
        value = device_of(f"x: {option.example}")["x"]
        try:
            option.parse(value)
        except Invalid:
            continue
        yield f"{name}: {option.example}"


def full(family):
    """A device with all options that there are."""
    lines = [f"driver: {family.name}"]
    lines += [line for line in examples(device_options(family)) if not line.startswith("driver:")]
    for key, (kind, _) in device_sections(family).items():
        inner = list(examples(section_options(kind, family)))
        lines += [f"{key}:", *(f"  {line}" for line in inner)] if inner else []
    return device_of("\n".join(lines))


@pytest.mark.parametrize("name", BUILTIN)
def test_every_option_means_the_same(name):
    family = driver(name)
    device = full(family)
    if "forward" in device:
        del device["forward"]  # goes with some addresses only
    assert len(device) > 5
    assert meaning(shipped(device)) == meaning(device)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("cells: yes", True),
        ("cells: off", False),
        ("cells: true", True),
        ("labels: {site: no, row: 007, part: 1.10, on: 2024-01-01}",
         {"site": "no", "row": "007", "part": "1.10", "on": "2024-01-01"}),
        ("requests: {per_second: 5, window: 4}", {"per_second": 5, "window": 4}),
        ("requests: {per_second: 2.50}", {"per_second": 2.5}),
        ("history: {backfill: off}", {"backfill": "off"}),
        ("include: inverter_battery.*", "inverter_battery.*"),
    ],
)  # fmt: skip
def test_what_is_kept_of_a_text_without_quotes(line, kept):
    text = f"name: no\ndriver: rct\naddress: tcp://192.0.2.10\n{line}"
    device = device_of(text)
    found = shipped(device)
    assert found["name"] == "no"
    assert found[line.partition(":")[0]] == kept
    assert meaning(found) == meaning(device)
