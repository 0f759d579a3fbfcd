"""What the dashboards show: the one table from which all three are made."""

from __future__ import annotations

from .model import Choice, How, Kind, Panel, Row, Show

PV, OUTPUT, EXTERNAL = "yellow", "orange", "semi-dark-yellow"
LOAD, BATTERY, CHARGE = "blue", "green", "dark-green"
IMPORT, EXPORT = "red", "purple"
GREEN, ORANGE, RED = "green", "orange", "red"

#: Colours of a share that is the better the higher it is.
SHARE = ((None, RED), (30, ORANGE), (70, GREEN))

NO_OPTIMIZERS = "Only SolarEdge inverters tell of single panels"
NO_MEMORY = "Nothing from the memory of the inverter, see docs/history.md"
CELLS_OFF = "No single cells: set the device's option cells: true"
FAULTS_OFF = "None was set. Needs the device's option include: [inverter_fault.*]"

#: The tower, and the module of it, that are chosen by template variables.
TOWER = {"battery": "$battery"}
CELLS = {"battery": "$battery", "module": "$module"}
CHOICES = (
    Choice("source", "Device", "inverter_collector.up"),
    Choice("battery", "Battery tower", "inverter_battery.soc_percent"),
    Choice(
        "module",
        "Battery modules",
        "inverter_battery_module.cycles_total",
        where=TOWER,
        several=True,
    ),
)

#: Tag, name, colour, and whether it is a use of power.
FLOWS = (
    ("pv", "PV", PV, False),
    ("grid_import", "From the grid", IMPORT, False),
    ("battery_discharge", "From the battery", BATTERY, False),
    ("external", "External generator", EXTERNAL, False),
    ("load", "Load", LOAD, True),
    ("grid_export", "To the grid", EXPORT, True),
    ("battery_charge", "To the battery", CHARGE, True),
    ("output", "AC output", OUTPUT, False),
)

#: The unit counts the battery's energy since commissioning only.
_NO_PERIODS = ("battery_discharge", "battery_charge")

#: Flows that may turn round: since commissioning there is a balance of them, and no counter.
_BOTH_WAYS = ("external", "output")


def energies(period: str) -> tuple[Show, ...]:
    """The energies of all flows: of the ``day``, ``month`` or ``year``, or in ``total``."""

    def name(key: str) -> str:
        if period != "total":
            return f"{period}_watt_hours"
        return "balance_watt_hours" if key in _BOTH_WAYS else "watt_hours_total"

    return tuple(
        Show(f"inverter_energy.{name(key)}", label, where={"flow": key}, colour=colour)
        for key, label, colour, _ in FLOWS
        if period == "total" or key not in _NO_PERIODS
    )


def share(title: str, of: str, not_in: str) -> Show:
    """How many percent of one flow of today are not part of another."""
    return Show("inverter_energy.day_watt_hours", title, where={"flow": of}, less={"flow": not_in})


#: Field of the memory of a unit without its unit, name, colour, and whether it is a use of power.
REMEMBERED = (
    ("pv_a", "PV a", PV, False),
    ("pv_b", "PV b", EXTERNAL, False),
    ("grid_import", "From the grid", IMPORT, False),
    ("load", "Load", LOAD, True),
    ("grid_export", "To the grid", EXPORT, True),
)


def remembered(resolution: str) -> tuple[Show, ...]:
    """The energies of each ``day``, ``month`` or ``year`` that a unit remembers."""
    return tuple(
        Show(
            f"inverter_history.{key}_watt_hours",
            label,
            where={"resolution": resolution},
            how=How.EACH,
            colour=colour,
            below=below,
        )
        for key, label, colour, below in REMEMBERED
    )


def past(field: str, label: str, *, colour: str) -> Show:
    """Five minutes from the memory of a unit, beside what was measured."""
    where = {"resolution": "5m"}
    return Show(f"inverter_history.{field}", label, where=where, colour=colour, dashed=True)


