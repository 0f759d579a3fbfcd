"""Generated text is fresh, and what it says is true."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from rct_collector import docs
from rct_collector.catalog import catalog
from rct_collector.cli.main import application
from rct_collector.config import DEFAULT_PATH, Config
from rct_collector.docs import (
    FILES,
    MARKDOWN,
    REGIONS,
    DocsError,
    devices,
    fill,
    samples,
    stale,
    write,
)
from rct_collector.docs.__main__ import main
from rct_collector.docs.metrics import collectd_pattern, object_patterns, pattern
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.rct.tools.documents import PARTS
from rct_collector.format import span
from tests.bench.report import keep

ROOT = Path(__file__).parents[1]
GENERATED = {
    *FILES,
    *(str(p.relative_to(ROOT)) for glob in MARKDOWN for p in ROOT.glob(glob)),
}


@pytest.fixture(scope="module")
def found_stale():
    return stale(ROOT)


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_text_is_fresh(name, found_stale):
    """If this fails: make docs."""
    assert ROOT / name not in found_stale


def test_the_metrics_page_holds_every_metric():
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")

    for metric in catalog().metrics:
        assert f"\n### {metric.measurement}\n" in text
        assert f"\n| `{metric.field}` |" in text


# -- pages -------------------------------------------------------------------------------------


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text, heading):
    """The rows of the table below a heading, as lists of cells."""
    table = re.search(rf"^##+ {re.escape(heading)}\n.*?^(\|.*?)\n\n", text, re.M | re.S)[1]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_the_readme_is_short_and_begins_with_the_two_commands():
    text = page("README.md")

    assert len(text.splitlines()) <= 120
    quick = re.search(r"^## Quick start\n.*?```sh\n(.*?)```", text, re.M | re.S)[1]
    assert [line.partition("#")[0].strip() for line in quick.splitlines()] == [
        "make demo",
        "make test",
    ]


def test_generated_tables_are_where_they_are_looked_for():
    """So that a table cannot vanish from the documentation by being cut out with its marks."""
    places = {
        name: [f for f in GENERATED if f.endswith(".md") and f"generated: {name} -->" in page(f)]
        for name in REGIONS
    }

    assert places["options"] == places["config-sample"] == ["docs/configuration.md"]
    assert places["exit-codes"] == ["docs/commands.md"]
    assert places["devices"] == places["rct-parts"] == ["docs/devices.md"]
    assert places["rct-objects"] == ["docs/protocols/rct.md"]
    assert [name for name, found in places.items() if len(found) != 1] == []


def test_the_page_of_commands_names_all_of_them():
    listed = {row[0].strip("`").split()[1] for row in rows(page("docs/commands.md"), "All of them")
              if row[0].startswith("`rct-collector ")}  # fmt: skip

    assert listed == {*application.list_commands(None)}


def test_files_that_the_architecture_names_are_there():
    """Each is written in full, or as seen from the folder of the one before it."""
    text = page("docs/architecture.md")
    table = rows(text, "Which file for which change") + rows(text, "What each folder answers")
    for cells in table:
        folder = ROOT
        for name in re.findall(r"`([^`<]+(?:\.py|\.yml|/))`", " ".join(cells)):
            places = (ROOT / name, folder / name, ROOT / "rct_collector" / name)
            found = next((path for path in places if path.exists()), None)
            assert found, f"{name}: there is no such file"
            folder = found if found.is_dir() else found.parent
    assert len(table) > 40


def test_pictures_of_the_architecture_name_modules_that_are_there():
    pictures = re.findall(r"^```\n(.*?)^```", page("docs/architecture.md"), re.M | re.S)
    names = {
        name
        for picture in pictures
        for name in re.findall(r"\b(?:device|transport|lines|capture|catalog)(?:/\w+)+", picture)
    }

    assert len(names) > 10
    for name in names:
        assert (ROOT / "rct_collector" / f"{name}.py").exists(), name


def texts_of_the_code():
    """Every text in it, with dots for what is put in."""
    for folder in ("rct_collector", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else "…"
                             for part in node.values)  # fmt: skip
                    yield "".join(parts)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield re.sub(r"%[\d.]*[sdfgr]", "…", node.value).replace("%%", "%")


@pytest.mark.slow
@pytest.mark.parametrize("heading", ["Messages", "At USB and at serial ports"])
def test_messages_that_are_explained_are_those_of_the_code(heading):
    texts = list(texts_of_the_code())
    explained = [
        message
        for cells in rows(page("docs/troubleshooting.md"), heading)
        for message in re.findall(r"`([^`]+)`", cells[0])
    ]

    assert len(explained) > 5
    assert [found for found in explained if not any(found in text for text in texts)] == []


# -- devices -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILTIN)
def test_every_object_of_a_driver_is_listed_once_with_its_series(name):
    listed = [line.split(" | ")[0].strip("| `") for line in devices.objects(name).splitlines()[2:]]
    assert sorted(listed) == sorted(query.name for query in driver(name).queries)


@pytest.mark.parametrize("name", BUILTIN)
def test_the_parts_of_a_family_have_all_its_objects_and_series(name):
    cells = [line.strip("| ").split(" | ") for line in devices.parts(name).splitlines()[2:]]
    queries, memory = driver(name).queries, driver(name).history
    series = sum(len(binding.series) for query in queries for binding in query.bindings)
    series += len(list(memory.found())) if memory else 0

    assert sum(int(row[-3]) for row in cells) == len(queries)
    assert sum(int(row[-2]) for row in cells) == series


def test_a_part_that_nobody_has_described_is_told(monkeypatch):
    monkeypatch.delitem(PARTS, "psw")
    with pytest.raises(KeyError, match="parts of rct that are not described: psw"):
        devices.parts("rct")


def test_objects_are_sorted_by_number_and_carry_what_their_series_share():
    table = devices.objects("rct")

    assert table.index("`battery.cells[0]`") < table.index("`battery.cells[1]`")
    assert (
        "| `battery.soc` | `959930BF` | float | `inverter_battery{battery=0}.soc_percent` |"
        in table
    )
    assert "`inverter_battery_cell{battery=0,module=2}.voltage_volts`" in table


# -- what was measured -------------------------------------------------------------------------


MARKS = "a\n<!-- begin measured -->\nold\n<!-- end measured -->\nb\n"


def test_measured_tables_replace_the_old_ones(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(MARKS + MARKS.replace("measured", "measured-faults"))

    keep(path, "measured", r"| \1 |")

    new = "a\n<!-- begin measured -->\n\n| \\1 |\n\n<!-- end measured -->\nb\n"
    assert path.read_text() == new + MARKS.replace("measured", "measured-faults")
    keep(path, "measured", "| x |")
    assert path.read_text().count("| x |") == 1


@pytest.mark.parametrize("text", ["", MARKS * 2, MARKS.replace("end", "and")])
def test_a_page_without_one_place_for_the_table_is_left_alone(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text)

    with pytest.raises(ValueError, match="places between"):
        keep(path, "measured", "| x |")
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["measured", "measured-faults"])
def test_the_page_of_performance_has_a_table_of_each_kind(tmp_path, name):
    path = tmp_path / "performance.md"
    path.write_text(page("docs/performance.md"))

    keep(path, name, "| new |")

    kept = path.read_text()
    assert "| new |" in kept
    assert len(page("docs/performance.md").splitlines()) - len(kept.splitlines()) > 10


# -- samples -----------------------------------------------------------------------------------


def test_the_sample_configuration_can_be_used(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(samples.config_yaml())
    (device,) = Config.load(path).devices

    assert device == Config.parse({"devices": [
        {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10:8899"}
    ]}).devices[0]  # fmt: skip


def test_every_line_of_the_sample_configuration_can_be_taken_into_use(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(re.sub(r"^( *)#(?! )", r"\1", uncommented(samples.config_yaml()), flags=re.M))
    config = Config.load(path)

    assert config.log_level == "info"
    assert config.shard == (0, 4)
    assert config.devices[0].intervals.medium == 60
    assert config.devices[0].requests.window == 4


def uncommented(text):
    """Nested options are comments of a comment: `#  fast: 10s`."""
    return re.sub(r"^( *)#  (?=\w+: )", r"\1  ", text, flags=re.M)


def test_the_telegraf_sample_is_what_telegraf_reads():
    (plugin,) = tomllib.loads(samples.telegraf_conf())["inputs"]["execd"]

    assert plugin["command"] == ["rct-collector-telegraf"]
    assert plugin["data_format"] == "influx"
    assert plugin["signal"] == "none"


def test_the_telegraf_sample_keeps_to_telegrafs_manner():
    lines = samples.telegraf_conf().splitlines()

    assert lines[1] == "[[inputs.execd]]"
    assert all(line.startswith("  ") for line in lines[2:] if line)
    assert all(len(line) <= 90 for line in lines)
    blocks = "\n".join(lines[2:]).split("\n\n")
    for block in blocks:
        prose = " ".join(line[5:] for line in block.splitlines() if line.startswith("  ## "))
        assert prose.endswith(".")
    assert str(DEFAULT_PATH) in "\n".join(lines)


# -- regions -----------------------------------------------------------------------------------


def region(name, text=""):
    return f"<!-- begin generated: {name} -->\n{text}<!-- end generated: {name} -->\n"


@pytest.mark.parametrize("name", REGIONS)
def test_every_region_can_be_filled_and_stays_as_it_is(name):
    once = fill("before\n" + region(name) + "after\n", "a.md")

    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert len(once.splitlines()) > 6
    assert fill(once, "a.md") == once


def test_several_regions_may_be_in_one_file():
    filled = fill(region("options", "what was here\n") + "between\n" + region("exit-codes"), "a.md")

    assert "what was here" not in filled
    assert "`devices[].name`" in filled
    assert "| 130 |" in filled
    assert "\nbetween\n" in filled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!-- begin generated: options -->\n", "a.md: the region 'options' has no end"),
        (region("moon"), "a.md: no region is called 'moon'; known: options, "),
        (
            "<!-- begin generated: options -->\n<!-- begin generated: codes -->\n"
            "<!-- end generated: options -->\n<!-- end generated: codes -->\n",
            "has no end",
        ),
    ],
)
def test_wrong_marks_are_told(text, words):
    with pytest.raises(DocsError, match=re.escape(words)):
        fill(text, "a.md")


@pytest.fixture
def checkout(tmp_path):
    """A folder that passes for the repository."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "README.md").write_text("# Name\n\n" + region("exit-codes"))
    return tmp_path


