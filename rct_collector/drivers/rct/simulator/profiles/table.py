"""The named profiles: what is wrong, in one row each. Several of them can be on one line."""

from __future__ import annotations

from collections.abc import Iterable

from rct_collector.drivers.chance import key
from rct_collector.drivers.rct.simulator.faults import Faults
from rct_collector.drivers.rct.simulator.profiles.answers import (
    BadChecksum,
    BadPayload,
    Dropped,
    Duplicated,
    Intruded,
    Late,
    Stuck,
    Torn,
    Truncated,
)
from rct_collector.drivers.rct.simulator.profiles.chance import either
from rct_collector.drivers.rct.simulator.profiles.changes import (
    ClockJump,
    FirmwareUpdate,
    OtherUnit,
    Remembering,
    SecondTower,
)
from rct_collector.drivers.rct.simulator.profiles.others import App, Portal
from rct_collector.drivers.rct.simulator.profiles.outages import (
    HalfOpen,
    Mute,
    Night,
    Refusing,
    ResetMidFrame,
)
from rct_collector.drivers.rct.simulator.profiles.requests import (
    Concatenated,
    Forgetful,
    UnsupportedObjects,
)
from rct_collector.drivers.rct.simulator.profiles.spells import Flapping, Flood
from rct_collector.drivers.rct.simulator.profiles.traffic import (
    Burst,
    Dribble,
    Echo,
    Hello,
    KeepAlive,
    PlantTraffic,
    Remains,
    Unasked,
)
from rct_collector.drivers.rct.simulator.profiles.values import Frozen, Restarted, Spiked
from rct_collector.drivers.tools import FaultProfile

_HOUR = 3600.0
_DAY = 24 * _HOUR


_ALL = (
    FaultProfile(
        "app",
        "The vendor's app is open and asks for four objects every second.",
        lambda seed: (App(seed=seed), Hello(300.0, seed=seed)),
    ),
    FaultProfile(
        "portal",
        "The vendor's portal reads values every minute, and the logger every five.",
        lambda seed: (Portal(seed=seed), KeepAlive(30.0, seed=seed), Unasked(5.0, seed=seed)),
    ),
    FaultProfile(
        "plant",
        "Master and slave of a plant talk every second on the same line.",
        lambda seed: (PlantTraffic(seed=seed),),
    ),
    FaultProfile(
        "harsh",
        "A quarter of all answers is lost, late, cut, torn or spoiled; and noise.",
        lambda seed: (
            *either(
                Dropped(0.06, seed=seed),
                Truncated(0.05, seed=seed),
                Late(0.03, seed=seed),
                BadChecksum(0.03, seed=seed),
                BadPayload(0.02, seed=seed),
                Torn(0.03, seed=seed),
                Stuck(0.02, seed=seed),
                Intruded(0.01, seed=seed),
                seed=seed,
            ),
            Duplicated(0.01, seed=seed),
            Echo(0.03, seed=seed),
            Remains(0.03, seed=seed),
            Dribble(0.02, seed=seed),
            KeepAlive(20.0, seed=seed),
            Unasked(10.0, seed=seed),
        ),
    ),
    FaultProfile(
        "night",
        "The unit is off from ten at night to half past five, by its own sun.",
        lambda seed: (Night(),),
    ),
    FaultProfile(
        "old-firmware",
        "No answer to newer objects, and to half of what comes while one is due.",
        lambda seed: (UnsupportedObjects(), Forgetful(0.5, seed=seed)),
    ),
    FaultProfile(
        "new-firmware",
        "Requests that come together are lost in part; ends of answers come later.",
        lambda seed: (Concatenated(0.5, seed=seed), Stuck(0.03, seed=seed)),
    ),
    FaultProfile(
        "flaky-wifi",
        "Connections are reset, forgotten, refused or silent; answers come in bursts.",
        lambda seed: (
            ResetMidFrame(600.0, seed=seed),
            HalfOpen(2 * _HOUR, seed=seed),
            Refusing(_HOUR, seed=seed),
            Mute(2 * _HOUR, seed=seed),
            Burst(),
        ),
    ),
    FaultProfile(
        "odd-totals",
        "Totals begin anew, stand still for an hour, or are far too high for once.",
        lambda seed: (Frozen(seed=seed), Restarted(seed=seed), Spiked(seed=seed)),
    ),
    FaultProfile(
        "changes",
        "Hour by hour: new firmware, a clock that jumps, a second tower, another unit.",
        lambda seed: (
            FirmwareUpdate(_HOUR),
            ClockJump(2 * _HOUR),
            SecondTower(3 * _HOUR),
            OtherUnit(4 * _HOUR),
        ),
    ),
    FaultProfile(
        "gaps",
        "The logger has holes of hours and days, small answers, and a clock that was set.",
        lambda seed: (
            Remembering(
                ((-2.6 * _DAY, -2.3 * _DAY), (-12 * _DAY, -8.5 * _DAY), (-5 * _HOUR, -3 * _HOUR)),
                begin=-60 * _DAY,
                steps=((-20 * _DAY, _DAY / 2),),
            ),
        ),
    ),
    FaultProfile(
        "flood",
        "For half an hour, starts, noise or frames come as fast as the network takes them.",
        lambda seed: (Flood(seed=seed),),
    ),
    FaultProfile(
        "flapping",
        "For minutes, all faults flip at each reading, and each answer ends the connection.",
        lambda seed: (Flapping(seed=seed),),
    ),
)

#: Name → profile.
PROFILES: dict[str, FaultProfile] = {profile.name: profile for profile in _ALL}


def faults(names: Iterable[str], seed: int = 0) -> list[Faults]:
    """The faults of some profiles, in the order given.

    Args:
        names: Names in :data:`PROFILES`.
        seed: All that looks like chance follows from it.

    Raises:
        KeyError: No profile has that name.
    """
    return [fault for name in names for fault in PROFILES[name].make(key(seed, name))]
