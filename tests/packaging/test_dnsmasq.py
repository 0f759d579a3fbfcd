"""The configuration that leads inverters to the collector, with the real dnsmasq."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.processes import CLEAN, require
from tests.servers.dnsmasq import AAAA, A, Dnsmasq

CONFIG = Path(__file__).parents[2] / "packaging" / "dnsmasq" / "solaredge.conf"

pytestmark = pytest.mark.servers


def check(text, tmp_path):
    require(Dnsmasq.program)
    path = tmp_path / "dnsmasq.conf"
    path.write_text(text)
    return subprocess.run(
        [Dnsmasq.program, "--test", f"--conf-file={path}"],
        env=CLEAN,
        capture_output=True,
        text=True,
    )


def test_dnsmasq_takes_it(tmp_path):
    done = check(CONFIG.read_text(), tmp_path)
    assert (done.returncode, done.stderr) == (0, "dnsmasq: syntax check OK.\n")
    assert check(CONFIG.read_text() + "\ndhcp-macs=1\n", tmp_path).returncode != 0


def test_all_names_lead_to_the_collector(tmp_path):
    text = CONFIG.read_text()
    text, cards = re.subn(r"(?m)^interface=eth1$", "interface=lo", text)
    text, others = re.subn(r"(?m)^(?:dhcp-|except-interface=).*$", "", text)  # none on loopback
    assert (cards, others) == (1, 9)
    with Dnsmasq(tmp_path / "dnsmasq", text) as server:
        for name in ("prod.solaredge.com", "prodssl.solaredge.com", "else.example"):
            assert server.ask(name, A) == (0, ["192.168.77.1"])
            assert server.ask(name, AAAA) == (0, [])


def test_it_serves_inverters_only(tmp_path):
    text = CONFIG.read_text()
    makers = re.findall(r"(?m)^dhcp-mac=set:solaredge,(\S+):\*:\*:\*$", text)
    assert makers == ["00:27:02", "00:40:9d", "00:04:f3"]
    assert "\ndhcp-ignore=tag:!solaredge\n" in text
    assert re.findall(r"(?m)^interface=(.*)$", text) == ["eth1"]
    assert "\nbind-interfaces\n" in text
