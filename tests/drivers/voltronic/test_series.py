"""What the parts of answers publish: each under the metric that means it, or nothing."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rct_collector.drivers.voltronic.command import PROTOCOL, Command
from rct_collector.drivers.voltronic.conditions import CONDITIONS
from rct_collector.drivers.voltronic.feeds import battery_watts, bound, directed, to
from rct_collector.drivers.voltronic.table import BY_NAME, COMMANDS
from rct_collector.drivers.voltronic.texts import CODES, FAULTS, MODE_CODES, STATES
from rct_collector.model import Kind
from tests.drivers.voltronic.test_layouts import kind
from tests.voltronic_answers import ANSWERS

BERLIN = ZoneInfo("Europe/Berlin")


def published(name, answer, zone=UTC, now=None):
    """Series name → value of all that an answer publishes."""
    command = BY_NAME[name]
    parts = command.decode(answer)
    assert parts is not None, answer
    return {
        series.name: value
        for binding in command.bindings
        for series, value in zip(binding.series, binding.convert(parts, zone, now), strict=True)
        if value is not None
    }


#: Parts that publish nothing → why not. Commands that have no metric at all are below.
REASONS = {
    "exists": "is 0 for units that are there; the serial number decides",
    "exists_raw": "the same",
    "l2_grid_frequency": "the grid has one frequency, and the first phase tells it",
    "l2_output_frequency": "so has the output",
    "pv_total_power": "the sum of the strings is computed for all families",
    "scc_status_bits": "bits that no paper numbers alike; powers tell the same",
    "extra_fields": "nobody knows what they are",
    "raw": "nobody knows what they are",
    "bit_count": "how long a word of warnings is decides what its places mean",
    "scc_charge_power": "the power of the string, which QPIGS has",
    "l2_battery_voltage": "of the same battery as the first phase's",
    "l2_battery_charging_current": "QPGS has that of the unit",
    "l2_battery_capacity": "of the same battery",
    "grid_power_w": "without its direction it is no power at the grid connection",
    "grid_power_raw": "its first digit is a direction that no paper explains",
    "status_raw": "characters that are no bits on every unit; no sure meaning",
    "battery_raw": "nobody knows what it is",
    "battery_raw_2": "nobody knows what it is",
    "soc": "of a Revo's battery management: QBMS tells it",
    "soh": "one paper calls it wear, another health",
    "settings_raw": "six settings in six digits, of another list each",
    "year": "its clock is not asked for anything",
    "month": "its clock is not asked for anything",
    "day": "its clock is not asked for anything",
    "hour": "its clock is not asked for anything",
    "minute": "its clock is not asked for anything",
}

#: Commands that publish nothing → why not.
WITHOUT_METRICS = {
    "QPI": "the session asks it, and publishes the dialect",
    "pi18 PI": "the same",
    "pi17 PI": "the same",
    "pi16 QPI": "the same",
    "pi30revo QPI": "the same",
    "QSID": "QID says the same",
    "QBOOT": "says nothing of a unit at work",
    "QDI": "defaults of the factory say nothing of the unit as it is",
    "QMCHGCR": "choices of a setting",
    "QMUCHGCR": "choices of a setting",
    "QMSCHGCR": "choices of a setting",
    "pi18 MCHGCR": "choices of a setting",
    "pi18 MUCHGCR": "choices of a setting",
    "QOPM": "QPIRI says the same",
    "QOPPT": "a plan of 24 hours; the priority in force is in QPIRI",
    "QCHPT": "a plan of 24 hours; the priority in force is in QPIRI",
    "QLED": "colours of lamps",
}


def test_every_part_has_a_metric_or_a_reason():
    """And the reasons are used."""
    used, fed = set(), defaultdict(set)
    for item in COMMANDS:
        fed[kind(item)].update(word for b in item.bindings for word in b.part.split())
    for item in COMMANDS:
        if not fed[kind(item)]:
            assert WITHOUT_METRICS[item.name]
            continue
        known = fed[kind(item)] | ALSO.get(kind(item), {}).keys()
        for answer in ANSWERS[kind(item)]:
            for part in item.decode(answer).keys() - known:
                assert part in REASONS, (item.name, part)
                used.add(part)
    assert used == set(REASONS)


#: Parts that another command of the dialect publishes → which.
ALSO = {
    "pi17 PIRI": {"grid_rating_voltage": "MD", "output_rating_voltage": "MD"},
    "pi30revo QALL": dict.fromkeys(
        ("grid_voltage", "grid_frequency", "output_voltage", "output_frequency", "mode",
         "output_active_power", "output_load_percent", "battery_voltage", "battery_capacity",
         "pv1_voltage", "pv1_power", "pv_energy_day_wh"), "QPIGS"),
    "pi30revo QPIGS": {"battery_charging_current": "QALL"},
    "pi30revo QLITH0": dict.fromkeys(
        ("max_charge_current", "max_discharge_current", "max_charge_voltage",
         "min_discharge_voltage"), "QBMS"),
    "pi30revo PQSE": dict.fromkeys(
        ("battery_bulk_voltage", "battery_float_voltage", "battery_alarm_voltage",
         "battery_under_voltage", "max_charging_current"), "QPIRI"),
    "QP2GS": dict.fromkeys(
        ("serial_number", "mode", "fault_code", "pv2_voltage", "pv2_current"), "QPGS"),
}  # fmt: skip


@pytest.mark.parametrize("item", [c for c in COMMANDS if c.bindings], ids=lambda item: item.name)
def test_what_answers_say_is_within_the_range_of_its_metric(item):
    metrics = {s.name: s.metric for binding in item.bindings for s in binding.series}
    for answer in ANSWERS[kind(item)]:
        for name, value in published(item.name, answer).items():
            metric = metrics[name]
            assert type(value) is metric.value_type, name
            if metric.kind is not Kind.TEXT:
                assert metric.low <= value <= metric.high, (name, value)
            if metric.kind is Kind.FLAG:
                assert value in (0, 1), name


def test_every_binding_publishes_something_of_some_answer():
    idle = {
        (kind(item), binding.series[0].metric.name, binding.part)
        for item in COMMANDS
        for binding in item.bindings
    }
    for item in COMMANDS:
        for answer in ANSWERS[kind(item)]:
            parts = item.decode(answer)
            for binding in item.bindings:
                if parts is not None and binding.convert(parts, UTC, None) != [None]:
                    idle.discard((kind(item), binding.series[0].metric.name, binding.part))
    assert idle == set()


#: What a unit may be: facts → conditions that hold.
UNITS = {
    "nothing known": {},
    "PI30, nothing else known": {"protocol": "pi30"},
    "PI30": {"protocol": "pi30", "QPIGS2": None, "QPGS0": None, "QT": None},
    "MAX": {"protocol": "pi30max", "QPIGS2": "second string", "QPGS0": "92931907101234 0",
            "QT": 1},
    "MST": {"protocol": "pi30", "QPIGS2": "three strings", "QPGS0": "0 0"},
    "two units": {"protocol": "pi30", "QPIGS2": None, "QPGS0": "92931907101234 1",
                  "QPGS1": "92931907105678 1", "QPGS2": "00000000000000 0"},
    "LV5048": {"protocol": "pi41", "QPIGS2": "second phase", "QPGS0": "92931907101234 6",
               "QPGS1": "00000000000000 0"},
    "two LV5048": {"protocol": "pi30", "QPIGS2": "second phase", "QPGS0": "92931907101234 5",
                   "QPGS1": "92931907105678 6", "QPGS2": "92931907101234 5"},
    "PI18": {"protocol": "pi18", "pi18 PGS0": 0, "pi18 PGS1": 0, "pi18 T": 1},
    "two PI18": {"protocol": "pi18", "pi18 PGS0": 1, "pi18 PGS1": 1, "pi18 PGS2": 0},
    "PI17": {"protocol": "pi17", "pi17 T": None},
    "PI16": {"protocol": "pi16", "pi16 QT": 1},
    "Revo": {"protocol": "pi30revo"},
}  # fmt: skip

EXPECTED = {
    "nothing known": set(),
    "PI30, nothing else known": {"pi30", "pi30-single"},
    "PI30": {"pi30", "pi30-single"},
    "MAX": {"pi30", "pi30-single", "pi30-2-strings", "pi30-clock"},
    "MST": {"pi30", "pi30-single", "pi30-3-strings"},
    "two units": {"pi30", "pi30-system", "unit 0", "unit 1"},
    "LV5048": {"pi30", "pi41-single", "unit 0"},
    "two LV5048": {"pi30", "pi41-system", "unit 0", "unit 1"},
    "PI18": {"pi18", "pi18-single", "pi18-clock"},
    "two PI18": {"pi18", "pi18-system", "pi18-unit 0", "pi18-unit 1"},
    "PI17": {"pi17"},
    "PI16": {"pi16", "pi16-clock"},
    "Revo": {"pi30revo"},
}


@pytest.mark.parametrize("unit", UNITS)
def test_conditions_by_example(unit):
    held = {name for name, condition in CONDITIONS.items() if condition.test(UNITS[unit])}
    assert held == EXPECTED[unit]


@pytest.mark.parametrize("unit", UNITS)
def test_no_series_has_two_homes_at_a_time(unit):
    held = {name for name, condition in CONDITIONS.items() if condition.test(UNITS[unit])}
    counts = Counter(
        series.name
        for item in COMMANDS
        if item.condition in held
        for binding in item.bindings
        for series in binding.series
    )
    assert [name for name, count in counts.items() if count > 1] == []


def test_what_decides_is_not_ruled_out_from_the_start():
    """Else it is never asked; once the dialect is known, each is asked of the right unit."""
    names = {name for condition in CONDITIONS.values() for name in condition.inputs}
    for name in names - {PROTOCOL.name}:
        dialect = name.partition(" ")[0] if " " in name else "pi30"
        facts = {"protocol": dialect, "QPGS0": "92931907101234 1", "pi18 PGS0": 1}
        number = int(name[-1]) if name[-1].isdigit() and "GS" in name and name != "QPIGS2" else 0
        for n in range(1, number):
            facts |= {f"QPGS{n}": f"9293190710900{n} 1", f"pi18 PGS{n}": 1}
        facts.pop(name, None)
        if name == "QPIGS2":
            facts.pop("QPGS0")
        assert CONDITIONS[BY_NAME[name].condition].test(facts) is not False, name
        assert not CONDITIONS[BY_NAME[name].condition].test({}), name


# -- meanings ----------------------------------------------------------------------------------


def test_a_unit_at_noon():
    values = published("QPIGS", ANSWERS["QPIGS"][1])
    assert values["inverter_power.load_watts"] == 1187.0
    assert values["inverter_power.load_ratio"] == 0.24
    assert values["inverter_string{string=a}.power_watts"] == 1733.0
    assert values["inverter_battery{battery=0}.charge_amperes"] == 18.0
    assert values["inverter_power.battery_watts"] == -957.6  # charging is negative
    assert values["inverter_dc_link.voltage_volts"] == 402.0
    assert values["inverter_status.device_word"] == 0b00010110
    assert values["inverter_settings.fan_offset_volts"] == 0.0
    assert "inverter_power.grid_watts" not in values  # no unit of PI30 measures it


@pytest.mark.parametrize(
    ("current", "is_of_the_generator"), [("0031", False), ("05.9", True), ("00.0", True)]
)
def test_the_current_of_a_generator_or_into_the_battery(current, is_of_the_generator):
    values = published("QPIGS", ANSWERS["QPIGS"][1].replace("0031", current))
    generator, charger = (
        "inverter_string{string=a}.current_amperes",
        ("inverter_battery{battery=0}.solar_charge_amperes"),
    )
    assert (generator in values, charger in values) == (
        is_of_the_generator,
        not is_of_the_generator,
    )
    assert values.get(generator, values.get(charger)) == float(current)


def test_power_of_a_generator_is_estimated_only_where_the_unit_tells_none():
    estimated, measured = (f"inverter_string{{string=a}}.{k}_watts" for k in ("estimated", "power"))
    old = published("QPIGS", ANSWERS["QPIGS"][0])
    assert (old[estimated], measured in old) == (1647.6, False)  # 31 A at 53.15 V
    new = published("QPIGS", ANSWERS["QPIGS"][1])
    assert (new[measured], estimated in new) == (1733.0, False)
    assert estimated not in published("QPIGS", ANSWERS["QPIGS"][0].replace("53.15", "00.00"))


def test_dashes_publish_nothing():
    values = published("QPIGS", ANSWERS["QPIGS"][5])
    for name in ("inverter_power.load_watts", "inverter_string{string=a}.voltage_volts",
                 "inverter_battery{battery=0}.charge_amperes", "inverter_power.battery_watts",
                 "inverter_string{string=a}.charger_volts"):  # fmt: skip
        assert name not in values
    assert values["inverter_power.load_volt_amperes"] == 264.0


@pytest.mark.parametrize(("raw", "celsius"), [("0043", 43.0), ("0150", 150.0), ("0403", None)])
def test_the_raw_count_of_a_sensor_is_no_temperature(raw, celsius):
    values = published("QPIGS", ANSWERS["QPIGS"][1].replace("0043", raw))
    assert values.get("inverter_temperature{sensor=heatsink}.celsius") == celsius


@pytest.mark.parametrize(
    ("powers", "watts"),
    [
        ("1264 1187 024", 1187.0),
        ("10412 09876 090", 9876.0),
        ("0412 0376 100", None),  # 10 412 VA, written with four digits
        ("0000 0000 000", 0.0),
        ("0012 0011 001", 11.0),  # so small a share tells nothing of what is rated
        ("0600 0580 060", None),  # no unit of 1 kVA has a battery of 48 V
        ("0900 0880 099", None),  # 10 900 VA of 11 kVA
        ("1600 1580 080", 1580.0),  # a unit of 2 kVA
    ],
)
def test_a_power_that_does_not_fit_its_digits_is_not_published(powers, watts):
    values = published("QPIGS", ANSWERS["QPIGS"][1].replace("1264 1187 024", powers))
    assert values.get("inverter_power.load_watts") == watts
    assert ("inverter_power.load_volt_amperes" in values) == (watts is not None)


def test_a_power_of_a_small_unit_is_published():
    small = ANSWERS["QPIGS"][1].replace("1264 1187 024", "0600 0580 060").replace("53.20", "13.20")
    assert published("QPIGS", small)["inverter_power.load_watts"] == 580.0  # of 1 kVA


def test_powers_of_units_of_a_system_and_of_phases_are_held_against_their_share_as_well():
    unit = ANSWERS["QPGS"][0].replace("0913 0847 018", "0412 0376 100")
    values = published("QPGS1", unit)
    assert "inverter_unit_phase{phase=l1,unit=1}.load_watts" not in values
    assert values["inverter_unit_phase{phase=l1,unit=1}.grid_voltage_volts"] == 232.1
    phase = ANSWERS["QPIGS2"][2].replace("0513 0466 018", "0112 0076 099")
    values = published("pi41 QPIGS2", phase)
    assert "inverter_load{phase=l2}.power_watts" not in values
    assert values["inverter_load{phase=l2}.load_ratio"] == 0.99
    values = published("pi18 GS", ANSWERS["pi18 GS"][0].replace("1264,1187,024", "0412,0376,100"))
    assert "inverter_power.load_watts" not in values
    rated = ANSWERS["pi18 PIRI"][0].replace(
        "239,2300,500,239,5500,5000", "443,2300,500,443,0200,0200"
    )
    assert "inverter_rating.output_watts" not in published("pi18 PIRI", rated)


@pytest.mark.parametrize(
    ("ratings", "volt_amperes", "watts"),
    [
        ("23.9 230.0 50.0 23.9 5500 5000", 5500.0, 5000.0),
        ("44.3 230.0 50.0 44.3 0200 0200", None, None),  # 10 200 VA
        ("47.8 230.0 50.0 47.8 11000 11000", 11000.0, 11000.0),
        ("13.0 230.0 50.0 13.0 3000 1800", 3000.0, 1800.0),
    ],
)
def test_a_rating_that_does_not_fit_its_digits_is_not_published(ratings, volt_amperes, watts):
    answer = ANSWERS["QPIRI"][2].replace("23.9 230.0 50.0 23.9 5500 5000", ratings)
    values = published("QPIRI", answer)
    assert values.get("inverter_rating.output_volt_amperes") == volt_amperes
    assert values.get("inverter_rating.output_watts") == watts


@pytest.mark.parametrize(
    ("tail", "minutes", "logic", "amperes"),
    [
        ("", None, None, None),
        (" 120", 120, None, None),
        (" 120 1", 120, 1, None),
        (" 120 0 150", 120, 0, 150),
        (" 060 0 120 54.7", 60, 0, 120),
        (" 46.0 10 44.0", None, None, None),
        (" 23.5 12 22.0", None, None, None),
    ],
)
def test_the_last_ratings_mean_something_only_where_they_are_integers(
    tail, minutes, logic, amperes
):
    values = published("QPIRI", ANSWERS["QPIRI"][2] + tail)
    seconds = None if minutes is None else 60.0 * minutes
    battery = "inverter_battery{battery=0}"
    assert values.get(f"{battery}.absorb_setting_seconds") == seconds
    assert values.get("inverter_settings.operation_code") == logic
    assert values.get(f"{battery}.discharge_setting_amperes") == amperes


@pytest.mark.parametrize(
    ("word", "words", "stops"),
    [
        ("0" * 32, (0, 0, 0, 0), 0),
        ("0" * 5 + "1" + "0" * 26, (1 << 5, 0, 0, 0), 0),
        ("0" * 3 + "1" + "0" * 28, (1 << 3, 0, 0, 0), 1),
        ("01" + "0" * 7 + "1" + "0" * 22, (1 << 1 | 1 << 9, 0, 0, 0), 1),
        ("0" * 9 + "1" + "0" * 22, (1 << 9, 0, 0, 0), 0),  # hot, but not stopped
        ("1" + "0" * 30 + "1" + "0" * 4, (1, 0, 0, 0), 0),  # a digit of a code, not a warning
        ("01" + "0" * 29 + "09001", (1 << 1, 1 << 3, 0, 0), 1),
        ("0" * 30 + "1" + "0" * 7, (0, 0, 1, 0), 0),  # the second tracker of three
        ("0" * 37 + "1", (0, 0, 1 << 7, 0), 0),
    ],
)
def test_warnings_by_example(word, words, stops):
    values = published("QPIWS", word)
    found = tuple(values[f"inverter_status.fault_word_{n}"] for n in range(4))
    assert (found, values["inverter_status.fault_reported"]) == (words, stops)
    flags = {n for n in FAULTS if values[f"inverter_fault{{fault={n}}}.active"]}
    assert flags == {32 * n + b for n, w in enumerate(words) for b in range(32) if w >> b & 1}


def test_warnings_of_other_dialects_have_the_same_numbers_where_they_mean_the_same():
    grid = published("pi18 FWS", ANSWERS["pi18 FWS"][0])
    assert grid["inverter_status.fault_word_0"] == 1 << 5
    stopped = published("pi18 FWS", ANSWERS["pi18 FWS"][1])
    assert stopped["inverter_status.fault_word_0"] == 1 << 16
    assert stopped["inverter_status.fault_code"] == 8
    second = published("pi17 WS", ANSWERS["pi17 WS"][0])
    assert second["inverter_status.fault_word_2"] == 1 << (73 - 64)


@pytest.mark.parametrize(
    ("name", "answer", "code"),
    [("QMOD", "B", 4), ("QMOD", "X", 0), ("pi18 MOD", "03", 4), ("pi18 MOD", "05", 12),
     ("pi17 MOD", "06", 8), ("pi16 QMOD", "G", 11), ("pi30revo QMOD", "L", 3)],
)  # fmt: skip
def test_modes_have_one_code_in_all_dialects(name, answer, code):
    assert published(name, answer) == {"inverter_status.state_code": code}
    assert CODES[name] is STATES
    assert code == 0 or STATES[code] in MODE_CODES


def test_pi18_counts_its_choices_as_pi30_does():
    values = published("pi18 PIRI", ANSWERS["pi18 PIRI"][1])
    assert values["inverter_settings.output_priority_code"] == 1  # the sun first
    assert values["inverter_settings.charger_priority_code"] == 3  # only the sun
    assert values["inverter_rating.machine_code"] == 1  # not tied to the grid
    assert values["inverter_battery{battery=0}.redischarge_setting_volts"] == 54.0
    assert values["inverter_battery{battery=0}.discharge_setting_volts"] == 43.0


def test_three_phases_balance():
    """Pv + grid + battery = load + losses, with signs as everywhere."""
    values = published("pi17 PS", ANSWERS["pi17 PS"][0])
    assert values["inverter_power.battery_watts"] == -659.0
    assert values["inverter_power.grid_watts"] == -614.0
    pv = sum(values[f"inverter_string{{string={s}}}.power_watts"] for s in "ab")
    rest = pv + values["inverter_power.grid_watts"] + values["inverter_power.battery_watts"]
    assert 0 <= rest - values["inverter_power.load_watts"] <= 0.05 * pv


@pytest.mark.parametrize(
    ("watts", "way", "signed"), [(500, 1, 500), (-500, 1, 500), (500, 2, -500), (0, 0, 0),
                                 (500, 0, None), (500, None, None), (None, 1, None)],
)  # fmt: skip
def test_a_power_without_a_known_way_is_none(watts, way, signed):
    assert directed("w", "d", (1, 2))({"w": watts, "d": way}) == signed


def test_revo_means_something_else_by_the_same_fields():
    values = published("pi30revo QPIGS", ANSWERS["pi30revo QPIGS"][0])
    assert values["inverter_string{string=a}.power_watts"] == 640.0
    assert values["inverter_energy{flow=pv}.day_watt_hours"] == 2170.0
    assert "inverter_power.load_volt_amperes" not in values
    assert "inverter_string{string=a}.current_amperes" not in values


def test_a_revo_that_nobody_named_publishes_no_number_that_means_something_else():
    values = published("QPIGS", ANSWERS["pi30revo QPIGS"][0])
    wrong = {
        "inverter_battery{battery=0}.discharge_amperes",  # watt-hours of the day
        "inverter_power.battery_watts",
        "inverter_battery{battery=0}.solar_charge_amperes",  # watts of the generator
        "inverter_string{string=a}.estimated_watts",
        "inverter_string{string=a}.power_watts",  # has no meaning there
        "inverter_power.load_volt_amperes",
    }
    assert not wrong & values.keys()
    assert values["inverter_power.load_watts"] == 707.0


@pytest.mark.parametrize(("amperes", "watts"), [(1000, 53200.0), (1001, None)])
def test_no_power_of_the_battery_is_computed_from_what_can_be_no_current(amperes, watts):
    parts = {"volts": 53.2, "out": amperes, "into": 0}
    assert battery_watts("volts", "out", "into")(parts) == watts


def test_split_phase_tells_both_phases():
    first = published("pi41 QPIGS", ANSWERS["pi41 QPIGS"][0])
    second = published("pi41 QPIGS2", ANSWERS["QPIGS2"][2])
    assert first["inverter_load{phase=l1}.power_watts"] == 1187.0
    assert second["inverter_load{phase=l2}.power_watts"] == 466.0
    assert first["inverter_load{phase=l1}.connected"] == 1  # another bit than that of PI30
    assert "inverter_power.load_watts" not in first  # QPGS0 has the sum


def test_a_unit_that_leaves_out_the_mode_of_its_output_is_on_its_own():
    parts = BY_NAME["QPGS0"].decode(ANSWERS["QPGS"][0].replace(" 10100010 1 ", " 10100010 - "))
    fact = BY_NAME["QPGS0"].fact(parts)
    assert fact == "92931907101234 0"
    assert not CONDITIONS["unit 0"].test({"protocol": "pi30", "QPIGS2": None, "QPGS0": fact})


def test_units_of_a_system_are_told_apart_and_totals_come_once():
    answer = ANSWERS["QPGS"][0]
    first, second = published("QPGS0", answer), published("QPGS1", answer)
    assert first["inverter_power.load_watts"] == 2521.0
    assert "inverter_power.load_watts" not in second
    assert second["inverter_unit_phase{phase=l1,unit=1}.load_watts"] == 847.0
    assert second["inverter.unit_1_serial"] == "92931907101234"


def test_energies_are_totals_of_their_flows():
    assert published("QET", "00417300") == {"inverter_energy{flow=pv}.watt_hours_total": 417300.0}
    assert published("QLT", "00398100") == {"inverter_energy{flow=load}.watt_hours_total": 398100.0}
    assert published("pi17 ET", "00006591") == {
        "inverter_energy{flow=pv}.watt_hours_total": 6591000.0
    }


def test_the_clock_is_that_of_the_unit():
    def shown(text, zone, now=None):
        return published("QT", text, zone, now)["inverter_clock.time_seconds"]

    assert shown("20240229235958", UTC) == datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC).timestamp()
    assert shown("20240601120000", BERLIN) == datetime(2024, 6, 1, 10, tzinfo=UTC).timestamp()
    late = datetime(2024, 10, 27, 1, 30, tzinfo=UTC).timestamp()
    assert shown("20241027023000", BERLIN, now=late) == late
    assert shown("20241027023000", BERLIN, now=late - 3600) == late - 3600


def test_a_total_says_how_it_is_known_to_grow():
    with pytest.raises(ValueError, match="what is counted up is a total"):
        bound(to("inverter_energy.watt_hours_total", "x", flow="pv"))
    with pytest.raises(ValueError, match="what is counted up is a total"):
        bound(to("inverter_power.load_watts", "x", counts_up="It is not."))


def test_scales_are_those_of_the_wire():
    def scale(name, metric):
        return {b.series[0].metric.name: b.scale for b in BY_NAME[name].bindings}[metric]

    assert scale("QPIGS", "inverter_grid.voltage_volts") == 1
    assert scale("QPIGS", "inverter_settings.fan_offset_volts") == 0.01
    assert scale("pi18 GS", "inverter_grid.voltage_volts") == 0.1
    assert scale("pi17 GS", "inverter_grid.frequency_hertz") == 0.01
    assert scale("pi17 ET", "inverter_energy.watt_hours_total") == 1000


def test_the_dialect_is_a_text():
    (binding,) = PROTOCOL.bindings
    assert binding.convert("pi30max", None) == ["pi30max"]
    assert not isinstance(PROTOCOL, Command)


def _asked_beside(item, other):
    """Whether a unit may be asked for both."""
    return item.text != other.text and item.dialects & other.dialects


def test_commands_of_which_one_takes_the_answer_to_another_have_one_shape():
    """So that they are never asked one after the other."""
    alike = 0
    for item in COMMANDS:
        for other in filter(lambda other: _asked_beside(item, other), COMMANDS):
            if any(other.decode(answer) is not None for answer in ANSWERS[kind(item)]):
                assert item.shape == other.shape is not None, (item.name, other.name)
                alike += 1
    assert alike > 100
