"""Who may know whom, and what the repository must not hold."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import rct_collector
from tests.conftest import LONGEST, TOGETHER
from tests.needs import library
from tests.slow import slow_but

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rct_collector"
DRIVERS = PACKAGE / "drivers"

SOURCES = sorted(PACKAGE.rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
FAMILIES = sorted(path.name for path in DRIVERS.iterdir() if (path / "__init__.py").exists())

#: What does input or output, or waits, or tells the time.
OUTSIDE = {
    "asyncio", "concurrent", "fcntl", "http", "io", "mmap", "multiprocessing", "os", "pty", "sched",
    "select", "selectors", "serial", "shutil", "signal", "socket", "socketserver", "ssl",
    "subprocess", "tempfile", "termios", "threading", "time", "tty", "urllib",
}  # fmt: skip


def relative(path):
    return path.relative_to(ROOT).as_posix()


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(nodes, path):
    """Every imported module or name, in full, among the nodes of a tree."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are written in full"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def typed(nodes):
    """All nodes within what only type checkers see."""
    conditions = (
        node for node in nodes
        if isinstance(node, ast.If)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )  # fmt: skip
    return {inner for node in conditions for inner in ast.walk(node)}


class Facts(NamedTuple):
    """What the laws ask of a file.

    Attributes:
        imports: Every imported module or name, in full, wherever in the file.
        loads: The same, without what only type checkers see.
        classes: Names of public classes.
        packed: Lines with a call that hides its arguments in tuples: ``f(*(a, b), *(c, d))``.
    """

    imports: frozenset
    loads: frozenset
    classes: list
    packed: list


@cache
def facts(path):
    """The facts of a file, which is parsed once for all laws."""
    nodes = list(ast.walk(tree(path)))
    hidden = typed(nodes)
    classes = [n.name for n in nodes if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    packed = [
        node.lineno
        for node in nodes
        if isinstance(node, ast.Call)
        for argument in node.args
        if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Tuple)
    ]
    loaded = (node for node in nodes if node not in hidden)
    return Facts(imported(nodes, path), imported(loaded, path), classes, packed)


def imports(path):
    return facts(path).imports


def within(name, package):
    return name == package or name.startswith(package + ".")


def names_of_ours(path):
    """What a file takes from the package: the first name after ``rct_collector``."""
    found = {name.removeprefix("rct_collector.") for name in imports(path) if is_ours(name)}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "rct_collector":
            found.add(node.attr)
    return found - {"rct_collector"}


def is_ours(name):
    return within(name, "rct_collector")


# -- public names ------------------------------------------------------------------------------


def test_every_public_name_can_be_had():
    for name in rct_collector.__all__:
        assert getattr(rct_collector, name) is not None
    assert len(set(rct_collector.__all__)) == len(rct_collector.__all__)


def test_public_names_are_loaded_lazily_and_typed_all_the_same():
    """The list, the table for loading and the imports for type checkers hold the same names."""
    lazy = set(rct_collector.__all__) - {"__version__"}
    assert set(rct_collector._HOMES) == lazy
    typed = {name.rpartition(".")[2] for name in imports(PACKAGE / "__init__.py") if is_ours(name)}
    assert typed - {"__version__"} == lazy


#: Classes of one name, where both are what the name says: a protocol or a table for all families,
#: and what one family makes of it; or what the same file of several families holds.
NAMESAKES = {"Redactor", "Tools", "Bad", "Frame", "FrameReader"}


@pytest.mark.slow
def test_a_class_name_is_used_once():
    """So that a name in a message, a signature or a search says which class is meant."""
    found = {}
    for path in SOURCES:
        for name in facts(path).classes:
            found.setdefault(name, []).append(relative(path))
    assert len(found) > 100
    several = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert {name: paths for name, paths in several.items() if name not in NAMESAKES} == {}
    assert several.keys() == NAMESAKES, "what is not used twice needs no leave to be"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_arguments_are_written_as_what_they_are(path):
    assert facts(path).packed == []


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = rct_collector.nothing


