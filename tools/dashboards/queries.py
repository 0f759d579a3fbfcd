"""How each data source is asked for what a panel shows, as Telegraf has written it there.

Grafana puts in what it calls ``$timeFilter``, ``$__interval`` and ``$__rate_interval``, and the
template variables. The device is one name, so it is compared; of modules there may be several,
which Grafana writes as alternatives, so they are matched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from rct_collector.drivers import driver

from .model import Choice, How, Show

#: The template variable of which several values may be chosen.
SEVERAL = "$module"

#: What all paths in Graphite begin with.
ROOT = "$prefix"

#: Length of the windows of :attr:`How.DAILY` and :attr:`How.EACH`.
DAY = "1d"

#: What units tell of what happened, and when it began. The texts are ``code`` of those that tell
#: what it means, and ``event`` of those that only number it.
EVENTS = "inverter_event"


#: The family whose events have a text for each code.
CODED = "rct"


#: A query in the form of Grafana's plugin for the data source.
Query = dict[str, object]


class Language(Protocol):
    """One data source.

    Attributes:
        name: Name of the file.
        title: For people.
        plugin: Grafana's name of the data source.
    """

    name: str
    title: str
    plugin: str

    def query(self, show: Show, window: str) -> Query:
        """The query of one show.

        Args:
            show: What is shown.
            window: How old the newest value may be, if only that is shown; or "".
        """

    def values(self, choice: Choice) -> str | dict[str, object]:
        """The query of a template variable."""

    def events(self) -> Query:
        """What of an annotation for each event is the data source's own."""


class InfluxQL:
    """InfluxDB 1.x, or a newer one asked in InfluxQL."""

    name = "influxdb"
    title = "InfluxDB"
    plugin = "influxdb"

    _FUNCTIONS = {
        How.MEAN: "mean({})",
        How.LAST: "last({})",
        How.MAX: "max({})",
        How.RAISED: "max({})",
        How.PER_MINUTE: "non_negative_derivative(max({}), 1m)",
        How.DAILY: "max({})",
        How.EACH: "{}",
    }

    def query(self, show: Show, window: str) -> Query:
        """See the protocol."""
        return {
            "rawQuery": True,
            "query": self._share(show) if show.less else self._select(show, window),
            "resultFormat": "time_series",
            "alias": re.sub(r"\{(\w+)\}", r"$tag_\1", show.label),
        }

    def _select(self, show: Show, window: str) -> str:
        field = f'"{show.metric.field}"'
        groups = [f'"{tag}"' for tag in show.free]
        if window:
            value, fill = f"last({field})", ""
        else:
            value = self._FUNCTIONS[show.how].format(field)
            if show.how is not How.EACH:
                groups.insert(0, "time(1d)" if show.how is How.DAILY else "time($__interval)")
            # Nulls show where a device was silent; a derivative takes them for a standstill.
            fill = " fill(none)" if show.how is How.PER_MINUTE else " fill(null)"
        condition = self._condition(show.where)
        if show.how is How.RAISED:
            condition += f" AND {field} > 0"
        by = f" GROUP BY {', '.join(groups)}{fill}" if groups else ""
        return f'SELECT {value} FROM "{show.metric.measurement}" WHERE {condition}{by}'

    def _share(self, show: Show) -> str:
        """Influx computes with columns, so the two series are made columns first."""
        parts = (
            f'(SELECT "{show.metric.field}" AS "{name}" FROM "{show.metric.measurement}" '
            f"WHERE {self._condition(where)})"
            for name, where in (("whole", show.where), ("part", show.less or {}))
        )
        return f'SELECT 100 * (1 - last("part") / last("whole")) FROM {", ".join(parts)}'

    def values(self, choice: Choice) -> str:
        """See the protocol."""
        # Only the list of devices is not one device's.
        condition = "" if choice.tag == "source" else f" WHERE {self._tags(choice.where)}"
        measurement = choice.metric.measurement
        return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{choice.tag}"{condition}'

    def events(self) -> Query:
        """See the protocol; ``word_2`` stands for those that tell no text."""
        fields = '"text", "code", "event", "word_2"'
        return {
            "target": {
                "refId": "Anno",
                "name": "",
                "query": f'SELECT {fields} FROM "{EVENTS}" WHERE {self._condition({})}',
                "queryType": "tags",
                "rawQuery": True,
                "fromAnnotations": True,
                "textColumn": "text",
                "tagsColumn": "code,event",
                "titleColumn": "",
                "timeEndColumn": "",
            }
        }

    def _condition(self, where: Mapping[str, str]) -> str:
        return f"{self._tags(where)} AND $timeFilter"

    @staticmethod
    def _tags(where: Mapping[str, str]) -> str:
        return " AND ".join(
            f'"{tag}" =~ /^{value}$/' if value == SEVERAL else f"\"{tag}\" = '{value}'"
            for tag, value in {"source": "$source", **where}.items()
        )


