"""The images and the services around them, read; and Telegraf's part with the real programs."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest
import yaml

from rct_collector.cli.bridge import VARIABLES
from rct_collector.cli.main import COMMANDS, application
from rct_collector.cli.status import command as status_command
from rct_collector.config import DEFAULT_PATH, Config
from tests.inverter import running_inverter
from tests.packaging.system import ROOT
from tests.plugins.agent import SHIM
from tests.plugins.pipelines import PLUGIN, shipped
from tests.processes import program
from tests.servers.influxdb import InfluxDB

FOLDER = ROOT / "packaging" / "container"
DOCKERFILE = FOLDER / "Dockerfile"

#: All that a Dockerfile may consist of.
KNOWN = (
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)


def instructions(text):
    """Name and arguments of each instruction; lines that go on are joined."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def stages(text):
    """Name of a stage, or its number → (what it is made of, its instructions)."""
    found = {}
    for name, words in instructions(text):
        if name == "FROM":
            image, _, own = words.partition(" AS ")
            here = []
            found[own or str(len(found))] = image, here
        elif found:
            here.append((name, words))
    return found


STAGES = stages(DOCKERFILE.read_text())


def all_of(name):
    """The instructions of a stage, after those of the stages that it is made of."""
    image, own = STAGES[name]
    return [*(all_of(image) if image in STAGES else ()), *own]


def last(name, what):
    """What holds of a stage: the last instruction of its kind."""
    return [words for found, words in all_of(name) if found == what][-1]


#: The images that are used: that of Telegraf, and that which is made where none is named.
IMAGES = ["telegraf", list(STAGES)[-1]]


def is_sent(path):
    """Whether a file goes to the builder: of the rules the last one that fits counts."""
    sent = True
    for rule in (FOLDER / "Dockerfile.dockerignore").read_text().split("\n"):
        if rule and not rule.startswith("#"):
            glob = rule.removeprefix("!").removeprefix("**/")
            ways = [path, *map(str, PurePosixPath(path).parents)]
            ways += [PurePosixPath(way).name for way in ways if rule.startswith("**/")]
            if any(fnmatch.fnmatchcase(way, glob) for way in ways if way not in ("", ".")):
                sent = rule.startswith("!")
    return sent


def test_it_consists_of_what_there_is():
    found = instructions(DOCKERFILE.read_text())

    assert {name for name, _ in found} <= set(KNOWN)
    assert all(len(each) == 2 for each in found)
    assert found[0][0] in ("ARG", "FROM")


def test_its_stages_are_made_of_pinned_images_or_of_each_other():
    arguments = dict(
        words.split("=") for name, words in instructions(DOCKERFILE.read_text()) if name == "ARG"
    )
    before = []
    for name, (image, _) in STAGES.items():
        if image not in before:
            place, _, tag = image.rpartition(":")
            assert place.startswith("docker.io/library/")
            assert re.fullmatch(r"\d+(\.\d+)?(-slim)?", arguments[tag.strip("${}")])
        before.append(name)


def test_all_that_is_copied_is_there_and_sent():
    copied = 0
    for _, own in STAGES.values():
        for name, words in own:
            if name != "COPY":
                continue
            *sources, _ = [word for word in words.split() if not word.startswith("--")]
            if words.startswith("--from="):
                assert words.split()[0].removeprefix("--from=") in STAGES
                continue
            for source in sources:
                copied += 1
                assert (ROOT / source).exists(), source
                assert is_sent(source), source
    assert copied > 5


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("pyproject.toml", True),
        ("rct_collector/cli/rct-collector", True),
        ("plugins/collectd/rct_collector_collectd.py", True),
        ("rct_collector/cli/__pycache__/main.cpython-311.pyc", False),
        (".git/config", False),
        ("tests/conftest.py", False),
        ("packaging/container/config.yaml", False),
        ("packaging/container/.env", False),
    ],
)
def test_nothing_else_goes_to_the_builder(path, sent):
    assert is_sent(path) is sent


@pytest.mark.parametrize("name", IMAGES)
def test_it_runs_as_nobody_in_particular_and_asks_how_it_is(name):
    text = " ".join(words for found, words in all_of(name) if found == "RUN")

    assert last(name, "USER") == "rct-collector"
    assert "useradd" in text
    assert "--timeout=" in last(name, "HEALTHCHECK")


