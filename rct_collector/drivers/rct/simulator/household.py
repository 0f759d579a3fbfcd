"""What a household draws, minute by minute, on three phases.

A base load, a refrigerator, lamps in the morning and in the evening, a kettle, an oven, a heat
pump that makes hot water by night, and on some days a washing machine or a dishwasher. Invented,
with loads as they are found in many houses.
"""

from __future__ import annotations

from rct_collector.drivers.chance import between, fraction, key, waves

#: Watts on L1, L2, L3.
Phases = tuple[float, float, float]

_BASE: Phases = (160.0, 110.0, 90.0)
_KETTLE_WATTS = 1950.0
_KETTLE_HOURS = (6.6, 8.9, 16.2, 19.3)
_OVEN_WATTS = 2250.0
_WASH_WATTS = 1900.0
_PUMP_WATTS = 1150.0


class Household:
    """One day of a household."""

    def __init__(self, of: int, minutes: int) -> None:
        """Lay down when what is switched on.

        Args:
            of: The key of that day.
            minutes: How many there are.
        """
        swings = [waves(key(of, "base", phase), 31.0, minutes) for phase in range(len(_BASE))]
        self._swings = list(zip(*swings, strict=True))
        self._fridge_phase = between(0.0, 47.0, key(of, "fridge"))
        jitter = key(of, "kettle")
        self._kettle = tuple(
            (hour + between(-0.4, 0.4, jitter, n), between(3.0, 4.5, jitter, n + 10) / 60.0)
            for n, hour in enumerate(_KETTLE_HOURS)
        )
        self._oven = 17.8 + between(-0.4, 0.4, key(of, "oven"))
        machine = fraction(key(of, "machine"))
        self._pump_share = between(0.3, 0.62, key(of, "pump"))
        self._machine = 9.5 if machine < 0.4 else 20.4 if machine < 0.75 else None

    def watts(self, minute: int, hour: float, window: float) -> Phases:
        """Load of one minute.

        Args:
            minute: Its number.
            hour: Hour of day that it is.
            window: 0 … 1; 0 leaves nothing but the base load, so that days fit together.
        """
        swing = 0.25 * window
        swings = self._swings[minute]
        one = _BASE[0] * (1.0 + swing * swings[0])
        two = _BASE[1] * (1.0 + swing * swings[1])
        three = _BASE[2] * (1.0 + swing * swings[2])
        if window == 1.0 and (minute + self._fridge_phase) % 47.0 < 16.0:
            one += 92.0
        one += self._pump_watts(minute, hour)
        two += self._lamps(hour) + self._oven_watts(hour)
        three += self._kettle_watts(hour) + self._machine_watts(hour)
        return one, two, three

    def _lamps(self, hour: float) -> float:
        if not (6.1 < hour < 7.9 or 18.4 < hour < 23.4):
            return 0.0
        evening = _ramp(hour, 18.4, 19.4) * (1.0 - _ramp(hour, 22.8, 23.4))
        morning = _ramp(hour, 6.1, 6.3) * (1.0 - _ramp(hour, 7.6, 7.9))
        return 235.0 * evening + 120.0 * morning

    def _kettle_watts(self, hour: float) -> float:
        return sum(_KETTLE_WATTS for on, hours in self._kettle if on <= hour < on + hours)

    def _oven_watts(self, hour: float) -> float:
        """Nine minutes to heat up, then the thermostat: four minutes of nine."""
        minute = (hour - self._oven) * 60.0
        if not 0.0 <= minute < 55.0:
            return 0.0
        return _OVEN_WATTS if minute < 9.0 or minute % 9.0 < 4.0 else 0.0

    def _pump_watts(self, minute: int, hour: float) -> float:
        """From nine in the evening to six, off and on again every 70 minutes."""
        on = not 6.0 <= hour < 21.0 and minute % 70 < 70.0 * self._pump_share
        return _PUMP_WATTS if on else 0.0

    def _machine_watts(self, hour: float) -> float:
        """Heats for a quarter of an hour, then turns for an hour."""
        if self._machine is None or not 0.0 <= hour - self._machine < 1.2:
            return 0.0
        return _WASH_WATTS if hour - self._machine < 0.25 else 190.0


def _ramp(x: float, low: float, high: float) -> float:
    """0 below ``low``, 1 above ``high``, straight between."""
    return min(max((x - low) / (high - low), 0.0), 1.0)
