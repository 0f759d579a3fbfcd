"""JSON-RPC 2.0: whatever comes, in whatever pieces, is a call or is answered with an error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.control.messages import (
    LONGEST,
    MOST_AT_ONCE,
    Call,
    Code,
    Lines,
    Mistake,
    TooLongError,
    failure,
    line_of,
    notification,
    parse,
    read,
    request,
    result,
)
from rct_collector.errors import RpcError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def all_of(lines):
    return list(iter(lines.pop, None))


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_are_the_same_in_whatever_pieces_they_come(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    ends = [0, *cuts, len(stream)]
    decoder, found = Lines(), []
    for begin, end in zip(ends, ends[1:], strict=False):
        decoder.push(stream[begin:end])
        found += all_of(decoder)
    assert found == [line.strip() for line in lines if line.strip()]
    assert not decoder.is_open


@pytest.mark.parametrize("ended", [b"", b"\n"])
def test_a_line_has_an_end(ended):
    lines = Lines()
    lines.push(b"x" * LONGEST + ended)
    assert lines.pop() == (b"x" * LONGEST if ended else None)
    lines.push(b"x" * (LONGEST if ended else 1) + b"x" * bool(ended) + ended)
    with pytest.raises(TooLongError):
        lines.pop()


def test_a_line_that_has_begun_is_known():
    lines = Lines()
    assert not lines.is_open
    lines.push(b"{}\n{")
    assert lines.pop() == b"{}"
    assert lines.pop() is None
    assert lines.is_open
    lines.push(b"}\n")
    assert lines.pop() == b"{}"
    assert not lines.is_open


def test_many_short_lines_are_not_copied_again_and_again():
    """What is moved is counted: a buffer that loses its front at each line moves the rest."""
    lines = Lines()
    lines.push(b"x\n" * 100_000)
    before = len(lines._data)
    for _ in range(100_000):
        assert lines.pop() == b"x"
    assert len(lines._data) == before, "nothing is moved before more comes"
    lines.push(b"y\n")
    assert len(lines._data) == 2


@pytest.mark.slow
@given(VALUES, st.text(), st.dictionaries(st.text(), VALUES, max_size=3))
def test_what_is_asked_is_what_is_read(name, method, params):
    name = name if isinstance(name, str | int) and not isinstance(name, bool) else None
    line = line_of(request(name, method, params))
    assert line.count(b"\n") == 1
    assert read(line) == ([Call(method, params, name)], False)


@pytest.mark.slow
@given(VALUES)
def test_what_is_answered_is_what_is_read(value):
    assert parse(line_of(result(1, value)))["result"] == value
    assert parse(line_of(notification("update", {"x": value})))["params"]["x"] == value


@given(st.binary(max_size=200) | VALUES.map(lambda v: json.dumps(v).encode()))
def test_no_line_does_harm(line):
    for item in read(line)[0]:
        assert isinstance(item, Call | Mistake)
        if isinstance(item, Mistake):
            assert item.error.code in set(Code)
            line_of(failure(item.id, item.error))


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (b"{", Code.PARSE, "no JSON"),
        (b"\xff", Code.PARSE, "no JSON"),
        (b"[" * 60_000, Code.PARSE, "no JSON"),
        (b"9" * 60_000, Code.PARSE, "no JSON"),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":NaN}}', Code.PARSE, "NaN"),
        (b"1", Code.INVALID, "a call is an object"),
        (b"[]", Code.INVALID, "0 calls at once"),
        (b"[" + b"1," * MOST_AT_ONCE + b"1]", Code.INVALID, f"{MOST_AT_ONCE + 1} calls at once"),
        (b'{"id":1,"method":"m"}', Code.INVALID, '"jsonrpc": "2.0" is missing'),
        (b'{"jsonrpc":"2.0","id":1}', Code.INVALID, "method is the name"),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"m"}', Code.INVALID, "id is"),
        (b'{"jsonrpc":"2.0","id":true,"method":"m"}', Code.INVALID, "id is"),
        (b'{"jsonrpc":"2.0","id":[],"method":"m"}', Code.INVALID, "id is"),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}', Code.PARAMS, "named"),
    ],
)
def test_what_is_no_call_is_told_so(line, code, words):
    ((mistake,), together) = read(line)
    assert not together
    assert mistake.error.code == code
    assert words in mistake.error.message


def test_calls_that_come_together():
    one, other = {"jsonrpc": "2.0", "id": 1, "method": "a"}, {"jsonrpc": "2.0", "method": "b"}
    calls, together = read(json.dumps([one, other, 7]).encode())
    assert together
    assert calls[:2] == [Call("a", {}, 1), Call("b", {}, None, is_answered=False)]
    assert calls[2].error.code == Code.INVALID


def test_an_error_has_what_the_specification_says():
    error = RpcError(Code.REFUSED, "no", {"rule": "r"})
    assert failure("x", error) == {
        "jsonrpc": "2.0",
        "id": "x",
        "error": {"code": -32003, "message": "no", "data": {"rule": "r"}},
    }
    assert "data" not in failure("x", RpcError(Code.UNKNOWN, "no"))["error"]


def test_what_json_has_not_is_not_sent():
    with pytest.raises(ValueError, match="not JSON compliant"):
        line_of(result(1, float("inf")))
