"""What the documentation has of Voltronic units only."""

from __future__ import annotations

from rct_collector.drivers.tools import Documents, Part

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

DOCUMENTS = Documents(parts=PARTS)
