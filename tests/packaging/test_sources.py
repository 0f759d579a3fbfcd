"""What the packages are made of fits together; needs none of Debian's tools."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml

from rct_collector import __version__
from rct_collector.cli.main import PROGRAM, application
from rct_collector.config import Config
from rct_collector.errors import ConfigError
from tests.packaging.system import ROOT
from tests.processes import unmeasured

DEBIAN = ROOT / "packaging" / "debian"


def debian_version(version):
    """A version of Python's kind as Debian writes it, which knows candidates by their tilde."""
    return re.sub(r"\.?(dev|(?<=\d)(?:a|b|rc))(?=\d)", r"~\1", version)


@pytest.mark.parametrize(
    ("python", "debian"),
    [
        ("1.2", "1.2"),
        ("1.2rc1", "1.2~rc1"),
        ("1.2.dev3", "1.2~dev3"),
        ("1.2a1", "1.2~a1"),
        ("1.2.post1", "1.2.post1"),
    ],
)
def test_versions_are_written_as_debian_does(python, debian):
    assert debian_version(python) == debian


def test_changelog_of_the_packages_has_the_version():
    first = (DEBIAN / "changelog").read_text().partition("\n")[0]
    found = re.match(r"rct-collector \(([^)]+)-[^-)]+\) ", first)
    assert found
    assert found[1] == debian_version(__version__)


def test_debian_knows_what_is_required():
    """By the name of its Python package, or by that of a package named for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [re.match(r"[\w.-]+", text)[0] for text in project["dependencies"]]
    named = dict(
        line.split(";")[0].split()
        for line in (DEBIAN / "py3dist-overrides").read_text().splitlines()
    )
    asked_for = re.findall(r"^ +([\w.-]+)", (DEBIAN / "control").read_text(), re.M)
    for name in required:
        usual = f"python3-{name.lower().removeprefix('py')}"
        assert named.get(name, usual) in asked_for
    assert named["tzdata"] == "tzdata"


def modules_that_the_build_lacks():
    """Modules of what the tests use, but the packages are not built with."""
    control = (DEBIAN / "control").read_text().partition("\nStandards-Version")[0]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {
        re.match(r"[\w.-]+", requirement)[0].lower()
        for group in extras["optional-dependencies"].values()
        for requirement in group
    }
    absent = {
        name
        for name in names - {"rct-collector"}
        if not {f"python3-{name}", f"python3-{name.removeprefix('py')}"}
        & {*control.replace(",", " ").split()}
    }
    return [
        module
        for module, owners in packages_distributions().items()
        if absent & {owner.lower() for owner in owners}
    ]


#: Runs pytest as if some modules were not there: a comma-separated list, then its arguments. Of
#: each test one case is enough: what it imports does not depend on its parameters or examples.
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))
import hypothesis
import pytest

hypothesis.settings.register_profile("once", max_examples=1)
hypothesis.settings.load_profile("once")

class OneCase:
    def pytest_collection_modifyitems(self, items):
        items[:] = {item.nodeid.partition("[")[0]: item for item in items}.values()

sys.exit(pytest.main(sys.argv[2:], plugins=[OneCase()]))
"""