def test_plugins_are_found():
    assert [path.name for path in PLUGINS if path.stem.startswith("rct_collector_")]


@pytest.mark.parametrize("path", PLUGINS, ids=relative)
def test_plugins_build_on_public_names_only(path):
    """An agent's plugin then survives any change inside."""
    assert names_of_ours(path) <= set(rct_collector.__all__)


# -- directions --------------------------------------------------------------------------------


def circle(graph):
    """The nodes of a circle in a graph (node → those it leads to), none if it has no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def module_of(name, modules):
    """The module that an imported name is, or is of."""
    while name not in modules:
        name = name.rpartition(".")[0]
    return name


def test_a_circle_is_seen():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == {"b", "c"}


def test_no_modules_import_each_other():
    """Neither at the top nor later, when a function runs: what needs each other is one thing."""
    modules = {
        relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for path in SOURCES
    }
    graph = {
        module: {module_of(name, modules) for name in facts(path).loads if is_ours(name)} - {module}
        for module, path in modules.items()
    }
    assert sum(map(len, graph.values())) > len(graph) > 100
    assert circle(graph) == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_module_knows_an_agent(path):
    for name in imports(path):
        assert not within(name, "collectd")
        assert not name.startswith(("rct_collector_", "plugins"))


@pytest.mark.parametrize("path", sorted(DRIVERS.rglob("*.py")), ids=relative)
def test_drivers_touch_nothing_outside(path):
    """What bytes mean depends on no socket and no clock, so that bytes alone can test it."""
    assert not {name.partition(".")[0] for name in imports(path)} & OUTSIDE
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("rct_collector.")}
    assert ours <= {"catalog", "drivers", "errors", "format", "markdown", "model", "option"}


def test_driver_families_are_found():
    assert "rct" in FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_drivers_do_not_know_each_other(family):
    others = [f"rct_collector.drivers.{other}" for other in FAMILIES if other != family]
    for path in (DRIVERS / family).rglob("*.py"):
        for name in imports(path):
            assert not any(within(name, other) for other in others), f"{relative(path)}: {name}"


# -- the laws of pyproject.toml, each broken once ------------------------------------------------

#: Law → where it is broken, and what is imported there.
BREACHES = {
    "layers": [
        ("device/device.py", "rct_collector.adapter.pipe"),
        ("drivers/base.py", "rct_collector.config"),
        ("model.py", "rct_collector.catalog"),
    ],
    "pure": [
        ("drivers/rct/session.py", "time"),
        ("drivers/rct/simulator/unit.py", "socket"),
        ("drivers/rct/tools/redact.py", "os"),
        ("catalog/rules.py", "asyncio"),
    ],
    "families": [
        ("cli/decode.py", "rct_collector.drivers.rct.frame"),
        ("simulator/hub.py", "rct_collector.drivers.rct.simulator"),
        ("docs/tables.py", "rct_collector.drivers.rct"),
        ("config/checking.py", "rct_collector.drivers.rct.tools.walk"),
        ("drivers/base.py", "rct_collector.drivers.rct.table"),
    ],
    "collecting": [
        ("collector.py", "rct_collector.simulator"),
        ("device/polling/poller.py", "rct_collector.drivers.rct.simulator.unit"),
        ("doctor/rules.py", "rct_collector.drivers.rct.tools.redact"),
        # Not even by way of others:
        ("drivers/base.py", "rct_collector.drivers.rct.simulator"),
        ("errors.py", "rct_collector.simulator.hub"),
    ],
    "light": [
        ("drivers/rct/__init__.py", "rct_collector.drivers.rct.tools"),
        ("drivers/rct/session.py", "rct_collector.drivers.rct.tools.walk"),
        ("drivers/rct/wire.py", "rct_collector.drivers.rct.simulator.clock"),
    ],
}


def contracts():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and its laws, in which laws may be broken."""
    library("importlinter")
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "rct_collector", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder, *options):
    """What import-linter says of a folder: status and text, in which lines are not wrapped."""
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    found = subprocess.run(
        [sys.executable, "-c", script, "--no-logo", "--no-cache", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
    )
    return found.returncode, found.stdout + found.stderr


def test_every_law_is_broken_once_and_says_what_to_do():
    assert [contract["id"] for contract in contracts()] == list(BREACHES)
    for contract in contracts()[1:]:
        assert contract["broken_contract_guidance"].strip(), contract["name"]


def test_whatever_is_no_command_is_taken_for_what_collects():
    """So that a new module, or a new folder, is under the law without anybody's doing."""
    (law,) = (contract for contract in contracts() if contract["id"] == "collecting")
    others = {"cli", "docs", "drivers", "format", "markdown", "simulator"}
    there = {path.stem for path in PACKAGE.glob("[!_]*.py")}
    there |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}

    assert set(law["source_modules"]) == {f"rct_collector.{name}" for name in there - others}


