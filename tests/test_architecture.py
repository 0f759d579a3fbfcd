"""Who may know whom, and what the repository must not hold."""

import ast
import re
import shutil
import subprocess
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import rct_collector

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


def imports(path, *, types=True):
    """Every imported module or name, in full, wherever in the file; of types only if wanted."""
    parsed = tree(path)
    if not types:
        parsed = WithoutTypes().visit(parsed)
    found = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are written in full"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


class WithoutTypes(ast.NodeTransformer):
    """Leaves out what only type checkers see."""

    def visit_If(self, node):
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


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
#: and what one family makes of it.
NAMESAKES = {"Redactor", "Span", "Tally", "Tools"}


def test_a_class_name_is_used_once():
    """So that a name in a message, a signature or a search says which class is meant."""
    found = {}
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(relative(path))
    assert len(found) > 100
    several = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert {name: paths for name, paths in several.items() if name not in NAMESAKES} == {}


def packed(path):
    """Lines of a file with a call that hides its arguments in tuples: ``f(*(a, b), *(c, d))``."""
    return [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        for argument in node.args
        if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Tuple)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_arguments_are_written_as_what_they_are(path):
    assert packed(path) == []


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
        module: {module_of(name, modules) for name in imports(path, types=False) if is_ours(name)}
        - {module}
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
    layers = ("transport", "device", "collector", "adapter", "simulator", "cli", "docs")
    for name in imports(path):
        assert not any(within(name, f"rct_collector.{layer}") for layer in layers), name


def test_driver_families_are_found():
    assert "rct" in FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_drivers_do_not_know_each_other(family):
    others = [f"rct_collector.drivers.{other}" for other in FAMILIES if other != family]
    for path in (DRIVERS / family).rglob("*.py"):
        for name in imports(path):
            assert not any(within(name, other) for other in others), f"{relative(path)}: {name}"


# -- the repository ----------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["plugins", "packaging"])
def test_folders_that_are_no_packages_do_not_pretend_to_be(folder):
    """With an ``__init__.py`` they would be installed, or hide an agent's own module."""
    assert list((ROOT / folder).rglob("__init__.py")) == []


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


def test_no_file_names_a_folder_of_somebodys_machine():
    pattern = re.compile(rb"(?<![\w.-])/(?:work|root)/")
    files = files_of_the_repository()
    assert len(files) > 50
    assert [relative(path) for path in files if pattern.search(path.read_bytes())] == []
