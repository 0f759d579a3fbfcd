"""The one gate through which a setting of a unit is written.

::

    name, value ─► known? allowed? of this shape? not too often? ─► refused
                        │
                        ▼
                   read the present value, and what else decides ─► refused
                        │                  equal: applied already; the unit's memory wears out
                        ▼
                   by the rules of the unit? ─► refused
                        │
                        ▼
                   Approved ─► recorded ─► sent, once ─► "no": refused
                        │
                        ▼
                   read back until it shows: applied; or not in time: accepted, but not visible,
                   or unknown where the unit has not said "yes" either

Only an :class:`~rct_collector.drivers.base.Approved` becomes bytes, and only :func:`approve` makes
one. It is never sent again, by nobody: where its answer was lost, reading back tells what happened.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from enum import StrEnum
from itertools import count
from typing import Any, NamedTuple

from rct_collector.device.inquiry import Inquiry
from rct_collector.device.journal import Journal, JournalError
from rct_collector.drivers.base import (
    Answer,
    Approved,
    Domain,
    Facts,
    Query,
    Refused,
    Setting,
    is_close,
)
from rct_collector.drivers.options import Permission
from rct_collector.errors import RefusedFrameError, TransportError

log = logging.getLogger(__name__)

#: Seconds from the write to the readings of the value, as long as it is to show.
LOOK_AT_S = (2.0, 5.0, 10.0, *(10.0 * n for n in range(2, 361)))

#: Seconds within which a value has to leave after the first of what it depends on was read.
FRESH_S = 30.0

#: The unit is not asked for all its settings more often than this, in seconds, whoever wants them.
REFRESH_S = 15.0

#: Times that something is asked whose answer could be taken for that to the question before.
_TRIES = 3

#: Nothing is answered, or nothing may be asked yet, since it is not known what is there.
_UNREAD = (TransportError, RefusedFrameError)

#: Stands for "whatever it is".
ANY: Any = object()


class Cause(StrEnum):
    """What kind of thing stands against a write."""

    UNKNOWN = "unknown"  #: there is no such setting, or the unit has it not
    DISABLED = "disabled"  #: the user has not allowed it
    RULE = "rule"  #: a rule stands against it: of the value, or of the unit
    AWAY = "away"  #: the unit cannot be asked, or what is to be known of it is not
    OFTEN = "often"  #: something was written a moment ago, or too much in a day
    UNIT = "unit"  #: the unit said "no"


class Denied(NamedTuple):
    """A value that must not be written, and why.

    Attributes:
        rule: What stands against it, in words.
        cause: Of what kind that is.
        right: What would be right, in words; "" where nothing would.
    """

    rule: str
    cause: Cause = Cause.RULE
    right: str = ""


class State(StrEnum):
    """What became of a setting."""

    APPLIED = "applied"  #: it shows in the unit, perhaps it did before
    REFUSED = "refused"  #: a rule stands against it, or the unit said "no"
    ACCEPTED_NOT_VISIBLE = "accepted_not_visible"  #: the unit said "yes", but it does not show yet
    UNKNOWN = "unknown"  #: it was sent; the unit has not answered, and it does not show


class Result(NamedTuple):
    """What became of a setting.

    Attributes:
        state: What became of it.
        before: The value before; None where it was not read.
        after: The value that the unit showed last; None where it was not read.
        why: The reason in words; "" when it was written and shows.
        sent: Something was sent.
        denied: What stands against it, where it was refused.
    """

    state: State
    before: Any = None
    after: Any = None
    why: str = ""
    sent: bool = False
    denied: Denied | None = None

    @classmethod
    def of(cls, denied: Denied, before: Any = None, *, sent: bool = False) -> Result:
        """The result of a refusal."""
        return cls(State.REFUSED, before, before, denied.rule, sent, denied)


_BUSY = Denied("another setting is being written; one at a time", Cause.OFTEN)

_numbers = count(1)


def approve(
    setting: Setting, value: Any, facts: Facts, permission: Permission | None = None
) -> Approved | Denied:
    """Decide whether a value may be written. Nobody else makes an ``Approved``.

    Args:
        setting: What is to be set.
        value: To what.
        facts: What is known of the unit, with what it has just answered.
        permission: What the user allows; None where that was asked before, and for settings that
            are not guarded.
    """
    domain = setting.narrow(facts)
    if isinstance(domain, str):
        return Denied(domain)
    for takes in (domain or setting.domain, setting.domain):  # the unit's own has the better words
        if denied := _misfit(setting, takes, value):
            return denied
    if setting.guarded(facts) and (denied := unguarded(setting, value, permission)):
        return denied
    if rule := setting.rule(value, facts):
        return Denied(rule)
    return Approved(setting, value, setting.text(value, facts), next(_numbers))


def unguarded(setting: Setting, value: Any, permission: Permission | None) -> Denied | None:
    """What stands against a value of a guarded setting, as far as the user is asked.

    Args:
        setting: What is to be set.
        value: To what; :data:`ANY` to ask for the permission alone.
        permission: What the user allows.
    """
    limit = permission.limits.get(setting.name) if permission and permission.guarded else None
    if limit is None:
        return Denied(
            f"battery or supply depend on {setting.name}: it also needs allow_battery_limits: true,"
            " and its limits",
            Cause.DISABLED,
        )
    if value is ANY or value in limit:
        return None
    return Denied(f"{setting.name} is limited to {limit} by the configuration", right=str(limit))


def _misfit(setting: Setting, domain: Domain, value: Any) -> Denied | None:
    """Why a value is none that is taken, and what would be right."""
    if value in domain:
        return None
    return Denied(f"{setting.name} takes {domain}, not {value!r}"[:500], right=str(domain))


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same, however numbers are written."""
    numbers = [isinstance(v, int | float) and not isinstance(v, bool) for v in (one, other)]
    return is_close(one, other) if all(numbers) else type(one) is type(other) and one == other