def battery_flags() -> tuple[Show, ...]:
    """The known bits of the status word that both towers have."""
    return tuple(
        Show(f"inverter_battery.status2_{bit}", f"{label} {{battery}}", how=How.MAX)
        for bit, label in (
            ("calibration_charge", "calibration, charging"),
            ("calibration_discharge", "calibration, discharging"),
            ("balancing", "balancing"),
            ("error", "error"),
            ("updating", "updating"),
        )
    )


def each_module(field: str) -> Show:
    """A metric of the modules of the chosen tower."""
    return Show(f"inverter_battery_module.{field}", "module {module}", where=TOWER)


def counted(field: str, label: str, *, colour: str = "") -> Show:
    """A counter of the collector."""
    name = f"inverter_collector.{field}_total"
    return Show(name, label, how=How.PER_MINUTE, colour=colour)


POWER_NOW = Row(
    "Power flow now",
    panels=(
        Panel(
            "Power now",
            Kind.STAT,
            size=(14, 5),
            text=(
                "The grid's power is positive when it is drawn, negative when it is fed in. The "
                "battery's power is positive when it discharges, negative when it charges. "
                "PV + grid + battery = load + losses."
            ),
            shows=(
                Show("inverter_power.pv_watts", "PV", colour=PV),
                Show("inverter_power.grid_watts", "Grid", colour=IMPORT),
                Show("inverter_power.battery_watts", "Battery", colour=BATTERY),
                Show("inverter_power.load_watts", "Load", colour=LOAD),
                Show("inverter_power.external_watts", "External", colour=EXTERNAL),
            ),
        ),
        Panel(
            "State of charge now",
            Kind.GAUGE,
            size=(5, 5),
            scale=(0, 100),
            limits=((None, RED), (10, ORANGE), (25, GREEN)),
            shows=(Show("inverter_battery.soc_percent", "Battery {battery}"),),
        ),
        Panel(
            "Independence now",
            Kind.GAUGE,
            size=(5, 5),
            scale=(0, 100),
            limits=SHARE,
            shows=(
                Show("inverter_power.autarky_percent", "Self-sufficiency"),
                Show("inverter_power.self_consumption_percent", "Self-consumption"),
            ),
        ),
        Panel(
            "Condition",
            Kind.STAT,
            size=(24, 3),
            shows=(
                Show("inverter_collector.up", "Answers"),
                Show("inverter_status.state_code", "Inverter"),
                Show("inverter_status.grid_present", "Grid"),
                Show("inverter_status.grid_separated", "Island operation"),
                Show("inverter_status.faults_active", "Faults", colour=RED),
            ),
        ),
    ),
)

POWER = Row(
    "Power over time",
    panels=(
        Panel(
            "Where power comes from and goes to",
            Kind.STACK,
            size=(24, 10),
            text=(
                "Above zero what supplies the house, below zero what uses it. Both sides are equal "
                "but for losses."
            ),
            shows=(
                Show("inverter_power.pv_watts", "PV", colour=PV),
                Show("inverter_power.battery_discharge_watts", "From the battery", colour=BATTERY),
                Show("inverter_power.grid_import_watts", "From the grid", colour=IMPORT),
                Show("inverter_power.load_watts", "Load", colour=LOAD, below=True),
                Show(
                    "inverter_power.battery_charge_watts",
                    "To the battery",
                    colour=CHARGE,
                    below=True,
                ),
                Show("inverter_power.grid_export_watts", "To the grid", colour=EXPORT, below=True),
            ),
        ),
        Panel(
            "Power and state of charge",
            Kind.GRAPH,
            size=(12, 8),
            shows=(
                Show("inverter_power.pv_watts", "PV", colour=PV),
                Show("inverter_power.load_watts", "Load", colour=LOAD),
                Show("inverter_power.grid_watts", "Grid", colour=IMPORT),
                Show("inverter_power.battery_watts", "Battery", colour=BATTERY),
                Show("inverter_power.output_watts", "AC output", colour=OUTPUT),
                Show("inverter_power.external_watts", "External", colour=EXTERNAL),
                Show("inverter_battery.soc_percent", "Charge of battery {battery}", colour=CHARGE),
            ),
        ),
        Panel(
            "Independence",
            Kind.GRAPH,
            size=(12, 8),
            scale=(0, 100),
            shows=(
                Show("inverter_power.autarky_percent", "Self-sufficiency", colour=BATTERY),
                Show("inverter_power.self_consumption_percent", "Self-consumption", colour=PV),
            ),
        ),
    ),
)

