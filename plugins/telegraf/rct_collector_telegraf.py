"""Telegraf shim: solar inverter metrics as line protocol on stdout, for ``inputs.execd``.

stdin tells when to stop (end of file) and, with ``signal = "STDIN"``, when Telegraf would like
values (a newline); the signals HUP, USR1 and USR2 mean the same as a newline. HUP also has the
configuration read again, but only where its file has changed, since it may come every few seconds.
stdout carries metrics only. stderr carries the log, with the prefixes that Telegraf turns into
levels.
"""

from __future__ import annotations

import sys

# Without -P, "python -m" looks for everything in the current folder first, which may be anybody's.
if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]

import signal  # noqa: E402

# Before anything else: until there is a handler, these signals would end the process.
_SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
for _number in _SIGNALS:
    signal.signal(_number, signal.SIG_IGN)

# asyncio takes ssl in where it finds it: 4 MB for TLS that no inverter speaks.
sys.modules["ssl"] = None  # type: ignore[assignment]
import asyncio  # noqa: E402

del sys.modules["ssl"]

import contextlib  # noqa: E402
import importlib  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import select  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, NamedTuple  # noqa: E402

import rct_collector  # noqa: E402

if TYPE_CHECKING:
    import argparse

#: Telegraf gives 5 s between the end of stdin and SIGTERM; the first round must fit in.
FIRST_ROUND_S = 4.0
FLUSH_S = 4.0

#: Then all has to be at its end, however many devices there are and whoever does not read.
STOP_S = 4.3

#: Telegraf closes the pipe when the process ends, perhaps before it has read everything.
LINGER_S = 0.2

#: Bytes that may wait for a stalled Telegraf, and for a stalled reader of the log.
STDOUT_LIMIT = 4 << 20
STDERR_LIMIT = 64 << 10

#: Telegraf stops reading stderr at a line of 64 KiB.
LONGEST_LOG_LINE = 4000

_UNWRITABLE = "stdout cannot be written to"

_PREFIXES = {logging.DEBUG: "D!", logging.INFO: "I!", logging.WARNING: "W!"}


