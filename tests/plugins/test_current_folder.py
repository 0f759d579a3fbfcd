"""Whoever owns the current folder has no say in what our programs do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import nobody

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMMAND = BIN / "rct-collector"
SHIM = BIN / "rct-collector-telegraf"

CONFIG = f"devices: [{{name: roof, driver: rct, address: '{nobody()}'}}]\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def started(command, **more):
    """Run a command to its end; status and stderr."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False, **more)
    return done.returncode, done.stderr.decode()


#: Modules that our programs, or Python itself, import early, late, or only if they are there.
DECOYS = ("yaml", "tenacity", "click", "rctclient", "signal", "re", "asyncio", "usercustomize")


@pytest.fixture
def trap(tmp_path):
    """A current folder full of modules that must not be imported."""
    folder = tmp_path / "trap"
    for name in (*DECOYS, "rct_collector/__init__", "lib/yaml", "lib/re"):
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"import os\nos.write(2, b'{name} of the current folder\\n')\nos._exit(99)\n"
        )
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("path", [None, "", ":", ".", "lib", "/nonexistent:"])
@pytest.mark.parametrize("program", [COMMAND, SHIM], ids=lambda path: path.name)
def test_nothing_of_the_current_folder_is_imported(trap, config, program, path):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    check = ["--check", "--config", config] if program is SHIM else ["config", "check", config]
    status, err = started([program, *check], cwd=trap, env=environment)
    assert "current folder" not in err
    assert status == 0


@pytest.mark.slow
def test_what_pythonpath_names_in_full_is_kept(tmp_path, config):
    (tmp_path / "yaml.py").write_text("import os\nos._exit(42)\n")
    environment = {**os.environ, "PYTHONPATH": f":{tmp_path}"}
    command = [COMMAND, "config", "check", config]
    assert started(command, cwd="/", env=environment)[0] == 42


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "check"),
    [("rct_collector", ["config", "check"]), ("rct_collector_telegraf", ["--check", "--config"])],
)
def test_started_as_modules_they_import_nothing_of_it_either(trap, config, module, check):
    """But for the module itself, and what starts it: Python looks for them before we can say no."""
    (trap / "rct_collector/__init__.py").unlink()
    (trap / "rct_collector").rmdir()
    for name in ("usercustomize", "re"):
        (trap / f"{name}.py").unlink()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-m", module, *check, config]
    status, err = started(command, cwd=trap, env=environment)
    assert "current folder" not in err
    assert status == 0


def test_both_shell_scripts_look_for_python_in_the_same_way():
    """All but what is said in comments, the signals, and the name of the module."""
    scripts = []
    for path in ("rct_collector/cli/rct-collector", "plugins/telegraf/rct-collector-telegraf"):
        text = (ROOT / path).read_text().replace("rct_collector_telegraf", "rct_collector")
        lines = text.splitlines()
        scripts.append([x for x in lines if x and not x.startswith(("#", "trap"))])
    assert scripts[0] == scripts[1]
    assert any(" -P -m " in line for line in scripts[0])


def test_no_other_script_starts_python_in_a_folder_that_may_be_anybodys():
    """Of those that run on users' systems; -c and -m put the current folder on the path."""
    found = []
    for path in (*ROOT.glob("packaging/**/*"), *ROOT.glob("plugins/**/*"), *ROOT.glob("docs/*")):
        if (
            path.is_file()
            and path.suffix not in {".json", ".pyc", ".orig"}
            and "egg-info" not in str(path)
        ):
            found += re.findall(
                r"/bin/python3?(?! -P| -I) -[cm] (?!venv|pytest)\S+", path.read_text()
            )
    assert found == []