ENERGY = Row(
    "Energy",
    panels=(
        Panel("Energy today", Kind.STAT, size=(14, 5), shows=energies("day")),
        Panel(
            "Independence today",
            Kind.GAUGE,
            size=(10, 5),
            scale=(0, 100),
            limits=SHARE,
            text=(
                "Self-sufficiency: share of the load that did not come from the grid. "
                "Self-consumption: share of the solar energy that was not fed in."
            ),
            shows=(
                share("Self-sufficiency", of="load", not_in="grid_import"),
                share("Self-consumption", of="pv", not_in="grid_export"),
            ),
        ),
        Panel("Energy this month", Kind.STAT, size=(12, 4), shows=energies("month")),
        Panel("Energy this year", Kind.STAT, size=(12, 4), shows=energies("year")),
        Panel("Energy since commissioning", Kind.STAT, size=(24, 4), shows=energies("total")),
        Panel(
            "Energy per day",
            Kind.DAYS,
            size=(24, 9),
            text=(
                "The last 30 days: the highest that the inverter's counters of the day came to. "
                "Grafana cuts days at midnight UTC, which in Europe finds the right day."
            ),
            shows=tuple(
                Show(
                    "inverter_energy.day_watt_hours",
                    label,
                    where={"flow": key},
                    how=How.DAILY,
                    colour=colour,
                    below=below,
                )
                for key, label, colour, below in FLOWS
                if key in ("pv", "grid_import", "load", "grid_export")
            ),
        ),
    ),
)

HISTORY = Row(
    "From the memory of the inverter",
    panels=(
        Panel(
            "Measured, and remembered by the inverter",
            Kind.GRAPH,
            size=(24, 9),
            text=(
                "Dashed is what the inverter remembers of every five minutes, read later; it goes "
                "on where nobody was there to measure. Events are the marks at the top."
            ),
            missing=NO_MEMORY,
            shows=(
                Show("inverter_power.load_watts", "Load", colour=LOAD),
                past("load_watts", "Load, remembered", colour=LOAD),
                Show("inverter_power.pv_watts", "PV", colour=PV),
                past("pv_a_watts", "PV a, remembered", colour=PV),
                past("pv_b_watts", "PV b, remembered", colour=EXTERNAL),
                Show("inverter_power.battery_watts", "Battery", colour=BATTERY),
                past("battery_watts", "Battery, remembered", colour=BATTERY),
                Show("inverter_battery.soc_percent", "Charge of battery {battery}", colour=CHARGE),
                past("soc_percent", "Charge, remembered", colour=CHARGE),
            ),
        ),
        Panel(
            "Energy of each day",
            Kind.PERIODS,
            size=(24, 8),
            missing=NO_MEMORY,
            shows=remembered("day"),
        ),
        Panel(
            "Energy of each month",
            Kind.PERIODS,
            size=(12, 8),
            days=730,
            missing=NO_MEMORY,
            shows=remembered("month"),
        ),
        Panel(
            "Energy of each year",
            Kind.PERIODS,
            size=(12, 8),
            days=7300,
            missing=NO_MEMORY,
            shows=remembered("year"),
        ),
    ),
)

