"""Prometheus, which scrapes an agent, or is written to by it."""

from __future__ import annotations

from pathlib import Path

from tests.processes import Server, free_port, get, get_json

CONFIG = """
global:
  scrape_interval: 1s
{storage}
"""

SCRAPE = """
scrape_configs:
  - job_name: agent
    static_configs:
      - targets: ["127.0.0.1:{target}"]
"""

STORAGE = """
storage:
  tsdb:
    out_of_order_time_window: {window}
"""


class Prometheus(Server):
    """The server; it scrapes one port every second, and takes what is written to it.

    Args:
        folder: Where it keeps its files.
        target: The port that it scrapes; None for no port.
        window: How old samples may be that are not in order; "" for none of them.
    """

    program = Path("/usr/bin/prometheus")

    def __init__(self, folder, target=None, *, window=""):
        super().__init__(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._target = target
        self._window = window

    def command(self):
        config = self.folder / "prometheus.yml"
        storage = STORAGE.format(window=self._window) if self._window else ""
        text = CONFIG.format(storage=storage)
        if self._target is not None:
            text += SCRAPE.format(target=self._target)
        config.write_text(text)
        return [
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
        ]

    def ready(self):
        return get(f"{self.url}/api/v1/status/buildinfo") is not None

    def query(self, expression):
        """(labels, value) of an instant query.

        Raises:
            AssertionError: The server refuses the expression.
        """
        answer = get_json(f"{self.url}/api/v1/query", query=expression)
        result = answer["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def query_range(self, expression, start, end, step, *, times=False):
        """(labels, values) over time; start and end are Unix seconds, step is seconds.

        With ``times`` each value is a pair, with its own Unix seconds.

        Raises:
            AssertionError: The server refuses the expression.
        """
        url = f"{self.url}/api/v1/query_range"
        answer = get_json(url, query=expression, start=start, end=end, step=step)
        return [
            (
                series["metric"],
                [
                    (when, float(value)) if times else float(value)
                    for when, value in series["values"]
                ],
            )
            for series in answer["data"]["result"]
        ]

    def label_values(self, selector, label):
        """The values of a label among the series that a selector finds."""
        url = f"{self.url}/api/v1/label/{label}/values"
        return get_json(url, **{"match[]": selector})["data"]

    def history(self, selector, since="10m"):
        """(labels, [(Unix seconds, value), …]) of all that was scraped."""
        answer = get_json(f"{self.url}/api/v1/query", query=f"{selector}[{since}]")
        return [
            (series["metric"], [(time, float(value)) for time, value in series["values"]])
            for series in answer["data"]["result"]
        ]

    def types(self):
        """Name → type, as the agent declares it."""
        data = get_json(f"{self.url}/api/v1/metadata")["data"]
        return {name: told["type"] for name, (told,) in data.items()}
