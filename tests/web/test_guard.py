"""Which requests are ours: nobody gets past by a name or a page of his own."""

import pytest

from rct_collector.errors import ConfigError
from rct_collector.web.guard import Guard

HERE = "192.0.2.7"


@pytest.fixture
def guard():
    return Guard(8487, ["https://solar.example", "http://10.0.0.1:8080/"])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8487", "localhost:8487", "LOCALHOST:8487", "[::1]:8487", "192.0.2.7:8487",
        "solar.example", "10.0.0.1:8080",
    ],
)  # fmt: skip
def test_our_names(guard, host):
    assert guard.host_is_ours(host, HERE)


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.example", "evil.example:8487", "localhost", "localhost:80",
        "192.0.2.8:8487", "192.0.2.7", "solar.example:8487", "solar.example.evil.example",
        "127.0.0.1:8487.evil.example", "0.0.0.0:8487", "127.1:8487",
    ],
)  # fmt: skip
def test_names_that_are_not_ours(guard, host):
    assert not guard.host_is_ours(host, HERE)


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8487", "http://localhost:8487", "http://[::1]:8487",
        "http://192.0.2.7:8487", "https://solar.example", "http://10.0.0.1:8080",
    ],
)  # fmt: skip
def test_our_pages(guard, origin):
    assert guard.origin_is_ours(origin, HERE, needed=True)


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:80",
        "https://127.0.0.1:8487", "http://solar.example", "https://solar.example:8487",
        "https://evil.solar.example", "http://127.0.0.1:8487.evil.example", "file://",
    ],
)  # fmt: skip
def test_pages_that_are_not_ours(guard, origin):
    assert not guard.origin_is_ours(origin, HERE, needed=False)


def test_only_programs_may_leave_out_where_they_come_from(guard):
    assert guard.origin_is_ours(None, HERE, needed=False)
    assert not guard.origin_is_ours(None, HERE, needed=True)


def test_an_address_of_version_6():
    guard = Guard(8487)

    assert guard.host_is_ours("[2001:db8::1]:8487", "2001:db8::1")
    assert guard.host_is_ours("[fe80::1]:8487", "fe80::1%eth0")
    assert guard.origin_is_ours("http://[2001:db8::1]:8487", "2001:db8::1", needed=True)


def test_the_usual_port_is_not_written():
    guard = Guard(80)

    assert guard.host_is_ours("localhost", HERE)
    assert guard.host_is_ours("192.0.2.7", HERE)
    assert guard.origin_is_ours("http://localhost", HERE, needed=True)


def test_where_the_address_is_not_known_no_number_is_ours():
    guard = Guard(80)

    assert not guard.host_is_ours("", "")
    assert not guard.origin_is_ours("http://", "", needed=True)


@pytest.mark.parametrize(
    "address",
    [
        "solar.example", "ftp://solar.example", "https://", "https://solar.example/page",
        "https://user@solar.example", "https://solar.example?x", "https://solar.example:port",
    ],
)  # fmt: skip
def test_an_address_that_nobody_types(address):
    with pytest.raises(ConfigError, match=r"(?s)https://solar\.example|[Pp]ort"):
        Guard(8487, [address])


@pytest.mark.parametrize(
    ("address", "secure"), [("https://a.example", True), ("http://a.example", False)]
)
def test_cookies_are_for_tls_where_people_come_by_it(address, secure):
    assert Guard(8487, [address]).secure is secure
