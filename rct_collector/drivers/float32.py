"""Numbers that were 32-bit floats on the wire, as everybody means them.

0.3 that was sent as a 32-bit float arrives as 0.30000001192092896. What is meant is the shortest
decimal that is the same 32-bit float, and that is found by arithmetic: where the steps of a decimal
are wider than those of the float, at most one such decimal is near enough, and it is the nearest
one; of the next finer decimal the nearest is always near enough.
"""

from __future__ import annotations

from math import frexp
from struct import Struct

#: Bits of the fraction of a 32-bit float.
_BITS = 24

_FLOAT = Struct("<f")

#: Binary exponents for which products with the powers of ten are exact.
_EXPONENTS = range(-15, 24)


def _wider(exponent: int) -> float:
    """The largest power of ten whose decimals have wider steps than the float has there."""
    power = 1
    while power * 10 * 2.0 ** (exponent - _BITS) < 1:
        power *= 10
    return float(power)


#: Binary exponent → that power; half a step of the float.
_STEPS = {exponent: (_wider(exponent), 2.0 ** (exponent - _BITS - 1)) for exponent in _EXPONENTS}

#: Added and subtracted again, it leaves of a 64-bit float below 2^51 the nearest whole number.
WHOLE = 1.5 * 2.0**52


def shortest(value: float) -> float:
    """The shortest decimal that is the same 32-bit float.

    Args:
        value: A finite 32-bit float.
    """
    fraction, exponent = frexp(value)
    step = _STEPS.get(exponent)
    if step is None:
        return _written(value)
    power, half = step
    found = (value * power + WHOLE - WHOLE) / power
    if -half < found - value < half:
        # Below a power of two the steps are half as wide.
        if found != value and fraction in (0.5, -0.5):
            return _written(value)
        return found
    power *= 10.0
    return (value * power + WHOLE - WHOLE) / power


def _written(value: float) -> float:
    """The same by writing it, with as many digits as it takes."""
    for form in ("%.6g", "%.7g", "%.8g"):
        candidate = float(form % value)
        if _FLOAT.unpack(_FLOAT.pack(candidate))[0] == value:
            return candidate
    return float(f"{value:.9g}")