BATTERIES = Row(
    "Battery",
    panels=(
        Panel(
            "State of charge",
            Kind.GRAPH,
            size=(12, 8),
            scale=(0, 100),
            shows=(
                Show("inverter_battery.soc_percent", "charge {battery}"),
                Show("inverter_battery.soc_target_percent", "target", dashed=True),
                Show("inverter_battery.soc_minimum_percent", "least", dashed=True),
                Show("inverter_battery.soc_maximum_percent", "most", dashed=True),
            ),
        ),
        Panel(
            "Battery current",
            Kind.GRAPH,
            size=(12, 8),
            shows=(
                Show("inverter_battery.current_amperes", "current {battery}"),
                Show(
                    "inverter_battery.charge_limit_amperes", "charge limit {battery}", dashed=True
                ),
                Show(
                    "inverter_battery.discharge_limit_amperes",
                    "discharge limit {battery}",
                    dashed=True,
                ),
            ),
        ),
        Panel(
            "Battery voltage",
            Kind.GRAPH,
            shows=(
                Show("inverter_battery.voltage_volts", "voltage {battery}"),
                Show("inverter_battery.charge_limit_volts", "charge limit {battery}", dashed=True),
                Show(
                    "inverter_battery.discharge_limit_volts",
                    "discharge limit {battery}",
                    dashed=True,
                ),
            ),
        ),
        Panel(
            "Battery temperature",
            Kind.GRAPH,
            shows=(
                Show("inverter_battery.temperature_celsius", "battery {battery}"),
                Show("inverter_battery.cell_minimum_celsius", "coldest cell {battery}"),
                Show("inverter_battery.cell_maximum_celsius", "warmest cell {battery}"),
            ),
        ),
        Panel(
            "Weakest and strongest cell",
            Kind.GRAPH,
            decimals=3,
            shows=(
                Show("inverter_battery.cell_minimum_volts", "weakest {battery}"),
                Show("inverter_battery.cell_maximum_volts", "strongest {battery}"),
            ),
        ),
        Panel(
            "Health",
            Kind.STAT,
            size=(8, 7),
            shows=(
                Show("inverter_battery.soh_percent", "State of health {battery}"),
                Show("inverter_battery.round_trip_percent", "Round trip"),
                Show("inverter_battery.cycles_total", "Cycles"),
                Show("inverter_battery.capacity_ampere_hours", "Capacity {battery}"),
            ),
        ),
        Panel(
            "Battery management",
            Kind.STAT,
            size=(4, 7),
            shows=(
                Show("inverter_settings.battery_type_code", "Type"),
                Show("inverter_battery.soc_strategy_code", "Strategy"),
                Show("inverter_battery.state_code", "State"),
            ),
        ),
        Panel("What the battery is doing", Kind.STATES, size=(12, 7), shows=battery_flags()),
    ),
)

MODULES = Row(
    "Battery modules of tower $battery",
    panels=(
        Panel(
            "Lowest cell voltage of each module",
            Kind.GRAPH,
            decimals=3,
            shows=(each_module("cell_minimum_volts"),),
        ),
        Panel(
            "Highest cell voltage of each module",
            Kind.GRAPH,
            decimals=3,
            shows=(each_module("cell_maximum_volts"),),
        ),
        Panel(
            "Highest minus lowest cell voltage",
            Kind.GRAPH,
            decimals=3,
            scale=(0, None),
            shows=(each_module("cell_spread_volts"),),
        ),
        Panel(
            "Warmest cell of each module", Kind.GRAPH, shows=(each_module("cell_maximum_celsius"),)
        ),
        Panel(
            "Highest cell resistance of each module",
            Kind.GRAPH,
            shows=(each_module("cell_maximum_ohms"),),
        ),
        Panel(
            "Cycles of each module",
            Kind.BARS,
            scale=(0, None),
            shows=(each_module("cycles_total"),),
        ),
    ),
)

SINGLE_CELLS = Row(
    "Cells of module $module of tower $battery",
    collapsed=True,
    repeat="module",
    panels=(
        Panel(
            "Cell voltages now",
            Kind.BARS,
            size=(24, 8),
            decimals=3,
            scale=(2.5, 3.7),
            limits=((None, RED), (2.8, ORANGE), (3.0, GREEN), (3.55, ORANGE), (3.65, RED)),
            text="The colours are meant for lithium iron phosphate.",
            missing=CELLS_OFF,
            shows=(Show("inverter_battery_cell.voltage_volts", "{cell}", where=CELLS),),
        ),
        Panel(
            "Cell voltages",
            Kind.GRAPH,
            decimals=3,
            missing=CELLS_OFF,
            shows=(Show("inverter_battery_cell.voltage_volts", "cell {cell}", where=CELLS),),
        ),
        Panel(
            "Cell temperatures",
            Kind.GRAPH,
            missing=CELLS_OFF,
            shows=(Show("inverter_battery_cell.temperature_celsius", "cell {cell}", where=CELLS),),
        ),
        Panel(
            "Cell resistances",
            Kind.GRAPH,
            missing=CELLS_OFF,
            shows=(Show("inverter_battery_cell.resistance_ohms", "cell {cell}", where=CELLS),),
        ),
    ),
)

