"""The commands of a fleet that talk to etcd: a real one."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from rct_collector.config.fleet import FleetOptions
from rct_collector.fleet.keys import FleetKeys, FleetMember, member_for
from rct_collector.fleet.sharding import owners
from tests.needs import library
from tests.processes import free_port
from tests.servers.etcd import Etcd as Server

library("aiohttp")

from rct_collector.fleet.etcd import Etcd  # noqa: E402 - needs aiohttp

pytestmark = [pytest.mark.servers, pytest.mark.slow]

_numbers = itertools.count()

SHARDS = 16


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("etcd")) as found:
        yield found


class Fleet:
    """One of a test's own."""

    def __init__(self, run, folder, endpoint):
        self.prefix = f"/test/{next(_numbers)}"
        self.keys = FleetKeys(self.prefix)
        self.endpoint = endpoint
        self.devices = folder / "devices.yaml"
        self._run = run
        self._config = folder / "config.yaml"
        self._config.write_text(f"fleet: {{etcd: [{endpoint}], prefix: {self.prefix}}}")
        self.write(**{f"d{n}": f"tcp://192.0.2.{n}" for n in range(1, 41)})

    def write(self, **devices):
        rows = [f"- {{name: {n}, driver: rct, address: {where}}}" for n, where in devices.items()]
        self.devices.write_text("\n".join(["devices:", *rows]))

    def apply(self, *arguments):
        return self._run("fleet", "apply", self.devices, "-c", self._config, *arguments)

    def status(self, *arguments):
        return self._run("fleet", "status", "-c", self._config, "--settle", "1ms", *arguments)

    def told(self, *arguments):
        result = self.status("-f", "json", *arguments)
        return result.exit_code, json.loads(result.stdout)

    def ask(self, call):
        """Have the engine do something."""

        async def main():
            etcd = Etcd(FleetOptions(etcd=(self.endpoint,)))
            try:
                return await call(etcd)
            finally:
                await etcd.close()

        return asyncio.run(main())

    def kept(self):
        """Key, without the prefix → value."""
        entries, _ = self.ask(lambda etcd: etcd.list(f"{self.prefix}/"))
        return {entry.key.removeprefix(f"{self.prefix}/"): entry.value for entry in entries}

    def settle(self, *members, without=0, swapped=0):
        """Have members hold the shards that are theirs, but for some.

        Args:
            members: Who is there.
            without: So many shards with devices nobody has.
            swapped: So many the wrong one has.
        """

        async def put(etcd):
            for member in members:
                await etcd.put(self.keys.members + member.id, member_for(member))
            due = owners({member.id: member.weight for member in members}, SHARDS)
            full = {int(key.rpartition("/")[2]) for key in self.kept_numbers}
            lost = sorted(full)[:without]
            for number, who in enumerate(due):
                if number not in lost:
                    wrong = sum(n not in lost for n in range(number)) < swapped
                    others = [member.id for member in members if member.id != who]
                    value = others[0] if wrong else who
                    await etcd.put(f"{self.keys.shards}{number}", value.encode())

        self.kept_numbers = [key for key in self.kept() if key.startswith("devices/")]
        self.ask(put)


@pytest.fixture
def fleet(run, tmp_path, server):
    return Fleet(run, tmp_path, server.endpoint)


ONE, OTHER = FleetMember("one-1", "one", 1.0, "1.2"), FleetMember("two-1", "two", 3.0, "1.2")


# -- apply -----------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(fleet):
    result = fleet.apply("--dry-run", "--shards", SHARDS)
    assert result.exit_code == 0
    assert "+ d40 at tcp://192.0.2.40" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == (
        "40 devices in 16 shards: 40 new, 0 gone, 0 changed, 0 as they were; 15 shards would be"
        " written. A fleet is made."
    )
    assert fleet.kept() == {}


def test_what_is_applied_twice_is_written_once(fleet):
    assert fleet.apply("--shards", SHARDS).exit_code == 0
    kept = fleet.kept()
    assert json.loads(kept.pop("settings")) == {"shards": SHARDS}
    found = {item["name"]: item for value in kept.values() for item in json.loads(value)}
    assert found["d7"] == {"name": "d7", "driver": "rct", "address": "tcp://192.0.2.7"}
    assert len(found) == 40
    (line,) = fleet.apply().stdout.splitlines()
    assert line == (
        "40 devices in 16 shards: 0 new, 0 gone, 0 changed, 40 as they were; 0 shards written."
    )


