"""dnsmasq, which gives inverters an address, and leads them to the collector."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from tests.processes import Server, free_port

#: Types of records.
A, AAAA = 1, 28


class Dnsmasq(Server):
    """It answers for names on loopback; addresses are not given there."""

    program = Path("/usr/sbin/dnsmasq")

    def __init__(self, folder, config):
        super().__init__(folder)
        self.port = free_port()
        self._config = config

    def command(self):
        path = self.folder / "dnsmasq.conf"
        path.write_text(self._config)
        # One that is started by root would else become somebody who may not read its folder.
        user = ["--user=root", "--group=root"] if os.geteuid() == 0 else []
        return [
            "--keep-in-foreground", f"--conf-file={path}", f"--port={self.port}", "--pid-file",
            "--log-facility=-", *user,
        ]  # fmt: skip

    def ready(self):
        return self.ask("ready.example", A) is not None

    def ask(self, name, kind):
        """Status and addresses for a name; None while nobody answers."""
        labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        question = labels + b"\0" + struct.pack("!HH", kind, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            sock.connect(("127.0.0.1", self.port))
            try:
                sock.send(struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + question)
                data = sock.recv(4096)
            except OSError:
                return None
        _, flags, _, count, _, _ = struct.unpack_from("!6H", data)
        # All records have the same shape: a reference to the name, and an address.
        rest, found = data[12 + len(question) :], []
        for _ in range(count):
            _, _, _, _, size = struct.unpack_from("!HHHIH", rest)
            found.append(socket.inet_ntoa(rest[12 : 12 + size]))
            rest = rest[12 + size :]
        return flags & 0xF, found