@pytest.mark.parametrize(("status", "healthy"), [(0, 0), (1, 0), (2, 1), (3, 1), (127, 1)])
def test_health_is_what_status_says(status, healthy, tmp_path):
    """A device that is away is a warning, and makes nobody start a container anew."""
    asked = tmp_path / "asked"
    command = tmp_path / "rct-collector"
    command.write_text(f'#!/bin/sh\necho "$@" > {asked}\nexit {status}\n')
    command.chmod(0o755)
    _, _, check = last("telegraf", "HEALTHCHECK").partition(" CMD ")
    done = subprocess.run(["/bin/sh", "-c", check], env={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert done.returncode == healthy
    name, *options = asked.read_text().split()
    assert [*options, name] == ["--critical", "24h", "status"]
    known = {text for option in status_command.params for text in option.opts}
    assert {"--critical"} <= known
    assert name in COMMANDS


def test_what_it_starts():
    _, collector = IMAGES
    assert json.loads(last(collector, "ENTRYPOINT")) == ["rct-collector"]
    assert json.loads(last(collector, "CMD")) == ["daemon"]
    assert "daemon" in COMMANDS
    assert json.loads(last("telegraf", "ENTRYPOINT")) == ["telegraf"]
    arguments = json.loads(last("telegraf", "CMD"))
    targets = [words.split()[-1] for found, words in all_of("telegraf") if found == "COPY"]
    assert arguments[1] in targets
    assert f"{arguments[3]}/rct-collector.conf" in targets


def test_the_extras_that_are_installed_are_there():
    (wanted,) = re.findall(r"'\.\[(.*)\]'", DOCKERFILE.read_text())
    text = (ROOT / "pyproject.toml").read_text()

    for extra in wanted.split(","):
        assert re.search(rf"^{extra} = \[", text, re.M), extra


# -- the services --------------------------------------------------------------------------------

#: How Telegraf's file names the database.
URL = "${INFLUXDB_URL:-http://influxdb:8086}"

COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())


def mounts(service):
    """Where something of the host is in a service → what it is, a path or a volume."""
    found = {}
    for line in COMPOSE["services"][service].get("volumes", ()):
        source, target, *_ = line.split(":")
        found[target] = (FOLDER / source).resolve() if source.startswith(".") else source
    return found


def test_all_that_services_mount_is_there():
    for service in COMPOSE["services"]:
        for source in mounts(service).values():
            if isinstance(source, Path):
                assert source.is_file()
            else:
                assert source in COMPOSE["volumes"]


#: The services that are of our image.
OURS = [name for name, service in COMPOSE["services"].items() if "build" in service]


@pytest.mark.parametrize("name", OURS)
def test_ours_are_built_of_our_file_and_may_do_little(name):
    service = COMPOSE["services"][name]

    assert (FOLDER / service["build"]["context"]).resolve() == ROOT
    assert ROOT / service["build"]["dockerfile"] == DOCKERFILE
    assert service["build"].get("target", IMAGES[1]) in IMAGES
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    text = " ".join(words for found, words in all_of(IMAGES[1]) if found == "RUN")
    for target, source in mounts(name).items():  # what they write to belongs to their user
        assert isinstance(source, Path) or f"{target} " in f"{text} "


@pytest.mark.parametrize("name", sorted(set(OURS) - {"telegraf"}))
def test_who_asks_the_collector_is_in_its_network(name):
    service = COMPOSE["services"][name]
    text = " ".join(words for found, words in all_of(IMAGES[1]) if found == "RUN")

    assert service["network_mode"] == "service:telegraf"
    assert service["profiles"] == [name]
    assert "ports" not in service, "those are of the network's owner"
    verb, *arguments = service["command"]
    options = application.get_command(None, verb).params
    known = {word for option in options for word in option.opts}
    assert {word for word in arguments if word.startswith("--")} <= known
    variables = {f"{VARIABLES}_{option.name.upper()}" for option in options}
    assert service.get("environment", {}).keys() <= {*variables, f"{VARIABLES}_PASSWORD"}
    assert all(f" {group} " in text for group in service.get("group_add", ()))


def test_its_configuration_is_right():
    (path,) = (p for p in mounts("telegraf").values() if isinstance(p, Path))

    assert mounts("telegraf")[str(DEFAULT_PATH)] == path
    assert [device.driver for device in Config.load(path).devices] == ["rct"]


def test_the_dashboard_is_the_generated_one():
    """That that is fresh is tried in tests/test_dashboards.py."""
    found = mounts("grafana")
    (provider,) = yaml.safe_load((FOLDER / "grafana/dashboards.yaml").read_text())["providers"]
    dashboards = {t: s for t, s in found.items() if t.startswith(provider["options"]["path"] + "/")}

    assert list(dashboards.values()) == [ROOT / "docs/dashboards/influxdb.json"]
    environment = COMPOSE["services"]["grafana"]["environment"]
    assert [environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]] == list(dashboards)
    for kind in ("datasources", "dashboards"):
        assert found[f"/etc/grafana/provisioning/{kind}/rct-collector.yaml"] == (
            FOLDER / f"grafana/{kind}.yaml"
        )


