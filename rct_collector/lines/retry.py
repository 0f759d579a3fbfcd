"""When to try again, by tenacity's strategies, without tenacity's own loop.

The hot path sends and receives by callbacks; only what failed asks here how long to wait, so that
success costs nothing: not even the library, half a megabyte that is loaded when something has
failed for the first time.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenacity.stop import stop_base
    from tenacity.wait import wait_base

if find_spec("tenacity") is None:  # to be known at the start, not in the first night
    raise ModuleNotFoundError("No module named 'tenacity'", name="tenacity")

#: One request and four repeats, then the object is given up for this round: of a line that
#: spoils a quarter of all answers, one value in a thousand is missed.
ATTEMPTS = 5

#: The same of an object that the unit has never answered, and perhaps never will.
FIRST_ATTEMPTS = 3


@cache
def _repeat() -> wait_base:
    """At once-ish, with some spread so that repeats do not march in step with another client."""
    from tenacity import wait_random

    return wait_random(0.05, 0.5)


@cache
def _stop() -> stop_base:
    from tenacity import stop_after_attempt

    return stop_after_attempt(ATTEMPTS)


@cache
def _reconnect() -> wait_base:
    """Between attempts to connect, in seconds.

    Quick after a hiccup, and for a minute, as long as it takes to change a plug; rarer at night,
    when many units switch themselves off, but no rarer than that values are back within half a
    minute of the unit, as it takes some seconds to connect, and to probe the line. The spread keeps
    the units of a plant apart.
    """
    from tenacity import wait_chain, wait_fixed, wait_random

    return wait_chain(*map(wait_fixed, (1, 2, *[5] * 12)), wait_random(15, 20))


def delay(attempt: int, *, at_once: bool = False) -> float | None:
    """How long to wait before a request is repeated.

    Args:
        attempt: Number of the attempt that failed, from 1.
        at_once: Do not wait, since the line is probed in between.

    Returns:
        Seconds, or None to give up.
    """
    if _ask(_stop(), attempt):
        return None
    return 0.0 if at_once else float(_ask(_repeat(), attempt))


def reconnect_delay(attempt: int) -> float:
    """How long to wait before the next attempt to connect; it is never given up.

    Args:
        attempt: Number of the attempt that failed, from 1.

    Returns:
        Seconds.
    """
    return float(_ask(_reconnect(), attempt))


def _ask(strategy: stop_base | wait_base, attempt: int) -> float:
    """What a strategy says after so many attempts."""
    from tenacity import RetryCallState

    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = attempt
    return strategy(state)
