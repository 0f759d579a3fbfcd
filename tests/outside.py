"""What a family's command may want of the world outside, in memory: files, programs, people."""

from contextlib import contextmanager

from rct_collector.errors import CaptureError, TransportError


class Desk:
    """Files are a dict; who listens at a port is a list of streams, taken in order."""

    def __init__(self, **files):
        self.files = {name.replace("_", "."): content for name, content in files.items()}
        self.stdin = b""
        self.stdout = b""
        self.said = []
        self.paused = []
        self.private = set()
        self.streams = []
        self.connected = []
        self.replaced = []
        self.recorded = []
        self.opened = self.device = None
        self.clock = 0.0
        self.asked, self.answer = [], None
        self.wanted = self.collected = None
        self.pieces = 1 << 16

    def say(self, text):
        self.said.append(text)

    def lines(self, path, *, follow=False):
        content = self.stdin if path is None else self._read(path)
        lines = content.splitlines()
        for start in range(0, len(lines), self.pieces):
            yield lines[start : start + self.pieces]

    def secret(self, path):
        return self._read(path).decode().strip()

    def collect(self, family, address, options, take):
        self.collected = (family, address, options)
        for run in self.recorded:
            take(run)
        raise KeyboardInterrupt

    def runs(self, wanted):
        self.wanted = wanted
        if wanted.path is not None:
            self._read(wanted.path)
        yield from self.recorded

    def content(self, path):
        return self.files.get(path)

    @contextmanager
    def kept(self, path):
        if path is None:
            self.files["(kept)"] = self.stdin
        yield path or "(kept)"

    @contextmanager
    def output(self, path, *, append=False):
        if path is not None and not append:
            self.files[path] = b""
        yield _Out(self, path)

    def replace(self, path, content, *, private=False):
        self.files[path] = content
        self.replaced.append((path, content))
        if private:
            self.private.add(path)

    @contextmanager
    def wire(self, address, ways):
        self.opened = (address, ways)
        yield self.device

    def ask(self, question):
        self.asked.append(question)
        return self.answer

    def now(self):
        return self.clock

    def connect(self, host, port):
        self.connected.append((host, port))
        if not self.streams:
            raise TransportError(f"{host}:{port} cannot be reached: Connection refused")
        return self.streams.pop(0)

    def pause(self, seconds):
        self.paused.append(seconds)

    def _read(self, path):
        if path not in self.files:
            raise CaptureError(f"{path} cannot be read: No such file or directory")
        return self.files[path]


class _Out:
    def __init__(self, desk, path):
        self._desk = desk
        self._path = path

    def write(self, data):
        if self._path is None:
            self._desk.stdout += data
        else:
            self._desk.files[self._path] = self._desk.files.get(self._path, b"") + data


class Taker:
    """Takes what is sent, until it has taken enough messages."""

    def __init__(self, most=None):
        self.taken = []
        self.most = most
        self.finished = self.closed = False

    def send(self, data):
        if self.most is not None and len(self.taken) >= self.most:
            raise TransportError("carbon takes nothing any more: Broken pipe")
        self.taken.append(data)

    def check(self):
        if self.most is not None and len(self.taken) >= self.most:
            raise TransportError("carbon was lost: it was closed there")

    def finish(self):
        if self.most is not None and len(self.taken) >= self.most:
            raise TransportError("carbon was lost: Connection reset by peer")
        self.finished = True

    def close(self):
        self.closed = True
