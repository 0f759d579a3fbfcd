"""What was learnt about a device survives a restart, and never gets in the way."""

import json
import logging
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.device.state import StateFile

FACTS = {"inverter_sn": "S1", "power_mng.n_batteries": 2, "rb485.available": True, "x": None}

untimed = settings(deadline=None)


def test_nothing_is_known_before_the_first_run(tmp_path, caplog):
    assert StateFile(tmp_path / "new", "roof", "rct").load() == {}
    assert not caplog.records


def test_facts_come_back_as_they_were_saved(tmp_path):
    StateFile(tmp_path / "made" / "for it", "roof", "rct").save(FACTS)
    assert StateFile(tmp_path / "made" / "for it", "roof", "rct").load() == FACTS


@untimed
@given(
    st.dictionaries(
        st.text(max_size=20),
        st.one_of(st.text(), st.integers(), st.booleans(), st.none()),
        max_size=8,
    ),
    st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", fullmatch=True),
)
def test_any_facts_of_any_device_come_back(tmp_path_factory, facts, name):
    folder = tmp_path_factory.getbasetemp() / "facts"
    StateFile(folder, name, "rct").save(facts)
    assert StateFile(folder, name, "rct").load() == facts


def test_each_device_has_a_file_of_its_own(tmp_path):
    for name in ("roof", "roof.1", "roof.2"):
        StateFile(tmp_path, name, "rct").save({"name": name})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "roof.1.json",
        "roof.2.json",
        "roof.json",
    ]
    assert StateFile(tmp_path, "roof.1", "rct").load() == {"name": "roof.1"}


def test_later_facts_replace_earlier_ones_as_a_whole(tmp_path):
    state = StateFile(tmp_path, "roof", "rct")
    state.save({"a": 1, "b": 2})
    state.save({"b": 3})
    assert state.load() == {"b": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["roof.json"]


def test_facts_of_another_driver_are_not_taken_up(tmp_path, caplog):
    StateFile(tmp_path, "roof", "rct").save(FACTS)
    assert StateFile(tmp_path, "roof", "voltronic").load() == {}
    assert not caplog.records


def test_facts_in_another_layout_are_not_taken_up(tmp_path):
    content = {"version": 2, "driver": "rct", "facts": FACTS}
    (tmp_path / "roof.json").write_text(json.dumps(content))
    assert StateFile(tmp_path, "roof", "rct").load() == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'{"version": 1}',
        b'{"version": 1, "driver": "rct"}',
        b'{"version": 1, "driver": "rct", "facts": null}',
        b'{"version": 1, "driver": "rct", "facts": 5}',
        b'{"version": 1, "driver": "rct", "facts": ["a"]}',
    ],
)
def test_damaged_file_is_told_and_replaced(tmp_path, caplog, content):
    path = tmp_path / "roof.json"
    path.write_bytes(content)
    state = StateFile(tmp_path, "roof", "rct")
    assert state.load() == {}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"roof: {path} is not used: ")
    state.save(FACTS)
    assert state.load() == FACTS


def test_folder_that_cannot_be_written_to_is_told_once(tmp_path, caplog):
    """A file in its place does what a read-only folder does, even to root."""
    (tmp_path / "state").write_text("a file")
    state = StateFile(tmp_path / "state", "roof", "rct")
    for _ in range(3):
        state.save(FACTS)
    assert [record.getMessage() for record in caplog.records] == [
        f"roof: cannot keep what was learnt in {tmp_path / 'state'} (File exists); it will be"
        " learnt again after each start"
    ]


def test_a_link_in_place_of_the_draft_is_not_followed(tmp_path):
    """Telegraf's user must not choose which file collectd, being root, writes to."""
    precious = tmp_path / "precious"
    precious.write_text("kept")
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / f"roof.{os.getpid()}.new").symlink_to(precious)
    StateFile(folder, "roof", "rct").save(FACTS)
    assert precious.read_text() == "kept"
    assert StateFile(folder, "roof", "rct").load() == FACTS


def test_failed_replacement_leaves_no_draft_behind(tmp_path, caplog):
    (tmp_path / "roof.json").mkdir()  # no file can take its place
    StateFile(tmp_path, "roof", "rct").save(FACTS)
    assert [path.name for path in tmp_path.iterdir()] == ["roof.json"]
    assert len(caplog.records) == 1


def test_unreadable_file_is_told(tmp_path, caplog):
    (tmp_path / "roof.json").mkdir()
    assert StateFile(tmp_path, "roof", "rct").load() == {}
    assert len(caplog.records) == 1
