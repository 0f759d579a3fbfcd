"""What outlives a bridge that is killed."""

from __future__ import annotations

import json
import stat

import pytest

from rct_collector.bridge.commands import Message, SetCommand
from rct_collector.bridge.journal import NAME, CommandJournal, claimed
from rct_collector.bridge.judge import objection
from rct_collector.errors import BusyError, ConfigError

NOW = 1782036003.0


def order(key="7f", time=NOW):
    return SetCommand("roof", "buzzer", True, key, time)


def journal(folder):
    return CommandJournal(folder, lambda: NOW)


def rule(found, command):
    error = objection(Message("", b""), command, found.seen, NOW, 0.0)
    return error and error.data["rule"]


def test_a_command_is_on_the_disk_before_it_is_done(tmp_path):
    journal(tmp_path).begin(order())  # and killed
    after = journal(tmp_path)

    assert after.left() == [{"source": "roof", "name": "buzzer", "id": "7f"}]
    assert after.left() == []
    assert rule(after, order()) == "replay"


def test_what_has_ended_is_not_told_again(tmp_path):
    found = journal(tmp_path)
    first, second = found.begin(order()), found.begin(order("8"))
    found.end(first)

    assert [item["id"] for item in journal(tmp_path).left()] == ["8"]
    found.end(second)
    assert journal(tmp_path).left() == []
    assert rule(journal(tmp_path), order()) == "replay"


def test_what_is_left_remains_until_it_was_told(tmp_path):
    journal(tmp_path).begin(order())
    second = journal(tmp_path)
    second.end(second.begin(order("8")))  # and killed before it could tell of the first

    assert [item["id"] for item in journal(tmp_path).left()] == ["7f"]


def test_nobody_else_reads_it(tmp_path):
    journal(tmp_path).begin(order())

    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 5000, b"[]", b'{"version": 9}', b"x" * (1 << 20), None]
)
def test_without_a_good_one_only_what_is_new_is_done(tmp_path, content):
    """Nobody knows what was done before."""
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
        (tmp_path / NAME).chmod(0o600)
    found = journal(tmp_path)

    assert found.left() == []
    assert rule(found, order(time=NOW)) == "replay"
    assert rule(found, order(time=NOW + 0.1)) is None


def test_one_that_others_may_have_written_is_not_used(tmp_path, caplog):
    journal(tmp_path).begin(order())
    (tmp_path / NAME).chmod(0o666)

    assert journal(tmp_path).left() == []
    assert "others may read it" in caplog.text


@pytest.mark.parametrize(
    "said", [{"open": 7}, {"open": [7, {"source": 1}]}, {"seen": 7}, {"seen": {"times": [1]}}]
)
def test_a_file_of_a_strange_form_stops_nothing(tmp_path, said):
    (tmp_path / NAME).write_text(json.dumps({"version": 1, **said}))
    (tmp_path / NAME).chmod(0o600)
    found = journal(tmp_path)

    found.end(found.begin(order()))


def test_a_folder_is_for_one_bridge(tmp_path):
    folder = tmp_path / "new" / "state"
    busy = pytest.raises(BusyError, match="another bridge keeps its notes in")
    with claimed(folder), busy, claimed(folder):
        pass
    with claimed(folder):
        pass


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="nothing can be kept there"), claimed(tmp_path / "file"):
        pass


def test_what_cannot_be_noted_is_not_done(tmp_path):
    (tmp_path / "file").write_text("")
    found = journal(tmp_path / "file")

    with pytest.raises(OSError, match="file"):
        found.begin(order())
