"""The dashboards as files; what their queries bring is tried in tests/plugins."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from rct_collector.catalog import catalog
from rct_collector.drivers.rct.texts import CODES, FAULTS
from tests.needs import library
from tests.plugins.grafana import BUILT_IN, variables_in
from tools.dashboards.panels import ROWS
from tools.dashboards.queries import LANGUAGES

FOLDER = Path(__file__).parents[1] / "docs/dashboards"
NAMES = [language.name for language in LANGUAGES]
SHOWS = [show for row in ROWS for panel in row.panels for show in panel.shows]


@pytest.fixture(params=NAMES)
def found(request):
    return json.loads((FOLDER / f"{request.param}.json").read_text())


def everything(panels):
    """All panels and rows, those within closed rows too."""
    for panel in panels:
        yield panel
        yield from panel.get("panels", ())


def test_numbers_and_titles_differ(found):
    panels = list(everything(found["panels"]))

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)


def overlap(one, other):
    a, b = one["gridPos"], other["gridPos"]
    return (
        a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    )


def test_no_panel_covers_another(found):
    groups = [found["panels"], *(p["panels"] for p in found["panels"] if p["type"] == "row")]
    for panels in groups:
        for one, other in itertools.combinations(panels, 2):
            assert not overlap(one, other), (one["title"], other["title"])
        for panel in panels:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24


def test_only_variables_that_exist_are_used(found):
    known = {variable["name"] for variable in found["templating"]["list"]} | BUILT_IN
    tags = {f"tag_{tag}" for show in SHOWS for tag in show.tags}  # of InfluxDB's aliases
    used = variables_in(json.dumps(found))

    # In Graphite's patterns a $ is the end.
    assert used - tags <= known
    assert known - BUILT_IN <= used | {"datasource"}


def test_the_prefix_in_graphite_can_be_chosen():
    found = json.loads((FOLDER / "graphite.json").read_text())
    (prefix,) = [v for v in found["templating"]["list"] if v["type"] == "textbox"]

    assert (prefix["name"], prefix["query"]) == ("prefix", "solar")


def test_overrides_are_of_queries_that_exist(found):
    for panel in everything(found["panels"]):
        refs = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(refs)) == len(refs)
        for override in panel.get("fieldConfig", {}).get("overrides", ()):
            if override["matcher"]["id"] == "byFrameRefID":
                assert override["matcher"]["options"] in refs


def test_all_dashboards_show_the_same():
    def look(name):
        panels = everything(json.loads((FOLDER / f"{name}.json").read_text())["panels"])
        own = ("targets", "datasource", "panels")
        return [{key: value for key, value in p.items() if key not in own} for p in panels]

    first, *others = map(look, NAMES)
    for other in others:
        assert other == first


def test_every_panel_says_what_it_shows(found):
    for panel in everything(found["panels"]):
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("show", SHOWS, ids=lambda show: f"{show.name} {show.label}")
def test_labels_tell_series_apart(show):
    several = {tag for tag, values in catalog().dimensions(show.metric) if len(values) > 1}

    assert several <= {*show.free, *show.where}
    assert set(show.free) <= set(show.tags)
    assert not set("'\"\\$") & set(show.label), "it stands in quotes"


def mapped(found, title, ref):
    """Number → text of one query of a panel."""
    (panel,) = [panel for panel in everything(found["panels"]) if panel["title"] == title]
    config = panel["fieldConfig"]
    mappings = config["defaults"]["mappings"]
    for override in config["overrides"]:
        if override["matcher"]["options"] == ref:
            options = {option["id"]: option["value"] for option in override["properties"]}
            mappings = options.get("mappings", mappings)
    return {int(key): entry["text"] for key, entry in mappings[0]["options"].items()}


@pytest.mark.slow
def test_codes_are_told_in_words(found):
    assert mapped(found, "State of the inverter", "A") == CODES["prim_sm.state"]
    assert mapped(found, "Condition", "B") == CODES["prim_sm.state"]
    assert mapped(found, "Battery management", "A") == CODES["power_mng.battery_type"]
    assert mapped(found, "Battery management", "B") == CODES["power_mng.soc_strategy"]
    assert mapped(found, "Condition", "A") == {0: "no", 1: "yes"}


def test_each_fault_bit_is_told_in_words(found):
    told = {}
    for word, ref in enumerate("ABCD"):
        for value, text in mapped(found, "Faults", ref).items():
            if value:
                told[32 * word + value.bit_length() - 1] = text

    assert told == {number: f"{number}: {text}" for number, text in FAULTS.items()}


@pytest.mark.slow
def test_the_files_are_fresh():
    """If this fails: make docs."""
    library("grafana_foundation_sdk")
    from rct_collector.docs import stale
    from tools.dashboards.build import files

    assert stale(Path(__file__).parents[1], files) == []


def test_grafanas_library_understands_all_of_it(found):
    """What it does not know it drops, and then there is a difference."""
    library("grafana_foundation_sdk")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models import units
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    told = json.loads(JSONEncoder().encode(Dashboard.from_json(found)))
    # What a data source wants to know of an annotation is its own, and no part of the library.
    (known,), (events,) = (each["annotations"]["list"] for each in (told, found))
    own = {"target"} | (events.keys() - known.keys())
    told["annotations"]["list"] = [known | {key: events[key] for key in own & events.keys()}]

    assert told == found
    known = {value for key, value in vars(units).items() if re.match("[A-Z]", key)}
    for panel in everything(found["panels"]):
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "none")
        assert unit in known or unit.startswith("suffix:")
