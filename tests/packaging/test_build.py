"""The packages are as Debian wants them, and come out the same whoever builds them."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from tests.packaging.system import CLEAN, ROOT, command

pytestmark = [
    pytest.mark.debian,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


def test_lintian_has_nothing_to_say(built):
    strict = ("--allow-root", "-I", "-E", "--pedantic")
    changes = sorted(built.folder.glob("*.changes"))
    assert len(changes) == 2
    assert command("lintian", *strict, *changes, check=False) == ""


def test_every_requirement_was_found(built):
    """What debhelper cannot find it leaves out, and goes on."""
    assert "Cannot find package that provides" not in built.log
    depends = command("dpkg-deb", "-f", built.package("python3-rct-collector"), "Depends")
    for name in ("click", "rctclient (>= 0.0.6)", "rich", "tenacity", "yaml"):
        assert f"python3-{name}" in depends
    assert "tzdata" in depends.replace(",", " ").split()  # the data themselves, for all programs


def test_another_build_is_identical(built, tmp_path):
    """From the source package, at another place, in another time zone, far in the future."""
    extracted = tmp_path / "extracted"
    command("dpkg-deb", "--extract", built.package("python3-rctclient"), extracted)
    for dsc in built.folder.glob("*.dsc"):
        tree = tmp_path / f"elsewhere-{dsc.stem}" / "tree"
        tree.parent.mkdir()
        command("dpkg-source", "--extract", dsc, tree)
        different = {
            **CLEAN,
            "LC_ALL": "C",
            "TZ": "Pacific/Kiritimati",
            "DEB_BUILD_OPTIONS": "nocheck",
            "DEB_BUILD_PROFILES": "nocheck pkg.rct-collector.extracted",
            "PYTHONPATH": str(extracted / "usr/lib/python3/dist-packages"),
        }
        build = "umask 077; exec faketime -f +400d dpkg-buildpackage --build=binary -us -uc"
        command("sh", "-c", build, env=different, cwd=tree)
        for package in sorted(tree.parent.glob("*.deb")):
            first = built.folder / package.name
            if digest(package) != digest(first):
                shown = command("diffoscope", "--text", "-", first, package, check=False)
                pytest.fail(f"{package.name} differs\n{shown}")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_wrong_source_of_rctclient_is_refused(built, tmp_path):
    (tmp_path / "rctclient-0.0.6.tar.gz").write_bytes(b"something else")
    environment = {**CLEAN, "RCTCLIENT_SOURCE": str(tmp_path / "rctclient-0.0.6.tar.gz")}
    done = subprocess.run(
        [ROOT / "packaging" / "build-deb.sh", tmp_path / "out"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert "is not what packaging/rctclient/SHA256SUMS says" in done.stderr