def test_grafana_asks_the_database_that_telegraf_writes_to():
    (source,) = yaml.safe_load((FOLDER / "grafana/datasources.yaml").read_text())["datasources"]
    (dashboard,) = (s for t, s in mounts("grafana").items() if t.endswith(".json"))
    variables = json.loads(dashboard.read_text())["templating"]["list"]
    text = (FOLDER / "telegraf.conf").read_text()

    assert [v["query"] for v in variables if v["type"] == "datasource"] == [source["type"]]
    assert source["isDefault"]
    assert source["url"] == COMPOSE["services"]["telegraf"]["environment"]["INFLUXDB_URL"]
    assert source["url"].split("/")[2].split(":")[0] in COMPOSE["services"]
    assert f'database = "{source["jsonData"]["dbName"]}"' in text


def test_the_output_is_the_shipped_one():
    text = (FOLDER / "telegraf.conf").read_text()

    assert shipped("outputs/influxdb.conf", url=("http://127.0.0.1:8086", URL)) in text


def test_no_password_is_shipped_and_no_port_is_open_to_all():
    grafana = COMPOSE["services"]["grafana"]

    assert grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_PASSWORD:?")
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def compose(*words):
    """What docker compose says; the plugin of docker, or the program that Debian has."""
    tool = ["docker", "compose"]
    docker = shutil.which("docker")
    if not docker or subprocess.run([*tool, "version"], capture_output=True).returncode:
        tool = [program("docker-compose")]
    command = [*tool, "-f", FOLDER / "compose.yaml", "--profile=page", "--profile=bridge", *words]
    variables = {**os.environ, "GRAFANA_PASSWORD": "secret-word"}
    return subprocess.run(command, env=variables, capture_output=True, text=True)


@pytest.mark.slow
def test_compose_understands_it():
    done = compose("config")

    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)["services"]
    assert set(found) == set(COMPOSE["services"])
    assert found["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == "secret-word"


@pytest.mark.telegraf
@pytest.mark.servers
@pytest.mark.slow
def test_values_reach_the_database(telegraf, tmp_path):
    """Without the containers around them: the files, with the programs themselves."""
    config = tmp_path / "config.yaml"
    parts = tmp_path / "telegraf.d"
    parts.mkdir()
    shutil.copy(PLUGIN / "sample.conf", parts / "rct-collector.conf")
    arguments = [*json.loads(last("telegraf", "CMD")), "--once", "--test-wait", "3"]
    arguments[1], arguments[3] = FOLDER / "telegraf.conf", parts
    with InfluxDB(tmp_path / "influxdb") as influxdb, running_inverter() as unit:
        config.write_text(
            f"state_dir: {tmp_path}/state\n"
            f"devices: [{{name: roof, driver: rct, address: '{unit.address}'}}]\n"
        )
        environment = {
            "PATH": f"{SHIM.parent}:/usr/bin:/bin",
            "INFLUXDB_URL": influxdb.url,
            "RCT_COLLECTOR_CONFIG": str(config),
        }
        done = subprocess.run(
            [telegraf, *arguments], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        rows = influxdb.query(
            "solar", "SELECT load_watts FROM inverter_power WHERE source = 'roof'"
        )
    assert rows, done.stderr
