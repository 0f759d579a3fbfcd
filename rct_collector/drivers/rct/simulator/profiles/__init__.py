"""What can go wrong between a unit and its clients, in small classes, and named mixtures of them.

::

    answers    lost, late, cut, torn, spoiled      traffic   what nobody asked for; odd pieces
    requests   too close together, unknown         others    the vendor's app and portal
    values     wrong totals in good answers        outages   connections, and whole nights
    changes    of the unit itself                  spells    too much of something, for minutes
    chance     when, and how often

They combine: each is a :class:`.Faults`, and a bridge takes any number of them.
"""

from __future__ import annotations

from rct_collector.drivers.rct.simulator.profiles.others import App, ClientRecord, Other, Portal
from rct_collector.drivers.rct.simulator.profiles.spells import Spell
from rct_collector.drivers.rct.simulator.profiles.table import PROFILES, faults

__all__ = ["PROFILES", "App", "ClientRecord", "Other", "Portal", "Spell", "faults"]
