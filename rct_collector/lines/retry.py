"""When to try again, as tenacity strategies, usable without tenacity's own loop.

The hot path sends and receives by callbacks; only a request that failed asks here how long to
wait, so that success costs nothing.
"""

from __future__ import annotations

from tenacity import RetryCallState, stop_after_attempt, wait_chain, wait_fixed, wait_random
from tenacity.stop import stop_base
from tenacity.wait import wait_base

#: One request and four repeats, then the object is given up for this round: of a line that
#: spoils a quarter of all answers, one value in a thousand is missed.
ATTEMPTS = 5

#: The same of an object that the unit has never answered, and perhaps never will.
FIRST_ATTEMPTS = 3

#: Seconds before the repeats: at once-ish, with some spread so that repeats do not march in step
#: with another client's requests.
REPEAT = wait_random(0.05, 0.5)

#: The same where the line is probed in between.
AT_ONCE = wait_fixed(0)

#: Seconds between attempts to connect: quick after a hiccup, and for a minute, as long as it takes
#: to change a plug; rarer at night, when many units switch themselves off, but no rarer than that
#: values are back within half a minute of the unit, as it takes some seconds to connect, and to
#: probe the line. The spread keeps the units of a plant apart.
RECONNECT = wait_chain(*map(wait_fixed, (1, 2, *[5] * 12)), wait_random(15, 20))

STOP = stop_after_attempt(ATTEMPTS)


def delay(attempt: int, wait: wait_base = REPEAT, stop: stop_base = STOP) -> float | None:
    """How long to wait after a failed attempt.

    Args:
        attempt: Number of the attempt that failed, from 1.
        wait: tenacity strategy for the pause.
        stop: tenacity strategy for giving up.

    Returns:
        Seconds, or None to give up.
    """
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = attempt
    return None if stop(state) else float(wait(state))
