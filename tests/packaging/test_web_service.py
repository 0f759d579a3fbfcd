"""The service of the page: what it may do, and that it is off until somebody starts it."""

from __future__ import annotations

import re

import pytest

from rct_collector.cli.main import COMMANDS
from rct_collector.cli.web import PORT
from tests.packaging.system import command, field
from tests.packaging.units import DEBIAN, WEB


def test_it_may_read_at_the_doors_and_set_only_where_somebody_lets_it():
    assert not WEB.values("PrivateNetwork")
    assert WEB.values("SupplementaryGroups") == ["rct-collector"]
    assert "AF_UNIX" in WEB.values("RestrictAddressFamilies")[0]
    assert WEB.values("ExecStart") == ["/usr/bin/rct-collector web $OPTIONS"]
    assert "web" in COMMANDS
    readme = (DEBIAN / "rct-collector-web.README.Debian").read_text()
    assert WEB.values("EnvironmentFile")[0].removeprefix("-") in readme
    assert f"http://127.0.0.1:{PORT}," in readme
    assert f"/var/lib/{WEB.values('StateDirectory')[0]}." in readme


@pytest.mark.debian
@pytest.mark.slow
def test_the_package_holds_it_and_does_not_start_it(built):
    package = built.package("rct-collector-web")
    files = command("dpkg-deb", "--contents", package)

    for path in (
        "/lib/systemd/system/rct-collector-web.service",
        "/usr/share/doc/rct-collector-web/README.Debian",
    ):
        assert f".{path}\n" in files
    assert "python3-aiohttp (>= 3.8)" in field(package, "Depends").split(", ")
    postinst = command("dpkg-deb", "--info", package, "postinst")
    assert "was-enabled 'rct-collector-web.service'" in postinst
    assert set(re.findall(r"deb-systemd-invoke (\S+)", postinst)) == {"try-restart"}
    assert "page/page.js" in command(
        "dpkg-deb", "--contents", built.package("python3-rct-collector")
    )