def test_missing_files_are_written_and_missing_markdown_is_none_of_our_business(tmp_path):
    assert [p.relative_to(tmp_path).as_posix() for p in write(tmp_path)] == list(FILES)
    assert stale(tmp_path) == []


def test_check_names_each_stale_file_and_changes_nothing(checkout, capsys):
    before = (checkout / "README.md").read_text()

    assert main(["--check", "--root", str(checkout)]) == 1
    names = [line.split()[-1] for line in capsys.readouterr().err.splitlines()]
    assert names == [*FILES, "README.md"]
    assert (checkout / "README.md").read_text() == before


def test_writing_makes_the_check_pass(checkout, capsys):
    assert main(["--root", str(checkout)]) == 0
    assert "written: README.md" in capsys.readouterr().out
    assert main(["--check", "--root", str(checkout)]) == 0
    assert main(["--root", str(checkout)]) == 0
    assert capsys.readouterr().out == ""


def test_wrong_marks_and_a_wrong_folder_are_told_without_a_traceback(checkout, capsys):
    (checkout / "README.md").write_text(region("moon"))
    assert main(["--root", str(checkout)]) == 1
    assert "error: README.md: no region is called 'moon'" in capsys.readouterr().err

    assert main(["--root", str(checkout / "plugins")]) == 1
    assert "is no checkout of the repository" in capsys.readouterr().err


