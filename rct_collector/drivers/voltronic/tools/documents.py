"""What the documentation has of Voltronic units only."""

from __future__ import annotations

from collections.abc import Sequence

from rct_collector.drivers.tools import Documents, Part
from rct_collector.drivers.voltronic import settings
from rct_collector.markdown import code, table

#: How well a part is known, best first.
RECORDED = (
    "the maker's papers, and published answers of real units, which the tests are held against"
)
PAPER = "the maker's paper, and a few published answers"
UNTRIED = "published answers only; nobody has confirmed it on hardware"
NO_SOURCE = "asked of every unit"

#: Condition without its number → part.
PARTS = {
    "": Part("every unit", NO_SOURCE),
    "pi30": Part("PI30, PI30MAX, PI41", RECORDED),
    "pi30-single": Part("unit of its own, one phase", RECORDED),
    "pi30-2-strings": Part("its second generator", RECORDED),
    "pi30-3-strings": Part("its second and third generator", PAPER),
    "pi30-system": Part("unit of a system, one phase", PAPER),
    "pi41-single": Part("unit of its own, two phases", PAPER),
    "pi41-system": Part("unit of a system, two phases", PAPER),
    "unit": Part("one unit of such a system, up to 10", PAPER),
    "pi30-clock": Part("its clock: energy of days, months, years", RECORDED),
    "pi18": Part("PI18", PAPER),
    "pi18-single": Part("PI18, unit of its own", PAPER),
    "pi18-system": Part("PI18, unit of a system", PAPER),
    "pi18-unit": Part("PI18, one unit of such a system, up to 10", PAPER),
    "pi18-clock": Part("PI18, its clock: energy of days, months, years", PAPER),
    "pi17": Part("PI17", UNTRIED),
    "pi17-clock": Part("PI17, its clock: energy of days, months, years", UNTRIED),
    "pi16": Part("PI16", UNTRIED),
    "pi16-clock": Part("PI16, its clock: energy of days, months, years", UNTRIED),
    "pi30revo": Part("Revo", UNTRIED),
}


def volts() -> str:
    """Voltages that may be set, by the battery and the model that a unit is."""
    rows = [
        (code(name), f"{battery} V", "any", _listed(steps))
        for name, by_battery in (
            ("battery_recharge_volts", settings.RECHARGE),
            ("battery_redischarge_volts", settings.REDISCHARGE),
        )
        for battery, steps in by_battery.items()
    ]
    for names, ranges in (
        (("battery_bulk_volts", "battery_float_volts"), settings.CHARGING),
        (("battery_cutoff_volts",), settings.CUT_OFF),
        (("battery_equalization_volts",), settings.EQUALIZING),
    ):
        where = ", ".join(map(code, names))
        kinds = [kind for kind, _ in ranges]
        for (kind, battery), (low, high) in ranges.items():
            of = kind or ("any other" if any(kinds) else "any")
            rows.append((where, f"{battery} V", of, f"{low:g} to {high:g}"))
    low, high = settings.PI18_CUT_OFF["", 48]
    rows.append((code("battery_cutoff_volts"), "48 V", "PI18", f"{low:g} to {high:g}"))
    return table(("Setting", "Battery", "Model", "Volts"), rows)


def _listed(steps: Sequence[float]) -> str:
    return ", ".join(f"{step:g}" for step in steps)


DOCUMENTS = Documents(parts=PARTS, regions={"voltronic-setting-volts": volts})
