"""What an examination needs to know of RCT units: what to ask, what they have, who else speaks.

Sources: reports of the users of other collectors on firmware from 2.3.5673 on, and on older
one; rctclient's notes on the vendor's app and its keep-alive.
"""

from __future__ import annotations

import re

from rct_collector.drivers.base import Facts
from rct_collector.drivers.rct.conditions import CONDITIONS, OLD, version
from rct_collector.drivers.rct.frame import EXTENSION, START
from rct_collector.drivers.tools import Examination, Quirk, Search

#: Power flows and voltages: eight bytes of payload at most, known to every firmware.
PROBES = (
    "g_sync.p_ac_grid_sum_lp",
    "g_sync.p_ac_load_sum_lp",
    "g_sync.p_ac_sum",
    "prim_sm.state",
    "g_sync.q_ac_sum_lp",
    "g_sync.s_ac_sum_lp",
    *(f"g_sync.p_ac_sc[{n}]" for n in range(3)),
    *(f"g_sync.u_l_rms[{n}]" for n in range(3)),
    *(f"g_sync.p_ac_load[{n}]" for n in range(3)),
    "grid_pll[0].f",
    *(f"fault[{n}].flt" for n in range(4)),
)

#: Firmware that loses parts of requests which come too close together, from here on.
HASTY = (2, 3, 5673)

_TOWERS = ("mod", "mod2")
_ROLES = {0: "stands alone", 1: "master", 2: "slave"}

_LOSES_PARTS = Quirk(
    "Firmware 2.3.5673 and later lose parts of requests that come close together",
    "Answers get lost, or are stuck in the unit until the next request, when many requests are"
    " sent at once, most of all while the vendor's portal or app is connected.",
    "Nothing, as long as little is lost: the collector spaces its requests and asks again. If it"
    " gets worse, take a longer requests.gap, or end the connection to the portal.",
)
_IS_OLD = Quirk(
    "This firmware is older than 2.3",
    "It is known to answer more slowly, and it leaves newer objects unanswered, such as those of"
    " a second battery tower.",
    "Have the installer update it, if you miss values. The collector asks for what is not"
    " answered only now and then.",
)


def quirks(facts: Facts) -> list[Quirk]:
    """What is known of units with that firmware."""
    found = version(facts)
    if not found:
        return []
    if found >= HASTY:
        return [_LOSES_PARTS]
    return [_IS_OLD] if found < OLD else []


def equipment(facts: Facts) -> list[tuple[str, str]]:
    """What a unit has, in words; what is not known is said to be so."""
    return [
        ("strings", _strings(facts)),
        ("battery", _battery(facts)),
        ("Power Switch", _presence("psw", facts)),
        ("S0 meter", _presence("s0", facts)),
        ("current sensors", _presence("sensor", facts)),
        ("plant", _role(facts)),
    ]


def _has(condition: str, facts: Facts) -> bool | None:
    return CONDITIONS[condition].test(facts)


def _presence(condition: str, facts: Facts) -> str:
    return {True: "yes", False: "no", None: "not known"}[_has(condition, facts)]


def _strings(facts: Facts) -> str:
    found = {letter: _has(f"gen{letter}", facts) for letter in "AB"}
    if None in found.values():
        return "not known"
    return " and ".join(letter for letter, present in found.items() if present) or "none"


def _battery(facts: Facts) -> str:
    present = _has("bat", facts)
    if not present:
        return "not known" if present is None else "none"
    second = _has("bat2", facts)
    found = [[_has(f"{word} {n}", facts) for n in range(7)] for word in _TOWERS[: 1 + bool(second)]]
    counts = [sum(module is True for module in tower) for tower in found]
    sure = second is not None and not any(None in tower for tower in found)
    modules = ("" if sure else "at least ") + " and ".join(map(str, counts))
    if not second:
        return f"one tower with {modules} module{'s' * (counts[0] != 1)}"
    return f"two towers with {modules} modules"


def _role(facts: Facts) -> str:
    code, slaves = facts.get("wifi.sockb_protocol"), facts.get("net.n_slaves") or 0
    if code is None and not slaves:
        return "not known"
    role = _ROLES.get(code or 0, f"role {code}")
    return f"{'master' if not code else role}, {slaves} slaves" if slaves else role


EXAMINATION = Examination(
    probes=PROBES,
    equipment=equipment,
    quirks=quirks,
    signs={
        # An escape before it would make it part of a payload.
        "the vendor's app": re.compile(rb"(?<!\x2d)" + re.escape(bytes((START, EXTENSION, 0xE1)))),
        "the vendor's service": re.compile(rb"AT\+\r"),
    },
)


def _words(facts: Facts) -> dict[str, str]:
    return {"serial number": str(facts["inverter_sn"])}


#: Of all that is read, the serial number is what tells units apart.
SEARCH = Search(queries=("inverter_sn",), words=_words)
