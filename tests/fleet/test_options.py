"""The section ``fleet`` of a configuration, and the exact words for what is wrong with one."""

import os
import subprocess
import sys

import pytest

from rct_collector.config import Config
from rct_collector.config.fleet import FleetOptions
from rct_collector.errors import ConfigError

PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
SECTION = {"etcd": ["https://etcd1:2379"]}


def problems(value):
    with pytest.raises(ConfigError) as caught:
        Config.parse(value, "x.yaml")
    return [text.removeprefix("x.yaml: ") for text in caught.value.problems]


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "etcd.password"
    path.write_text("brown-paper\n")
    path.chmod(0o600)
    return path


def test_a_section_says_how_to_find_the_others(tmp_path, secret):
    ca = tmp_path / "ca.pem"
    ca.write_text(PEM)
    path = tmp_path / "config.yaml"
    path.write_text(f"""\
prefix: solar
fleet:
  etcd: [https://etcd1:2379, "https://[2001:db8::2]", https://etcd3:2379/]
  username: collector
  password_file: {secret}
  ca: {ca}
  ttl: 5s
  weight: 2.5
  prefix: /roofs/v1
""")

    config = Config.load(path)

    assert config.devices == ()
    assert config.prefix == "solar"
    assert config.fleet == FleetOptions(
        etcd=("https://etcd1:2379", "https://[2001:db8::2]:2379", "https://etcd3:2379"),
        username="collector",
        password_file=secret,
        ca=ca,
        ttl=5.0,
        weight=2.5,
        prefix="/roofs/v1",
    )


def test_only_the_addresses_must_be_given():
    found = Config.parse({"fleet": {"etcd": "http://127.0.0.1:2379"}}).fleet

    assert found == FleetOptions(etcd=("http://127.0.0.1:2379",))
    assert (found.ttl, found.weight, found.prefix) == (10.0, 1.0, "/rct-collector/v1")