class StderrHandler(logging.Handler):
    """Log lines as Telegraf wants them: level first, one line each, never too long."""

    def __init__(self, writer: rct_collector.PipeWriter) -> None:
        """Write through ``writer``, which never blocks."""
        super().__init__()
        self._writer = writer

    def flush(self) -> None:
        """Wait a little until all is written."""
        self._writer.flush(LINGER_S)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record."""
        text = self.format(record).encode("ascii", "backslashreplace").decode()
        text = text.replace("\r", "\\r").replace("\n", "\\n")[:LONGEST_LOG_LINE]
        prefix = _PREFIXES.get(record.levelno, "E!")
        self._writer.put([f"{prefix} {text}\n".encode()])


class Arguments(NamedTuple):
    """What the command line says; see the help."""

    config: Path | None = None
    once: bool = False
    check: bool = False
    share: str = ""


def main(argv: list[str] | None = None) -> int:
    """Run the shim.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        Exit code: 0 after a clean end, 1 when stdout cannot be written to, 2 for a wrong
        configuration.
    """
    rct_collector.process.prepare()
    try:
        arguments = _arguments(sys.argv[1:] if argv is None else argv)
    except SystemExit as end:
        failure = rct_collector.process.output_failure()
        if failure is None:
            raise
        print(f"E! {_UNWRITABLE}: {failure.strerror}", file=sys.stderr)
        raise SystemExit(end.code or 1) from None
    writer = rct_collector.PipeWriter(2, limit=STDERR_LIMIT)
    log = logging.getLogger()
    log.addHandler(StderrHandler(writer))
    try:
        return _run(arguments, log)
    except Exception:
        log.exception("bug: the collection has ended")
        return 1
    finally:
        writer.flush(1.0)


def _run(arguments: Arguments, log: logging.Logger) -> int:
    path = arguments.config or rct_collector.Config.default_path()
    version = rct_collector.Version(path)
    try:
        config = _load(path, arguments.share, apart=True, own=not arguments.check)
        fleet = _fleet(config, path, once=arguments.once)
    except rct_collector.ConfigError as error:
        for problem in error.problems:
            log.error("%s", problem)
        return 2
    log.setLevel(config.log_level.upper())
    if arguments.check:
        log.setLevel(logging.INFO)
        what = f"{len(config.devices)} device(s)" if fleet is None else "a process of a fleet"
        log.info("%s is right: %s", path, what)
        return 0
    if config.processes > 1 and not arguments.share and not arguments.once:
        _become_several(config.processes, path, log)
    try:
        stdout = _take_stdout()
    except OSError as error:
        log.error("%s: %s", _UNWRITABLE, error.strerror)
        return 1
    (config,) = rct_collector.Collector.fitting([config])
    shim = Shim(config, stdout, path=path, version=version, arguments=arguments, fleet=fleet)
    failure = shim.run()
    if failure is not None:
        log.error("%s: %s", _UNWRITABLE, getattr(failure, "strerror", None) or repr(failure))
        return 1
    return 0


def _fleet(config: rct_collector.Config, path: Path, *, once: bool) -> rct_collector.Fleet | None:
    """The fleet that a configuration names; None where it has devices of its own.

    Raises:
        ConfigError: A library is missing, or there is no time for a fleet.
    """
    if config.fleet is None:
        return None
    if once:
        raise rct_collector.ConfigError(
            [f"{path}: fleet: --once ends before it is clear which devices are this process's"]
        )
    if any(address.startswith("https:") for address in config.fleet.etcd):
        _have_asyncio_encrypt()
    return rct_collector.Fleet(config)


def _have_asyncio_encrypt() -> None:
    """Give asyncio back what it was loaded without, see above."""
    import asyncio.base_events
    import asyncio.selector_events
    import asyncio.sslproto
    import ssl

    importlib.reload(asyncio.sslproto)  # names errors of ssl when it is loaded
    for module in (asyncio.base_events, asyncio.selector_events):
        module.ssl = ssl  # type: ignore[attr-defined]


def _load(
    path: Path, share: str, *, apart: bool = False, own: bool = False
) -> rct_collector.Config:
    """Read the configuration.

    Args:
        path: Its file.
        share: Which of several processes this is, ``i/n``; "" for the only one.
        apart: Have a child read it, so that the parser does not stay.
        own: Leave out the devices of other shards, unread.

    Raises:
        ConfigError: It is wrong.
    """
    config = rct_collector.Config.load(path, apart=apart, own=own)
    return config.part(share) if share else config


def _become_several(count: int, path: Path, log: logging.Logger) -> None:
    """Have this process look after several of its kind; never returns."""
    for handler in log.handlers:
        handler.flush()
    python = [sys.executable, "-P", "-m"]
    shim = [*python, "rct_collector_telegraf", "--config", str(path), "--share"]
    os.execv(python[0], [*python, "rct_collector.adapter.children", str(count), *shim])  # noqa: S606


def _take_stdout() -> int:
    """Keep stdout for metrics; whatever else prints goes to stderr.

    Raises:
        OSError: It cannot be written to at all.
    """
    private = os.dup(1)
    os.write(private, b"")
    os.dup2(2, 1)
    return private


def _arguments(words: list[str]) -> Arguments:
    """Read the command line.

    What Telegraf starts for years needs no parser, which would stay for as long: with what it
    loads it takes more than 1 MB.

    Raises:
        SystemExit: It is wrong, or help was all that was wanted.
    """
    match words:
        case []:
            return Arguments()
        case ["--config", path] if not path.startswith("-"):
            return Arguments(Path(path))
        case ["--config", path, "--share", share] if not path.startswith("-"):
            return Arguments(Path(path), share=share)
    found = _parser().parse_args(words)
    return Arguments(found.config, found.once, found.check, found.share)


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(
        prog="rct-collector-telegraf",
        description="Solar inverter metrics for Telegraf's inputs.execd: line protocol on stdout"
        " until stdin ends.",
        epilog="Exit codes: 0 clean end, 1 stdout cannot be written to, 2 wrong configuration."
        " Try 'telegraf --config sample.conf --test --input-filter execd'.",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration (default: $RCT_COLLECTOR_CONFIG or /etc/rct-collector/config.yaml)",
    )
    parser.add_argument(
        "--once", action="store_true", help="one round within 4 s, then end (for inputs.exec)"
    )
    parser.add_argument(
        "--share",
        default="",
        metavar="I/N",
        help="collect as process I of N only; the option processes of the configuration does this",
    )
    parser.add_argument("--check", action="store_true", help="check the configuration and end")
    parser.add_argument("--version", action="version", version=rct_collector.__version__)
    return parser


class Shim:
    """The collector between Telegraf's pipes."""

    def __init__(
        self,
        config: rct_collector.Config,
        stdout: int,
        *,
        path: Path,
        version: rct_collector.Version,
        arguments: Arguments,
        fleet: rct_collector.Fleet | None = None,
    ) -> None:
        """Prepare.

        Args:
            config: A checked configuration.
            stdout: File descriptor for the metrics.
            path: The configuration's file.
            version: That of the file when it was read.
            arguments: The command line.
            fleet: Tells which devices there are; None where the configuration does.
        """
        self._fleet = fleet
        self._once = arguments.once
        self._share = arguments.share
        self._path = path
        self._version = version
        self._serializer = rct_collector.LineProtocol(config.prefix)
        self._discovery: rct_collector.HomeAssistant | None = None
        self._config = config
        self._stdout = stdout

    def run(self) -> Exception | None:
        """Collect until stdin ends, Telegraf is gone or a signal says so.

        Returns:
            Why the metrics could not be written, if so.
        """
        devices = self._config.scale
        with asyncio.Runner(loop_factory=lambda: rct_collector.new_event_loop(devices)) as runner:
            runner.run(self._collect())
        # A daemon thread may still sit in a write to a stalled Telegraf: do not wait for it.
        self._writer.flush(FLUSH_S)
        time.sleep(LINGER_S)
        return self._writer.error

    async def _collect(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        self._writer = rct_collector.PipeWriter(
            self._stdout,
            limit=STDOUT_LIMIT,
            dropped=lambda source, samples: collector.dropped(source, samples),
            gone=lambda: _tell(loop, stop.set),
        )
        if self._config.home_assistant:
            self._discovery = rct_collector.HomeAssistant(
                lambda source: collector.device(source),
                rct_collector.TelegrafTopics(self._config.prefix),
                self._config.prefix,
            )
        # What was handed over is known on the host that did it only; in a fleet each owner would
        # hand all of it over once more.
        is_alone = self._fleet is None and not self._once
        restore = rct_collector.GapOrder.NEWEST if is_alone else None
        fleet = self._fleet
        reloading = rct_collector.Reloading(lambda: self._read(loop), lambda: [fleet or collector])
        collector = rct_collector.Collector(
            self._config, self._emit, restore=restore, reload=reloading, fleet=fleet
        )

        def hang_up() -> None:
            collector.hurry()
            if self._version.has_changed():
                reloading.begin()

        for number in _SIGNALS:
            loop.add_signal_handler(number, collector.hurry)
        loop.add_signal_handler(signal.SIGHUP, hang_up)

        def end() -> None:
            _tell(loop, stop.set)
            threading.Thread(target=self._end_in_time, name="end", daemon=True).start()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        if self._once:
            end()
        else:
            threading.Thread(
                target=_watch_stdin,
                args=(lambda: _tell(loop, collector.hurry), end),
                name="stdin",
                daemon=True,
            ).start()
        rct_collector.process.settle(loop)
        until = self._until(stop, collector)
        await collector.run_until(until if fleet is None else fleet.run(collector, until))

    def _read(self, loop: asyncio.AbstractEventLoop) -> list[rct_collector.Config]:
        """Read the file again; what of it is the process's own counts from now on."""
        self._version = rct_collector.Version(self._path)
        config = _load(self._path, self._share)
        logging.getLogger().setLevel(config.log_level.upper())
        rct_collector.process.unsettle(loop)
        return [config]

    async def _until(self, stop: asyncio.Event, collector: rct_collector.Collector) -> None:
        """Wait until it is told to stop, and the first round is done."""
        await stop.wait()
        if not self._writer.broken and self._fleet is None:  # others wait for these devices
            await collector.first_round(FIRST_ROUND_S)

    def _end_in_time(self) -> None:
        """End the process if it does not end by itself; what is learnt is on the disk already."""
        time.sleep(STOP_S)
        log = logging.getLogger()
        log.warning("not all devices, or not all metrics, could be brought to an end in time")
        self._writer.flush(LINGER_S)
        for handler in log.handlers:
            handler.flush()
        os._exit(0 if self._writer.error is None else 1)

    def _emit(self, batch: rct_collector.Batch) -> None:
        lines, size = self._serializer.lines(batch), len(batch.values)
        if self._discovery is not None:
            lines += self._discovery.lines(batch)
        receipt = batch.receipt
        if receipt is None:
            self._writer.put(lines, batch.source, size)
            return
        receipt.hold()
        loop = asyncio.get_running_loop()

        def told(taken: bool) -> None:  # noqa: FBT001 - from the writer's thread
            _tell(loop, lambda: receipt.settle(taken))

        self._writer.put(lines, batch.source, size, told)


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Call something on the loop from another thread, unless the loop is gone."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)


def _watch_stdin(tick: Callable[[], None], end: Callable[[], None]) -> None:
    """Newlines are ticks, however many come at once; the end of the file is the end."""
    while True:
        try:
            data = os.read(0, 65536)
        except BlockingIOError:  # somebody who shares it has made it non-blocking
            select.select((0,), (), ())
            continue
        except OSError:
            data = b""
        if not data:
            end()
            return
        if b"\n" in data:
            tick()


if __name__ == "__main__":
    sys.exit(main())