# -- pieces ------------------------------------------------------------------------------------


def test_objects_that_differ_by_an_index_are_folded():
    assert object_patterns(["a[0].x", "a[1].x", "a[2].x"]) == ["a[0..2].x"]
    assert object_patterns(["a[0].b[0]", "a[0].b[1]"]) == ["a[0].b[0..1]"]
    assert object_patterns(["b", "a[3]"]) == ["b", "a[3]"]


def test_values_of_a_tag_are_told_in_short():
    assert span(("l1", "l2", "l3")) == "l1/l2/l3"
    assert span(tuple(map(str, range(24)))) == "0…23"


def test_collectd_names_carry_the_tags_in_braces():
    rows = {metric.name: metric for metric in catalog().metrics}

    assert collectd_pattern(rows["inverter_grid.voltage_volts"]) == "voltage-grid_{phase}"
    assert collectd_pattern(rows["inverter.serial"]) == ""
    assert pattern(rows["inverter_string.connected"]) == "inverter_string{string=a/b}.connected"


def test_the_pattern_of_collectd_names_agrees_with_every_series():
    for series in catalog():
        if series.collectd is None:
            continue
        name = collectd_pattern(series.metric)
        for key, value in series.tags:
            name = name.replace(f"{{{key}}}", value)
        assert name == "-".join(series.collectd)


@pytest.mark.slow
def test_nothing_of_this_machine_gets_into_the_documentation():
    for generator in (*docs.FILES.values(), *docs.REGIONS.values()):
        assert str(ROOT) not in generator()
        assert str(Path.home()) + "/" not in generator()