@pytest.mark.slow
def test_the_copy_keeps_all_laws(copy):
    status, text = lint(copy)

    assert status == 0, text
    assert f"Contracts: {len(BREACHES)} kept, 0 broken." in text


@pytest.mark.slow
@pytest.mark.parametrize("law", slow_but("layers", BREACHES))
def test_breaches_of_a_law_are_found_and_named(copy, law):
    before = {}
    for file, imported in BREACHES[law]:
        path = copy / "rct_collector" / file
        before[path] = path.read_text(encoding="utf-8")
        breach = f"\n\ndef breach():\n    import {imported}\n"
        path.write_text(before[path] + breach, encoding="utf-8")
    try:
        status, text = lint(copy, "--contract", law)
    finally:
        for path, content in before.items():
            path.write_text(content, encoding="utf-8")

    assert status == 1
    for file, imported in BREACHES[law]:
        importer = f"rct_collector/{file}".removesuffix(".py").removesuffix("/__init__")
        assert f"{importer.replace('/', '.')} -> {imported} (l." in text, text


def test_a_plugin_that_knows_a_driver_breaks_a_law(tmp_path):
    path = tmp_path / "rct_collector_agent.py"
    path.write_text("from rct_collector.drivers.rct import DRIVER\nimport rct_collector\n")

    assert names_of_ours(path) - set(rct_collector.__all__) == {"drivers.rct.DRIVER"}


# -- the repository ----------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["plugins", "packaging"])
def test_folders_that_are_no_packages_do_not_pretend_to_be(folder):
    """With an ``__init__.py`` they would be installed, or hide an agent's own module."""
    assert list((ROOT / folder).rglob("__init__.py")) == []


def test_tests_that_run_together_are_there():
    assert [name for name in TOGETHER if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("name", LONGEST)
def test_a_test_that_begins_early_is_there(name):
    file, _, function = name.partition("::")
    assert f"\ndef {function}(" in (ROOT / file).read_text(encoding="utf-8")


def test_version_is_that_of_the_changelog():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[?([^\]\s]+)", text, re.MULTILINE)
    releases = [heading for heading in headings if heading != "Unreleased"]
    assert headings[0] in ("Unreleased", rct_collector.__version__)
    assert rct_collector.__version__ not in releases[1:]
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc|\.dev)\d+)?", rct_collector.__version__)


def files_of_the_repository():
    """What is in git or would be added to it."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and its repository")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    paths = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.mark.slow
def test_no_file_names_a_folder_of_somebodys_machine():
    pattern = re.compile(rb"(?<![\w.-])/(?:work|root)/")
    files = files_of_the_repository()
    assert len(files) > 50
    assert [relative(path) for path in files if pattern.search(path.read_bytes())] == []
