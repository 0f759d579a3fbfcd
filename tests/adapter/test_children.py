"""Several processes where an agent has started one: as real processes, with shells as children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from rct_collector.adapter import children
from rct_collector.adapter.children import Child
from tests.processes import wait_for

pytestmark = pytest.mark.slow

#: Quicker than in earnest; which share it is comes as the last argument, as $0.
PROGRAM = """
import sys
from rct_collector.adapter import children
children.RESTART_S, children.STOP_S = 0.01, {stop}
sys.exit(children.main(["2", "sh", "-c", sys.argv[1]]))
"""

TICKS = 'echo "$0 begins"; while read -r line; do echo "$0 tick"; done'


class Running:
    """The process, and what has come of it so far."""

    def __init__(self, process):
        self.process = process
        self.said = []

    def says(self, *words):
        """Read on until all of these have been said, in whatever order."""
        missing = set(words)
        while missing:
            line = self.process.stdout.readline().decode().rstrip("\n")
            assert line, f"it has ended before it said {missing}: {self.said}"
            self.said.append(line)
            missing.discard(line)

    def finish(self):
        """Close its input; (its last lines, its log, its status)."""
        out, err = self.process.communicate(timeout=30)
        return out.decode().splitlines(), err.decode().splitlines(), self.process.returncode


@contextmanager
def running(script, *, stop=20):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(stop=stop), script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def test_ticks_and_the_end_of_the_input_are_handed_on():
    with running(TICKS) as one:
        one.says("0/2 begins", "1/2 begins")
        one.process.stdin.write(b"\n")
        one.says("0/2 tick", "1/2 tick")
        assert one.finish() == ([], [], 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_ends_all(number):
    script = f"trap 'echo \"$0 ends\"' EXIT; trap 'exit 0' TERM INT; {TICKS}"
    with running(script) as one:
        one.says("0/2 begins", "1/2 begins")
        one.process.send_signal(number)
        one.says("0/2 ends", "1/2 ends")
        assert one.process.wait(30) == 0


def test_other_signals_are_handed_on_and_end_nobody():
    """A shell takes none of them, since it begins with them blocked as a shim does.

    What is said is written at once: a print that a signal meets within another one fails.
    """
    program = (
        "import os, select, signal, sys\n"
        "say = lambda *words: os.write(1, (' '.join((sys.argv[1], *words)) + chr(10)).encode())\n"
        "got = lambda number, frame: say(signal.Signals(number).name)\n"
        "for one in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2): signal.signal(one, got)\n"
        "signal.pthread_sigmask(signal.SIG_SETMASK, ())\n"
        "say('begins')\n"
        "while not select.select((0,), (), (), 0.05)[0]: pass\n"
    )
    with running(f'exec {sys.executable} -c "{program}" "$0"') as one:
        one.says("0/2 begins", "1/2 begins")
        for number in ("SIGHUP", "SIGUSR1", "SIGUSR2"):
            one.process.send_signal(signal.Signals[number])
            one.says(f"0/2 {number}", f"1/2 {number}")
        assert one.finish() == ([], [], 0)


def test_a_signal_that_comes_before_a_child_is_ready_does_not_end_it():
    with running(TICKS) as one:
        one.says("0/2 begins", "1/2 begins")  # from now on there are handlers in our process
        for number in (signal.SIGUSR1, signal.SIGHUP):
            one.process.send_signal(number)
        one.process.stdin.write(b"\n")
        one.says("0/2 tick", "1/2 tick")  # a shell, that had no time to learn of them
        assert one.finish() == ([], [], 0)


@pytest.mark.parametrize(
    ("end", "words"), [("exit 3", "with status 3"), ("kill -9 $$", "by signal 9")]
)
def test_a_child_that_ends_is_started_again_and_the_other_goes_on(tmp_path, end, words):
    once = f"[ $0 = 1/2 ] && [ ! -e {tmp_path}/once ] && {{ : > {tmp_path}/once; {end}; }}; "
    with running(once + TICKS) as one:
        one.says("0/2 begins", "1/2 begins")
        one.process.stdin.write(b"\n")
        one.says("0/2 tick", "1/2 tick")
        out, log, status = one.finish()
    assert (out, status) == ([], 0)
    assert log == [f"W! process 1 of 2 has ended {words}; it is started again in 0 s"]
    assert one.said.count("0/2 begins") == 1


def test_one_that_does_not_end_is_killed():
    with running('echo "$0 begins"; trap "" TERM; while :; do sleep 1; done', stop=0.1) as one:
        one.says("0/2 begins", "1/2 begins")
        one.process.stdin.close()
        assert one.process.wait(30) == 1


def test_all_ends_when_nobody_reads():
    with running(TICKS) as one:
        one.says("0/2 begins", "1/2 begins")
        one.process.stdout.close()
        assert one.process.wait(30) == 1


def test_children_end_when_whoever_looks_after_them_is_lost(tmp_path):
    with running(f"{TICKS}; : > {tmp_path}/ended-${{0%/*}}") as one:
        one.says("0/2 begins", "1/2 begins")
        one.process.kill()
        assert wait_for(lambda: len(list(tmp_path.glob("ended-*"))) == 2, 30)


def test_one_that_cannot_be_started_is_told_and_tried_again():
    process = subprocess.Popen(
        [sys.executable, "-m", "rct_collector.adapter.children", "1", "/nowhere/at/all"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stderr.readline().startswith(b"E! process 0 of 1 cannot be started: ")
        process.stdin.close()
        assert process.wait(30) == 0


def test_it_takes_longer_each_time_until_it_lives_for_long():
    child = Child(["true"])
    now, delays = 100.0, []
    for life in (1, 1, 1, 1, 1, 1, 61, 1):
        child.start(now)
        child.process.wait()
        now += life
        assert child.ended(now) == 0
        delays.append(child.due - now)
        assert child.ended(now) is None
    assert delays == [1, 2, 4, 8, 16, 30, 1, 2]


def test_a_child_that_does_not_listen_holds_up_nobody():
    child = Child(["sleep", "600"])
    child.start(0.0)
    try:
        for _ in range(100):
            child.tell(b"\n" * 4096)
    finally:
        child.send(signal.SIGKILL)
        child.process.wait()
        child.close()


def test_next_to_nothing_is_loaded_for_it():
    program = (
        "import sys, rct_collector.adapter.children\n"
        "print(*(n for n in ('asyncio', 'dataclasses', 'logging', 'yaml') if n in sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, check=True, text=True,
        env={**os.environ, "PYTHONPATH": str(children.__file__).rsplit("/rct_collector/", 1)[0]},
    )  # fmt: skip
    assert told.stdout.split() == []