@pytest.mark.slow
def test_the_tests_of_the_build_need_no_more_than_it_asks_for():
    """Found out in a minute, not in the quarter of an hour of a build in a new system."""
    rules = (DEBIAN / "rules").read_text()
    tests = re.search(r"^TESTS = ((?:.*\\\n)*.*)", rules, re.M)[1].replace("\\\n", "").split()
    chosen = [
        found
        for one in tests
        for found in ([one] if one.startswith("--") else sorted(map(str, ROOT.glob(one))))
    ]
    lacking = modules_that_the_build_lacks()
    assert {"dpkt", "line_protocol_parser", "pytest_timeout"} <= {*lacking}
    assert not {"pytest", "hypothesis", "click"} & {*lacking}
    quick = ("-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not bench")
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT, ",".join(lacking), *quick, *chosen],
        cwd=ROOT,
        # Who builds packages need not have what a build server is to have.
        env=unmeasured(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", CI=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def announced(changelog):
    """Versions in whose section about metrics something is renamed, retyped or deprecated."""
    found = []
    for section in re.split(r"^## ", changelog, flags=re.M)[1:]:
        version = re.match(r"\[([0-9][^\]]*)\]", section)
        metrics = re.search(r"^### Metrics\n(.*?)(?=^###? |\Z)", section, re.M | re.S)
        if version and metrics and re.search(r"\b(renam|retyp|deprecat)", metrics[1], re.I):
            found.append(version[1])
    return found


def unannounced(changelog, news):
    """Those of them that users of the packages are not told about at the upgrade."""
    told = re.findall(r"^rct-collector \(([^)]+)-[^-)]+\)", news, re.M)
    return [version for version in announced(changelog) if debian_version(version) not in told]


def test_a_renamed_metric_needs_news():
    changelog = "## [Unreleased]\n### Metrics\n- a is renamed\n## [2.0rc1] - today\n### Metrics\n"
    renamed = f"{changelog}- `a` is Renamed to `b`\n\n## [1.0]\n### Metrics\n- All are new.\n"
    assert unannounced(changelog, "") == []
    assert unannounced(renamed, "") == ["2.0rc1"]
    assert unannounced(renamed, "rct-collector (2.0~rc1-0rct1) unstable; urgency=medium\n") == []


def test_renamed_metrics_are_news():
    news = DEBIAN / "NEWS"
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert unannounced(changelog, news.read_text() if news.exists() else "") == []


def test_only_the_address_is_missing_in_the_configuration():
    text = (DEBIAN / "config.yaml").read_text()
    with pytest.raises(ConfigError) as caught:
        Config.parse(yaml.safe_load(text))
    (problem,) = caught.value.problems
    assert "devices[0].address: " in problem
    filled = re.sub(r"^( *address:).*", r"\1 tcp://192.0.2.10", text, flags=re.M)
    assert Config.parse(yaml.safe_load(filled)).devices[0].name == "roof"


@pytest.fixture(scope="module")
def sources_of_pages(tmp_path_factory):
    """Manual pages as roff reads them."""
    folder = tmp_path_factory.mktemp("man")
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins/telegraf")])
    subprocess.run(
        [sys.executable, ROOT / "packaging" / "manpages.py", folder],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    return {page.name: page.read_text(encoding="utf-8") for page in folder.glob("man?/*")}


@pytest.fixture(scope="module")
def pages(sources_of_pages):
    """The same, with dashes and quotes as they are typed."""
    return {
        name: text.replace("\\-", "-").replace("\\(aq", "'")
        for name, text in sources_of_pages.items()
    }


def commands(command, path):
    """All commands below one, by the words with which they are called."""
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    for name in command.list_commands(None):
        yield from commands(command.get_command(None, name), f"{path} {name}")


@pytest.mark.slow
def test_the_manual_page_has_every_command_and_option(pages):
    page = pages["rct-collector.1"]
    sections = dict(re.findall(r'^\.S[SH] "(.*?)"\n(.*?)(?=^\.S[SH] |\Z)', page, re.M | re.S))
    found = dict(commands(application, PROGRAM))
    assert len(found) > 8
    for path, command in found.items():
        assert (path in sections) != command.hidden
        for parameter in command.params:
            if parameter.param_type_name == "option" and not (command.hidden or parameter.hidden):
                assert max(parameter.opts, key=len) in sections[path]
    assert "--log-level" in sections["OPTIONS"]
    assert "130" in sections["EXIT STATUS"]


@pytest.mark.slow
def test_the_manual_page_of_the_shim_has_its_options(pages):
    for option in ("--config FILE", "--once", "--check"):
        assert option in pages["rct-collector-telegraf.1"]


@pytest.mark.slow
def test_the_manual_page_of_the_configuration_has_its_options(pages):
    for option in ("devices[].address", "devices[].intervals.fast", "state_dir"):
        assert f"\\fB{option}\\fR" in pages["rct-collector-config.5"]


@pytest.mark.slow
def test_no_line_of_a_page_is_taken_for_a_request(sources_of_pages):
    known = {".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi"}
    for text in sources_of_pages.values():
        dots = {line.split()[0] for line in text.splitlines() if line[:1] in (".", "'")}
        assert dots <= known


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("--help",), ("one", "two")])
def test_manual_pages_are_written_into_no_folder_that_looks_like_an_option(tmp_path, arguments):
    found = subprocess.run(
        [sys.executable, ROOT / "packaging" / "manpages.py", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert found.returncode == 2
    assert found.stderr == "usage: manpages.py FOLDER\n"
    assert list(tmp_path.iterdir()) == []
