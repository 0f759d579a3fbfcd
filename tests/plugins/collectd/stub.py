"""A collectd for unit tests that is at least as strict as the real one.

It takes what collectd 5.12 takes, refuses what that refuses, and notes as ``faults`` what that
would let pass to the harm of its users: values out of order, intervals that it would have to
guess, threads that a fork would cut off.
"""

from __future__ import annotations

import importlib.util
import math
import threading
from pathlib import Path
from types import ModuleType

from tests.plugins.collectd.daemon import PLUGIN

TYPES = Path("/usr/share/collectd/types.db")

#: Bytes of a name that collectd keeps.
LONGEST = 127
#: Bytes of a log line and of a notification's message that it keeps.
LONGEST_LINE, LONGEST_MESSAGE = 1023, 255

#: Types, where collectd's own list is not installed.
_FEW = (
    "bool value:GAUGE:0:1\ncurrent value:GAUGE:U:U\nenergy_wh value:GAUGE:U:U\n"
    "frequency value:GAUGE:0:U\ngauge value:GAUGE:U:U\npercent value:GAUGE:0:100.1\n"
    "power value:GAUGE:U:U\ntemperature value:GAUGE:U:U\nvoltage value:GAUGE:U:U\n"
)


def types():
    """Type → number of data sources."""
    text = TYPES.read_text() if TYPES.exists() else _FEW
    lines = (line.split(None, 1) for line in text.splitlines() if line and line[0] != "#")
    return {name: sources.count(":") // 3 for name, sources in lines}


class Config:
    """A node of the configuration; values are what collectd's parser makes."""

    def __init__(self, key, *values, children=()):
        assert all(type(value) in (str, float, bool) for value in values)
        self.key = key
        self.values = values
        self.children = tuple(children)
        self.parent = None
        for child in children:
            child.parent = self


def _name(text):
    """A part of an identifier, as collectd keeps it."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no str")
    if "\0" in text:
        raise TypeError("embedded null character")
    kept = text.encode()[:LONGEST].decode("utf-8", "surrogateescape")
    return kept.removeprefix("/").replace("/", "_")


class Collectd(ModuleType):
    """The module, and the daemon round it.

    Attributes:
        lines: Severity and text of what was logged.
        values: What was dispatched: dictionaries.
        notifications: The same of notifications.
        faults: What a user would suffer from.
        callbacks: Kind and name → callback.
        handlers: Whether a plugin takes notifications.
    """

    NOTIF_FAILURE, NOTIF_WARNING, NOTIF_OKAY = 1, 2, 4

    def __init__(self):
        super().__init__("collectd")
        self.lines, self.values, self.notifications, self.faults = [], [], [], []
        self.callbacks = {}
        self.handlers = True
        self.types = {}
        self._threads = set(threading.enumerate())
        self._latest = {}
        self._reading = False
        for severity in ("error", "warning", "notice", "info"):
            setattr(self, severity, lambda text, severity=severity: self._log(severity, text))
        for kind in ("config", "init", "read", "shutdown"):
            setattr(self, f"register_{kind}", lambda *a, kind=kind, **k: self._add(kind, *a, **k))
        daemon = self

        class Values:
            def __init__(self, **given):
                if "type" in given:
                    daemon.known(given["type"])
                self._given = given

            def dispatch(self, **given):
                daemon.dispatched({**self._given, **given})

        class Notification:
            def __init__(self, type):  # noqa: A002 - collectd's name
                daemon.known(type)
                self._type = type

            def dispatch(self, **given):
                daemon.notified({"type": self._type, **given})

        self.Values, self.Notification = Values, Notification

    def debug(self, text):
        """Debian's build leaves it out."""
        self._log("", text)
        self.lines.pop()

    def of(self, severity):
        """What was logged at one severity."""
        return [text for level, text in self.lines if level == severity]

    # -- the daemon's side ---------------------------------------------------------------------

    def configure(self, *children):
        """Hand over one block ``Module``."""
        self._call("config", Config("Module", "rct_collector_collectd", children=children))
        self._no_new_threads("in config")

    def init(self):
        """Call the init callbacks; the types are there from now on."""
        self._no_new_threads("at import")
        self.types = types()
        self._call("init")

    def read(self):
        """Call the read callbacks once."""
        self._reading = True
        try:
            self._call("read")
        finally:
            self._reading = False

    def shutdown(self):
        """Call the shutdown callbacks."""
        self._call("shutdown")
        left = [thread for thread in threading.enumerate() if thread not in self._threads]
        if any(not thread.daemon for thread in left):
            self.faults.append(f"the interpreter waits for {left}")

    def known(self, kind):
        """Refuse a type that is not in the list."""
        if kind not in self.types:
            raise TypeError(f"Dataset {kind} not found")

    def dispatched(self, given):
        """Take a value."""
        if not given.get("type"):
            raise RuntimeError("type not set")
        self.known(given["type"])
        values = given.get("values")
        if not isinstance(values, list | tuple):
            raise TypeError("values must be list or tuple")
        if len(values) != self.types[given["type"]]:
            raise RuntimeError("values has the wrong length")
        numbers = [float(value) for value in values]
        if not all(map(math.isfinite, numbers)):
            self.faults.append(f"not finite: {given}")
        if not self._reading and not given.get("interval"):
            self.faults.append(f"no interval off a read callback: {given}")
        if not (math.isfinite(given.get("interval", 1)) and given.get("interval", 1) > 0):
            self.faults.append(f"the interval is none: {given}")
        names = ("host", "plugin", "plugin_instance", "type_instance")
        place = tuple(_name(given.get(name, "")) for name in names)
        if place[1:] != tuple(given.get(name, "") for name in names[1:]):
            self.faults.append(f"a name was changed: {given}")
        key = (*place, given["type"])
        if given.get("time", math.inf) <= self._latest.get(key, 0):
            self.faults.append(f"too old: {given}")
        self._latest[key] = given.get("time", math.inf)
        self.values.append(given)

    def notified(self, given):
        """Take a notification."""
        if not self.handlers:
            raise RuntimeError("no plugin takes notifications")
        if given.get("severity") not in (1, 2, 4):
            self.faults.append(f"goes out as UNKNOWN: {given}")
        if len(given["message"].encode()) > LONGEST_MESSAGE:
            self.faults.append(f"the message is cut: {given}")
        self.notifications.append(given)

    def _log(self, severity, text):
        if not isinstance(text, str) or "\0" in text:
            raise TypeError("exactly one text without NUL")
        if len(text.encode()) > LONGEST_LINE or "\n" in text:
            self.faults.append(f"no line of a log: {text!r}")
        self.lines.append((severity, text))

    def _add(self, kind, callback, interval=None, *, data=None, name=None):
        name = name or callback.__module__
        if kind == "read" and (kind, name) in self.callbacks:
            self._log("warning", f"read callback {name} is there already")
        else:
            self.callbacks[kind, name] = (callback, () if data is None else (data,))
        return f"python.{name}"

    def _call(self, kind, *arguments):
        for callback, data in [v for (of, _), v in self.callbacks.items() if of == kind]:
            try:
                callback(*arguments, *data)
            except BaseException as error:
                self.faults.append(f"{kind} callback: {type(error).__name__}: {error}")

    def _no_new_threads(self, where):
        new = [thread for thread in threading.enumerate() if thread not in self._threads]
        if new:
            self.faults.append(f"threads {where}, which a fork would cut off: {new}")


def load(name="rct_collector_collectd"):
    """The plugin as collectd's ``Import`` loads it: anew each time."""
    spec = importlib.util.spec_from_file_location(name, PLUGIN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