STRINGS = Row(
    "Strings",
    panels=(
        Panel(
            "String power",
            Kind.STACK,
            size=(12, 8),
            shows=(Show("inverter_string.power_watts", "string {string}"),),
        ),
        Panel(
            "String voltage",
            Kind.GRAPH,
            size=(12, 8),
            shows=(
                Show("inverter_string.voltage_volts", "string {string}"),
                Show("inverter_string.mpp_target_volts", "target {string}", dashed=True),
            ),
        ),
        Panel(
            "String energy",
            Kind.STAT,
            size=(24, 4),
            shows=(
                Show("inverter_string.energy_day_watt_hours", "{string} today"),
                Show("inverter_string.energy_month_watt_hours", "{string} this month"),
                Show("inverter_string.energy_year_watt_hours", "{string} this year"),
                Show("inverter_string.energy_watt_hours_total", "{string} in all"),
            ),
        ),
    ),
)

GRID = Row(
    "Grid and house",
    panels=(
        Panel(
            "Grid voltage",
            Kind.GRAPH,
            limits=((None, "transparent"), (207, RED), (253, RED)),
            text="The lines are at 230 V ± 10 %.",
            shows=(Show("inverter_grid.voltage_volts", "{phase}"),),
        ),
        Panel(
            "Grid frequency",
            Kind.GRAPH,
            limits=((None, "transparent"), (49.8, ORANGE), (50.2, ORANGE)),
            text="The lines are at 50 Hz ± 0.2 Hz.",
            shows=(Show("inverter_grid.frequency_hertz", "grid", colour=GREEN),),
        ),
        Panel(
            "Voltage between phases",
            Kind.GRAPH,
            shows=(Show("inverter_grid_pair.voltage_volts", "pair {pair}"),),
        ),
        Panel("Grid power", Kind.GRAPH, shows=(Show("inverter_grid.power_watts", "{phase}"),)),
        Panel(
            "Load of the house", Kind.STACK, shows=(Show("inverter_load.power_watts", "{phase}"),)
        ),
        Panel("Output power", Kind.GRAPH, shows=(Show("inverter_output.power_watts", "{phase}"),)),
        Panel(
            "Output current",
            Kind.GRAPH,
            shows=(Show("inverter_output.current_amperes", "{phase}"),),
        ),
        Panel(
            "Reactive and apparent power",
            Kind.GRAPH,
            shows=(
                Show("inverter_power.output_volt_amperes", "apparent"),
                Show("inverter_power.output_volt_amperes_reactive", "reactive"),
            ),
        ),
        Panel(
            "Power factor",
            Kind.GRAPH,
            scale=(-1, 1),
            shows=(Show("inverter_power.output_power_factor_ratio", "cos φ"),),
        ),
    ),
)

OPTIMIZERS = Row(
    "Optimizers",
    collapsed=True,
    panels=(
        Panel(
            "Power of each panel",
            Kind.HEAT,
            size=(24, 16),
            scale=(0, None),
            text=(
                "A line for each optimizer, by inverter and id: the id of its neighbour in the "
                "string is often the next one. Shadows wander over the lines; a panel that is "
                "always darker than its neighbours is dirty, or broken."
            ),
            missing=NO_OPTIMIZERS,
            shows=(Show("inverter_optimizer.power_watts", "{unit} {optimizer}", units=True),),
        ),
    ),
)

