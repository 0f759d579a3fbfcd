"""What a unit is asked for in rounds: this is where all that decides on it meets.

When a round begins, and for how long it may go on, its device says. Here is what belongs into it
(:mod:`.plan`, :mod:`.discovery`, :mod:`.backlog`, :mod:`.unsupported`); it is asked by way of
:mod:`.exchange`; and what comes of it becomes samples (:mod:`.round`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Container, Sequence
from typing import Any, Protocol

from rct_collector.config import DeviceConfig
from rct_collector.device.clock import Clock
from rct_collector.device.plausibility import Plausibility
from rct_collector.device.polling.backlog import SLOW_CLASSES, Backlog
from rct_collector.device.polling.budget import Budget
from rct_collector.device.polling.discovery import Discovery, Undecided, facts_from
from rct_collector.device.polling.exchange import Exchange
from rct_collector.device.polling.freshness import Freshness
from rct_collector.device.polling.plan import Choice, Plan, choice_of, plan_for
from rct_collector.device.polling.presence import Presence, presence
from rct_collector.device.polling.round import Round
from rct_collector.device.polling.unsupported import LONG_MUTE_S, MUTE_S, Unsupported
from rct_collector.device.publisher import Publisher
from rct_collector.device.receiving import can_be
from rct_collector.device.state import Memory
from rct_collector.device.stats import Stats
from rct_collector.drivers.base import Answer, Driver, Event, Query
from rct_collector.lines.kept import KeptLine
from rct_collector.model import PollClass, Series, Value
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports

log = logging.getLogger(__name__)

#: Queries without an answer that are named in an hour; old firmware lacks a few dozens.
MOST_MUTES = 12

#: Changes of the unit that are told of in an hour; one may change with each answer.
MOST_CHANGES = 3


def _nobody(_query: Query, _value: Any) -> None:
    """Listens to nothing."""


class Host(Protocol):
    """The device of which the rounds are."""

    def opened(self) -> None:
        """The line is open, for the first time or again: a round is wanted soon."""

    def fast_settled(self) -> None:
        """The fast part of a round was handed over."""

    def unasked(self, events: Sequence[Event], now: float, receipt: Receipt | None) -> None:
        """The unit said something by itself; see :class:`.exchange.Owner`."""

    def chosen(self) -> None:
        """What was chosen last is what is asked for from now on."""


class Polling:
    """The rounds of one unit; its :attr:`exchange` tells it what happens.

    Attributes:
        plan: What is wanted, and where it is found.
        discovery: What the unit has.
        exchange: What is asked and answered.
        changes: Times that another unit, or new firmware, answered.
    """

    __slots__ = (
        "_backlog",
        "_blind",
        "_budget",
        "_change",
        "_clock",
        "_config",
        "_driver",
        "_faults",
        "_freshness",
        "_host",
        "_is_news",
        "_listened",
        "_listener",
        "_memory",
        "_more",
        "_one_shot",
        "_only_values",
        "_others",
        "_place",
        "_presence",
        "_presence_of",
        "_planned",
        "_plausibility",
        "_probe",
        "_publisher",
        "_refused",
        "_reports",
        "_round",
        "_stats",
        "_told",
        "_unsupported",
        "changes",
        "discovery",
        "exchange",
        "plan",
    )  # fmt: skip - with more than 30, each would have a dict of its own for them

    def __init__(
        self,
        config: DeviceConfig,
        driver: Driver,
        line: KeptLine,
        *,
        host: Host,
        interval: float,
        clock: Clock,
        memory: Memory | None,
        plausibility: Plausibility,
        publisher: Publisher,
        stats: Stats,
        reports: Reports,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            config: The device's options.
            driver: Its family.
            line: The line that it is attached to.
            host: Its device.
            interval: Seconds from one round to the next.
            clock: Wall clock.
            memory: Keeps what was learnt; None keeps nothing.
            plausibility: Judge of the unit's values.
            publisher: Takes what is new.
            stats: Counts answers, and what was not understood.
            reports: Where what is worth a message goes.
        """
        self._others: Collection[Choice] = ()
        self._planned: Collection[Choice] = ()  # of those is what the plan has
        self._more: Collection[Query] = ()  # what others have wanted first, and was not asked yet
        self._told: Collection[str] = ()
        #: In this round nothing but values comes of those answers of which the plan says so.
        self._only_values = False
        self._listened: Collection[Query] = ()
        self._listener: Callable[[Query, Any], object] = _nobody
        self._presence: Presence
        self._presence_of: tuple[Plan, int] | None = None  # what that was worked out from
        self._budget: Budget | None = None  # that was looked at last
        self.changes = 0
        self._config = config
        self._driver = driver
        self._host = host
        self._clock = clock
        self._memory = memory
        self._plausibility = plausibility
        self._publisher = publisher
        self._stats = stats
        self._reports = reports
        self._place = f"{config.address.scheme}://{config.address.place} {config.unit}".rstrip()
        self.plan = plan_for(driver, config)
        self.discovery = self._recall()
        self._is_news = False  # something was learnt that is yet to be kept
        self._faults = self.plan.faults
        self._change = self.discovery.change
        self._unsupported = Unsupported(interval)
        self._refused: list[Query] = []  # and not answered since
        self._freshness = Freshness(config.timezone, clock)
        self._backlog = Backlog(
            self.plan, self.discovery, self._unsupported, self._freshness, config
        )
        self.exchange = Exchange(
            config.name,
            line,
            config.unit,
            config.requests,
            interval=interval,
            fast=len(self.plan.queries(PollClass.FAST)),
            advance=self._advance(),
            resync=driver.polled.resync if driver.polled else None,
            many=driver.pushed is not None and driver.pushed.many,
            zone=config.timezone,
            clock=clock,
            stats=stats,
            owner=self,
            reports=reports,
        )
        self._round: Round | None = None
        self._probe: list[Query] = []
        self._one_shot = self._blind = False

    def _recall(self) -> Discovery:
        """What was learnt of the unit before, as far as it can be believed."""
        kept = self._memory.load() if self._memory else {}
        known = facts_from(kept, self._driver, self._place)
        discovery = Discovery(self._driver, known)
        if known and not discovery.facts:
            log.warning(
                "%s: what was learnt before is not used: no unit could have said it",
                self._config.name,
            )
        return discovery

    def choose(self, others: Collection[Choice]) -> None:
        """Ask for what others want besides, and for nothing else any more.

        A round that goes on ends as it was begun.

        Args:
            others: What they have chosen; none where the user of the device is the only one.
        """
        self._others = others
        if others == self._planned:
            self._host.chosen()
        elif self._round is None:
            self._replan()

    @property
    def asking(self) -> int:
        """How much was not asked for yet of what others want, beside what there was before."""
        return len(self._more) + (self._planned != self._others)

    def is_wider(self, choice: Choice) -> bool:
        """Whether somebody wants what the user of the device does not."""
        own = plan_for(self._driver, self._config)
        return choice != choice_of(self._config) and own.lacks(self._driver, choice)

    def _replan(self) -> None:
        old, own = self.plan, plan_for(self._driver, self._config)
        plan = Plan(self._driver, self._config, others=self._others) if self._others else own
        if plan.wanted == own.wanted:
            plan = own
        if plan.wanted != old.wanted:
            self.plan = plan
            now = asyncio.get_running_loop().time()
            more = plan.beyond(old)
            self._more = tuple(dict.fromkeys((*self._more, *more)))
            self._freshness.ask_again(more)
            self._backlog.choose(plan, more, now)
            self.exchange.fit(len(plan.queries(PollClass.FAST)), self._advance())
        self._planned = self._others
        self._host.chosen()

    def recall(self) -> None:
        """Another process has collected from the unit: what that has learnt may be kept by now."""
        known = self._recall()
        if known.facts:
            self.discovery.adopt(known)

    def _advance(self) -> int:
        """Requests that it takes to ask for everything once, at the pace of the gap."""
        if self._config.requests.per_second < self._config.usual.per_second:
            return 0  # whoever asks for less than usual on average knows why
        return len(self.plan.classes) + len(self.discovery.deciding)

    def listen(self, queries: Collection[Query], listener: Callable[[Query, Any], object]) -> None:
        """Have somebody told what is answered to some queries.

        Args:
            queries: They.
            listener: Takes the query and the value of each answer.
        """
        self._listened, self._listener = queries, listener
        self._only_values = False

    def ask_soon(self, query: Query) -> None:
        """Publish in the next round what has just changed, and not when its class comes."""
        self._backlog.ask_soon(query)

    # -- one round -------------------------------------------------------------------------

    def begin(
        self, due: Container[PollClass], now: float, *, one_shot: bool
    ) -> tuple[list[Query], list[Query]]:
        """Begin a round.

        Args:
            due: The classes that are due.
            now: Monotonic seconds.
            one_shot: There is no other round that anything could wait for.

        Returns:
            What is to be asked at once, and what after that as far as the pace allows.
        """
        self._backlog.queue([poll for poll in SLOW_CLASSES if poll in due], now)
        zone = self._config.timezone
        self._round = Round(
            self.plan, self._plausibility, self._presence_now, zone, self.exchange.failed
        )
        self._one_shot = one_shot
        # Who it is comes first: all else is about that unit.
        who = self.discovery.unidentified
        fast = self._backlog.of_class(PollClass.FAST, now) if PollClass.FAST in due else []
        self._blind = not any(self.plan.takes[query] for query in fast) and PollClass.FAST in due
        rest = self._backlog.in_turn(now)
        self._probe = self._backlog.probe([*who, *fast, *rest], self.exchange.proven)
        self._only_values = not (
            self._probe or self._refused or self._listened or self._unsupported.suspects
        )
        return [*who, *fast, *self._probe], rest

    def _presence_now(self) -> Presence:
        """What of the plan the unit is known to have, worked out when that may have changed."""
        plan, holding = self.current.plan, self.discovery.holding
        if self._presence_of != (plan, holding):
            self._presence_of = plan, holding
            self._presence = presence(plan, self.discovery.holds)
        return self._presence

    def every(self, series: Series) -> float:
        """Seconds from one value of a series to the next, at the pace that there is."""
        return self._backlog.budget.every(series, self.plan)

    @property
    def ticks(self) -> int:
        """Fast intervals from one round to the next, as many as the pace needs."""
        return self._backlog.budget.ticks

    @property
    def current(self) -> Round:
        """The round that goes on."""
        assert self._round is not None  # noqa: S101 - asked, and told, between begin and end only
        return self._round

    def settle(self, started: float, now: float) -> None:
        """At the end of a round that brought something: leave alone what never answers.

        What was not asked is kept for the next one.

        Args:
            started: When the round began, in monotonic seconds.
            now: Monotonic seconds.
        """
        result = self.exchange.result()
        drains, proven = self.exchange.drains, self.exchange.proven
        pause = LONG_MUTE_S if drains else MUTE_S
        for query in result.silent:
            grows = drains and query in proven
            if self._unsupported.lost(query, started, pause, grows=grows):
                self._in_vain(query, "%s is not answered; asked now and then", now)
        for query in result.refused:
            if self._unsupported.lost(query, started, LONG_MUTE_S):
                self._in_vain(query, "%s is refused; asked now and then", now)
        # What was learnt of that may be left for the next round as well.
        self._backlog.keep(self.exchange.unasked(), result.tried, now)
        if self._backlog.budget is not self._budget:
            self._tell_budget()

    def _tell_budget(self) -> None:
        """Say it once where the line of the unit has no time for all that is wanted of it."""
        budget = self._budget = self._backlog.budget
        if not budget.timed or budget.fits:
            return
        self._reports.say(
            log,
            logging.WARNING,
            "crowded",
            "what is wanted takes %.0f %% of the time on the line; rounds come every %g s, and what"
            " is slower comes later than configured; longer intervals or fewer metrics would fit",
            100 * budget.needed,
            budget.seconds(PollClass.FAST),
            most=1,
        )

    def end(self, now: float) -> None:
        """Nothing is wanted any more, and all is published."""
        self._round = None
        if self._is_news and self._memory is not None:
            self._memory.save(self.discovery.content(self._place))
        self._is_news = False
        self.exchange.end_round(now)
        if self._more:
            self._more = tuple(filter(self._backlog.waits, self._more))
        if self._planned != self._others:
            self._replan()

    def faults(self) -> tuple[Value | None, ...]:
        """What the round has brought of faults, as far as it is wanted."""
        return self.current.values(self._faults)

    @property
    def given_up(self) -> int:
        """How many queries the unit does not answer."""
        return len(self._unsupported)

    def _in_vain(self, query: Query, text: str, now: float) -> None:
        """Several rounds asked for something in vain, though they brought other things."""
        self._reports.say(log, logging.INFO, "mute", text, query.label, most=MOST_MUTES)
        self._unanswered(query, now)

    def _unanswered(self, query: Query, now: float) -> None:
        """The unit does not answer a query: is that news about what it has?"""
        if not self.discovery.decides(query) or not self.discovery.unanswered(query):
            return
        if query.name in self._driver.identity:
            self._backlog.decide_again(now)  # it does not say who it is: each fact is confirmed
        self._learnt(now)
        self._tell_undecided()

    def undecided(self) -> list[Undecided]:
        """What cannot be told of the unit, as far as anything of it is wanted."""
        takes = self.plan.takes.items()
        return self.discovery.undecided({query.condition for query, taken in takes if taken})

    def _tell_undecided(self) -> None:
        """Say once of which parts nothing is published, because the unit is silent about them."""
        texts = {
            f"{item}; nothing of it is published" if not item.assumed else str(item)
            for item in self.undecided()
            if item.silent
        }
        for text in sorted(texts.difference(self._told)):
            log.warning("%s: %s", self._config.name, text)
        self._told = tuple(texts)

    # -- what the exchange tells -----------------------------------------------------------

    def opened(self) -> None:
        """The line is open: find out who answers."""
        now = asyncio.get_running_loop().time()
        self.discovery.opened()
        self._unsupported.reconnected(now)
        self._backlog.decide_again(now)
        self._host.opened()

    def answered(self, answer: Answer, now: float) -> bool:
        """Take an answer that the round wants."""
        query, current = answer.query, self.current
        self._stats.totals["answers"] += 1
        if self._only_values and query in current.plan.of_values and answer.time_ns is None:
            return current.take(query, answer.value, now=now, wall_ns=self._clock.wall_ns())
        return self._weigh(answer, now)

    def _weigh(self, answer: Answer, now: float) -> bool:
        """Take an answer that may tell more than its values."""
        current, query = self.current, answer.query
        if query in self._listened:
            self._listener(query, answer.value)
        if self._refused and query in self._refused:
            self._refused.remove(query)
        if self._unsupported.answered(query):
            text = "%s is answered after all"
            self._reports.say(log, logging.INFO, "unmute", text, query.label)
        certain = True
        if self.discovery.decides(query):
            news = self.discovery.observe(query, answer.value)
            certain = news is not None
            if news:
                self._learnt(now)
        wall_ns = self._clock.wall_ns()
        if answer.time_ns and can_be(answer.time_ns, wall_ns):
            wall_ns = answer.time_ns
        if query in self._probe:
            current.heard(now=now, wall_ns=wall_ns)
            return certain
        certain &= current.take(query, answer.value, now=now, wall_ns=wall_ns)
        if query.every_s and certain and self.discovery.holds(query.condition):
            # Before it is known whose it is nothing is published, and it is asked for again.
            self._freshness.answered(query, now)
        return certain

    def fast_settled(self) -> None:
        """The power flows are complete: hand them over at once."""
        self.publish()
        self._host.fast_settled()

    def lost(self, query: Query, now: float) -> None:
        """A query was given up for this round; a single round has no other to wait for."""
        if self._one_shot:
            self._unsupported.give_up(query, now)
            self._only_values = False
            self._unanswered(query, now)

    def refused(self, query: Query, now: float) -> None:
        """The unit is there, but has no answer to a query; see :class:`.exchange.Owner`."""
        self.current.heard(now=now, wall_ns=self._clock.wall_ns())
        if query not in self.exchange.proven and query not in self._refused:
            self._refused.append(query)
            self._only_values = False
        self.lost(query, now)

    def going_on(self) -> None:
        """The rest takes its time: what came until now does not wait for it."""
        self.publish()

    def unasked(self, events: Sequence[Event], now: float, receipt: Receipt | None) -> None:
        """Not an answer at all; see :class:`.exchange.Owner`."""
        self._host.unasked(events, now, receipt)

    def _learnt(self, now: float) -> None:
        """A fact is new: ask what it brings, and keep it."""
        if self.discovery.change is not self._change:
            self._forget()
        # Of a unit of which nothing was known, not even the power flows were asked for.
        whole = self._one_shot or self._blind
        classes = (PollClass.FAST, *SLOW_CLASSES) if whole else SLOW_CLASSES
        for query in self._backlog.news(classes, now):
            self.exchange.want(query)
        self._is_news = True

    def _forget(self) -> None:
        """Another unit, or new firmware: nothing holds any more that was learnt before."""
        change = self._change = self.discovery.change
        assert change is not None  # noqa: S101 - asked before
        self.changes += 1
        self._reports.say(
            log,
            logging.WARNING,
            "change",
            "%s was %r and is %r now: another unit, or new firmware (change %d since the start);"
            " all is learnt again",
            self._driver.query(change.name).label,
            change.before,
            change.after,
            self.changes,
            most=MOST_CHANGES,
        )
        self._plausibility.forget()
        self._publisher.forget()
        self._backlog.forget()
        self._unsupported.forget()
        self._refused.clear()
        self._freshness.forget()
        self.exchange.forget()
        self._told = ()

    # -- publishing ------------------------------------------------------------------------

    def publish(self) -> None:
        """Hand over what is new, all of it under the time of the round."""
        current = self._round
        if current is None or not current.time_ns:
            return
        self._publisher.heard(current.time_ns / 1e9)
        values = current.publish()
        texts = current.texts()
        self._publisher.send_round(current.time_ns, values, texts, self._expected)

    def _expected(self) -> list[Series]:
        """The texts that the unit is known to have."""
        if not self.discovery.identified:
            return []
        return [series for series in self.plan.texts if self._expects(series)]

    def _expects(self, series: Series) -> bool:
        """What was refused is not waited for: texts come once an hour, and a "no" counts thrice."""
        return any(
            self.discovery.has(query.condition)
            and query not in self._unsupported
            and query not in self._refused
            for query, _ in self.plan.homes(series)
        )
