"""What may be set in a Voltronic unit: by words, ranges, model and the rules of the unit.

The texts are those of the maker's papers; the bytes were computed by another program.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.config import Config
from rct_collector.device.settings import Denied, approve
from rct_collector.drivers import driver
from rct_collector.drivers.base import Answer, Approved, Ask, Garbled, Refused
from rct_collector.drivers.options import Limit, Permission
from rct_collector.drivers.voltronic.frame import pack_order
from rct_collector.drivers.voltronic.options import VoltronicOptions
from rct_collector.drivers.voltronic.session import VoltronicSession
from rct_collector.drivers.voltronic.settings import GUARDED, SETTINGS, WRITES
from rct_collector.drivers.voltronic.table import BY_NAME, COMMANDS
from rct_collector.errors import ConfigError, RefusedFrameError
from tests.voltronic_settings import FULL, REVO_QPIGS, VOLTS, may_leave, pi18, pi30, session_of

MAX = {"model": "044"}
MK = {"model": "023"}
OLD = {}
VAGUE = {"tail": "120"}  # a charging time without more: several models have that


def setting(name, facts):
    """The setting of that name in the dialect."""
    is_pi18 = facts["protocol"] == "pi18"
    found = [s for s in SETTINGS if s.name == name and ("pi18" in s.query.dialects) is is_pi18]
    assert len(found) == 1, name
    return found[0]


def ask(name, value, facts, permission=FULL):
    return approve(setting(name, facts), value, facts, permission)


#: Name, value, what the unit says → what is sent.
SENT = [
    ("output_priority", "utility", pi30(), "POP00"),
    ("output_priority", "solar", pi30(), "POP01"),
    ("output_priority", "sbu", pi30(), "POP02"),
    ("output_priority", "sbu", pi30(dialect="pi41"), "POP02"),
    ("charger_priority", "utility", pi30(**OLD), "PCP00"),
    ("charger_priority", "solar", pi30(), "PCP01"),
    ("charger_priority", "solar_and_utility", pi30(**MAX), "PCP02"),
    ("charger_priority", "only_solar", pi30(**MK), "PCP03"),
    ("unit_3_charger_priority", "only_solar", pi30(), "PPCP303"),
    ("input_range", "appliance", pi30(), "PGR00"),
    ("input_range", "ups", pi30(), "PGR01"),
    ("max_ac_charge_amperes", 2, pi30(), "MUCHGC002"),
    ("max_ac_charge_amperes", 60, pi30(**OLD), "MUCHGC060"),
    ("max_ac_charge_amperes", 60, pi30(**VAGUE), "MUCHGC060"),
    ("max_ac_charge_amperes", 120, pi30(**MAX), "MUCHGC120"),
    ("max_ac_charge_amperes", 120, pi30(**MK), "MUCHGC120"),
    ("max_ac_charge_amperes", 120, pi30(dialect="pi30max", tail="120"), "MUCHGC120"),
    ("max_ac_charge_amperes", 120, pi30(tail="120 0 150"), "MUCHGC120"),
    ("max_charge_amperes", 60, pi30(**OLD), "MCHGC060"),
    ("max_charge_amperes", 60, pi30(**MAX), "MCHGC060"),
    ("max_charge_amperes", 60, pi30(**MK), "MNCHGC060"),
    ("max_charge_amperes", 120, pi30(**OLD), "MNCHGC0120"),
    ("max_charge_amperes", 120, pi30(**MAX), "MNCHGC0120"),
    ("max_charge_amperes", 120, pi30(**MK), "MNCHGC120"),
    ("battery_recharge_volts", 44, pi30(), "PBCV44.0"),
    ("battery_recharge_volts", 22.5, pi30(24), "PBCV22.5"),
    ("battery_recharge_volts", 11.3, pi30(12), "PBCV11.3"),
    ("battery_redischarge_volts", 0, pi30(), "PBDV00.0"),
    ("battery_redischarge_volts", 51, pi30(), "PBDV51.0"),
    ("battery_redischarge_volts", 24.5, pi30(24), "PBDV24.5"),
    ("operation_logic", "eco", pi30(tail="120 0"), "POPLG02"),
    ("solar_check", "all", pi30(), "PPVOKC1"),
    ("solar_limit", "charging", pi30(), "PSPB0"),
    ("battery_absorb_minutes", 0, pi30(tail="120"), "PCVT000"),
    ("battery_absorb_minutes", 5, pi30(tail="120"), "PCVT005"),
    ("max_discharge_amperes", 0, pi30(tail="120 0 150"), "PBATMAXDISC000"),
    ("max_discharge_amperes", 30, pi30(tail="120 0 150"), "PBATMAXDISC030"),
    ("battery_equalization", False, pi30(), "PBEQE0"),
    ("battery_equalization_minutes", 65, pi30(), "PBEQT065"),
    ("battery_equalization_interval_days", 90, pi30(), "PBEQP090"),
    ("battery_equalization_longest_minutes", 900, pi30(), "PBEQOT900"),
    ("battery_equalization_volts", 58.4, pi30(), "PBEQV58.40"),
    ("battery_equalizing", True, pi30(), "PBEQA1"),
    ("battery_bulk_volts", 58.4, pi30(), "PCVV58.4"),
    ("battery_bulk_volts", 62.9, pi30(**MK), "PCVV62.9"),
    ("battery_bulk_volts", 30.0, pi30(24, **MK), "PCVV30.0"),
    ("battery_float_volts", 53.5, pi30(), "PBFT53.5"),
    ("battery_cutoff_volts", 40.0, pi30(**OLD), "PSDV40.0"),
    ("battery_cutoff_volts", 44.0, pi30(**VAGUE), "PSDV44.0"),
    ("battery_type", "flooded", pi30(), "PBT01"),
    ("battery_type", "lic", pi30(**MAX), "PBT09"),
    ("output_hertz", 60, pi30(mode="S"), "F60"),
    ("output_volts", 240, pi30(mode="S"), "V240"),
    ("output_volts", 120, pi30(mode="S", ratings={"output_rating_voltage": 110.0}), "V120"),
    *[
        (name, is_on, pi30(), f"P{'DE'[is_on]}{letter}")
        for letter, name in {
            "a": "buzzer", "b": "overload_bypass", "d": "solar_feed", "j": "power_saving",
            "k": "display_return", "l": "data_log", "u": "overload_restart",
            "v": "temperature_restart", "x": "backlight", "y": "source_alarm", "z": "fault_record",
        }.items()
        for is_on in (False, True)
    ],
    ("output_priority", "solar", pi18(), "POP0"),
    ("output_priority", "sbu", pi18(), "POP1"),
    ("charger_priority", "solar", pi18(), "PCP0,0"),
    ("charger_priority", "only_solar", pi18(), "PCP0,2"),
    ("solar_priority", "load", pi18(), "PSP1"),
    ("input_range", "ups", pi18(), "PGR1"),
    ("max_charge_amperes", 120, pi18(), "MCHGC0,120"),
    ("max_ac_charge_amperes", 2, pi18(), "MUCHGC0,002"),
    ("battery_recharge_volts", 47, pi18(), "BUCD470,540"),
    ("battery_redischarge_volts", 0, pi18(), "BUCD460,000"),
    ("battery_bulk_volts", 57.6, pi18(), "MCHGV576,548"),
    ("battery_float_volts", 53.9, pi18(), "MCHGV564,539"),
    ("battery_cutoff_volts", 40.5, pi18(), "PSDV405"),
    ("battery_type", "user", pi18(), "PBT2"),
    ("output_hertz", 50, pi18("01"), "F50"),
    ("output_volts", 220, pi18("01"), "V2200"),
    ("buzzer", True, pi18(), "PEA"),
    ("fault_record", False, pi18(), "PDH"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "facts", "text"), SENT)
def test_what_is_sent(name, value, facts, text):
    approved = ask(name, value, facts)
    assert isinstance(approved, Approved), approved
    assert approved.text == text
    assert approved.setting.query.fits(text)


def test_every_setting_is_among_them():
    assert {name for name, *_ in SENT} == {
        setting.name for setting in SETTINGS if not re.match("unit_[0-24-9]_", setting.name)
    }


AMBIGUOUS = "it is not certain which model this is"
#: The same → why it is refused.
REFUSED = [
    ("charger_priority", "utility", pi30(**MAX), "takes solar, solar_and_utility or only_solar"),
    ("charger_priority", "utility", pi30(**MK), "takes solar, solar_and_utility or only_solar"),
    ("max_ac_charge_amperes", 120, pi30(**OLD), AMBIGUOUS),
    ("max_ac_charge_amperes", 120, pi30(**VAGUE), AMBIGUOUS),
    ("max_ac_charge_amperes", 120, pi30(dialect="pi30max"), AMBIGUOUS),
    ("max_ac_charge_amperes", 120, pi30(model="026"), AMBIGUOUS),
    ("max_ac_charge_amperes", 120, pi30(model="023", dialect="pi30max"), AMBIGUOUS),
    ("max_ac_charge_amperes", 120, pi30(model="023", tail="120 0 150"), AMBIGUOUS),
    ("max_charge_amperes", 120, pi30(**VAGUE), AMBIGUOUS),
    ("max_charge_amperes", 70, pi30(), "takes 2, 10, 20, 30, 60, 99 or 120, not 70"),
    ("max_charge_amperes", 60, pi30(QMCHGCR=None), "which currents can be chosen"),
    ("max_charge_amperes", 60, pi30(output_mode=1), "number 0"),
    ("max_charge_amperes", 60, pi30(output_mode=1, QPGS0="92 1", QID="93"), "number 0"),
    ("max_charge_amperes", 60, pi18(parallel=1, number=2), "number 0"),
    ("charger_priority", "solar", pi18(parallel=1, number=2), "number 0"),
    ("battery_recharge_volts", 46, pi30(24), "takes 22, 22.5"),
    ("battery_recharge_volts", 44.5, pi30(), "takes 44, 45"),
    ("battery_recharge_volts", 44, pi30(36), "for a battery of 36 V"),
    ("battery_recharge_volts", 44, pi30(ratings={"battery_under_voltage": 44.0}),
     "must be above battery_cutoff_volts, which is 44 V"),
    ("battery_recharge_volts", 51, pi30(ratings={"battery_redischarge_voltage": 51.0}),
     "must be below battery_redischarge_volts, which is 51 V"),
    ("battery_redischarge_volts", 57, pi30(), "must be below battery_bulk_volts, which is 56.4 V"),
    ("battery_redischarge_volts", 48, pi30(ratings={"battery_recharge_voltage": 49.0}),
     "must be above battery_recharge_volts"),
    ("battery_bulk_volts", 58.5, pi30(), "takes a number from 48 to 58.4"),
    ("battery_bulk_volts", 63.1, pi30(**MK), "from 48 to 63"),
    ("battery_bulk_volts", 28.2, pi30(24), "range of this model for a battery of 24 V"),
    ("battery_bulk_volts", 56.4, pi30(24, **MK), "from 24 to 31.5"),
    ("battery_bulk_volts", 53.9, pi30(), "must be above battery_redischarge_volts"),
    ("battery_bulk_volts", 54.5, pi30(ratings={"battery_float_voltage": 55.0}),
     "must not be below battery_float_volts, which is 55 V"),
    ("battery_float_volts", 56.5, pi30(), "must not be above battery_bulk_volts"),
    ("battery_float_volts", 56.5, pi18(), "must not be above battery_bulk_volts"),
    ("battery_float_volts", 54.0, pi18(battery_bulk_voltage=None), "does not tell its"),
    ("battery_bulk_volts", 57.0, pi18(battery_float_voltage=None), "does not tell its"),
    ("battery_redischarge_volts", 50, pi18(battery_recharge_voltage=None), "does not tell its"),
    ("battery_redischarge_volts", 0, pi18(battery_recharge_voltage=None), "does not tell its"),
    (
        "unit_3_charger_priority", "solar",
        pi30(QPGS3={"mode": "fault", "charger_source_priority_code": 1}), "that unit has a fault",
    ),
    ("battery_recharge_volts", 46, pi18(battery_redischarge_voltage=None), "does not tell its"),
    ("battery_cutoff_volts", 41.0, pi30(**VAGUE), "from 42 to 48"),
    ("battery_cutoff_volts", 46.0, pi30(), "must be below battery_recharge_volts"),
    ("battery_type", "pylontech", pi30(**MK), "takes agm, flooded or user"),
    ("operation_logic", "eco", pi30(), "has no such setting"),
    ("battery_absorb_minutes", 60, pi30(), "has no such setting"),
    ("max_discharge_amperes", 100, pi30(tail="120 0"), "has no such setting"),
    ("max_discharge_amperes", 29, pi30(tail="120 0 150"), "30 to 150 A"),
    ("output_hertz", 60, pi30(), "in standby only, and the unit's mode is line"),
    ("output_volts", 230, pi30(mode="B"), "in standby only"),
    ("output_volts", 120, pi30(mode="S"), "takes 220, 230 or 240"),
    ("output_priority", "utility", pi18(), "takes solar or sbu"),
    ("output_priority", "sbu", pi30(mode="F"), "has a fault"),
    ("output_priority", "sbu", pi18("04"), "has a fault"),
    ("output_priority", "sbu", pi30(QMOD=None), "does not tell its mode"),
    ("output_priority", "sbu", pi30(gs=REVO_QPIGS), "like a Revo"),
    ("output_priority", "factory", pi30(), "takes utility, solar or sbu"),
    ("buzzer", "on", pi30(), "takes on or off, not 'on'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "facts", "why"), REFUSED)
def test_what_is_refused(name, value, facts, why):
    denied = ask(name, value, facts)
    assert isinstance(denied, Denied), denied
    assert why in denied.rule


@pytest.mark.parametrize(
    ("name", "value"),
    [("battery_float_volts", 53.0), ("battery_redischarge_volts", 52), ("input_range", "ups")],
)
def test_what_is_out_of_order_elsewhere_keeps_nothing_else_from_being_set(name, value):
    """A cut-off above the voltage at which the grid takes over occurs in the field."""
    odd = pi30(ratings={"battery_under_voltage": 47.0, "battery_recharge_voltage": 46.0})
    assert isinstance(ask(name, value, odd), Approved)


@pytest.mark.parametrize(
    ("facts", "serial"),
    [(pi30(output_mode=1, QPGS0="92931701100510 1", QID="92931701100510"), ""),
     (pi30(output_mode=1, QPGS0={"serial_number": "92931701100510"}, QID="92931701100510"), ""),
     (pi18(parallel=1, number=0), "")],
)  # fmt: skip
def test_unit_with_the_number_0_of_a_system_is_set(facts, serial):
    assert isinstance(ask("max_charge_amperes", 60, facts), Approved)


@pytest.mark.parametrize("name", GUARDED)
def test_what_battery_or_supply_depend_on_needs_the_user_twice(name):
    facts = pi30(mode="S", ratings={"battery_type_code": 3})
    value = next(v for n, v, f, _ in SENT if n == name and f["protocol"] == "pi30")
    for permission in (
        None,
        FULL._replace(guarded=False),
        FULL._replace(limits={}),
        FULL._replace(limits={name: Limit(("nothing",))}),
    ):
        assert isinstance(ask(name, value, facts, permission), Denied)


@pytest.mark.parametrize(("battery", "is_guarded"), [(0, False), (1, False), (2, True), (3, True)])
def test_only_lead_is_equalized_without_that(battery, is_guarded):
    facts = pi30(ratings={"battery_type_code": battery})
    found = ask("battery_equalization_minutes", 60, facts, None)
    assert isinstance(found, Denied) is is_guarded


# -- what leaves -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "dialect", "data"),
    [
        ("POP00", "pi30", "504f503030c2480d"),
        ("POP01", "pi30", "504f503031d2690d"),
        ("POP02", "pi30", "504f503032e20b0d"),  # unescaped e2 0a is refused
        ("PCP03", "pi30max", "504350303 3bd190d".replace(" ", "")),
        ("POP1", "pi18", "5e53303037504f50310e100d"),  # unescaped 0d 10
    ],
)
def test_bytes_that_are_sent(text, dialect, data):
    assert pack_order(text, dialect) == bytes.fromhex(data)


def test_session_sends_what_was_approved_once():
    session = session_of("pi30")
    approved = ask("output_priority", "sbu", pi30())
    order = approved.setting.query
    assert session.request(Ask(order, argument=approved)) == b"POP02\xe2\x0b\r"
    assert session.receive(b"(ACK9 \r") == [Answer(order, True)]  # noqa: FBT003
    with pytest.raises(RefusedFrameError, match="sent once"):
        session.request(Ask(order, argument=approved))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"(ACK9 \r", Answer),
        (b"(NAKss\r", Refused),
        (b"(ACK\r", Garbled),
        (b"(NAK\r", Garbled),
        (b"(B\xe7\xc9\r", Garbled),
        (b"(ACK9!\r", Garbled),
    ],
)
def test_what_a_unit_says_to_it(data, kind):
    session = session_of("pi30")
    approved = ask("output_priority", "sbu", pi30())
    session.request(Ask(approved.setting.query, argument=approved))
    (event,) = session.receive(data)
    assert type(event) is kind
    assert event.query is approved.setting.query


@pytest.mark.parametrize(("data", "kind"), [(b"^1\x0b\xc2\r", Answer), (b"^0\x1b\xe3\r", Refused)])
def test_what_a_unit_of_pi18_says_to_it(data, kind):
    session = session_of("pi18")
    approved = ask("output_priority", "sbu", pi18())
    assert session.request(Ask(approved.setting.query, argument=approved))[:9] == b"^S007POP1"
    assert [type(event) for event in session.receive(data)] == [kind]


@pytest.mark.parametrize(
    "forged",
    [
        lambda right: None,
        lambda right: "POP02",
        lambda right: ("POP02",),
        lambda right: right._replace(text="PF"),
        lambda right: right._replace(text="POP02\rPF"),
        lambda right: right._replace(text="POP2"),
        lambda right: right._replace(text=""),
        lambda right: right._replace(setting=setting("input_range", pi30())),
        lambda right: right._replace(setting=setting("output_priority", pi18())),
        lambda right: right._replace(number=0),
    ],
)
def test_session_sends_nothing_that_was_not_approved(forged):
    session = session_of("pi30")
    right = ask("output_priority", "sbu", pi30())
    with pytest.raises(RefusedFrameError):
        session.request(Ask(right.setting.query, argument=forged(right)))


def test_dialect_that_was_not_found_out_is_not_set():
    session = VoltronicSession(VoltronicOptions(), "", COMMANDS)
    approved = ask("output_priority", "sbu", pi30())
    with pytest.raises(RefusedFrameError):
        session.request(Ask(approved.setting.query, argument=approved))


def test_late_yes_is_no_answer_to_anything():
    session = session_of("pi30")
    approved = ask("output_priority", "sbu", pi30())
    asked = Ask(approved.setting.query, argument=approved)
    session.request(asked)
    assert session.abandon(asked).late is None
    session.request(Ask(BY_NAME["QMOD"]))
    assert [type(event) for event in session.receive(b"(ACK9 \r")] == [Garbled]


values = st.one_of(
    st.sampled_from([value for _, value, *_ in SENT]),
    st.floats(),
    st.integers(-5, 1000),
    st.floats(10, 65).map(lambda volts: round(volts, 1)),
    st.text(max_size=8),
    st.none(),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
)
units = st.one_of(
    st.builds(
        pi30,
        st.sampled_from(list(VOLTS)),
        st.sampled_from([None, "023", "024", "026", "044", "045", "777"]),
        st.sampled_from(["", "120", "120 0", "120 0 150", "46.0 10 44.0"]),
        st.sampled_from(["pi30", "pi30max", "pi41"]),
        st.sampled_from("SLBF"),
        st.lists(st.integers(2, 199), min_size=1, max_size=5),
    ),
    st.builds(pi18, st.sampled_from(["01", "03", "04", "05"])),
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SETTINGS), values, units, st.randoms())
def test_no_byte_outside_the_table_can_leave(found, value, facts, random):
    approved = approve(found, value, facts, FULL)
    if isinstance(approved, Denied):
        assert approved.rule
        return
    session = session_of(facts["protocol"])
    try:
        data = session.request(Ask(found.query, argument=approved))
    except RefusedFrameError:
        assert facts["protocol"] not in found.query.dialects
        return
    may_leave(data, facts)


def test_what_must_never_be_sent_has_no_name():
    """Factory settings, energy, log, calibration, load, how units work together."""
    heads = {head for order in WRITES for head in re.findall(r"(?:^|\|)([A-Z]+)", order.form)}
    assert {"POP", "MNCHGC", "PBATMAXDISC"} <= heads
    for never in ("PF", "RTEY", "RTDL", "PBMS", "BTA", "PSAVE", "ATE", "PLED", "LON", "CLE", "POPM",
                  "PBATCD", "PE", "PD", "DAT"):  # fmt: skip
        assert never not in heads
        assert not any(order.fits(never) or order.fits(f"{never}0") for order in WRITES)


# -- options -----------------------------------------------------------------------------------


def parse(**options):
    entry = {"name": "roof", "driver": "voltronic", "address": "tcp://unit:1", **options}
    return Config.parse({"devices": [entry]}).devices[0].options


def test_options_say_what_may_be_written():
    options = parse(
        writes=["output_priority", "battery_float_volts", "output_priority"],
        allow_battery_limits=True,
        limits={"battery_float_volts": "53.5..54.5", "battery_type": "agm, user",
                "solar_feed": "off"},
    )  # fmt: skip
    assert options.permission == Permission(
        ("output_priority", "battery_float_volts"),
        True,  # noqa: FBT003
        {
            "battery_float_volts": Limit(low=53.5, high=54.5),
            "battery_type": Limit(("agm", "user")),
            "solar_feed": Limit((False,)),
        },
    )
    assert parse().permission == Permission()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"writes": ["output_prority"]}, "did you mean 'output_priority'?"),
        ({"writes": "output_priority"}, "a list of names of settings"),
        ({"writes": [7]}, "names of settings"),
        ({"writes": ["PF"]}, "'PF' is none"),
        ({"limits": ["x"]}, "settings and their limits"),
        ({"limits": {"output_priority": "sbu"}}, "that need limits"),
        ({"limits": {"battery_bulk_volt": "50..51"}}, "did you mean 'battery_bulk_volts'?"),
        ({"limits": {"battery_bulk_volts": "51..50"}}, "a range such as 53.5..54.5"),
        ({"limits": {"battery_bulk_volts": 51}}, "a range such as"),
        ({"limits": {"battery_type": "lead"}}, "some of agm, flooded"),
        ({"limits": {"solar_feed": "maybe"}}, "some of on, off"),
        ({"allow_battery_limits": "perhaps"}, "true or false"),
    ],
)
def test_wrong_options_are_told(options, why):
    with pytest.raises(ConfigError, match=re.escape(why)):
        parse(**options)


def test_rct_power_has_no_settings():
    assert driver("rct").settings == ()
    assert driver("solaredge").settings == ()
