"""InfluxDB 1.x."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

from tests.processes import Server, free_port, get, get_json

CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[monitor]
  store-enabled = false
[[collectd]]
  enabled = true
  bind-address = "127.0.0.1:{collectd}"
  database = "collectd"
  typesdb = "/usr/share/collectd/types.db"
  security-level = "none"
  batch-size = 1
  batch-timeout = "200ms"
"""


class InfluxDB(Server):
    """The database, with its listener for collectd's binary protocol."""

    program = Path("/usr/bin/influxd")

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()
        self.collectd_port = free_port(socket.SOCK_DGRAM)
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self):
        config = self.folder / "influxdb.conf"
        config.write_text(
            CONFIG.format(
                folder=self.folder, port=self.port, collectd=self.collectd_port, rpc=free_port()
            )
        )
        return ["run", "-config", config]

    def ready(self):
        return get(f"{self.url}/ping") is not None

    def create(self, database):
        """Make a database."""
        request = urllib.request.Request(
            f"{self.url}/query", data=f"q=CREATE DATABASE {database}".encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def query(self, database, statement):
        """Rows as dictionaries: columns, tags and ``measurement``; times are nanoseconds.

        Raises:
            AssertionError: The database refuses the statement.
        """
        answer = get_json(f"{self.url}/query", db=database, q=statement, epoch="ns")
        found = []
        for result in answer["results"]:
            assert "error" not in result, f"{statement}: {result['error']}"
            for series in result.get("series", ()):
                common = {"measurement": series.get("name"), **series.get("tags", {})}
                found += [
                    {**common, **dict(zip(series["columns"], row, strict=True))}
                    for row in series["values"]
                ]
        return found