HEAT = Row(
    "Temperatures and insulation",
    panels=(
        Panel(
            "Temperatures",
            Kind.GRAPH,
            shows=(
                Show("inverter_temperature.celsius", "{sensor}"),
                Show("inverter_battery.temperature_celsius", "battery {battery}"),
            ),
        ),
        Panel(
            "Insulation",
            Kind.GRAPH,
            scale=(0, None),
            shows=(
                Show("inverter_status.insulation_ohms", "generators"),
                Show("inverter_status.insulation_positive_ohms", "positive input"),
                Show("inverter_status.insulation_negative_ohms", "negative input"),
            ),
        ),
        Panel(
            "DC link",
            Kind.GRAPH,
            shows=(
                Show("inverter_dc_link.voltage_volts", "both halves"),
                Show("inverter_dc_link.positive_volts", "positive half"),
                Show("inverter_dc_link.negative_volts", "negative half"),
            ),
        ),
    ),
)

FAULTS = Row(
    "Faults and states",
    panels=(
        Panel(
            "State of the inverter",
            Kind.STATES,
            size=(12, 6),
            shows=(
                Show("inverter_status.state_code", "state", how=How.LAST),
                Show("inverter_status.grid_present", "grid", how=How.LAST),
                Show("inverter_status.grid_separated", "island", how=How.MAX),
            ),
        ),
        Panel(
            "Faults",
            Kind.STATES,
            size=(12, 6),
            text="Where several faults of one word are set at once, their number is shown.",
            shows=tuple(
                Show(
                    f"inverter_status.fault_word_{word}",
                    f"{32 * word} to {32 * word + 31}",
                    how=How.LAST,
                )
                for word in range(4)
            ),
        ),
        Panel(
            "Number of faults",
            Kind.GRAPH,
            size=(12, 8),
            decimals=0,
            scale=(0, None),
            shows=(Show("inverter_status.faults_active", "faults", how=How.MAX, colour=RED),),
        ),
        Panel(
            "Faults one by one",
            Kind.STATES,
            size=(12, 8),
            missing=FAULTS_OFF,
            shows=(Show("inverter_fault.active", "{fault}", how=How.RAISED),),
        ),
    ),
)

COLLECTOR = Row(
    "Collector",
    panels=(
        Panel(
            "The device answers",
            Kind.STATES,
            size=(24, 3),
            shows=(Show("inverter_collector.up", "up", how=How.LAST),),
        ),
        Panel(
            "Times",
            Kind.GRAPH,
            scale=(0, None),
            shows=(
                Show("inverter_collector.answer_latency_seconds", "latency"),
                Show("inverter_collector.sample_age_seconds", "sample age"),
                Show("inverter_collector.poll_seconds", "round"),
            ),
        ),
        Panel(
            "Trouble",
            Kind.GRAPH,
            scale=(0, None),
            shows=(
                counted("retries", "retries"),
                counted("timeouts", "timeouts", colour=ORANGE),
                counted("errors", "errors", colour=RED),
                counted("poll_errors", "rounds without answer"),
                counted("ticks_missed", "missed ticks"),
                counted("reconnects", "reconnects"),
                counted("implausible", "implausible values"),
                counted("samples_dropped", "dropped samples"),
            ),
        ),
        Panel(
            "Errors by kind",
            Kind.GRAPH,
            scale=(0, None),
            shows=(Show("inverter_collector_errors.frames_total", "{kind}", how=How.PER_MINUTE),),
        ),
        Panel(
            "Requests and answers",
            Kind.GRAPH,
            scale=(0, None),
            shows=(
                counted("polls", "rounds"),
                counted("requests", "requests"),
                counted("answers", "answers"),
            ),
        ),
        Panel(
            "Bytes",
            Kind.GRAPH,
            scale=(0, None),
            shows=(counted("received_bytes", "received"), counted("sent_bytes", "sent")),
        ),
        Panel(
            "Muted objects and clock",
            Kind.STAT,
            shows=(
                Show("inverter_collector.muted_objects", "Muted objects"),
                Show("inverter_clock.drift_seconds", "Clock drift"),
            ),
        ),
    ),
)

ROWS = (
    POWER_NOW,
    POWER,
    ENERGY,
    HISTORY,
    BATTERIES,
    MODULES,
    SINGLE_CELLS,
    STRINGS,
    OPTIMIZERS,
    GRID,
    HEAT,
    FAULTS,
    COLLECTOR,
)
