"""Who is attached to a line: all that a device holds of it, and how events find their device."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from rct_collector.drivers.base import Answer, Ask, Event, Garbled, Query, Record, Reply, Unfit
from rct_collector.errors import TransportError
from rct_collector.lines.conversation import Conversation, Expect
from rct_collector.lines.turns import Party
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports

if TYPE_CHECKING:
    from rct_collector.lines.kept import KeptLine

log = logging.getLogger(__name__)

#: Of those who share a line, so many are named in its messages.
MOST_NAMED = 3

#: Units that nobody has configured, of which is told in an hour, and those that are counted one by
#: one: a line could invent any number.
MOST_STRANGERS = 3
MOST_COUNTED = 64


class Attached(Protocol):
    """What is attached to a line, as the line sees it. What it raises is its own trouble."""

    @property
    def name(self) -> str:
        """Name of the device."""

    def line_opened(self) -> None:
        """The line is open, for the first time or again."""

    def line_lost(self) -> None:
        """The line is not open any more."""

    def hear(
        self, events: Sequence[Event], now: float, *, stale: bool, receipt: Receipt | None = None
    ) -> None:
        """Bytes came for it.

        Args:
            events: What became of them, if they completed anything.
            now: Monotonic seconds.
            stale: They may have waited for too long to be believed.
            receipt: Of the records among the events, where the unit waits for that.
        """

    def turn_came(self) -> None:
        """The turn has come that :meth:`Port.take_turn` could not give."""

    def failed(self, error: Exception) -> None:
        """It has raised this, which is a bug: nobody but itself is to suffer for it."""


class Port:
    """One unit's end of a line: all that its device holds of it.

    Attributes:
        line: The line, which may have other ports.
        unit: Which of the units on the line; "" where there is one.
        attached: Who is told what happens.
        many: It stands for all units of the line that nobody else stands for.
        conversation: The dialogue that the unit takes part in; None while there is none.
        takes_part: It is told what comes, and may ask.
        opened: Times that the unit could be asked after it could not.
        sent_bytes: Bytes sent for it so far.
        received_bytes: Bytes received for it so far.
    """

    __slots__ = (
        "__weakref__",
        "_party",
        "attached",
        "conversation",
        "line",
        "many",
        "opened",
        "received_bytes",
        "sent_bytes",
        "takes_part",
        "unit",
    )

    def __init__(
        self,
        line: KeptLine,
        unit: str,
        attached: Attached,
        conversation: Conversation | None = None,
        *,
        many: bool = False,
    ) -> None:
        """Nothing is heard before the line is opened; see :meth:`.kept.KeptLine.open`."""
        self.line = line
        self.unit = unit
        self.many = many
        self.attached = attached
        self.conversation = conversation
        self.takes_part = False
        self.opened = 0
        self.sent_bytes = 0
        self.received_bytes = 0
        self._party = Party(self, self._turn_came)

    @property
    def is_open(self) -> bool:
        """Whether the unit can be asked."""
        conversation = self.conversation
        return self.takes_part and conversation is not None and conversation.wire.is_open

    @property
    def is_drained(self) -> bool:
        """Whether the line is silent, or probed, for a request that was given up."""
        return self.conversation is not None and self.conversation.recovery.active

    @property
    def heard_at(self) -> float:
        """When bytes came over the line last, whoever sent them, in monotonic seconds."""
        return self.conversation.heard_at if self.conversation is not None else -math.inf

    @property
    def answered_at(self) -> float:
        """When something valid came over the line last, whoever said it, in monotonic seconds."""
        return self.conversation.answered_at if self.conversation is not None else -math.inf

    @property
    def last_error(self) -> str:
        """Why the line is not open, or was lost the last time; "" while all is well."""
        return self.line.why_silent(self)

    # -- asking ----------------------------------------------------------------------------

    def take_turn(self) -> bool:
        """Take the turn for one request; see :meth:`Turns.take`."""
        return self.conversation is not None and self.conversation.turns.take(self._party)

    def confuses(self, query: Query) -> bool:
        """Whether an answer to what was asked before could be taken for one to a query."""
        return self.conversation is not None and self.conversation.confuses(query)

    def tells_apart(self, query: Query) -> bool:
        """Whether an answer to what was asked before cannot be taken for one to a query.

        If it could, the line is probed first, and the turn that was taken comes again after that.
        """
        conversation = self.conversation
        if conversation is None or not conversation.confuses(query):
            return True
        conversation.probe()
        return self.take_turn()

    def end_turn(self) -> None:
        """Nothing is outstanding any more: it is another one's turn, if any waits."""
        if self.conversation is not None:
            self.conversation.turns.end(self._party)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have the line to oneself while the block runs; nothing to wait for when alone.

        Not even the rounds of the same unit go on meanwhile.

        Raises:
            TransportError: The line is not open, or was lost meanwhile.
        """
        conversation = self.conversation
        if conversation is not None:
            async with conversation.turns.turn(self):
                if self.is_open and self.conversation is conversation:
                    yield
                    return
        raise TransportError(self.last_error or "the line is not open")

    def ask(self, ask: Ask, now: float) -> None:
        """Send a request.

        Args:
            ask: What is asked.
            now: Monotonic seconds.

        Raises:
            RefusedFrameError: The driver does not send such a frame.
        """
        conversation = self.conversation
        if conversation is not None:
            data = conversation.session.request(ask)
            self.sent_bytes += len(data)
            conversation.query = ask.query
            conversation.asked(data, now)

    def prepare(self, query: Query, now: float, expected: Expect) -> bytes | None:
        """Take the turn for a request that nothing goes with, which the caller is to send soon.

        Args:
            query: What is asked.
            now: Monotonic seconds.
            expected: Takes the next thing that comes over the line, if that is one whole answer.

        Returns:
            Its bytes, for :meth:`transmit`; None if it is not our turn.

        Raises:
            RefusedFrameError: The driver does not send such a frame.
        """
        conversation = self.conversation
        if conversation is None or not conversation.turns.take(self._party):
            return None
        data = conversation.ready.get(query)
        if data is None:
            data = conversation.session.request(Ask(query, self.unit))
        self.sent_bytes += len(data)
        conversation.query = query
        conversation.asks(now, expected)
        return data

    def expect(self, expected: Expect) -> None:
        """One more answer is expected after one that was; see :meth:`prepare`."""
        if self.conversation is not None:
            self.conversation.expected = expected

    def transmit(self, data: bytes) -> None:
        """Send a request that was prepared."""
        if self.conversation is not None:
            self.conversation.wire.send(data)

    def abandon(self, ask: Ask) -> None:
        """A request is not waited for any more; see :meth:`Conversation.abandon`."""
        if self.conversation is not None:
            self.conversation.abandon(ask)

    def send(self, data: bytes) -> None:
        """Send bytes that are no request."""
        if self.conversation is not None:
            self.sent_bytes += len(data)
            self.conversation.wire.send(data)

    def drop_if_deaf(self, now: float) -> bool:
        """Give the line up if it is dead; see :meth:`Conversation.drop_if_deaf`."""
        return self.conversation is not None and self.conversation.drop_if_deaf(now)

    # -- what the line tells ---------------------------------------------------------------

    def line_opened(self) -> None:
        """The unit can be asked."""
        self.opened += 1
        self._tell(self.attached.line_opened)

    def line_lost(self) -> None:
        """The unit cannot be asked any more."""
        self.leave()
        self._tell(self.attached.line_lost)

    def leave(self) -> None:
        """It asks no more for now."""
        if self.conversation is not None:
            self.conversation.turns.leave(self._party)

    def hear(
        self,
        events: Sequence[Event],
        size: int,
        now: float,
        *,
        stale: bool,
        receipt: Receipt | None = None,
    ) -> None:
        """Bytes came for it; see :meth:`Attached.hear`."""
        self.received_bytes += size
        try:
            self.attached.hear(events, now, stale=stale, receipt=receipt)
        except Exception as error:
            if receipt is not None:
                receipt.lose()
            self.attached.failed(error)

    def _turn_came(self) -> None:
        self._tell(self.attached.turn_came)

    def _tell(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Exception as error:
            self.attached.failed(error)


class Ports:
    """The ports of one line: who of them is told what.

    Attributes:
        strangers: Units that were heard and that nobody is attached for → events.
        reports: What is said of the line, in the name of those who are attached.
    """

    __slots__ = (
        "_by_unit",
        "_of_others",
        "reports",
        "strangers",
    )

    def __init__(self, reports: Reports) -> None:
        """Begin with none.

        Args:
            reports: Where what is worth a message goes.
        """
        self.strangers: Counter[str] = Counter()
        self._by_unit: dict[str, Port] = {}
        self._of_others: Port | None = None
        self.reports = reports

    def __len__(self) -> int:
        return len(self._by_unit)

    def __iter__(self) -> Iterator[Port]:
        """Those that are there now, whatever becomes of them meanwhile."""
        return iter(list(self._by_unit.values()))

    def of(self, unit: str) -> Port | None:
        """The port of a unit, if there is one."""
        return self._by_unit.get(unit, self._of_others)

    def sent(self, unit: str, size: int) -> None:
        """Bytes were sent for a unit that nobody has asked to send: what it waits for."""
        port = self.of(unit)
        if port is not None:
            port.sent_bytes += size

    def join(self, port: Port) -> None:
        """One more takes part.

        Raises:
            ValueError: Another one has the same unit.
        """
        other = self._by_unit.setdefault(port.unit, port)
        if other is not port:
            raise ValueError(
                f"{port.attached.name} and {other.attached.name} are the same unit"
                f" {port.unit!r} on one line; each needs a unit of its own"
            )
        if port.many:
            self._of_others = port
        port.takes_part = True
        self._name()

    def leave(self, port: Port) -> None:
        """One takes part no more; whoever still waits for an answer need not."""
        if self._by_unit.get(port.unit) is port:
            del self._by_unit[port.unit]
            if port is self._of_others:
                self._of_others = None
            port.takes_part = False
            port.line_lost()
            self._name()

    def deliver(
        self, conversation: Conversation, events: Sequence[Event], size: int, now: float
    ) -> None:
        """Tell each unit's port what came of it, and send what is to be replied.

        A reply behind records is sent when those were taken over by whoever passes them on, and
        not at all if they cannot be; all other replies at once.

        Args:
            conversation: Where they came.
            events: What came.
            size: Bytes of it.
            now: Monotonic seconds.
        """
        if len(events) == 1 and type(events[0]) is Answer:  # the most frequent case of all
            port = self._by_unit.get(events[0].unit)
            if port is not None:
                conversation.answered()
                port.received_bytes += size
                try:
                    port.attached.hear(events, now, stale=conversation.is_stale)
                except Exception as error:
                    port.attached.failed(error)
                return
        heard: dict[Port, list[Event]] = {}
        valid = False
        receipt: Receipt | None = None  # of the records since the last reply
        for event in events:
            if type(event) is Unfit:
                conversation.wire.reject(event.reason)
                return  # what else came is not that of a unit of ours
            valid = valid or type(event) is not Garbled
            port = self.of(event.unit)
            if port is not None:
                heard.setdefault(port, []).append(event)
            elif type(event) is Garbled:  # then its unit may be as wrong as the rest
                for port in self._concerned(conversation):
                    heard.setdefault(port, []).append(event)
            elif event.unit or type(event) is not Reply:
                self._strange(event.unit)
            if type(event) is Record:
                receipt = receipt or Receipt()
                if port is None:
                    receipt.lose()
            elif type(event) is Reply:
                if receipt is not None:
                    self._tell(conversation, heard, size, now, receipt)
                    heard, size = {}, 0
                conversation.reply(event, receipt)
                if receipt is not None:
                    receipt.settle(True)  # noqa: FBT003 - by us
                    receipt = None
        if valid:
            conversation.answered()
        if heard or size:
            self._tell(conversation, heard, size, now)

    def _tell(
        self,
        conversation: Conversation,
        heard: Mapping[Port, Sequence[Event]],
        size: int,
        now: float,
        receipt: Receipt | None = None,
    ) -> None:
        """Tell each port what came for it, or all whom bytes may concern that brought nothing."""
        for port in heard or self._concerned(conversation):
            events = heard.get(port, ())
            port.hear(events, size, now, stale=conversation.is_stale, receipt=receipt)

    def _concerned(self, conversation: Conversation) -> Iterable[Port]:
        """Whose answer may be in bytes that do not tell: whose turn it is, or anybody's."""
        holder = conversation.turns.holder
        if holder is not None and holder.owner is not None:
            return (holder.owner,)
        return [port for port in self if port.conversation is conversation]

    def _strange(self, unit: str) -> None:
        """Count what comes of somebody whom nobody here has to do with.

        While the line is about to be closed nobody takes part, and it may be of anybody.
        """
        if not self._by_unit:
            return
        known = unit in self.strangers
        if known or len(self.strangers) < MOST_COUNTED:
            self.strangers[unit] += 1
        if not known:
            text = "the unit %.40r is on the line, too, and no device of the configuration is it"
            self.reports.say(log, logging.WARNING, "stranger", text, unit, most=MOST_STRANGERS)

    def _name(self) -> None:
        names = [port.attached.name for port in self._by_unit.values()]
        if names:
            more = len(names) - MOST_NAMED
            tail = f" and {more} more" if more > 0 else ""
            self.reports.name = ", ".join(names[:MOST_NAMED]) + tail
