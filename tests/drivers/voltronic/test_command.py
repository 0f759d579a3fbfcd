"""Answers are read by their shape, and no command takes the answer to another one."""

import re
from datetime import datetime

import pytest

from rct_collector.drivers.voltronic import command as words
from rct_collector.drivers.voltronic import pi30
from rct_collector.drivers.voltronic.command import Fields, Wording, command

COMMANDS = {item.name: item for item in pi30.COMMANDS}

LAYOUT = Fields(
    words.decimal("volts", certain=True),
    words.number("amperes"),
    words.bits("a", "", "b"),
    optional=((words.integer("watts"), words.flag("on")), (words.text("code"),)),
)


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ("230.0 012 101", {"volts": 230.0, "amperes": 12, "a": True, "b": True}),
        ("230.0 01.2 011 ", {"volts": 230.0, "amperes": 1.2, "a": False, "b": True}),
        ("230.0 --.- 000", {"volts": 230.0, "amperes": None, "a": False, "b": False}),
        (
            "230.0 1 000 0012 1",
            {"volts": 230.0, "amperes": 1, "a": False, "b": False, "watts": 12, "on": True},
        ),
        (
            "230.0 1 000 0012 0 X7 8 9",
            {
                "volts": 230.0,
                "amperes": 1,
                "a": False,
                "b": False,
                "watts": 12,
                "on": False,
                "code": "X7",
                "extra_fields": ["8", "9"],
            },
        ),
        (  # half a group is no group
            "230.0 1 000 0012",
            {"volts": 230.0, "amperes": 1, "a": False, "b": False, "extra_fields": ["0012"]},
        ),
    ],
)
def test_fields_by_example(answer, parts):
    assert LAYOUT(answer) == parts


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "230.0",
        "230.0 012",
        "---.- 012 101",  # what is always known cannot be unknown
        "230 012 101",  # no point where there is one
        "230.0 012 10",
        "230.0 012 102",
        "230.0 1e2 101",
        "230.0  012 101",
        "230.0 ٣ 101",
        "230.0 012 101\n",
    ],
)
def test_another_shape_is_no_answer(answer):
    assert LAYOUT(answer) is None


def test_between_commas_a_field_may_be_empty():
    layout = Fields(words.scaled("volts", 10), words.scaled("amperes", 10, signed=True),
                    separator=",")  # fmt: skip
    assert layout("2301,-0012") == {"volts": 230.1, "amperes": -1.2}
    assert layout(",+0012,,1") == {"volts": None, "amperes": 1.2, "extra_fields": ["", "1"]}
    assert layout("2301") is None


def test_a_list_is_one_part():
    layout = words.numbers("choices")
    assert layout("010 020 120 ") == {"choices": [10, 20, 120]}
    assert layout("01") == {"choices": [1]}
    assert layout("0100 1") is None


def test_the_first_layout_that_fits_is_taken():
    layout = words.first_of(Wording("(?P<a>A+)"), Wording("(?P<b>.)", b=str.lower))
    assert [layout(text) for text in ("AA", "B", "BB")] == [{"a": "AA"}, {"b": "b"}, None]


QPIGS = (
    "228.1 50.0 229.9 50.0 0345 0298 006 398 52.30 007 081 0041 0009 121.4 52.28 00000"
    " 00010110 00 00 00493 010"
)


def test_status_by_example():
    parts = COMMANDS["QPIGS"].decode(QPIGS)
    assert (parts["grid_voltage"], parts["battery_charging_current"]) == (228.1, 7)
    assert (parts["pv1_current"], parts["pv1_charging_power"]) == (9, 493)
    assert (parts["load_on"], parts["ac_charging"], parts["switched_on"]) == (True, False, True)
    assert "solar_feed_power" not in parts
    short = COMMANDS["QPIGS"].decode(" ".join(QPIGS.split()[:17]))
    assert "pv1_charging_power" not in short


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("0" * 32, {"bit_count": 32, "active_bits": []}),
        ("01" + "0" * 29 + "1", {"bit_count": 32, "active_bits": [1, 31]}),
        ("01" + "0" * 29 + "09000", {"bit_count": 36, "active_bits": [1], "fault_digits": "090"}),
        ("0" * 37 + "1", {"bit_count": 38, "active_bits": [37]}),
        ("0000 0001" * 4, {"bit_count": 32, "active_bits": [7, 15, 23, 31]}),
        ("0" * 31, None),
        ("0" * 39, None),
        ("02" + "0" * 30, None),
    ],
)
def test_warnings_by_example(word, parts):
    assert COMMANDS["QPIWS"].decode(word) == parts


def test_a_serial_number_has_the_length_that_is_said():
    assert COMMANDS["QSID"].decode("1492931234567890005535") == {"serial_number": "92931234567890"}
    assert COMMANDS["QSID"].decode("0092931234567890005535") is None


def test_what_is_sent_is_the_last_word_of_the_name():
    daily = command("pi18 ED", words.numbers("x"), 20, dialects=frozenset({"pi18"}), date="%Y%m%d")
    assert COMMANDS["QPIGS"].asked() == "QPIGS"
    assert daily.asked(datetime(2024, 6, 15, 7, 0)) == "ED20240615"
    with pytest.raises(ValueError, match="pi18 ED asks for a date"):
        daily.asked()


def test_a_serial_number_is_what_its_command_tells():
    assert COMMANDS["QID"].fact({"serial_number": "92931234567890"}) == "92931234567890"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("20240229235958", "2024-02-29T23:59:58"),
        ("20230229235958", None),
        ("20241301000000", None),
        ("20240101240000", None),
        ("20240101000060", None),
        ("19991231235959", None),
        ("2024010100000", None),
    ],
)
def test_a_clock_shows_a_time_that_there_is(answer, shown):
    assert words.moment("time")(answer) == (None if shown is None else {"time": shown})


@pytest.mark.parametrize("make", [lambda: Fields(words.integer("watts")), lambda: Wording("[a-z]")])
def test_a_pattern_is_compiled_when_the_first_answer_comes(make, monkeypatch):
    """A unit speaks one dialect of seven, so that most of them are never needed."""
    compiled = []
    compile_ = re.compile
    monkeypatch.setattr(re, "compile", lambda *how: compiled.append(how) or compile_(*how))
    layout = make()
    assert not compiled
    layout("7")
    layout("8")
    assert len(compiled) == 1
