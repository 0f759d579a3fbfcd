"""A unit at one moment, by the names that fields have in the protocol papers and in this driver.

Volts, amperes, watts, hertz and degrees Celsius; layouts (:mod:`.pi30` and its neighbours) say how
they are written.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cached_property
from typing import Any

from rct_collector.drivers.voltronic.simulator.day import Powers, volts_at_rest
from rct_collector.drivers.voltronic.simulator.scenario import VoltronicScenario
from rct_collector.drivers.voltronic.simulator.world import VoltronicWorld

_VOLTS_PER_CELL = 3.2
_OHMS_PER_VOLT = 0.0002
_FULL, _NEARLY = 0.995, 0.98
_POWER_FACTOR = 0.94
_DARK_WATTS = 3.0
#: Bits of QPIWS: those that all have.
LINE_FAIL, OVER_TEMPERATURE, FAN_LOCKED, BATTERY_LOW = 5, 9, 10, 12
INVERTER_FAULT, BATTERY_UNDER, OVERLOAD, PV_LOSS = 1, 14, 16, 0
OVER_TEMPERATURE_CODE = "02"
_LOW, _UNDER = 0.2, 0.12

#: Mode → letter of QMOD, and the word for it.
MODES = {
    letter: (letter, word)
    for letter, word in {"S": "standby", "L": "line", "B": "battery", "F": "fault"}.items()
}

#: Mode → number of MOD, and the word for it.
NUMBERED_MODES = {
    "S": ("01", "standby"),
    "B": ("03", "battery"),
    "F": ("04", "fault"),
    "L": ("05", "hybrid"),
}


class Settable:
    """What can be set in a unit: what somebody has set, or what it comes with."""

    def __init__(self, usual: Any) -> None:
        """Keep what it comes with: a value, or what makes it of the moment."""
        self._usual = usual
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn what it is called."""
        self._name = name

    def __get__(self, moment: VoltronicMoment, owner: type | None = None) -> Any:
        """What it is at a moment."""
        usual = self._usual(moment) if callable(self._usual) else self._usual
        return moment.world.setting(moment.number, self._name, moment.unix, usual)


def _of_48(volts: float) -> Settable:
    """Volts of a battery of 48 V; of others as many as are alike."""
    return Settable(lambda moment: volts * moment.scenario.volts / 48.0)


#: Flags that a unit comes with, on and off; of PI18 and of MAX others are there or on.
_ON = ("buzzer", "lcd_escape", "backlight", "primary_interrupt_alarm", "fault_code_record")
_OFF = ("overload_bypass", "power_saving", "overload_restart", "over_temperature_restart")
_OFF_MAX = ("overload_bypass", "solar_feed", "overload_restart", "over_temperature_restart")
_ON_18 = ("buzzer", "lcd_escape", "backlight", "fault_code_record")
_OFF_18 = (
    "overload_bypass",
    "overload_restart",
    "over_temperature_restart",
    "primary_interrupt_alarm",
)

#: Amperes that can be chosen.
_CURRENTS, _GRID_CURRENTS = (10, 20, 30, 40, 50, 60, 70, 80), (2, 10, 20, 30)
_CURRENTS_MAX = (*range(10, 121, 10),)
_CURRENTS_18 = _CURRENTS[:6]