class PromQL:
    """Prometheus, which scrapes Telegraf."""

    name = "prometheus"
    title = "Prometheus"
    plugin = "prometheus"

    _FUNCTIONS = {
        How.MEAN: "avg_over_time({}[$__rate_interval])",
        How.LAST: "last_over_time({}[$__rate_interval])",
        How.MAX: "max_over_time({}[$__rate_interval])",
        How.RAISED: "max_over_time({}[$__rate_interval]) > 0",
        How.PER_MINUTE: "60 * rate({}[$__rate_interval])",
        # Prometheus looks back from the begin of a day, Grafana wants the day that begins there.
        How.DAILY: f"max_over_time({{}}[{DAY}] offset -{DAY})",
        # The midnight of a time zone, on the next one of UTC, which is in the same day.
        How.EACH: f"last_over_time({{}}[{DAY}])",
    }

    def query(self, show: Show, window: str) -> Query:
        """See the protocol."""
        found = self._select(show, show.where)
        if show.less:
            whole, part = self._newest(found, window), self._select(show, show.less)
            tags = ", ".join(show.less)
            found = f"100 * (1 - {self._newest(part, window)} / ignoring({tags}) {whole})"
        elif window:
            found = self._newest(found, window)
        else:
            found = self._FUNCTIONS[show.how].format(found)
        return {
            "expr": found,
            "legendFormat": re.sub(r"\{(\w+)\}", r"{{\1}}", show.label),
            "editorMode": "code",
            "format": "time_series",
            "instant": bool(window),
            "range": not window,
            **({"interval": DAY} if show.how in (How.DAILY, How.EACH) else {}),
        }

    @staticmethod
    def _newest(selector: str, window: str) -> str:
        return f"last_over_time({selector}[{window}])"

    def values(self, choice: Choice) -> str | dict[str, object]:
        """See the protocol."""
        metric = choice.metric
        # Only the list of devices is not one device's.
        labels = "" if choice.tag == "source" else f"{{{self._labels(choice.where)}}}"
        name = f"{metric.measurement}_{metric.field}{labels}"
        return {"query": f"label_values({name}, {choice.tag})", "refId": choice.tag}

    def events(self) -> Query:
        """See the protocol; each is there for one step, however long that is."""
        device = self._labels({})
        found = (
            f"last_over_time({EVENTS}_{field}{{{device}}}[$__interval])"
            for field in ("occurred", "word_2")
        )
        return {
            "expr": " or ".join(found),
            "step": "1m",
            "titleFormat": "event {{code}}{{event}}",
            "textFormat": "{{text}}",
            "tagKeys": "code,event",
            "useValueForTime": False,
        }

    def _select(self, show: Show, where: Mapping[str, str]) -> str:
        return f"{show.metric.measurement}_{show.metric.field}{{{self._labels(where)}}}"

    @staticmethod
    def _labels(where: Mapping[str, str]) -> str:
        return ", ".join(
            f'{tag}{"=~" if value == SEVERAL else "="}"{value}"'
            for tag, value in {"source": "$source", **where}.items()
        )


class Graphite:
    """Graphite, with the template ``source.measurement.tags.field``."""

    name = "graphite"
    title = "Graphite"
    plugin = "graphite"

    _FUNCTIONS = {
        How.MEAN: "{}",
        How.LAST: "consolidateBy({}, 'last')",
        How.MAX: "consolidateBy({}, 'max')",
        How.RAISED: "removeBelowValue(maximumAbove(consolidateBy({}, 'max'), 0), 1)",
        # The slots between two values are empty, over which no difference would be found.
        How.PER_MINUTE: "scale(perSecond(keepLastValue({})), 60)",
        How.DAILY: f"summarize({{}}, '{DAY}', 'max')",
        # As in Prometheus; of a midnight that is the same as that of UTC, the very day.
        How.EACH: f"summarize(timeShift({{}}, '23h'), '{DAY}', 'last')",
    }

    def query(self, show: Show, window: str) -> Query:
        """See the protocol."""
        if show.less:
            # The two may have come at different times, so in different slots.
            part, whole = (
                f"keepLastValue({self._path(show, where)})" for where in (show.less, show.where)
            )
            target = f"offset(scale(divideSeries({part}, {whole}), -100), 100)"
        else:
            how = How.LAST if window else show.how
            target = self._FUNCTIONS[how].format(self._path(show, show.where))
        return {"target": self._labelled(target, show)}

    def values(self, choice: Choice) -> str:
        """See the protocol."""
        if choice.tag == "source":
            return f"{ROOT}.*"
        metric = choice.metric
        found = [f"{ROOT}.$source", metric.measurement]
        for tag, _ in metric.dimensions:  # down to the tag, whose nodes are the answer
            found.append(choice.where.get(tag, "*"))
            if tag == choice.tag:
                break
        return ".".join(found)

    def events(self) -> Query:
        """See the protocol; it has no texts, so those that our drivers know are in the query."""
        place = f"{ROOT}.$source.{EVENTS}"
        texts = driver(CODED).events
        named = (f"alias({place}.{code}.occurred, '{code}: {texts[code]}')" for code in texts)
        known = "|".join(map(str, texts))
        others = f"exclude({place}.*.occurred, '{EVENTS}\\.({known})\\.')"
        numbered = (
            f"aliasSub({series}, '^.*{EVENTS}\\.(\\d+)\\..*$', 'event \\1')"
            for series in (others, f"{place}.*.*.word_2")
        )
        target = f"group({', '.join((*named, *numbered))})"
        return {"target": {"refId": "Anno", "target": target, "fromAnnotations": True}}

    @staticmethod
    def _path(show: Show, where: Mapping[str, str]) -> str:
        tags = (where.get(tag, "*") for tag in show.tags)
        return ".".join((f"{ROOT}.$source", show.metric.measurement, *tags, show.metric.field))

    @staticmethod
    def _labelled(target: str, show: Show) -> str:
        """Name the series; what stands for a tag is found in the path."""
        if not show.free:
            return f"alias({target}, '{show.label}')"
        nodes = (r"([^.]+)" if tag in show.free else r"[^.]+" for tag in show.tags)
        pattern = r"\.".join((show.metric.measurement, *nodes, show.metric.field))
        order = [tag for tag in show.tags if tag in show.free]
        name = re.sub(r"\{(\w+)\}", lambda tag: f"\\{order.index(tag[1]) + 1}", show.label)
        return f"aliasSub({target}, '^.*{pattern}.*$', '{name}')"


LANGUAGES: tuple[Language, ...] = (InfluxQL(), PromQL(), Graphite())
