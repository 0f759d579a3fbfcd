"""The units of systemd that the packages bring."""

from __future__ import annotations

import re

from tests.packaging.system import ROOT

DEBIAN = ROOT / "packaging" / "debian"


class ServiceUnit:
    """What one unit says.

    Attributes:
        path: Its file.
        text: What is in it.
    """

    def __init__(self, file):
        self.path = DEBIAN / file
        self.text = self.path.read_text()

    def __str__(self):
        return self.path.name

    def values(self, key):
        """All values of a key, in the order in which they come."""
        return re.findall(rf"^{key}=(.*)$", self.text, flags=re.M)


BRIDGE = ServiceUnit("rct-collector-bridge.service")
DAEMON = ServiceUnit("rct-collector-daemon.rct-collector.service")
WEB = ServiceUnit("rct-collector-web.service")
