"""The commands of a fleet."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT

SMALL = ("fleet", "simulate", "--devices", 300, "--processes", 8, "--shards", 64, "--events", 1)


def test_a_table_has_shares_moves_and_the_work_of_the_engine(run):
    result = run(*SMALL, "--per-core", 100)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "300 devices in 64 shards, 8 processes, 4 on each host, ttl 10 s, restart in 600 s"
    )
    rows = {line.partition("  ")[0]: line.split("  ")[1:] for line in lines if line}
    assert "37.5" in " ".join(rows["devices of a process"])
    assert "38%" in " ".join(rows["of a core"])
    for name in ("a process joins", "a process is lost", "a host of 4 is lost"):
        assert name in rows
    assert rows["keepalives per second"][-1].strip() == "2.4"


def test_json_has_the_same_and_more(run):
    found = json.loads(run(*SMALL, "-f", "json").stdout)

    assert found["size"]["shards"] == 64
    assert found["shares"]["mean"] == 37.5
    assert [move["needless"] for move in found["moves"]] == [0, 0, 0]


@pytest.mark.slow
def test_without_a_number_of_shards_it_takes_one_that_fits(run):
    found = json.loads(
        run(*("fleet", "simulate", "--devices", 9, "--processes", 3, "-f", "json")).stdout
    )

    assert found["size"]["shards"] == 4096


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--devices", 0), "--devices"),
        (("--devices", 1 << 25), "--devices"),
        (("--processes", 0), "--processes"),
        (("--shards", 0), "--shards"),
        (("--events", 0), "--events"),
        (("--per-host", 0), "--per-host"),
        (("--per-core", 0), "--per-core"),
        (("--ttl", "0s"), "--ttl"),
        (("--ttl", "soon"), "--ttl"),
        (("--restart", "0s"), "--restart"),
    ],
)
def test_a_number_that_makes_no_sense_is_named(run, words, named):
    result = run(*SMALL, *words)

    assert result.exit_code == 2
    assert named in result.stderr


def test_an_unknown_command_of_a_fleet_is_a_mistake_of_the_user(run):
    result = run("fleet", "simulat")

    assert result.exit_code == 2
    assert "No such command 'simulat'" in result.stderr


@pytest.mark.slow
def test_simulating_needs_no_network_and_no_client_of_etcd():
    program = (
        "import sys\n"
        "from rct_collector.cli.main import application\n"
        f"application({[*map(str, SMALL)]!r}, standalone_mode=False)\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "sys.exit(', '.join(loaded & {'aiohttp', 'asyncio'}) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_plan_in_the_docs_is_what_the_command_prints(run):
    """If this fails: run the command, and put what it prints below it."""
    text = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    words, printed = re.search(
        r"```sh\nrct-collector (fleet simulate .*)\n```\n\n```text\n((?:.*\n)+?)```", text
    ).groups()

    assert "--devices 1000000 " in words
    assert [line for line in run(*words.split()).stdout.splitlines() if "memory" not in line] == [
        line
        for line in printed.splitlines()
        if "memory" not in line  # differs between Pythons
    ]
