"""Texts of a unit that means harm, in what commands print."""

from __future__ import annotations

import json

import pytest
from line_protocol_parser import parse_line

from tests.hostile import Says, each_text, harmless


@pytest.mark.slow
@each_text
@pytest.mark.parametrize("form", ["table", "influx", "json"])
def test_a_reading_shows_no_text_that_does_anything(run, serve, config_file, form, said, shown):
    unit = serve("inverter-only", faults=[Says(said)])
    result = run("read", "--config", config_file(roof=unit.address), "--format", form)

    out = result.stdout.replace("°", "").replace("Ω", "")  # units of ours
    assert harmless(out)
    assert harmless(result.stderr)
    if form == "json":
        (device,) = json.loads(result.stdout)
        texts = {v["value"] for v in device["values"] if v["measurement"] == "inverter"}
        assert texts - {1} <= {shown}
    elif form == "influx":
        assert all(parse_line(line) for line in result.stdout.splitlines())
    elif shown:
        assert shown in result.stdout


@pytest.mark.slow
@each_text
def test_watching_shows_no_text_that_does_anything(run, serve, config_file, said, shown):
    unit = serve("inverter-only", faults=[Says(said)])
    result = run("watch", "--config", config_file(roof=unit.address), "--for", "1s")

    assert harmless(result.stdout.replace("°", "").replace("Ω", ""))
    assert "Power" in result.stdout
