"""``rct-collector web`` and ``web link``."""

import http.client
import signal
import stat
import subprocess
import sys

import pytest

from tests.needs import library
from tests.processes import free_port

library("aiohttp")


def test_a_link_before_the_page_was_started(run, tmp_path):
    result = run("web", "--folder", tmp_path, "link")

    assert result.exit_code == 2
    assert f"{tmp_path}/address: No such file or directory; start the page first" in result.stderr


@pytest.mark.slow
def test_the_page_from_begin_to_end(run, tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "rct_collector", "web", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--folder", tmp_path / "web"], stderr=subprocess.PIPE, text=True
    ) as process:
        told = process.stderr.readline()
        try:
            reading = run("web", "--folder", tmp_path / "web", "link").stdout.strip()
            setting = run("web", "--folder", tmp_path / "web", "link", "--set").stdout.strip()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/login", headers={"Authorization": bearer(setting)})
            answer = connection.getresponse().read()
            connection.close()
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()

    address = f"http://127.0.0.1:{port}"
    way_in = f"rct-collector web --folder {tmp_path / 'web'} link"
    assert told == f"The page is at {address}; '{way_in}' prints the way in.\n"
    assert reading.startswith(f"{address}/#token=")
    assert reading != setting
    assert answer == b'{"right":"set"}'
    assert "Traceback" not in rest  # what other tests collect is looked at, too
    assert process.returncode == 0
    assert stat.S_IMODE((tmp_path / "web" / "set.token").stat().st_mode) == 0o600


def bearer(link):
    return f"Bearer {link.partition('#token=')[2]}"


def test_a_port_that_somebody_else_has(run, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run("web", "--port", port, "--folder", tmp_path)

    assert result.exit_code == 3
    assert f"cannot listen at 127.0.0.1, port {port}: " in result.stderr


def test_an_address_that_nobody_types(run, tmp_path):
    result = run("web", "--public", "solar.example", "--folder", tmp_path)

    assert result.exit_code == 2
    assert "solar.example: the address people type, such as https://solar.example" in result.stderr


def test_the_link_has_the_address_that_people_type(run, tmp_path):
    from rct_collector.web.serving import WebPlace

    for place, address in (
        (WebPlace("0.0.0.0", 80, (), tmp_path), "http://127.0.0.1:80"),
        (WebPlace("::1", 8487, (), tmp_path), "http://[::1]:8487"),
        (
            WebPlace("127.0.0.1", 8487, ("https://solar.example/", "x"), tmp_path),
            "https://solar.example",
        ),
    ):
        assert place.address == address


def test_without_aiohttp_it_says_what_to_do(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    for name in [name for name in sys.modules if name.startswith("rct_collector.web.ser")]:
        monkeypatch.delitem(sys.modules, name)

    result = run("web", "--folder", tmp_path)

    assert result.exit_code == 2
    assert "the page needs aiohttp: the Debian package rct-collector-web" in result.stderr
