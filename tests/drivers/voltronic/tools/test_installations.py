"""How hard usual units are asked, on lines of 2400 baud."""

from __future__ import annotations

import pytest

from rct_collector.cli.budget import device_budget, equipment
from rct_collector.config import Config
from rct_collector.drivers import driver
from rct_collector.drivers.voltronic.table import COMMANDS

INSTALLATIONS = driver("voltronic").tools().installations()


def device(**options):
    given = {"name": "a", "driver": "voltronic", "address": "tcp://192.0.2.1:4196", **options}
    return Config.parse({"devices": [given]}).devices[0]


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_each_speaks_one_dialect_and_has_what_is_asked_of_it(name):
    conditions = INSTALLATIONS[name]
    asked = [item for item in COMMANDS if item.condition in conditions]
    assert asked
    assert frozenset.intersection(*(item.dialects for item in asked))
    texts = [item.text for item in asked]
    assert len(texts) == len(set(texts)), "nothing is asked in two ways"


@pytest.mark.parametrize("fast", ["5s", "10s"])
@pytest.mark.parametrize("name", INSTALLATIONS)
def test_what_is_usual_fits_even_the_shortest_interval(name, fast):
    found = device_budget(device(intervals={"fast": fast}), INSTALLATIONS[name])
    assert found.fits
    assert 0 < found.shares[0].line_s < 2.5


def test_bytes_of_questions_and_answers_are_those_of_the_papers():
    """QPIGS and its answer: 8 and 110 bytes."""
    sizes = {item.name: item.wire_bytes for item in COMMANDS}
    assert 118 <= sizes["QPIGS"] <= 124
    assert 12 <= sizes["QMOD"] <= 18
    assert sizes["QED"] - sizes["QEY"] == 4
    assert all(item.wire_bytes > item.reply_bytes for item in COMMANDS)


def test_the_usual_one_comes_first():
    assert equipment("voltronic").name == "two-strings"
