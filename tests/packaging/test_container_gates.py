"""The images, built and started: with buildah, of base images that are made here.

Neither of the two images that ours are made of is fetched: the first is a system of the release, as
the packages are tested in, the second holds the Telegraf of the tests.
"""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from tests.needs import lacking
from tests.packaging.system import CLEAN, ROOT, command
from tests.packaging.test_gates import ALONE
from tests.processes import program

pytestmark = [pytest.mark.gates, pytest.mark.timeout(1800)]

DOCKERFILE = ROOT / "packaging" / "container" / "Dockerfile"

#: Whom this host trusts, for hosts whose way to the network is somebody else's.
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"

#: What is done in a container: its health while nobody collects, and while somebody does.
STORY = """
check='@CHECK@'
id --user --name
sh -c "$check" >/dev/null; echo "health $?"
rct-collector simulate voltronic --port 8000 >/dev/null 2>&1 &
rct-collector daemon 2>/dev/null &
for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    sleep 1
    rct-collector status roof >/dev/null && break
done
sh -c "$check" >/dev/null; echo "health $?"
kill %1 %2
telegraf --version | cut -d ' ' -f 1
touch /opt/rct-collector/x 2>/dev/null || echo "nothing can be changed"
rct-collector bridge --broker nonsense:// 2>&1 | grep -o 'not the address of a broker'
"""

CONFIG = "devices: [{name: roof, driver: voltronic, address: 'tcp://127.0.0.1:8000'}]\n"


class Buildah:
    """Builds images, and starts programs in them, without a service."""

    def __init__(self, folder):
        places = ("--root", folder / "storage", "--runroot", folder / "run")
        self._words = [program("buildah"), *places]

    def __call__(self, *words, before=()):
        """All that a command of it prints."""
        more = {**CLEAN, "BUILDAH_ISOLATION": "chroot"}
        return command(*before, *self._words, *words, env=more).strip()

    def container(self, image):
        return self("from", "--pull=never", image).splitlines()[-1]

    def image(self, name, content, *settings):
        """An image of files and archives, each with its place."""
        container = self.container("scratch")
        for source, target in content:
            self("add", "--quiet", container, source, target)
        for setting in settings:
            self("config", setting, container)
        self("commit", "--quiet", container, name)


@pytest.fixture
def buildah(tmp_path):
    if os.getuid() != 0:
        lacking("root, who alone can build images without a service")
    found = Buildah(tmp_path / "buildah")
    yield found
    found("rm", "--all")
    found("rmi", "--all", "--force")
    shutil.rmtree(tmp_path / "buildah", ignore_errors=True)


def test_the_image_is_built_and_tells_how_it_is(buildah, base, telegraf, tmp_path):
    buildah.image(
        "docker.io/library/debian:12-slim",
        [(base, "/"), (AUTHORITIES, "/opt/authorities.pem")],
        "--env=PIP_CERT=/opt/authorities.pem",
    )
    buildah.image("docker.io/library/telegraf:1.39", [(telegraf, "/usr/bin/telegraf")])
    buildah(
        *("build", "--format=docker", "--pull=never", "--network=host", "--target=telegraf"),
        *("--tag=ours", "--file", DOCKERFILE, ROOT),
    )
    (check,) = (
        line.partition("CMD ")[2]
        for line in DOCKERFILE.read_text().splitlines()
        if line.startswith("    CMD rct-collector status")
    )
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(CONFIG)
    said = buildah(
        *("run", "--volume", f"{tmp_path}/config:/etc/rct-collector:ro"),
        *(buildah.container("localhost/ours"), "--"),
        *("bash", "-c", STORY.replace("@CHECK@", check)),
        before=("unshare", "--net", sys.executable, "-c", ALONE),
    )

    assert said.splitlines() == [
        "rct-collector",
        "health 1",
        "health 0",
        "Telegraf",
        "nothing can be changed",
        "not the address of a broker",
    ]
