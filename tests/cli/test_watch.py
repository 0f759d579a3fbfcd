"""``watch``: blocks of text in a pipe, the whole terminal where there is one."""

from __future__ import annotations

import os
import pty
import signal

import pytest

from rct_collector.cli.snapshot import Snapshot
from rct_collector.cli.watch import PlainScreen
from rct_collector.model import Health
from tests.cli import handmade
from tests.cli.conftest import address_of, read_until

HEAD = "simulated  RCT Power"


def whole_blocks(process, count):
    """The first blocks of a process, each as long as it is followed by another; then Ctrl-C."""
    text, heads = "", 0
    for line in process.stdout:
        text += line
        heads += line.startswith(HEAD)
        if heads > count:
            break
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert (process.returncode, stderr) == (0, "")
    assert "\x1b" not in text
    nothing, *blocks, _ = text.split(HEAD)
    assert nothing == ""
    assert len(blocks) == count
    return blocks


@pytest.mark.slow
def test_blocks_of_text_follow_each_other_in_a_pipe_until_ctrl_c(start):
    (first,) = whole_blocks(start("watch", "--simulate"), 1)
    assert "up, " in first
    assert "\nPower\n" in first
    assert "sun " in first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("only", "heading", "line"),
    [
        ("inverter_power.*", "Power", "sun "),
        ("inverter_status.state_code", "Status", "state"),
        ("inverter_collector.up", "Collector", "up"),
    ],
)
def test_in_a_pipe_each_round_is_a_block_whatever_is_left_out(start, only, heading, line):
    for block in whole_blocks(start("watch", "--simulate", "--only", only), 2):
        assert "\nup" in block
        assert line in block.lower()
        assert heading in block


def test_a_block_of_a_silent_device_says_why_and_repeats_nothing(capsys):
    snapshot = handmade.snapshot({"inverter_power.pv_watts": 3511.4})
    view = PlainScreen([snapshot], complete=True)
    gone = Health(up=False, missed=1, error="connection refused")
    silent = handmade.batch({}, handmade.TIME_NS + 10**10)._replace(health=gone)
    view.take(silent)
    text = capsys.readouterr().out

    assert "down: connection refused" in text
    assert "3511" not in text
    assert snapshot.trouble == "connection refused"
    view.take(handmade.batch({"inverter_power.pv_watts": 12.0}, handmade.TIME_NS + 2 * 10**10))
    assert snapshot.trouble == ""
    assert "sun 12 W" in capsys.readouterr().out


def test_a_device_that_never_answered_has_no_block(capsys):
    view = PlainScreen([Snapshot(handmade.device())], complete=False)
    values = {"inverter_collector.up": 0}
    view.take(handmade.batch(values))

    assert capsys.readouterr().out == ""


def test_it_ends_by_itself(run):
    result = run("watch", "--simulate", "--only", "inverter_power.*", "--for", "300ms")

    assert result.exit_code == 0
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_a_terminal_is_used_as_a_whole_and_given_back(start):
    parent, child = pty.openpty()
    process = start(
        "watch", "--simulate", stdout=child, env={"TERM": "xterm", "LINES": "40", "COLUMNS": "120"}
    )
    os.close(child)
    seen = read_until(parent, "\x1b[?1049h", "charging", "Battery", "Ctrl-C ends")
    process.send_signal(signal.SIGINT)
    rest = read_until(parent, "\x1b[?1049l", "sun ")
    process.communicate(timeout=60)
    os.close(parent)

    assert process.returncode == 0
    assert "█" in seen
    assert "simulated" in rest


def test_a_device_that_cannot_be_reached_ends_it_with_words(run, nobody):
    result = run("watch", "--address", nobody)

    assert result.exit_code == 3
    assert "connection refused" in result.stderr
    assert result.stdout == ""


@pytest.mark.slow
def test_one_device_of_several_that_cannot_be_reached_does_not_end_it(
    start, serve, config_file, nobody
):
    process = start("watch", "-c", config_file(roof=serve().address, gone=nobody))
    heads = []
    for line in process.stdout:
        if "RCT Power" in line:
            heads.append(line.split()[0])
        if len(heads) == 2:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert heads == ["roof", "roof"]
    assert process.returncode == 0


@pytest.mark.slow
def test_a_closed_pipe_ends_it_silently(start):
    process = start("watch", "--simulate")
    process.stdout.readline()
    process.stdout.close()
    _, stderr = process.communicate(timeout=60)

    assert (process.returncode, stderr) == (141, "")


def test_a_silent_device_is_given_up(run, listener, monkeypatch):
    from rct_collector.cli import collect

    monkeypatch.setattr(collect, "SILENCE_S", 0.05)
    result = run("watch", "--address", address_of(listener))

    assert result.exit_code == 3
    assert "nothing is answered" in result.stderr


def test_a_device_that_answers_only_in_part_is_watched_all_the_same(run, serve, monkeypatch):
    from rct_collector.cli import collect

    monkeypatch.setattr(collect, "_FIRST_ROUND_S", 0.1)
    address = serve(latency=(0.005, 0.005)).address
    result = run("watch", "--address", address, "--for", "500ms")

    assert result.exit_code == 0
    assert "not everything" not in result.output


@pytest.mark.slow
def test_messages_of_the_log_are_kept_on_the_screen(start, serve, config_file, nobody):
    path = config_file(roof=serve().address, gone=nobody)
    parent, child = pty.openpty()
    process = start("watch", "-c", path, stdout=child, env={"TERM": "xterm", "COLUMNS": "150"})
    os.close(child)
    seen = read_until(parent, "WARNING: gone: cannot connect", "no faults")
    process.send_signal(signal.SIGINT)
    read_until(parent, "\x1b[?1049l")
    process.communicate(timeout=60)
    os.close(parent)

    assert process.returncode == 0
    assert "device" in seen
