"""What a unit has, learnt from its answers, trusted only when two of them agree.

Sans I/O. The driver says which queries decide which part; here the answers are gathered, and
what was learnt can be saved and taken up again, so that a restart at night, when the unit is
off, still knows its battery.

Facts belong to a unit, not to a name or an address. What is known of a unit decides what it is
asked; but nothing that depends on facts holds (:meth:`Discovery.holds`) before the unit has told
on this connection that it is the same one. A unit that leaves its serial number unanswered has to
confirm each fact instead, by two answers on each connection.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from rct_collector.drivers.base import Condition, Driver, Query

#: Answers that must agree.
TWICE = 2


class UnitChange(NamedTuple):
    """Another unit answers, or new firmware: what tells them apart, and what it was and is."""

    name: str
    before: Any
    after: Any


class Undecided(NamedTuple):
    """What cannot be told of a unit.

    Attributes:
        queries: What it leaves unanswered, or answers differently each time.
        silent: It leaves them unanswered.
        assumed: Other answers say that it has the parts.
        parts: The parts that it may have, in words; none when it is not known which unit it is.
    """

    queries: tuple[Query, ...]
    silent: bool
    assumed: bool
    parts: tuple[str, ...]

    def __str__(self) -> str:
        """One sentence for people, without a full stop."""
        subject = _listed([query.label for query in self.queries], "and")
        one = len(self.queries) == 1
        if self.silent:
            verb = "is not answered" if one else "are not answered"
        else:
            verb = "is not answered twice alike" if one else "are not answered twice alike"
        if not self.parts:
            return f"{subject} {verb}, so it is not known which unit answers"
        known = "only assumed that" if self.assumed else "not known whether"
        return f"{subject} {verb}, so it is {known} there is {_listed(self.parts, 'or')}"


class Discovery:
    """Facts about one unit, and the conditions that follow from them.

    Attributes:
        facts: Query name → value; None for what the unit leaves unanswered.
        change: The last change of unit or firmware; None while there was none.
        version: Grows whenever other parts may be believed to be there than before.
        holding: Grows whenever :meth:`holds` may tell something else than before.
    """

    def __init__(self, driver: Driver, facts: Mapping[str, Any] | None = None) -> None:
        """Start with what an earlier run learnt.

        Args:
            driver: Says what decides what.
            facts: Query name → value, as :func:`facts_from` takes them from a file.
        """
        self._conditions = driver.conditions
        self._identity = driver.identity
        self._deciding = _by_dependence(driver)
        self._condition_of = _conditions(driver)
        self._following = _following(driver)
        names = self._condition_of.keys()
        self.facts: dict[str, Any] = {k: v for k, v in (facts or {}).items() if k in names}
        if not self._is_usable():
            self.facts.clear()
        self._candidates: dict[str, Any] = {}
        self._known: dict[str, bool | None] = {}
        # Of a few names, which they mostly are, a dict takes a third of what a set does.
        self._heard: dict[str, None] = {}  # facts that were confirmed on this connection
        self._given_up: dict[str, None] = {}  # what should identify the unit, and is not answered
        self._unsure: dict[str, int] = {}  # facts that need so many more answers on this connection
        self.change: UnitChange | None = None
        self.version = self.holding = 0
        if self._is_anonymous():
            self._doubt_all()

    def _is_usable(self) -> bool:
        """Facts come from a file that somebody may have edited: could the unit have said them?

        Conditions that take them now might not when other facts change.
        """
        return all(
            query.could_say(self.facts[query.name])
            for query in self._deciding
            if query.name in self.facts
        )

    def decides(self, query: Query) -> bool:
        """Whether a query decides anything."""
        return query in self._deciding

    @property
    def deciding(self) -> list[Query]:
        """The queries that decide, most basic first."""
        return list(self._deciding)

    def has(self, condition: str) -> bool | None:
        """Whether the unit is believed to have a part; None while that is not known.

        Enough to ask for it. What is published needs more, see :meth:`holds`.
        """
        if condition not in self._known:
            self._known[condition] = self._conditions[condition].test(self.facts)
        return self._known[condition]

    def _new_facts(self, *names: str) -> None:
        """What follows from some facts is worked out anew; from all of them, if none is named."""
        if names:
            for condition in chain.from_iterable(map(self._following.__getitem__, names)):
                self._known.pop(condition, None)
        else:
            self._known.clear()
        self.version += 1

    def among(self, queries: Iterable[Query]) -> list[Query]:
        """Those of some queries that are about parts which the unit is believed to have."""
        known, found = self._known, []
        for query in queries:
            condition = query.condition
            if known[condition] if condition in known else self.has(condition):
                found.append(query)
        return found

    # -- whose facts these are ---------------------------------------------------------------

    def opened(self) -> None:
        """The line is open, for the first time or again: who answers now is to be found out."""
        self._heard.clear()
        self._candidates.clear()
        self.holding += 1
        if self._is_anonymous():
            self._doubt_all()

    @property
    def unidentified(self) -> list[Query]:
        """What is to be asked before anything else, to know who answers on this connection."""
        return [
            query
            for query in self._deciding
            if query.name in self._identity and not self._is_settled(query.name)
        ]

    @property
    def identified(self) -> bool:
        """Whether all facts are those of the unit that answers on this connection."""
        return not self._unsure and all(map(self._is_settled, self._identity))

    def holds(self, *conditions: str) -> bool | None:
        """Whether the unit that answers on this connection has a part, or one of several.

        None while that is not known; what depends on it is not to be published then.

        Args:
            conditions: Names of the conditions of the parts.
        """
        found: bool | None = False
        for name in conditions:
            has = self.has(name) if self._vouches(name) else None
            if has:
                return True
            found = None if has is None else found
        return found

    def _vouches(self, condition: str) -> bool:
        """Whether the unit that answers on this connection stands for a condition's facts."""
        inputs = self._conditions[condition].inputs
        if inputs and not all(map(self._is_settled, self._identity)):
            return False
        return not any(name in self._unsure for name in inputs)

    def _is_settled(self, name: str) -> bool:
        """Whether it was answered or left unanswered; or is about a part that the unit lacks."""
        if name in self._heard or name in self._given_up:
            return True
        return self.has(self._condition_of[name]) is False

    def _is_anonymous(self) -> bool:
        """The unit does not say who it is, as far as is known."""
        identity = self._identity
        return not identity or identity[0] in self._given_up or self.facts.get(identity[0]) is None

    def _doubt_all(self) -> None:
        """Nothing says of whom the facts are, but for those that were learnt just now."""
        known = (name for name, value in self.facts.items() if value is not None)
        doubtful = (n for n in known if n not in self._heard and n not in self._identity)
        self._unsure = dict.fromkeys(doubtful, TWICE)

    # -- what is to be asked -----------------------------------------------------------------

    def open(self) -> list[Query]:
        """The queries whose answer is still wanted, in the order in which they make sense.

        What belongs to a part that the unit is known not to have is not asked for.
        """
        return [
            query
            for query in self._deciding
            if (query.name not in self.facts or query.name in self._unsure)
            and self._makes_sense(query)
        ]

    def complete(self) -> bool:
        """Whether everything is known that can be."""
        return not self.open()

    def undecided(self, wanted: Container[str] | None = None) -> list[Undecided]:
        """What cannot be told of the unit, because it was not answered, or not twice alike.

        What follows from something else that is undecided is not named again: the modules of a
        battery that there may not be.

        Args:
            wanted: Names of the conditions that matter; None for all.
        """
        conditions = self._conditions
        state = {name: self.has(name) for name, c in conditions.items() if c.part}
        found = [conditions[name] for name, has in state.items() if has is None]
        decided = [conditions[name] for name, has in state.items() if has is not None]
        items: dict[tuple[tuple[Query, ...], bool], list[str]] = {}
        for name, condition in conditions.items():
            if wanted is not None and name not in wanted:
                continue
            if state.get(name, False) is None:
                if not any(_is_part_of(other, condition) for other in found):
                    key = self._missing(condition, decided), False
                    items.setdefault(key, []).append(condition.part)
            elif state.get(name) and (guess := self._guessed(condition)):
                items.setdefault((guess, True), []).append(condition.part)
        if who := tuple(self.unidentified):
            items[who, False] = []
        return [
            Undecided(queries, all(q.name in self.facts for q in queries), assumed, tuple(parts))
            for (queries, assumed), parts in items.items()
        ]

    def _guessed(self, condition: Condition) -> tuple[Query, ...]:
        """What would say for sure that a part is there, and is not answered."""
        return tuple(
            query
            for query in self._deciding
            if query.name in condition.vital and self.facts.get(query.name) is None
        )

    def _missing(self, condition: Condition, decided: list[Condition]) -> tuple[Query, ...]:
        """The queries whose answer would decide; not those that only tell what is known anyway."""
        settled = {n for other in decided if _is_part_of(other, condition) for n in other.inputs}
        return tuple(
            query
            for query in self._deciding
            if query.name in condition.inputs
            and query.name not in settled
            and self.facts.get(query.name) is None
        )

    # -- what is learnt ----------------------------------------------------------------------

    def observe(self, query: Query, value: Any) -> bool | None:
        """Take an answer.

        Returns:
            True when a fact is new or has changed, False when nothing changed, None when a
            second answer is needed.
        """
        name, value = query.name, query.fact(value)
        is_known = name in self.facts and self.facts[name] == value
        if is_known:
            self._candidates.pop(name, None)
            if name in self._heard and name not in self._unsure:
                return False  # the most frequent case of all: nothing is to be worked out anew
        self.holding += 1
        if is_known:
            return self._confirm(name)
        self._heard.pop(name, None)
        if name not in self._candidates or self._candidates[name] != value:
            self._candidates[name] = value
            return None
        del self._candidates[name]
        self._learn(name, value)
        return True

    def unanswered(self, query: Query) -> bool:
        """The unit does not answer this query at all; True when that is news.

        What was known before is kept: a unit that once answered is merely silent now. But where
        it does not say any more who it is, facts need to be confirmed.
        """
        name = query.name
        self.holding += 1
        news = False
        if name in self._identity and not self._is_settled(name):
            self._given_up[name] = None
            news = True
            if self._is_anonymous():
                self._doubt_all()
        if name not in self.facts or name in self._unsure:
            self._unsure.pop(name, None)
            self.facts[name] = None
            self._new_facts(name)
            news = True
        return news

    def _confirm(self, name: str) -> bool | None:
        """A fact was answered once more as it was known."""
        missing = self._unsure.get(name, 0) - 1
        if missing > 0:
            self._unsure[name] = missing
            return None
        self._unsure.pop(name, None)
        self._heard[name] = None
        self._given_up.pop(name, None)
        return False

    def _learn(self, name: str, value: Any) -> None:
        before = self.facts.get(name)
        if name in self._identity and before not in (None, value):
            # Another unit, or new firmware: nothing that was learnt holds any more.
            self.change = UnitChange(name, before, value)
            for learnt in (self.facts, self._candidates, self._unsure, self._heard, self._given_up):
                learnt.clear()
            self._known.clear()
        elif name in self._identity[:1] and name in self.facts:
            self._doubt_all()  # a unit that did not say who it was may have been another one
        self.facts[name] = value
        self._heard[name] = None
        self._given_up.pop(name, None)
        self._unsure.pop(name, None)
        self._new_facts(name)

    def _makes_sense(self, query: Query) -> bool:
        """Not about a part that is known to be absent."""
        return self.has(query.condition) is not False

    # -- what is kept ------------------------------------------------------------------------

    def content(self, address: str) -> dict[str, Any]:
        """What is to be kept for the next run; see :func:`facts_from`.

        Args:
            address: Where the unit answers.
        """
        identity = self._identity
        return {
            "address": address,
            "serial": self.facts.get(identity[0]) if identity else None,
            "facts": {name: value for name, value in self.facts.items() if value is not None},
        }

    def adopt(self, other: Discovery) -> None:
        """Take over what was learnt of the unit a moment ago; it has to say again who it is."""
        self.facts = dict(other.facts)
        self._new_facts()
        self.holding += 1
        if self._is_anonymous():
            self._doubt_all()


