"""What Voltronic units say before they are set, and all that may ever be sent to set them."""

from __future__ import annotations

import re

from rct_collector.drivers.base import Answer, Ask
from rct_collector.drivers.options import Limit, Permission
from rct_collector.drivers.voltronic.command import PROTOCOL
from rct_collector.drivers.voltronic.options import VoltronicOptions
from rct_collector.drivers.voltronic.session import VoltronicSession
from rct_collector.drivers.voltronic.settings import DOMAINS, GUARDED, SETTINGS
from rct_collector.drivers.voltronic.table import BY_NAME, COMMANDS

QPIRI = "230.0 21.7 230.0 50.0 21.7 5000 4000 {} 0 {} {} 1 0 0 6 01 0 {} {} 0 1"
VOLTS = {
    48: "48.0 46.0 42.0 56.4 54.0",
    24: "24.0 23.0 21.0 28.2 27.0",
    12: "12.0 11.5 10.5 14.1 13.5",
    36: "36.0 34.5 31.5 42.3 40.5",
}
REDISCHARGE = {48: "54.0", 24: "27.0", 12: "13.5", 36: "40.5"}
QPIGS = (
    "231.4 50.0 229.7 50.0 1264 1187 024 402 53.20 018 076 0043 0031 128.3 53.15 00000"
    " 00010110 00 00 01733 010"
)
REVO_QPIGS = QPIGS.replace("1264 1187", "0000 1187")
PIRI = "2300,239,2300,500,239,5500,5000,480,460,540,430,564,548,2,030,080,1,0,1,9,0,0,{},1,2,00"
GS = (
    "2314,500,2297,500,1264,1187,024,532,000,000,000,018,076,043,041,000,1733,0000,3283,0000,"
    "0,2,0,1,1,1,1,{}"
)
FULL = Permission(
    tuple(dict.fromkeys(setting.name for setting in SETTINGS)),
    True,  # noqa: FBT003
    {
        name: Limit(() if domain.kind == "number" else domain.choices or (False, True))
        for name, domain in DOMAINS.items()
        if name in GUARDED
    },
)


def decode(name, text):
    parts = BY_NAME[name].decode(text)
    assert parts is not None, name
    return parts


def ratings(volts=48, tail="", battery=2, mode=0, **parts):
    text = QPIRI.format(VOLTS[volts], "30", "080", mode, REDISCHARGE[volts])
    found = decode("QPIRI", f"{text} {tail}".strip())
    return {**found, "battery_type_code": battery, **parts}


def pi30(
    volts=48,
    model=None,
    tail="",
    dialect="pi30",
    mode="L",
    currents=(2, 10, 20, 30, 60, 99, 120),
    gs=QPIGS,
    **more,
):
    """What a unit of PI30 says; with a general model number, or without."""
    numbers = " ".join(f"{amperes:03d}" for amperes in currents)
    parallel = more.pop("output_mode", 0)
    return {
        "protocol": dialect,
        "QMOD": decode("QMOD", mode),
        "QPIGS": decode("QPIGS", gs),
        "QGMN": decode("QGMN", model) if model else None,
        "QPIRI": ratings(volts, tail, mode=parallel, **more.pop("ratings", {})),
        "QMCHGCR": decode("QMCHGCR", numbers),
        "QMUCHGCR": decode("QMUCHGCR", numbers),
        "QFLAG": decode("QFLAG", "EakxyzDbdjuv"),
        "QBEQI": decode("QBEQI", "1 060 030 050 021 57.60 224 120 0 0012"),
        "QPGS3": {"charger_source_priority_code": 1},
        **more,
    }


def pi18(mode="05", parallel=0, number=0, **more):
    return {
        "protocol": "pi18",
        "pi18 MOD": decode("pi18 MOD", mode),
        "pi18 GS": decode("pi18 GS", GS.format(number)),
        "pi18 PIRI": {**decode("pi18 PIRI", PIRI.format(parallel)), **more},
        "pi18 FLAG": decode("pi18 FLAG", "1,0,1,0,0,1,1,1,0"),
        "pi18 MCHGCR": decode("pi18 MCHGCR", "010,020,060,120"),
        "pi18 MUCHGCR": decode("pi18 MUCHGCR", "002,010,030"),
    }


def session_of(dialect):
    session = VoltronicSession(VoltronicOptions(dialect=dialect), "", COMMANDS)
    session.request(Ask(PROTOCOL))
    data = {"pi18": b"^D00518;\x03\r"}.get(dialect, b"(PI30\x9a\x0b\r")
    assert session.receive(data) == [Answer(PROTOCOL, dialect)]
    return session


#: All that may ever leave, as the papers have it, without what has no name here.
ALLOWED = re.compile(
    r"""POP0[0-2] | PCP0[0-3] | PPCP[0-9]0[0-3] | P[ED][abdjkluvxyz] | PGR0[01]
    | MUCHGC(?:0[0-9]{2}|1[0-9]{2}) | MCHGC0[0-9]{2} | MNCHGC0?[0-9]{3}
    | PBCV(?:1[12]\.[0-9]|2[2-5]\.[05]|(?:4[4-9]|5[01])\.0)
    | PBDV(?:00\.0|1[2-4]\.[0-9]|2[4-9]\.[05]|(?:4[89]|5[0-8])\.0)
    | POPLG0[0-2] | PPVOKC[01] | PSPB[01] | PCVT[0-9]{2}[05] | PBATMAXDISC[01][0-9]{2}
    | PBEQE[01] | PBEQA[01] | PBEQT[0-9]{2}[05] | PBEQP0[0-9]{2} | PBEQOT[0-9]{2}[05]
    | PBEQV(?:4[89]|5[0-9]|6[01]|2[4-9]|3[01])\.[0-9]0
    | (?:PCVV|PBFT)(?:4[89]|5[0-9]|6[0-3]|2[4-9]|3[01])\.[0-9] | PSDV(?:4[0-8]|2[1-4])\.[0-9]
    | PBT0[0-9] | F[56]0 | V(?:110|120|127|220|230|240)""",
    re.VERBOSE | re.ASCII,
)
ALLOWED_18 = re.compile(
    r"""POP[01] | PCP0,[0-2] | PSP[01] | PGR[01] | PBT[0-2] | PSDV4[0-8][0-9]
    | MCHGV(?:4[89]|5[0-8])[0-9],(?:4[89]|5[0-8])[0-9] | MU?CHGC0,[0-9]{3}
    | BUCD(?:4[4-9]|5[01])0,(?:000|(?:4[89]|5[0-8])0) | P[ED][A-H] | F[56]0
    | V(?:1100|1200|1270|2200|2300|2400)""",
    re.VERBOSE | re.ASCII,
)


def may_leave(data, facts):
    """Hold bytes that are to set something against what the papers have."""
    line, end = data[:-3], data[-1:]
    assert end == b"\r"
    assert not set(data[-3:-1]) & set(b"(\r\n\0")
    text = line.decode("ascii")
    if facts["protocol"] == "pi18":
        assert text[:2] == "^S"
        assert int(text[2:5]) == len(text[5:]) + 3
        assert ALLOWED_18.fullmatch(text[5:]), text
        return
    assert ALLOWED.fullmatch(text), text
    volts = facts["QPIRI"]["battery_rating_voltage"]
    if said := re.match("(?:PBCV|PBDV|PCVV|PBFT|PSDV|PBEQV)([0-9.]+)", text):
        assert float(said[1]) == 0 or 0.8 <= float(said[1]) / volts <= 1.35