class VoltronicMoment:
    """One unit at one Unix time of its world.

    Attributes:
        unix: That time.
        number: Number of the unit, from 0 on.
    """

    parallel_max_num = 9
    machine_type_code = "01"
    topology_code = 0
    pv_ok_condition_code = Settable(0)
    pv_power_balance_code = Settable(1)
    input_voltage_range_code = Settable(0)
    battery_type_code = Settable(2)
    max_cv_charging_time = Settable(0)
    operation_logic_code = Settable(0)
    max_discharging_current = Settable(0)
    max_ac_charging_current = Settable(30)
    max_charging_current = Settable(80)
    solar_power_priority_code = Settable(0)
    equalization_enabled = Settable(False)
    equalization_time_min = Settable(60)
    equalization_period_day = Settable(30)
    equalization_voltage = Settable(56.4)
    equalization_over_time_min = Settable(120)
    equalization_active = Settable(False)
    max_charger_range = 120
    fan_on_voltage_offset_10mv = 0
    eeprom_version = 0
    sbu_priority_added = False
    config_changed = False
    scc_firmware_updated = False
    battery_steady_while_charging = False
    switched_on = True
    dustproof_installed = False
    solar_feed_enabled = False
    country_code = "00"
    solar_feed_power = 0
    exists = 1
    scc2_battery_voltage = 0.0

    def __init__(self, world: VoltronicWorld, number: int, unix: float) -> None:
        """Look at it."""
        self.world, self.number, self.unix = world, number, unix
        self._share = world.share(number)

    @cached_property
    def _flows(self) -> Powers:
        return self.world.flows(self.unix)

    def of(self, number: int) -> VoltronicMoment:
        """Another unit of the system at the same time."""
        return self if number == self.number else VoltronicMoment(self.world, number, self.unix)

    @property
    def scenario(self) -> VoltronicScenario:
        """What the installation has."""
        return self.world.scenario

    def noise(self, name: str, period: float = 40.0) -> float:
        """Smooth noise in -1 … 1."""
        return self.world.noise(name, self.number, self.unix, period)

    # -- identity and settings -----------------------------------------------------------------

    @property
    def serial_number(self) -> str:
        """Fourteen digits."""
        return self.world.serial(self.number)

    @property
    def model_name(self) -> str:
        """Kind and rated power, as QMN says it."""
        return f"VMIV-{self.output_rating_apparent_power}"

    @property
    def grid_rating_voltage(self) -> float:
        """What the mains should have."""
        return 120.0 if self.scenario.dialect == "pi41" else 230.0

    output_rating_voltage = Settable(lambda moment: moment.grid_rating_voltage)
    output_rating_frequency = Settable(
        lambda moment: 60.0 if moment.scenario.dialect == "pi41" else 50.0
    )

    @property
    def grid_rating_current(self) -> float:
        """Amperes."""
        return self.output_rating_apparent_power / self.grid_rating_voltage

    output_rating_current = grid_rating_current

    @property
    def output_rating_apparent_power(self) -> int:
        """Volt-amperes."""
        return self.scenario.watts if self.scenario.watts > 3000 else 3000  # noqa: PLR2004

    @property
    def output_rating_active_power(self) -> int:
        """Watts."""
        return self.scenario.watts

    @property
    def battery_rating_voltage(self) -> float:
        """12, 24 or 48."""
        return float(self.scenario.volts)

    battery_recharge_voltage = _of_48(50.0)  # back to the mains
    battery_redischarge_voltage = _of_48(53.0)  # back to the battery
    battery_under_voltage = _of_48(46.0)  # cut-off
    battery_bulk_voltage = _of_48(56.4)
    battery_float_voltage = _of_48(54.0)
    #: As QPIRI counts.
    output_source_priority_code = Settable(lambda moment: int(moment.scenario.source))
    charger_source_priority_code = Settable(lambda moment: int(moment.scenario.charger))

    @property
    def flags(self) -> dict[str, bool]:
        """All flags that it has."""
        of = {"pi18": (_ON_18, _OFF_18), "pi30max": (_ON, _OFF_MAX)}
        on, off = of.get(self.scenario.dialect, (_ON, _OFF))
        usual = {**dict.fromkeys(on, True), **dict.fromkeys(off, False)}
        return {
            name: self.world.setting(self.number, name, self.unix, is_on)
            for name, is_on in usual.items()
        }

    @property
    def currents(self) -> tuple[int, ...]:
        """Charging currents that can be chosen, in amperes."""
        of = {"pi18": _CURRENTS_18, "pi30max": _CURRENTS_MAX}
        return of.get(self.scenario.dialect, _CURRENTS)

    @property
    def grid_currents(self) -> tuple[int, ...]:
        """Those from the mains."""
        return (2, *_CURRENTS_MAX) if self.scenario.dialect == "pi30max" else _GRID_CURRENTS

    @property
    def output_mode_code(self) -> int:
        """0 alone, 1 in parallel."""
        return int(self.scenario.units > 1)

    # -- mains, output and battery -------------------------------------------------------------

    @property
    def mode(self) -> str:
        """Letter of QMOD."""
        return self._flows.mode

    @property
    def load_on(self) -> bool:
        """Whether anything comes out."""
        return self.mode in "LB"

    @property
    def line_loss(self) -> bool:
        """Whether there is no mains."""
        return not self._flows.mains

    @property
    def grid_voltage(self) -> float:
        """Weak and wandering, or nothing."""
        nominal = self.grid_rating_voltage
        return nominal * (0.985 + 0.025 * self.noise("mains")) if self._flows.mains else 0.0

    @property
    def grid_frequency(self) -> float:
        """Hertz."""
        nominal = self.output_rating_frequency
        return nominal + 0.15 * self.noise("hertz") if self._flows.mains else 0.0

    @property
    def output_voltage(self) -> float:
        """The mains', the inverter's own, or nothing."""
        if not self.load_on:
            return 0.0
        own = self.output_rating_voltage + 0.4 * self.noise("output")
        return self.grid_voltage if self.mode == "L" else own

    @property
    def output_frequency(self) -> float:
        """Hertz."""
        if not self.load_on:
            return 0.0
        own = self.output_rating_frequency + 0.04 * self.noise("own hertz")
        return self.grid_frequency if self.mode == "L" else own

    @property
    def total_output_active_power(self) -> float:
        """Watts of all units."""
        return self._flows.load if self.load_on else 0.0

    @property
    def total_output_apparent_power(self) -> float:
        """Volt-amperes of all units."""
        return self.total_output_active_power / _POWER_FACTOR

    @property
    def total_output_percent(self) -> float:
        """Of what all units are made for."""
        made_for = self.scenario.watts * self.scenario.units
        return 100.0 * self.total_output_active_power / made_for

    @cached_property
    def output_active_power(self) -> float:
        """Watts."""
        return self._share * self.total_output_active_power

    @property
    def output_apparent_power(self) -> float:
        """Volt-amperes."""
        return self.output_active_power / _POWER_FACTOR

    @property
    def output_load_percent(self) -> float:
        """The larger of watts and volt-amperes, as percent of what the unit is made for."""
        watts = self.output_active_power / self.output_rating_active_power
        return 100.0 * max(watts, self.output_apparent_power / self.output_rating_apparent_power)

    @property
    def output_current(self) -> float:
        """Amperes."""
        return self.output_apparent_power / self.output_voltage if self.load_on else 0.0

    @property
    def bus_voltage(self) -> float:
        """Volts."""
        return 395.0 + 12.0 * self.noise("bus")

    @cached_property
    def _battery_amperes(self) -> float:
        """Positive discharges."""
        return self._share * self._flows.battery / self._volts_at_rest

    @cached_property
    def _volts_at_rest(self) -> float:
        cells = round(self.scenario.volts * 16 / 48)
        return volts_at_rest(self._flows.charge, cells)

    @property
    def battery_voltage(self) -> float:
        """Less while it gives, more while it takes; the charger lets it rise to bulk at most."""
        sag = self._battery_amperes * self.scenario.volts * _OHMS_PER_VOLT
        volts = self._volts_at_rest - sag + 0.03 * self.noise("battery")
        return min(volts, float(self.battery_bulk_voltage))

    @property
    def battery_charging_current(self) -> float:
        """Amperes."""
        return max(0.0, -self._battery_amperes)

    @property
    def battery_discharge_current(self) -> float:
        """Amperes."""
        return max(0.0, self._battery_amperes)

    @property
    def battery_current(self) -> float:
        """Amperes, positive charges, as PI17 counts."""
        return -self._battery_amperes

    @property
    def battery_power(self) -> float:
        """Watts, positive charges, as PI17 counts."""
        return -self._share * self._flows.battery

    @property
    def total_charging_current(self) -> float:
        """Amperes of all units."""
        return max(0.0, -self._flows.battery / self._volts_at_rest)

    @property
    def battery_capacity(self) -> float:
        """State of charge, in percent."""
        return 100.0 * self._flows.charge

    @property
    def heatsink_temperature(self) -> float:
        """Degrees Celsius."""
        hot = 40.0 if self.mode == "F" else 0.0
        return 31.0 + 0.3 * self.output_load_percent + 2.0 * self.noise("heat", 600.0) + hot

    # -- generators ----------------------------------------------------------------------------

    def _pv_power(self, string: int) -> float:
        peaks = self.scenario.peaks
        if string >= len(peaks) or self._flows.pv < _DARK_WATTS:
            return 0.0
        return self._share * self._flows.pv * peaks[string] / sum(peaks)

    def _pv_voltage(self, string: int) -> float:
        if not self._pv_power(string):
            return 0.0
        nominal = 86.0 if self.scenario.volts < 48 else 322.0 - 25.0 * string  # noqa: PLR2004
        return nominal * (1.0 + 0.03 * self.noise(f"string {string}"))

    def _pv_current(self, string: int) -> float:
        volts = self._pv_voltage(string)
        return self._pv_power(string) / volts if volts else 0.0

    @property
    def pv1_charging_power(self) -> float:
        """Watts."""
        return self._pv_power(0)

    @property
    def pv1_voltage(self) -> float:
        """Volts."""
        return self._pv_voltage(0)

    @property
    def pv1_current(self) -> float:
        """Amperes on the side of the generator."""
        return self._pv_current(0)

    @property
    def pv1_battery_current(self) -> float:
        """Amperes on the side of the battery, which is what older units show."""
        return self._pv_power(0) / self.battery_voltage

    @property
    def pv2_charging_power(self) -> float:
        """Watts."""
        return self._pv_power(1)

    @property
    def pv2_voltage(self) -> float:
        """Volts."""
        return self._pv_voltage(1)

    @property
    def pv2_current(self) -> float:
        """Amperes."""
        return self._pv_current(1)

    @property
    def scc_battery_voltage(self) -> float:
        """Volts that the solar charger of an older unit measures itself."""
        return self.battery_voltage - 0.04 if self.scenario.dialect == "pi30" else 0.0

    @property
    def charging(self) -> bool:
        """Whether anything charges."""
        return self.scc_charging or self.ac_charging

    @property
    def scc_charging(self) -> bool:
        """Whether the sun charges."""
        return self._battery_amperes < 0 and self._flows.pv >= _DARK_WATTS

    @property
    def ac_charging(self) -> bool:
        """Whether the mains charges."""
        return self._flows.charges_from_mains

    @property
    def float_charging(self) -> bool:
        """Whether the battery is full."""
        return self.scc_charging and self._flows.charge > _NEARLY

    @property
    def scc_ok(self) -> bool:
        """Whether the solar charger has something to work with."""
        return self._pv_power(0) > 0

    # -- warnings ------------------------------------------------------------------------------

    @property
    def fault_code(self) -> str:
        """Two digits."""
        return OVER_TEMPERATURE_CODE if self.mode == "F" else "00"

    @cached_property
    def warnings(self) -> frozenset[int]:
        """Positions of QPIWS that are set."""
        now, fault = self._flows, self.mode == "F"
        return frozenset(
            bit
            for bit, is_set in (
                (PV_LOSS, not self._pv_power(0) and self.scenario.dialect == "pi30max"),
                (INVERTER_FAULT, fault),
                (LINE_FAIL, not now.mains),
                (OVER_TEMPERATURE, fault),
                (FAN_LOCKED, now.fan),
                (BATTERY_LOW, now.charge < _LOW),
                (BATTERY_UNDER, now.charge < _UNDER),
                (OVERLOAD, now.overload),
            )
            if is_set
        )

    # -- energies and time ---------------------------------------------------------------------

    @property
    def shown(self) -> datetime:
        """What its clock shows, to the second."""
        return self.world.clock.at(self.unix).replace(microsecond=0)

    def energy(self, first: date, last: date) -> tuple[float, float]:
        """Watt-hours of this unit's generators and loads on some days of its clock."""
        pv, load = self.world.energy(first, last, self.unix)
        return self._share * pv, self._share * load

    @property
    def total_energy(self) -> tuple[float, float]:
        """The same of all days."""
        pv, load = self.world.total(self.unix)
        return self._share * pv, self._share * load

    @property
    def pv_energy_today(self) -> float:
        """Watt-hours of this unit's generators on this day of its clock."""
        today = self.shown.date()
        return self.energy(today, today)[0]

    @property
    def pv_energy_kwh(self) -> float:
        """Kilowatt-hours of this unit's generators, of all days."""
        return self.total_energy[0] / 1000.0

    # -- directions, as PI17 and PI18 tell them --------------------------------------------------

    @property
    def mode_code(self) -> int:
        """The same as PI18 numbers it."""
        return int(NUMBERED_MODES[self.mode][0])

    @property
    def mppt_strings(self) -> int:
        """Number of generators."""
        return len(self.scenario.peaks)

    @property
    def mppt1_status_code(self) -> int:
        """0 off, 2 charging."""
        return 2 * (self._pv_power(0) > 0)

    @property
    def mppt2_status_code(self) -> int:
        """0 off, 2 charging."""
        return 2 * (self._pv_power(1) > 0)

    @property
    def inner_temperature(self) -> float:
        """Degrees Celsius."""
        return 27.0 + 0.1 * self.output_load_percent + self.noise("inner", 900.0)

    # -- what grid-tied and three-phase units tell -------------------------------------------------

    @property
    def grid_power(self) -> float:
        """Watts that the mains gives."""
        flows = self._flows
        return self._share * max(0.0, flows.load - flows.pv - flows.battery) * (self.mode == "L")

    @property
    def phase_grid_power(self) -> float:
        """Watts of one of three phases."""
        return self.grid_power / 3.0

    @property
    def phase_active_power(self) -> float:
        """Watts of one of three phases."""
        return self.output_active_power / 3.0

    @property
    def phase_apparent_power(self) -> float:
        """Volt-amperes of one of three phases."""
        return self.output_apparent_power / 3.0

    @property
    def phase_grid_current(self) -> float:
        """Amperes of one of three phases."""
        return self.grid_current / 3.0

    @property
    def phase_output_current(self) -> float:
        """Amperes of one of three phases."""
        return self.output_current / 3.0

    @property
    def grid_tied_status(self) -> str:
        """Letter and nine characters, as PI16 has them."""
        battery = ("00", "01", "10")[self.battery_direction_code]
        return f"{self.mode}---{int(self.load_on)}{battery}0{self.line_direction_code:02b}"

    @property
    def grid_current(self) -> float:
        """Amperes."""
        return self.grid_power / self.grid_voltage if self.grid_voltage else 0.0

    @property
    def battery_direction_code(self) -> int:
        """0 none, 1 charges, 2 discharges."""
        return 1 if self.battery_charging_current >= 1 else 2 * (self._battery_amperes >= 1)

    @property
    def dcac_direction_code(self) -> int:
        """0 none, 1 from AC to DC, 2 from DC to AC."""
        return 1 if self.ac_charging else 2 * (self.mode == "B")

    @property
    def line_direction_code(self) -> int:
        """0 none, 1 the mains gives."""
        return int(self.mode == "L")