def facts_from(content: Mapping[str, Any], driver: Driver, address: str) -> dict[str, Any]:
    """The facts that an earlier run has kept, if they are those of the unit at an address.

    Args:
        content: As :meth:`Discovery.content` made it, or anything that somebody wrote in its place.
        driver: Of the device.
        address: Where the unit is to answer.
    """
    facts = content.get("facts")
    if not isinstance(facts, dict) or content.get("address") != address:
        return {}
    if driver.identity and content.get("serial") != facts.get(driver.identity[0]):
        return {}
    plain = (str, int, float)  # a flag is an int, too
    return {name: value for name, value in facts.items() if isinstance(value, plain)}


def _is_part_of(one: Condition, other: Condition) -> bool:
    """Whether a condition depends on all that another one depends on, and on more."""
    return set(one.inputs) < set(other.inputs)


def _listed(words: Iterable[str], conjunction: str) -> str:
    *most, last = words
    return f"{', '.join(most)} {conjunction} {last}" if most else last


@cache
def _by_dependence(driver: Driver) -> Mapping[Query, None]:
    """Deciding queries: identity first, then in the order in which conditions name them.

    All units of a family share them; whether a query is one is asked for each answer.
    """
    by_name = {query.name: query for query in driver.deciding()}
    conditions: Iterable[Condition] = driver.conditions.values()
    names = [*driver.identity, *(name for c in conditions for name in c.inputs)]
    return {by_name[name]: None for name in names}


@cache
def _conditions(driver: Driver) -> Mapping[str, str]:
    """Name of each deciding query → its condition."""
    return {query.name: query.condition for query in _by_dependence(driver)}


@cache
def _following(driver: Driver) -> Mapping[str, tuple[str, ...]]:
    """Name of each deciding query → the conditions that its answer is an input of."""
    return {
        query.name: tuple(name for name, c in driver.conditions.items() if query.name in c.inputs)
        for query in _by_dependence(driver)
    }