def test_what_does_not_go_with_the_fleet_is_refused(fleet):
    fleet.apply("--shards", SHARDS)
    kept = fleet.kept()
    result = fleet.apply("--shards", 32)
    assert result.exit_code == 2
    assert f"found 32, expected 16 as {fleet.prefix}/settings says" in result.stderr
    fleet.write(a="tcp://192.0.2.99", b="tcp://192.0.2.99:8899")
    result = fleet.apply()
    assert result.exit_code == 2
    assert "devices[1].address" in result.stderr
    assert "ask a device only once" in result.stderr
    fleet.write(a="tcp://192.0.2.99")
    result = fleet.apply()
    assert result.exit_code == 2
    assert "is that of another fleet?" in result.stderr
    assert fleet.kept() == kept
    assert fleet.apply("--replace").exit_code == 0


def test_without_etcd_nothing_is_done(run, tmp_path):
    fleet = Fleet(run, tmp_path, f"http://127.0.0.1:{free_port()}")
    result = fleet.apply()
    assert result.exit_code == 3
    assert f"{fleet.endpoint} cannot be reached" in result.stderr
    code, told = fleet.told()
    assert (code, told["state"]) == (3, "unknown")
    assert f"{fleet.endpoint} cannot be reached" in told["text"]


@pytest.mark.parametrize("command", [("apply", "devices.yaml"), ("status",)])
def test_without_a_fleet_in_the_configuration(run, tmp_path, command):
    config, devices = tmp_path / "config.yaml", tmp_path / "devices.yaml"
    config.write_text("devices: [{name: a, driver: rct, address: 'tcp://192.0.2.1'}]")
    devices.write_text(config.read_text())
    words = [devices if word.endswith("yaml") else word for word in command]
    result = run("fleet", *words, "-c", config)
    assert result.exit_code == (2 if words[0] == "apply" else 3)
    assert f"{config}: fleet is missing, for example fleet: " in result.output


# -- status ----------------------------------------------------------------------------------------


def test_no_fleet_is_there(fleet):
    code, told = fleet.told()
    assert (code, told["state"]) == (3, "unknown")
    assert told["text"].startswith(f"{fleet.prefix}/settings: found nothing, so there is no fleet")


def test_nobody_is_there(fleet):
    fleet.apply("--shards", SHARDS)
    result = fleet.status()
    assert result.exit_code == 2
    assert result.stdout == "CRITICAL: nobody is there to collect from 40 devices\n"


def test_all_is_well(fleet):
    fleet.apply("--shards", SHARDS)
    fleet.settle(ONE, OTHER)
    result = fleet.status()
    assert result.exit_code == 0
    first, blank, head, one, two = result.stdout.splitlines()
    assert first == "OK: 2 processes collect from 40 devices in 16 shards"
    assert blank == ""
    assert head.split() == [
        "host", "process", "version", "weight", "shards", "due", "devices", "share",
    ]  # fmt: skip
    assert one.split()[:4] == ["one", "one-1", "1.2", "1"]
    assert two.split()[:4] == ["two", "two-1", "1.2", "3"]
    _, told = fleet.told()
    assert (told["orphaned"], told["moving"], told["devices"]) == ([], [], 40)
    assert sum(member["shards"] for member in told["members"]) == SHARDS
    assert all(member["shards"] == member["due"] for member in told["members"])
    assert sum(member["devices"] for member in told["members"]) == 40


@pytest.mark.parametrize(
    ("without", "swapped", "critical", "status", "said"),
    [
        (1, 0, 50, 1, "WARNING: nobody collects from "),
        (1, 0, 1, 2, "CRITICAL: nobody collects from "),
        (0, 2, 10, 1, "WARNING: 2 processes collect from 40 devices, but 2 shards are not where"),
    ],
)
def test_some_are_collected_by_nobody_or_by_the_wrong_one(
    fleet, without, swapped, critical, status, said
):
    fleet.apply("--shards", SHARDS)
    fleet.settle(ONE, OTHER, without=without, swapped=swapped)
    result = fleet.status("--critical", critical)
    assert result.exit_code == status
    assert result.stdout.startswith(said)
    _, told = fleet.told()
    assert (len(told["orphaned"]), len(told["moving"])) == (without, swapped)


def test_wrong_usage_is_unknown(run):
    assert run("fleet", "status", "--critical", "much").exit_code == 3
