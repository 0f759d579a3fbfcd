"""What a message wants, and how hostile ones are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.bridge.commands import (
    LONGEST,
    LONGEST_TEXT,
    Message,
    Misread,
    SetCommand,
    TopicNames,
    accepted,
    command_of,
    outcome,
    refusal,
    typed,
)
from rct_collector.control.messages import Code
from rct_collector.errors import RpcError

TOPICS = TopicNames("inverter")
NOW = 1782036003


def call(**changes):
    """A good command, but for changes of its params; None leaves one out."""
    params = {"name": "output_priority", "value": "sbu", "time": NOW, **changes}
    params = {key: value for key, value in params.items() if value is not None}
    return {"jsonrpc": "2.0", "id": "7f", "method": "set", "params": params}


def order(payload, topic="inverter/roof/set"):
    if not isinstance(payload, bytes):
        payload = json.dumps(payload).encode()
    return command_of(TOPICS, Message(topic, payload))


def test_a_call_in_json():
    assert order(call()) == SetCommand("roof", "output_priority", "sbu", "7f", NOW)
    assert order(call(expect="solar")).expect == ("solar",)
    assert order(call(source="roof")).source == "roof"
    assert order({**call(), "id": 7}).id == 7


def test_a_plain_value():
    found = order(b" sbu\n", "inverter/roof.east/set/output_priority")

    assert found == SetCommand("roof.east", "output_priority", "sbu")
    assert found.is_plain


#: What is said to ``inverter/roof/set`` → code, and a part of the message.
BAD = {
    "no JSON": (b"sbu", Code.PARSE, "no JSON"),
    "nothing": (b"", Code.PARSE, "no JSON"),
    "no text": (b"\xff\xfe", Code.PARSE, "no JSON"),
    "deep": (b"[" * LONGEST, Code.PARSE, "no JSON"),
    "infinite": (
        json.dumps(call(value=0.5)).replace("0.5", "Infinity").encode(),
        Code.PARSE,
        "no number",
    ),
    "too long": (b" " * (LONGEST + 1), Code.INVALID, "4097 bytes are too many"),
    "a list": ([call()], Code.INVALID, "one command at a time"),
    "many": ([call(), call()], Code.INVALID, "one command at a time"),
    "too many": ([call()] * 33, Code.INVALID, "33 calls at once"),
    "a word": (b'"set"', Code.INVALID, "a call is an object"),
    "no version": ({**call(), "jsonrpc": "1.0"}, Code.INVALID, '"jsonrpc": "2.0" is missing'),
    "another method": ({**call(), "method": "reload"}, Code.UNKNOWN, "only set"),
    "a list of params": ({**call(), "params": ["a"]}, Code.PARAMS, "they are an object"),
    "no id": ({**call(), "id": None}, Code.INVALID, "id is missing"),
    "a long id": ({**call(), "id": "7" * (LONGEST_TEXT + 1)}, Code.INVALID, "id has more than"),
    "an id of digits": ({**call(), "id": 10**80}, Code.INVALID, "id has more than"),
    "no time": (call(time=None), Code.PARAMS, "time is missing"),
    "a time in words": (call(time="now"), Code.PARAMS, "time is missing"),
    "a flag for a time": (call(time=True), Code.PARAMS, "time is missing"),
    "an endless time": (call(time=10**400), Code.PARAMS, "time is missing"),
    "no name": (call(name=None), Code.PARAMS, "name is missing"),
    "a name of bytes": (call(name="PBT03\r"), Code.PARAMS, "name is missing"),
    "no value": (call(value=None), Code.PARAMS, "value is missing"),
    "a list for a value": (call(value=["sbu"]), Code.PARAMS, "value is a word"),
    "a huge value": (call(value=1e300), Code.PARAMS, "value is a word"),
    "an endless value": (call(value=10**400), Code.PARAMS, "value is a word"),
    "control characters": (call(value="sbu\r\x00"), Code.PARAMS, "value is a word"),
    "a surrogate": (call(value="\ud800"), Code.PARAMS, "value is a word"),
    "a long value": (call(value="x" * 65), Code.PARAMS, "value is a word"),
    "a long expectation": (call(expect="x" * 65), Code.PARAMS, "expect is a word"),
    "another device": (call(source="barn"), Code.PARAMS, "source is roof already"),
    "an unknown param": (call(force=True), Code.PARAMS, "'force' is unknown"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_command_is_refused(what):
    payload, code, text = BAD[what]
    with pytest.raises(Misread) as raised:
        order(payload)
    error = raised.value.error

    assert (error.code, raised.value.source) == (code, "roof")
    assert text in error.message
    assert len(error.message) < 300
    assert json.loads(refusal(error, raised.value.id))["error"]["code"] == code


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "a word of 1 to 64"),
        (b"   ", "a word of 1 to 64"),
        (b"x" * 65, "a word of 1 to 64"),
        (b"PBT03\r\nPOP02", "a word of 1 to 64"),
        (b"\xff", "no text"),
        (b"x" * 5000, "too many"),
    ],
)
def test_a_plain_value_that_is_none(payload, text):
    with pytest.raises(Misread, match=text):
        order(payload, "inverter/roof/set/output_priority")


#: Topic → device that is told, "" for nobody.
ASTRAY = {
    "solar/roof/set": "",
    "inverter/roof/result": "",
    "inverter/set": "",
    "inverter//set": "",
    "inverter/../set": "",
    "inverter/roof/east/set": "",
    "inverter/a b/set/buzzer": "",
    "inverter/roof/set/": "roof",
    "inverter/roof/set/BUZZER": "roof",
    "inverter/roof/set/a/b": "roof",
    "inverter/" + "r" * 65 + "/set": "",
}


@pytest.mark.parametrize("topic", ASTRAY)
def test_a_topic_of_nothing_is_refused(topic):
    with pytest.raises(Misread) as raised:
        order(b"sbu", topic)
    assert raised.value.source == ASTRAY[topic]


@given(st.binary(max_size=200), st.sampled_from(["inverter/roof/set", "inverter/roof/set/buzzer"]))
def test_no_bytes_do_harm(payload, topic):
    try:
        found = order(payload, topic)
    except Misread as error:
        json.loads(refusal(error.error, error.id))
    else:
        assert found.source == "roof"


@pytest.mark.parametrize("prefix", ["", "/a", "a/", "a//b", "a+", "#", "$SYS", "a b", "x" * 66])
def test_a_prefix_that_is_none(prefix):
    with pytest.raises(ValueError, match="no beginning of topics"):
        TopicNames(prefix)


def test_topics_below_another_prefix():
    topics = TopicNames("home/solar")

    assert topics.wanted == ("home/solar/+/set", "home/solar/+/set/+")
    assert topics.result("roof") == "home/solar/roof/result"
    assert command_of(topics, Message("home/solar/roof/set/buzzer", b"on")).name == "buzzer"


# -- plain values by kind ------------------------------------------------------------------------

CASES = [
    ("choice", "sbu", "sbu"),
    ("choice", "1", "1"),
    ("number", "60", 60),
    ("number", "27.5", 27.5),
    ("number", "60.0", 60),
    ("number", "-3", -3),
    ("flag", "ON", True),
    ("flag", "off", False),
    ("flag", "1", True),
    ("flag", "False", False),
]


@pytest.mark.parametrize(("kind", "text", "value"), CASES)
def test_a_plain_value_becomes_one_of_its_kind(kind, text, value):
    found = typed(SetCommand("roof", "x", text), {"kind": kind})

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["", "sixty", "nan", "inf", "1e300", "1_0", "٣", "0x10"])
def test_text_that_is_no_number(text):
    with pytest.raises(RpcError, match="x is a number, not"):
        typed(SetCommand("roof", "x", text), {"kind": "number"})


def test_text_that_is_no_flag():
    with pytest.raises(RpcError, match="x is on or off, not 'perhaps'"):
        typed(SetCommand("roof", "x", "perhaps"), {"kind": "flag"})


def test_a_value_in_json_stays_what_it_is():
    assert typed(SetCommand("roof", "x", "60", 1, NOW), {"kind": "number"}) == "60"


# -- answers -------------------------------------------------------------------------------------


def test_answers_are_json_rpc():
    told = json.loads(
        accepted(SetCommand("roof", "x", 1, "7f", NOW), {"state": "accepted", "ticket": "t"})
    )
    assert told == {
        "jsonrpc": "2.0",
        "id": "7f",
        "result": {"state": "accepted", "ticket": "t", "name": "x"},
    }
    told = json.loads(refusal(RpcError(-32003, "no", {"rule": "age"}), None, "x"))
    assert told["error"] == {"code": -32003, "message": "no", "data": {"rule": "age", "name": "x"}}
    assert told["id"] is None
    told = json.loads(outcome("7f", {"source": "roof", "state": "applied"}))
    assert told == {
        "jsonrpc": "2.0",
        "method": "setting",
        "params": {"source": "roof", "state": "applied", "id": "7f"},
    }