ADDRESS = "expected addresses such as https://etcd1:2379; "


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("etcd", [], "found [], expected a list of addresses, such as [https://etcd1:2379]"),
        ("etcd", ["etcd1:2379"], f"found ['etcd1:2379'], {ADDRESS}'etcd1:2379' is none"),
        ("etcd", ["https://e:x"], f"found ['https://e:x'], {ADDRESS}'https://e:x' is none"),
        ("etcd", ["https://e/v3"], f"found ['https://e/v3'], {ADDRESS}'https://e/v3' is none"),
        ("etcd", ["https://[e"], f"found ['https://[e'], {ADDRESS}'https://[e' is none"),
        ("etcd", [2379], f"found [2379], {ADDRESS}2379 is none"),
        (
            "etcd", ["https://e", "http://f"],
            "found ['https://e', 'http://f'], expected addresses that all begin with https://, or"
            " all with http://",
        ),
        (
            "etcd", ["https://e", "https://e:2379"],
            "found ['https://e', 'https://e:2379'], expected addresses that differ",
        ),
        (
            "etcd", ["https://me:x@e"],
            "found ['https://me:x@e'], expected addresses without a name and a password, which have"
            " options of their own",
        ),
        ("ttl", "1s", "found '1s', expected an interval of at least 2s"),
        ("ttl", "6m", "found '6m', expected a duration of up to 5m"),
        ("weight", 0, "found 0, expected a number from 0.01 to 1000"),
        (
            "prefix", "v1/",
            "found 'v1/', expected words in letters, digits, '_', '-' and '.', each after a '/'",
        ),
        ("ca", "ca.pem", "found 'ca.pem', expected an absolute path"),
        (
            "ca", "/nowhere/ca.pem",
            "found '/nowhere/ca.pem', expected a file that can be read; /nowhere/ca.pem: No such"
            " file or directory",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_key(option, value, told):
    assert problems({"fleet": {**SECTION, option: value}}) == [f"fleet.{option}: {told}"]


def test_all_mistakes_are_told_at_once():
    assert problems({"fleet": {"ttl": 10, "wieght": 1}, "phase": "noon"}) == [
        "phase: found 'noon', expected spread or aligned",
        "fleet.ttl: found 10, expected a duration with its unit, such as 10s, 5m or 1h",
        "fleet.wieght: unknown option (did you mean 'weight'?); known: etcd, username,"
        " password_file, ca, ttl, weight, prefix",
        "fleet: etcd is missing, for example etcd: [https://etcd1:2379, https://etcd2:2379]",
    ]


def test_a_fleet_is_a_mapping():
    assert problems({"fleet": "https://etcd1:2379"}) == [
        "fleet: found 'https://etcd1:2379', expected a mapping of options"
    ]


def test_devices_and_shares_are_the_fleets():
    assert problems({"fleet": SECTION, "devices": [], "shard": "0/2"}) == [
        "devices: expected none beside fleet, which has them: rct-collector fleet apply puts them"
        " there from a file of their own",
        "shard: expected none beside fleet, which shares devices by itself",
    ]


def test_a_user_and_a_password_come_together(secret):
    assert problems({"fleet": {**SECTION, "username": "collector"}}) == [
        "fleet.password_file: is missing; a username needs one"
    ]
    assert problems({"fleet": {**SECTION, "password_file": str(secret)}}) == [
        "fleet.username: is missing; a password_file is of somebody"
    ]


@pytest.mark.parametrize("host", ["etcd1", "192.0.2.1", "[2001:db8::1]", "localhost.example"])
def test_a_password_does_not_pass_a_network_in_the_clear(secret, host):
    user = {"username": "collector", "password_file": str(secret)}
    (told,) = problems({"fleet": {"etcd": ["http://127.0.0.1", f"http://{host}"], **user}})
    assert told == (
        f"fleet.username: found one, expected none with http://{host}:2379, where the password"
        " would pass the network for everybody to read; have etcd speak TLS, and begin its address"
        " with https://"
    )
    assert Config.parse({"fleet": {"etcd": f"https://{host}", **user}}).fleet
    assert Config.parse({"fleet": {"etcd": f"http://{host}"}}).fleet


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "[::1]", "localhost"])
def test_on_one_host_a_password_needs_no_tls(secret, host):
    user = {"username": "collector", "password_file": str(secret)}
    assert Config.parse({"fleet": {"etcd": f"http://{host}", **user}}).fleet


def test_a_password_that_others_may_read_or_that_is_none_is_refused(secret):
    section = {**SECTION, "username": "collector", "password_file": str(secret)}
    secret.chmod(0o644)
    (told,) = problems({"fleet": section})
    assert told.startswith("fleet.password_file: found '/")
    assert told.endswith(f"has mode 0644: chmod 640 {secret}, or 600")

    secret.chmod(0o600)
    secret.write_text("\n")
    (told,) = problems({"fleet": section})
    assert told.endswith(f"a file with a password; {secret} is empty")


def test_what_vouches_for_etcd_is_a_certificate_and_etcd_has_one(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text("no certificate")
    (told,) = problems({"fleet": {**SECTION, "ca": str(ca)}})
    assert told.endswith(f"a file with certificates in PEM; {ca} has none")

    ca.write_text(PEM)
    assert problems({"fleet": {"etcd": ["http://e"], "ca": str(ca)}}) == [
        "fleet.ca: found a file, expected none, since the addresses are not https://"
    ]


LOADED = """
import sys
from rct_collector.collector import Collector
from rct_collector.config import Config
Collector(Config.parse(CONFIG), print)
print(*(name for name in sys.modules if "fleet" in name or name == "aiohttp"))
"""


@pytest.mark.slow
def test_nothing_of_a_fleet_is_loaded_where_there_is_none():
    device = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10"}
    config = {"devices": [device], "state_dir": "/nowhere"}
    script = LOADED.replace("CONFIG", repr(config))
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )

    assert found.stdout.split() == []
