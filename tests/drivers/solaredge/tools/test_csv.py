"""Tables of JSON lines."""

import csv
import json

import pytest

ONE = {"Date": "2016-01-30", "Pac": 285.0, "Time": "07:59:17", "Vac": 238.89999389648438}
THREE = {"Date": "2016-01-30", "Time": "07:59:20", "Vac1": 231.9375, "Vac2": 231.5, "mode": 4}
METER = {"E2X": 173, "PfromX": None, "Time": "01:24:07"}


def lines(*messages):
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def rows(content, delimiter=","):
    return list(csv.reader(content.decode().splitlines(), delimiter=delimiter))


def test_one_file_per_group_with_the_columns_of_the_suite(desk, call):
    desk.files["in.json"] = lines(
        {"events": {}, "inverters": {"7F104A16": ONE}, "optimizers": {}},
        {"meters_0x0022": {"7415F893": {"9_PVProduction": METER}}, "inverters": {}},
    )
    call("csv", "-p", "out", "-t", "in.json")

    assert sorted(desk.files) == ["in.json", "out.inverters.csv", "out.meters_0x0022.csv"]
    assert desk.files["out.inverters.csv"] == (
        b"__Identifier__,Date,Pac,Time,Vac\r\n"
        b"7F104A16,2016-01-30,285.0,07:59:17,238.89999389648438\r\n"
    )
    assert desk.files["out.meters_0x0022.csv"] == (
        b"__Identifier__,E2X,PfromX,Time\r\n7415F893.9_PVProduction,173,,01:24:07\r\n"
    )


@pytest.mark.parametrize("order", [(ONE, THREE), (THREE, ONE)])
def test_units_of_one_and_of_three_phases_share_a_table(desk, call, order):
    desk.files["in.json"] = lines(*({"inverters": {f"7F0{i}": own}} for i, own in enumerate(order)))
    call("csv", "-p", "out", "-h", "in.json")

    head, *found = rows(desk.files["out.inverters.csv"])
    assert head == ["__Identifier__", "Date", "Pac", "Time", "Vac", "Vac1", "Vac2", "mode"]
    for row, own in zip(found, order, strict=True):
        values = dict(zip(head, row, strict=True))
        assert {name: str(own.get(name, "")) for name in head[1:]} | {
            "__Identifier__": values["__Identifier__"]
        } == values


def test_the_delimiter_counts(desk, call):
    desk.files["in.json"] = lines({"inverters": {"7F": {"a": 1, "b": "x;y"}}})
    call("csv", "-p", "out", "-d", ";", "-t", "in.json")
    assert desk.files["out.inverters.csv"] == b'__Identifier__;a;b\r\n7F;1;"x;y"\r\n'

    call("csv", "-p", "out", "-d", r"\t", "in.json")
    assert desk.files["out.inverters.csv"] == b"7F\t1\tx;y\r\n"


@pytest.mark.parametrize("delimiter", ["", "::", '"', "\n"])
def test_what_can_delimit_nothing_is_refused(usage, delimiter):
    assert "one character" in usage("csv", "-p", "out", "-d", delimiter, "in.json")


def test_rows_are_appended_in_the_order_of_the_file(desk, call):
    desk.files["out.inverters.csv"] = b"__Identifier__,Vac,Pac\r\n7F,1.0,2.0\r\n"
    desk.files["in.json"] = lines({"inverters": {"7E": {"Pac": 3.0, "Vac": 4.0}}})
    call("csv", "-p", "out", "-a", "-t", "in.json")

    assert desk.files["out.inverters.csv"] == (
        b"__Identifier__,Vac,Pac\r\n7F,1.0,2.0\r\n7E,4.0,3.0\r\n"
    )
    assert desk.replaced == []


def test_columns_that_a_file_lacks_are_added(desk, call):
    desk.files["out.inverters.csv"] = b"__Identifier__,Vac\r\n7F,1.0\r\n"
    desk.files["in.json"] = lines({"inverters": {"7E": {"Pac": 3.0, "Temp": 5}}})
    call("csv", "-p", "out", "-a", "in.json")

    assert desk.files["out.inverters.csv"] == (
        b"__Identifier__,Vac,Pac,Temp\r\n7F,1.0,,\r\n7E,,3.0,5\r\n"
    )
    assert len(desk.replaced) == 1  # at once, and not row by row


def test_without_headings_rows_are_just_appended(desk, call):
    desk.files["out.inverters.csv"] = b"7F,1.0\r\n"
    desk.files["in.json"] = lines({"inverters": {"7E": {"Pac": 3.0}}})
    call("csv", "-p", "out", "-a", "-t", "in.json")

    assert desk.files["out.inverters.csv"] == b"7F,1.0\r\n7E,3.0\r\n"


def test_standard_input_is_read_as_well(desk, call):
    desk.stdin = lines({"inverters": {"7E": {"Pac": 3.0}}})
    call("csv", "-p", "out")

    assert desk.files["out.inverters.csv"] == b"7E,3.0\r\n"


def test_bad_lines_are_told_once(desk, call):
    desk.stdin = b"{\n[1]\n\n" + lines({"inverters": {"7E": {"Pac": 3.0}}})
    call("csv", "-p", "out", "-")

    assert desk.files["out.inverters.csv"] == b"7E,3.0\r\n"
    (said,) = desk.said
    assert "2 of 4 lines are no JSON objects, and were left out; the first is line 1" in said
    assert "'monitor'" not in said


def test_a_recording_in_place_of_lines_is_told_what_makes_them(desk, call):
    desk.stdin = b"\x124Vy\n"
    call("csv", "-p", "out", "-")

    (said,) = desk.said
    assert said.endswith("; 'monitor' makes such lines of recordings")


def test_a_group_cannot_lead_out_of_its_folder(desk, call):
    desk.stdin = lines({"../../etc/x": {"7E": {"Pac": 3.0}}})
    call("csv", "-p", "out")

    assert "out..._.._etc_x.csv" in desk.files


def test_what_is_added_meanwhile_is_left_for_the_next_time(desk, call, monkeypatch):
    desk.files["in.json"] = lines({"inverters": {"7E": {"Pac": 3.0}}})
    read = desk.lines
    times = []

    def growing(path, **more):
        yield from read(path, **more)
        if not times:
            times.append(1)
            desk.files["in.json"] += lines({"optimizers": {"10": {"Imod": 1}}})

    monkeypatch.setattr(desk, "lines", growing)
    call("csv", "-p", "out", "in.json")

    assert desk.files["out.inverters.csv"] == b"7E,3.0\r\n"
    assert "out.optimizers.csv" not in desk.files
