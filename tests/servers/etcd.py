"""etcd: one member, or several that make a cluster."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import urllib.request
from pathlib import Path

from tests.processes import START_S, Server, free_port, get, wait_for


class Etcd(Server):
    """One member.

    Attributes:
        endpoint: Where clients find it.
        options: Of the command line, beside those that every member has.
    """

    program = Path("/usr/bin/etcd")

    def __init__(self, folder, *options, tls=None, name="m0"):
        """Write nothing yet.

        Args:
            folder: For all that it writes.
            options: Of the command line.
            tls: Its key and its certificate.
            name: Among the members.
        """
        super().__init__(folder)
        self.name = name
        scheme = "https" if tls else "http"
        self.endpoint = f"{scheme}://127.0.0.1:{free_port()}"
        self.peer, self.metrics = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.options = [*options, *(("--key-file", tls[0], "--cert-file", tls[1]) if tls else ())]
        self.members = [self]

    def command(self):
        cluster = ",".join(f"{member.name}={member.peer}" for member in self.members)
        return [
            "--name", self.name, "--data-dir", self.folder / "data", "--unsafe-no-fsync",
            "--listen-client-urls", self.endpoint, "--advertise-client-urls", self.endpoint,
            "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
            "--listen-metrics-urls", self.metrics, "--initial-cluster", cluster,
            "--initial-cluster-token", self.members[0].peer, *self.options,
        ]  # fmt: skip

    def ready(self):
        """Whether it runs; of a cluster's one, only :meth:`healthy` tells whether it serves."""
        return len(self.members) > 1 or self.healthy()

    def healthy(self):
        """Whether it serves, which takes a leader."""
        with contextlib.suppress(AssertionError):
            return "true" in (get(f"{self.metrics}/health") or "")
        return False

    @property
    def runs(self):
        return self._process.poll() is None

    def signal(self, number):
        self._process.send_signal(number)

    @contextlib.contextmanager
    def silent(self):
        """Let it neither answer nor hang up while the block runs.

        On a busy machine its other threads may go on for a moment after the signal was sent.
        """
        self.signal(signal.SIGSTOP)
        try:
            assert wait_for(self._is_stopped)
            yield
        finally:
            self.signal(signal.SIGCONT)

    def _is_stopped(self):
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/stat")
        return all(thread.read_text().rpartition(") ")[2][0] == "T" for thread in threads)

    def kill(self):
        """Have it die without a word."""
        self._process.kill()
        self._process.wait()

    def ask(self, path, token="", **body):
        """What the gateway answers, of an endpoint without TLS."""
        request = urllib.request.Request(
            f"{self.endpoint}/v3/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **({"Authorization": token} if token else {})},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    @property
    def leads(self):
        status = self.ask("maintenance/status")
        return status.get("leader") == status["header"]["member_id"]

    def add_users(self, prefix, **passwords):
        """Let in only root and these users, who may do everything below a prefix."""
        for name, password in {"root": "root", **passwords}.items():
            self.ask("auth/user/add", name=name, password=password)
        self.ask("auth/role/add", name="root")
        self.ask("auth/role/add", name="fleet")
        begin, end = (_coded(f"{prefix}{last}") for last in "/0")
        permission = {"permType": "READWRITE", "key": begin, "range_end": end}
        self.ask("auth/role/grant", name="fleet", perm=permission)
        self.ask("auth/user/grant", user="root", role="root")
        for name in passwords:
            self.ask("auth/user/grant", user=name, role="fleet")
        self.ask("auth/enable")


def _coded(text):
    return base64.b64encode(text.encode()).decode()


class Cluster:
    """Three members; while the block runs they serve, unless one is killed."""

    def __init__(self, folder, *options):
        self.members = [Etcd(folder / f"m{n}", *options, name=f"m{n}") for n in range(3)]
        for member in self.members:
            member.members = self.members

    @property
    def endpoints(self):
        return tuple(member.endpoint for member in self.members)

    @property
    def leader(self):
        """Who leads; it may take a moment until somebody does."""
        return wait_for(lambda: next((m for m in self.members if m.healthy() and m.leads), None))

    def healthy(self):
        return all(member.healthy() for member in self.members)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for member in self.members:
                stack.enter_context(member)
            wait_for(lambda: not all(m.runs for m in self.members) or self.healthy(), START_S)
            assert self.healthy(), [member.log()[-1000:] for member in self.members]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()