class Gate:
    """The settings of one unit."""

    def __init__(
        self,
        name: str,
        settings: Iterable[Setting],
        permission: Permission,
        inquiry: Inquiry,
        facts: Callable[[], Facts],
        journal: Journal,
        *,
        has: Callable[[str], bool | None] = lambda _condition: True,
        totals: Counter[str] | None = None,
        changed: Callable[[Query], object] = lambda _query: None,
        confirm: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Write nothing yet.

        Args:
            name: Name of the device, for messages.
            settings: What the family has.
            permission: What the user lets be written; nothing unless named.
            inquiry: Asks the unit.
            facts: Tells what is known of the unit.
            journal: Keeps what was written.
            has: Whether the unit that answers now meets a condition; None while nobody knows.
            totals: Counts what became of it, by the names of fields without ``_total``.
            changed: Told of the query whose answer may be another one now.
            confirm: Makes sure, just before something is written, that nobody else has taken the
                device over; raises TransportError if somebody has. None where nobody can.
        """
        self._name = name
        self._settings = tuple(settings)
        self._permission = permission
        self._inquiry = inquiry
        self._facts = facts
        self.journal = journal
        self._has = has
        self._totals: Counter[str] = Counter() if totals is None else totals
        self._changed = changed
        self._confirm = confirm
        self._known: dict[str, Any] = {}
        self._connection = -1
        self._is_busy = False
        self._refreshing = asyncio.Lock()
        self._refreshed_at = -math.inf
        self.reads = frozenset(query for setting in self._settings for query in setting.reads)
        if permission.names:
            for kind in ("sent", "applied", "refused", "unconfirmed"):
                self._totals[f"settings_{kind}"] += 0

    @property
    def writes(self) -> tuple[str, ...]:
        """Names of those that the user lets be written."""
        return self._permission.names

    # -- what there is ---------------------------------------------------------------------

    def _named(self, name: str) -> tuple[Setting, ...]:
        return tuple(setting for setting in self._settings if setting.name == name)

    def _names(self) -> Iterable[str]:
        return dict.fromkeys(setting.name for setting in self._settings)

    def _known_as(self, name: str) -> Setting | None:
        """The setting of a name, where the unit is known to have it."""
        found = self._find(name)
        return None if isinstance(found, Denied) else found

    def _find(self, name: str) -> Setting | Denied:
        """The setting of a name as this unit has it."""
        found = self._named(name)
        if not found:
            known = ", ".join(self._names()) or "none"
            return Denied(f"there is no setting {name}; there are: {known}"[:2000], Cause.UNKNOWN)
        has = {setting: self._has(setting.condition) for setting in found}
        for setting, is_met in has.items():
            if is_met:
                return setting
        if None in has.values():
            return Denied("it is not known yet which unit answers, or what it is", Cause.AWAY)
        return Denied(f"what answers has no setting {name}", Cause.UNKNOWN)

    def objection(self, name: str, value: Any = ANY) -> Denied | None:
        """What stands against a write, as far as it is known without asking the unit.

        Args:
            name: Name of the setting.
            value: What it is to be; :data:`ANY` to ask for the name alone.
        """
        if denied := self._against(name, value):
            return denied
        return _BUSY if self._is_busy and value is not ANY else None

    def _against(self, name: str, value: Any) -> Denied | None:
        """The same, whatever is being written."""
        found = self._named(name)
        if found and name not in self._permission.names:
            text = f"{name} is not among the settings that may be written (writes)"
            return Denied(text, Cause.DISABLED)
        setting = self._find(name)
        if isinstance(setting, Denied):
            return setting
        if self._guards(setting) and (denied := unguarded(setting, value, self._permission)):
            return denied
        if value is ANY:
            return None
        if denied := _misfit(setting, setting.domain, value):
            return denied
        if text := self.journal.objection(asyncio.get_running_loop().time()):
            return Denied(text, Cause.OFTEN)
        return None

    def describe(self) -> list[dict[str, Any]]:
        """What may be set, as far as it is known without asking the unit; for JSON.

        Each is ``name``, ``title``, ``unit``, ``rank``, ``kind`` (choice, number, flag),
        ``choices``, ``low``, ``high``, ``step``, ``value`` (None while it is not known),
        ``enabled``, and ``why`` it may not be set, or "".
        """
        facts = self._last_facts()
        return [self._described(setting, facts) for setting in self._applicable()]

    def _applicable(self) -> Iterator[Setting]:
        """One setting of each name, but for those that the unit is known not to have."""
        for name in self._names():
            setting = self._find(name)
            if not isinstance(setting, Denied):
                yield setting
            elif setting.cause is Cause.AWAY:
                yield self._named(name)[0]

    def _guards(self, setting: Setting) -> bool:
        """Whether it is guarded, as far as that is known; where the unit decides, it is asked."""
        return (setting.rank == "C" or self._is_read(setting)) and setting.guarded(
            self._last_facts()
        )

    def _is_read(self, setting: Setting) -> bool:
        """Whether all that decides on it was said over this connection."""
        return all(query.name in self._known for query in setting.reads)

    def _described(self, setting: Setting, facts: Facts) -> dict[str, Any]:
        raw = self._known.get(setting.shown_by.name)
        narrow = setting.narrow(facts) if self._is_read(setting) else None
        domain = narrow if isinstance(narrow, Domain) else setting.domain
        denied = self.objection(setting.name)
        why = denied.rule if denied else narrow if isinstance(narrow, str) else ""
        limit = self._permission.limits.get(setting.name)
        if limit is not None and setting.guarded(facts):
            within = _limited(domain, limit)
            if (domain.choices and not within.choices) or within.low > within.high:
                why = why or f"the unit takes nothing of {limit}, to which it is limited"
            else:
                domain = within
        return {
            "name": setting.name,
            "title": setting.title,
            "unit": setting.unit,
            "rank": setting.rank,
            "kind": domain.kind,
            "choices": list(domain.choices),
            "low": domain.low,
            "high": domain.high,
            "step": domain.step,
            "value": setting.shown(raw) if raw is not None else None,
            "enabled": not why,
            "why": why,
        }

    # -- what is known ---------------------------------------------------------------------

    def note(self, query: Query, value: Any) -> None:
        """The unit has answered something in a round; see :attr:`reads`."""
        self._forget_others()
        self._known[query.name] = value

    def _forget_others(self) -> None:
        """What was said over another connection may be another unit's."""
        if self._inquiry.connection != self._connection:
            self._connection = self._inquiry.connection
            self._known.clear()
            self._refreshed_at = -math.inf

    def _last_facts(self) -> Facts:
        self._forget_others()
        return {**self._facts(), **self._known}

    async def refresh(self) -> None:
        """Read the present values of all settings, so far as the unit tells them.

        Of many who want that at a time the unit notices one.
        """
        async with self._refreshing:
            now = asyncio.get_running_loop().time()
            self._forget_others()
            if now - self._refreshed_at >= REFRESH_S:
                await self._refresh()
                self._refreshed_at = asyncio.get_running_loop().time()

    async def _refresh(self) -> None:
        known = (setting for name in self._names() if (setting := self._known_as(name)))
        reads = tuple(dict.fromkeys(query for setting in known for query in setting.reads))
        for query in reads:
            try:
                await self._read(query, self._inquiry.connection, reads, needed=False)
            except _UNREAD as error:
                log.debug("%s: %s is not read: %s", self._name, query.label, error)

    # -- writing ---------------------------------------------------------------------------

    async def set(
        self, name: str, value: Any, *, expect: Any = ANY, who: str = "", dry: bool = False
    ) -> Result:
        """Write a setting, if nothing stands against it, and see whether it shows.

        Args:
            name: Name of the setting.
            value: What it is to be.
            expect: The present value that whoever asks believes in: another one refuses.
            who: Who asks, for the journal.
            dry: Do all but write: a value that may be written is told as accepted, but not visible.
        """
        if self._is_busy:
            return self._told(name, value, who, Result.of(_BUSY))
        self._is_busy = True
        try:
            await self.journal.load()
            denied = self._against(name, value)
            if denied is not None:
                result = Result.of(denied)
            else:
                result = await self._set(name, value, expect, who, dry=dry)
        finally:
            self._is_busy = False
        return result if dry else self._told(name, value, who, result)

    def _told(self, name: str, value: Any, who: str, result: Result) -> Result:
        """Count and log it."""
        kind = {State.APPLIED: "applied", State.REFUSED: "refused"}.get(result.state, "unconfirmed")
        self._totals[f"settings_{kind}"] += 1
        log.log(
            logging.INFO if result.state is State.APPLIED else logging.WARNING,
            "%s: %.60s: %.60r was to become %.60r%s: %s%s",
            self._name,
            name,
            result.before,
            value,
            f" for {who}" if who else "",
            result.state,
            f" ({result.why})" if result.why else "",
        )
        return result

    async def _set(self, name: str, value: Any, expect: Any, who: str, *, dry: bool) -> Result:
        setting = self._find(name)
        if isinstance(setting, Denied):
            return Result.of(setting)
        connection = self._inquiry.connection
        latest = asyncio.get_running_loop().time() + FRESH_S
        facts = dict(self._facts())
        try:
            for query in setting.reads:
                raw = facts[query.name] = await self._read(
                    query, connection, setting.reads, needed=query is setting.shown_by
                )
        except _UNREAD as error:
            text = f"what is to be known before cannot be read: {error}"
            return Result.of(Denied(text, Cause.AWAY))
        before = setting.shown(raw)
        if before is None:
            return Result.of(Denied("the unit does not tell its present value"))
        if expect is not ANY and not is_same(before, expect):
            text = f"it is {before!r}, not {expect!r} as expected"
            return Result.of(Denied(text[:500], right=str(before)), before)
        if is_same(before, value):
            return Result(State.APPLIED, before, before, "the unit has this value; nothing is sent")
        approved = approve(setting, value, facts, self._permission)
        if isinstance(approved, Denied):
            return Result.of(approved, before)
        if dry:
            text = f"{approved.text or value!r} would be sent"
            return Result(State.ACCEPTED_NOT_VISIBLE, before, before, text)
        return await self._send(approved, before, who, connection, latest)

    async def _send(
        self, approved: Approved, before: Any, who: str, connection: int, latest: float
    ) -> Result:
        """Send it once, with a record of it on the disk.

        Args:
            approved: What is sent.
            before: The value before.
            who: Who asks.
            connection: Over which it is sent, and over no other.
            latest: When at the latest, in monotonic seconds: what was read becomes old.
        """
        setting, value = approved.setting, approved.value
        try:
            entry = await self.journal.begin(who, setting.name, before, value)
        except JournalError as error:
            return Result.of(Denied(str(error)), before)
        has_left = False

        def sent() -> None:
            nonlocal has_left
            has_left = True
            self._totals["settings_sent"] += 1
            self.journal.sent(entry)

        try:
            answer = await self._inquiry.ask(
                setting.query,
                approved,
                latest=latest,
                connection=connection,
                confirm=self._confirm,
                sent=sent,
            )
        except _UNREAD as error:
            if not has_left:
                result = Result.of(Denied(f"nothing was sent: {error}", Cause.AWAY), before)
            else:
                # It may have arrived. It is not sent again: reading tells.
                lost = Result(State.UNKNOWN, before, None, str(error), sent=True)
                result = await self._look(setting, approved, lost)
        else:
            if isinstance(answer, Refused):
                denied = Denied("the unit says no", Cause.UNIT)
                result = Result.of(denied, before, sent=True)
            else:
                text = "the unit has accepted it, but does not show it yet"
                taken = Result(State.ACCEPTED_NOT_VISIBLE, before, None, text, sent=True)
                result = await self._look(setting, approved, taken)
        self._changed(setting.shown_by)
        await self.journal.end(entry, result.state if has_left else "")
        return result

    async def _look(self, setting: Setting, approved: Approved, otherwise: Result) -> Result:
        """Read back until the value shows, or does not in time."""
        loop = asyncio.get_running_loop()
        begun, shown = loop.time(), None
        for after in LOOK_AT_S:
            if after > setting.visible_s:
                break
            await asyncio.sleep(begun + after - loop.time())
            try:
                shown = await self._shown(setting)
            except _UNREAD:
                continue
            if is_same(shown, approved.value):
                return Result(State.APPLIED, otherwise.before, shown, sent=True)
        return otherwise._replace(after=shown)

    # -- reading ---------------------------------------------------------------------------

    async def _shown(self, setting: Setting) -> Any:
        """The present value, whoever has it now."""
        connection = self._inquiry.connection
        return setting.shown(await self._read(setting.shown_by, connection, setting.reads))

    async def _read(
        self, query: Query, connection: int, reads: tuple[Query, ...], *, needed: bool = True
    ) -> Any:
        """The answer to something, over a connection and no other.

        Args:
            query: What is asked.
            connection: Number of the connection.
            reads: What else may be asked.
            needed: The unit must not refuse it; else None stands for that.

        Raises:
            TransportError: It is not answered, or refused though it is needed.
        """
        answer = await self._ask(query, connection, reads)
        self._forget_others()
        if isinstance(answer, Refused) and needed:
            raise TransportError(f"the unit refuses {query.label}")
        value = self._known[query.name] = answer.value if isinstance(answer, Answer) else None
        return value

    async def _ask(
        self, query: Query, connection: int, reads: tuple[Query, ...]
    ) -> Answer | Refused:
        """Ask something, and something else before it where the answers could be taken for it."""
        between = [other for other in reads if other.shape is None]
        for _ in range(_TRIES if between else 1):
            try:
                return await self._inquiry.ask(query, connection=connection)
            except TransportError as error:
                if error.kind != "alike":
                    raise
                lost = error
            if between:
                await self._inquiry.ask(between[0], connection=connection)
        raise lost


def _limited(domain: Domain, limit: Any) -> Domain:
    """What is left of what a setting takes within the limits of the user."""
    if domain.choices:
        return domain._replace(choices=tuple(item for item in domain.choices if item in limit))
    if domain.flag:
        return domain
    return domain._replace(low=max(domain.low, limit.low), high=min(domain.high, limit.high))
