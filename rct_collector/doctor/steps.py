"""The parts of an examination: paces, steps, and how many requests fit into one."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf

from rct_collector.device.polling.pacing import TokenBucket
from rct_collector.doctor.figures import Pace
from rct_collector.drivers.base import Query

#: Slowest first.
PACES = (Pace(0.5, 1), Pace(0.2, 1), Pace(0.1, 2), Pace(0.06, 4))

#: Requests per second on average, whatever the configuration allows: the average that units in
#: the field stand well.
MOST_PER_SECOND = 5.0

#: For what is attached; long answers are waited for alone whatever the window.
INVENTORY = Pace(0.15, 2)

#: Shares of the whole time: listening, learning what is attached up to there, and at most for
#: asking again at the end, which takes so many seconds for each query.
LISTEN, LEARN, AGAIN = 1 / 30, 1 / 3, 1 / 5
EACH_AGAIN_S = 2.0

#: Requests of the knock, and how long an answer to any of them is waited for.
KNOCKS, KNOCK_S = 6, 10.0

#: Requests of the inventory that go together.
BATCH = 8

#: Requests of a volley, at most: about as many as the collector sends in a fast round.
MOST = 30

#: How many times each pace has its turn.
TURNS = 3


def single(paces: tuple[Pace, ...], gap: float) -> tuple[Pace, ...]:
    """The paces of a line on which one request is under way at a time.

    Args:
        paces: Those of any line, slowest first.
        gap: The least gap that units of the family stand, in seconds.
    """
    return tuple(dict.fromkeys(Pace(max(pace.gap, gap), 1) for pace in paces))


@dataclass(slots=True)
class Step:
    """One part of an examination.

    Attributes:
        name: In words.
        pace: How its requests follow each other.
        queries: What is asked.
        at: When it begins.
        until: When nothing more is sent.
        learns: Answers are asked for again until they come, and taken one by one.
    """

    name: str
    pace: Pace
    queries: list[Query]
    at: float
    until: float
    learns: bool = False


def listening(until: float) -> Step:
    """Nothing is asked, so that others can be heard."""
    return Step("listening", INVENTORY, [], until, inf)


def learning(name: str, queries: list[Query], now: float, until: float) -> Step:
    """Something is to be learnt."""
    return Step(name, INVENTORY, queries, now, until, learns=True)


def volley(
    pace: Pace, probes: deque[Query], bucket: TokenBucket, now: float, seconds: float, most: int
) -> Step:
    """As many probes as the rate allows in some time.

    Args:
        pace: How they follow each other.
        probes: What is asked in turn; rotated.
        bucket: The average rate.
        now: Monotonic seconds.
        seconds: How long it may take.
        most: Requests, at most.
    """
    count = max(1, min(int(seconds * min(bucket.rate, 1 / pace.gap)), most, len(probes)))
    queries = [probes[n] for n in range(count)]
    probes.rotate(-count)
    # With so many tokens at the begin it never has to wait for one later.
    needed = 1 + count * max(0.0, 1 - pace.gap * bucket.rate)
    at = bucket.ready_at(now, min(needed, bucket.burst))
    name = f"{1000 * pace.gap:.0f} ms apart, {pace.window} at a time"
    return Step(name, pace, queries, at, at + max(seconds, pace.gap))
