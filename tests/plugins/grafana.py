"""What Grafana does with a dashboard: it puts variables into queries, asks, and names series.

One class per data source. Each answers a panel's query with a list of (name in the legend,
values that are there, oldest first), the query of a template variable with its choices, and an
annotation with a list of (Unix seconds, what is said there).
"""

from __future__ import annotations

import re
import time

#: Names that Grafana itself puts in.
BUILT_IN = {"timeFilter", "__interval", "__rate_interval"}

#: ``$name`` and ``${name}``; a name of a tag in an alias is none, see the data source.
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def variables_in(text):
    """Names of all variables in a text."""
    return {match[1] or match[2] for match in VARIABLE.finditer(text)}


def seconds(duration):
    """``10s``, ``5m``, ``1h``, ``30d`` in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


class Source:
    """A data source; subclasses know its language.

    Attributes:
        several: How several values of a variable are written.
        between: What is between them.
    """

    several = "({})"
    between = "|"

    def __init__(self, server):
        self.server = server

    def filled(self, text, chosen, **built_in):
        """Put variables in."""

        def value(match):
            name = match[1] or match[2]
            found = {**built_in, **chosen}[name]
            if isinstance(found, str):
                return found
            if not found:  # nothing to choose from
                return ""
            return self.several.format(self.between.join(found)) if found[1:] else found[0]

        return VARIABLE.sub(value, text)

    def ask(self, panel, target, chosen):
        """Run one query of a panel as Grafana would."""
        span = seconds(panel.get("timeFrom", "1h"))
        # As many points as the panel wants or has pixels, but none closer than it says.
        least = seconds(target.get("interval") or panel.get("interval", "1s"))
        step = max(least, span // int(panel.get("maxDataPoints", 1000)))
        return self.run(target, chosen, span, step)


class Influx(Source):
    """InfluxDB in InfluxQL."""

    def __init__(self, server, database):
        super().__init__(server)
        self._database = database

    def run(self, target, chosen, span, step):
        found = {}
        for row in self._rows(target["query"], chosen, span, __interval=f"{step}s"):
            name = re.sub(r"\$tag_(\w+)", lambda match, row=row: row[match[1]], target["alias"])
            value = list(row.values())[-1]
            found.setdefault(name, []).extend([] if value is None else [value])
        return list(found.items())

    def _rows(self, query, chosen, span, **built_in):
        now = round(time.time() * 1000)
        times = f"time >= {now - span * 1000}ms and time <= {now}ms"
        statement = self.filled(query, chosen, timeFilter=times, **built_in)
        return self.server.query(self._database, statement)

    def annotations(self, annotation, chosen, span):
        target = annotation["target"]
        assert target["fromAnnotations"]
        return [
            (row["time"] / 1e9, row[target["textColumn"]])
            for row in self._rows(target["query"], chosen, span)
        ]

    def choices(self, query, chosen):
        return [
            row["value"] for row in self.server.query(self._database, self.filled(query, chosen))
        ]


class Prom(Source):
    """Prometheus; it scrapes every second, and Grafana has been told so."""

    def run(self, target, chosen, span, step):
        now = time.time()
        expression = self.filled(
            target["expr"], chosen, __interval=f"{step}s", __rate_interval=f"{max(step + 1, 4)}s"
        )
        assert target["instant"] is not target["range"]
        if target["instant"]:
            found = [(labels, [value]) for labels, value in self.server.query(expression)]
        else:
            # Grafana asks at multiples of the step; so as if it were the next of them.
            start, end = ((moment // step + 1) * step for moment in (now - span, now))
            found = self.server.query_range(expression, start, end, step)
        return [(self._name(target, labels), values) for labels, values in found]

    def annotations(self, annotation, chosen, span):
        step = seconds(annotation["step"])
        expression = self.filled(annotation["expr"], chosen, __interval=f"{step}s")
        end = (time.time() // step + 1) * step
        found = self.server.query_range(expression, end - span, end, step, times=True)
        return [
            (when, self._labelled(annotation["textFormat"], labels))
            for labels, points in found
            for when, _ in points
        ]

    def _name(self, target, labels):
        return self._labelled(target["legendFormat"], labels)

    @staticmethod
    def _labelled(text, labels):
        return re.sub(r"\{\{(\w+)\}\}", lambda match: labels[match[1]], text)

    def choices(self, query, chosen):
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", query["query"])
        return self.server.label_values(self.filled(match[1], chosen), match[2])


class Graphite(Source):
    """Graphite."""

    several = "{{{}}}"
    between = ","

    def run(self, target, chosen, span, step):
        text = self.filled(target["target"], chosen)
        found = self.server.render(text, since=f"-{span}s", maxDataPoints=span // step)
        return list(found.items())

    def annotations(self, annotation, chosen, span):
        target = annotation["target"]
        assert target["fromAnnotations"]
        found = self.server.points(self.filled(target["target"], chosen), since=f"-{span}s")
        return [(when, name) for name, points in found.items() for when, _ in points]

    def choices(self, query, chosen):
        return self.server.find(self.filled(query, chosen))
