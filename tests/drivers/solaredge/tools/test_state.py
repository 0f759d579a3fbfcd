"""The newest values of all units."""

import json

import pytest

from rct_collector.drivers.solaredge.tools.state import SuiteState

NO_VALUE = -3.4028234663852886e38


def inverter(time="10:00:00", date="2016-06-08", **own):
    return {"Date": date, "Time": time, **own}


def state_of(*messages, known=None, ids=()):
    state = SuiteState.of(known or {}, ids)
    for message in messages:
        state.take(message)
    return json.loads(state.text())


ONE = inverter(Eac=20.0, Eday=200.0, Etot=1000.0, Pac=240.0, Temp=30.0, Vac=230.0)
OTHER = inverter(Eac=10.0, Eday=100.0, Etot=500.0, Pac=120.0, Temp=40.0, Vac=232.0)
THREE = inverter(
    Eac=375.0, Eday=50.0, Etot=100.0, Temp=50.0,
    Vac1=230.0, Vac2=231.0, Vac3=232.0, Iac1=1.0, Iac2=2.0, Iac3=3.0,
    CosPhi1=1.0, CosPhi2=0.5, CosPhi3=1.0,
)  # fmt: skip


def test_units_are_merged_and_summed():
    found = state_of({"inverters": {"7F01": ONE}}, {"inverters": {"7F02": OTHER}})

    assert found["inverters"]["7F01"] == ONE
    assert found["inverters"]["stats"] == {
        "Date": "2016-06-08", "Eac": 30.0, "Eday": 300.0, "Etot": 1500.0, "Pac": 360.0,
        "Temp": 35.0, "Vac": 231.0,
    }  # fmt: skip
    assert found["optimizers"] == {}


def test_three_phases_have_a_power_and_a_voltage():
    found = state_of({"inverters": {"7E01": THREE}})["inverters"]

    assert found["7E01"]["Pac"] == 230.0 + 231.0 + 3 * 232.0
    assert found["stats"]["Vac"] == 231.0
    assert found["stats"]["Pac"] == found["7E01"]["Pac"]


@pytest.mark.parametrize("absent", [None, NO_VALUE])
def test_values_that_are_none_are_not_summed(absent):
    found = state_of({"inverters": {"7F01": {**ONE, "Pac": absent, "Temp": absent}, "7F02": OTHER}})

    assert found["inverters"]["stats"]["Pac"] == 120.0
    assert found["inverters"]["stats"]["Temp"] == 40.0


def test_optimizers_have_a_power():
    found = state_of({"optimizers": {"10": inverter(Vmod=30.0, Imod=2.0, Temp=18.0)}})

    assert found["optimizers"]["10"]["Pdc"] == 60.0
    assert found["optimizers"]["stats"] == {"Temp": 18.0}


def test_late_records_do_not_replace_newer_ones():
    found = state_of(
        {"inverters": {"7F01": ONE}},
        {"inverters": {"7F01": inverter("09:00:00", Pac=1.0)}},
    )

    assert found["inverters"]["7F01"]["Pac"] == 240.0


def test_an_event_turns_to_zero_what_is_older():
    optimizer = inverter(Vmod=30.0, Imod=2.0, Vopt=40.0, Temp=18.0)
    event = {"events": {"7F01": inverter("20:00:00", Type=0)}}
    found = state_of({"inverters": {"7F01": ONE}, "optimizers": {"10": optimizer}}, event)

    assert (found["inverters"]["7F01"]["Pac"], found["inverters"]["stats"]["Pac"]) == (0.0, 0.0)
    assert (found["inverters"]["7F01"]["Eac"], found["inverters"]["stats"]["Eac"]) == (0.0, 0.0)
    assert found["inverters"]["stats"]["Eday"] == 200.0
    dark = found["optimizers"]["10"]
    assert (dark["Vmod"], dark["Imod"], dark["Vopt"], dark["Pdc"]) == (0.0, 0.0, 0.0, 0.0)
    assert found["optimizers"]["stats"] == {"Temp": 18.0}  # and nothing else


def test_an_event_leaves_what_is_newer():
    event = inverter("09:59:00", Type=0)
    found = state_of({"events": {"7F01": event}, "inverters": {"7F01": ONE}})

    assert found["inverters"]["7F01"]["Pac"] == 240.0


def test_the_energy_of_the_day_grows_and_begins_anew_at_midnight():
    found = state_of({"inverters": {"7F01": ONE}})
    after_sleep = state_of({"inverters": {"7F01": inverter("18:00:00", Eday=5.0)}}, known=found)
    assert after_sleep["inverters"]["stats"]["Eday"] == 200.0

    next_day = state_of(
        {"inverters": {"7F01": inverter("06:00:00", "2016-06-09", Eday=3.0)}}, known=after_sleep
    )
    assert next_day["inverters"]["stats"]["Eday"] == 3.0


def test_named_inverters_begin_with_zeros():
    found = state_of(ids=["7F01", "7F02"])

    assert found["inverters"]["7F01"]["Pac"] == 0.0
    assert found["inverters"]["stats"]["Vac"] == 0.0
    assert (
        state_of(known=state_of({"inverters": {"7F01": ONE}}), ids=["7F01"])["inverters"]["7F01"]
        == ONE
    )


@pytest.mark.parametrize(
    "known", [{"inverters": 5}, {"inverters": {"7F01": 3}}, {"optimizers": []}]
)
def test_a_file_of_another_form_is_no_reason_to_fail(known):
    assert state_of({"inverters": {"7F01": ONE}}, known=known)["inverters"]["7F01"] == ONE


# -- the command -------------------------------------------------------------------------------


def lines(*messages):
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def test_the_file_is_replaced_whenever_lines_have_come(desk, call):
    desk.pieces = 1
    desk.stdin = lines({"inverters": {"7F01": ONE}}, {"inverters": {"7F02": OTHER}})
    call("state", "-o", "state.json")

    assert [path for path, _ in desk.replaced] == ["state.json"] * 2
    assert "7F02" in json.loads(desk.files["state.json"])["inverters"]


def test_lines_that_are_there_together_are_written_once(desk, call):
    desk.stdin = lines(*[{"inverters": {"7F01": ONE}}] * 100)
    call("state", "-o", "state.json")

    assert len(desk.replaced) == 1


def test_it_goes_on_with_what_the_file_holds(desk, call):
    desk.files["state.json"] = json.dumps({"inverters": {"7F01": ONE}, "optimizers": {}}).encode()
    desk.files["in.json"] = lines({"inverters": {"7F02": OTHER}})
    call("state", "-o", "state.json", "in.json")

    found = json.loads(desk.files["state.json"])["inverters"]
    assert found.keys() == {"7F01", "7F02", "stats"}


@pytest.mark.parametrize("content", [b'{"inverters": {"7F', b"[]", b"\xff"])
def test_a_torn_file_is_begun_anew(desk, call, content):
    desk.files["state.json"] = content
    desk.stdin = lines({"inverters": {"7F02": OTHER}})
    call("state", "-o", "state.json")

    assert desk.said == ["Warning: state.json holds no JSON object, and is begun anew"]
    assert "7F02" in json.loads(desk.files["state.json"])["inverters"]


def test_named_inverters_are_there_before_anything_comes(desk, call):
    call("state", "-o", "state.json", "-i", "7F01,7F02")

    assert json.loads(desk.files["state.json"])["inverters"].keys() == {"7F01", "7F02", "stats"}
