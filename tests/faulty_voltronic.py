"""What :mod:`tests.faulty` does, for a Voltronic unit."""

from __future__ import annotations

from collections import deque

from rct_collector.drivers import driver
from rct_collector.drivers.tools import Access
from rct_collector.drivers.voltronic.command import DIALECTS, PROTOCOL
from rct_collector.model import PollClass
from tests.faulty import World


class Truth:
    """What the unit has sent of late, by the text of the request; the witness of its line."""

    def __init__(self):
        self.good = 0
        self._recent = {}
        self._texts = {}
        self._dashes = []

    def __call__(self, sent):
        if sent.good and not sent.reply.answer.refused:
            self.good += 1
            recent = self._recent.setdefault(sent.reply.request, deque(maxlen=64))
            recent.append(sent)
            self._texts.setdefault(sent.reply.request, set()).add(sent.reply.answer.text)
            if "-" in sent.reply.answer.text:
                self._dashes.append(sent)

    def knows(self, query):
        """Whether the unit has ever answered that."""
        return query is PROTOCOL or any(query_asks(query, request) for request in self._recent)

    def requested(self, request, begin, until):
        """Good answers to a request that left between two times of the line's clock."""
        return [sent for sent in self._recent.get(request, ()) if begin <= sent.at <= until]

    def says(self, series, query, binding):
        """Whether the unit has ever said something about a series; its firmware may lack it."""
        if query is PROTOCOL:
            return True
        said = (published(series, query, binding, text) for text in self._all(query))
        return any(value is not None for value in said)

    def withheld(self, series, query, binding, begin, end):
        """Whether it has said between two times of the line's clock that it does not know."""
        return any(
            query_asks(query, sent.reply.request)
            and published(series, query, binding, sent.reply.answer.text) is None
            for sent in self._dashes
            if begin <= sent.at < end
        )

    def texts(self, series, query, binding):
        """All that a text has ever been."""
        if query is PROTOCOL:
            return DIALECTS
        return {published(series, query, binding, text) for text in self._all(query)}

    def _all(self, query):
        """All different answers to that."""
        for request, texts in self._texts.items():
            if query_asks(query, request):
                yield from texts

    def values(self, series, query, binding, begin, now, config):
        """What a series may be, by all good answers between two times, asked for no sooner."""
        asked = begin - config.intervals.seconds(PollClass.FAST)
        return [
            published(series, query, binding, sent.reply.answer.text, config.timezone)
            for request in self._recent
            if query_asks(query, request)
            for sent in self.requested(request, begin, now)
            if asked <= sent.reply.asked
        ]


def query_asks(query, request):
    """Whether a request is one of a query, with a date or without."""
    if query is PROTOCOL:
        return request in ("QPI", "PI")
    rest = request[len(query.text) :]
    return request.startswith(query.text) and (rest.isdigit() if query.date else not rest)


def body(text):
    """An answer without its head."""
    return text[1:] if text.startswith("(") else text[5:]


def published(series, query, binding, text, zone=None):
    """The value that an answer has for a series, or None."""
    parts = query.decode(body(text))
    if parts is None:
        return None
    if binding.scalar is not None:
        return binding.scalar(parts)
    return binding.convert(parts, zone)[binding.series.index(series)]


class Equipment:
    """What a simulated unit has, by its answers to what decides that."""

    def __init__(self, unit):
        self._facts = {PROTOCOL.name: unit.scenario.dialect}
        self._conditions = driver("voltronic").conditions
        moment = unit.moment(unit.start)
        for query in driver("voltronic").queries:
            maker = unit._dialect.maker(getattr(query, "text", ""))
            if maker is None or unit.scenario.dialect not in query.dialects:
                continue
            parts = query.decode(body(maker(moment).text))
            if parts is not None:
                self._facts[query.name] = query.fact(parts)

    def has(self, condition):
        """Whether it is there; what the unit is silent about is not."""
        condition = self._conditions[condition]
        facts = {**dict.fromkeys(condition.inputs), **self._facts}
        return condition.test(facts) is True


class VoltronicWorld(World):
    """A simulated Voltronic unit, its faults, and one client of ours, in virtual time."""

    family = "voltronic"
    default = "sbu"
    witness = Truth

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._equipment = Equipment(self.inverter.unit)

    def is_dark(self, now):
        """Whether the unit cannot be reached."""
        return self.inverter.hub().bridge.access(now) is not Access.OPEN

    def equipment(self):
        """What the unit has, at all times."""
        return self._equipment

    scenario = equipment
