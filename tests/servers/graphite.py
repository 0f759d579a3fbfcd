"""Graphite: carbon, which keeps values in whisper files, and the web application, which draws."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.processes import CLEAN, Server, free_port, get, get_json, listening

CONFIG = """
[cache]
STORAGE_DIR = {folder}
CONF_DIR = {folder}
LOG_DIR = {folder}
PID_DIR = {folder}
LOCAL_DATA_DIR = {folder}/whisper
WHITELISTS_DIR = {folder}
USER =
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {port}
ENABLE_UDP_LISTENER = False
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
WHISPER_AUTOFLUSH = True
CACHE_WRITE_STRATEGY = naive
ENABLE_TAGS = False
"""

#: For what units remember, as the shipped file says.
SHIPPED = Path(__file__).parents[2] / "plugins/telegraf/carbon/storage-schemas.conf"

#: For all else.
SCHEMAS = """
[all]
pattern = .*
retentions = 1s:1h
"""


class Carbon(Server):
    """The storage; it takes plain text lines, and pickled lists."""

    program = Path("/usr/bin/carbon-cache")

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()
        self.pickle_port = free_port()
        self.query_port = free_port()

    def command(self):
        config = self.folder / "carbon.conf"
        config.write_text(
            CONFIG.format(
                folder=self.folder,
                port=self.port,
                pickle=self.pickle_port,
                query=self.query_port,
            )
        )
        (self.folder / "storage-schemas.conf").write_text(SHIPPED.read_text() + SCHEMAS)
        self.data.mkdir(exist_ok=True)  # the web application looks for it only once
        pid = self.folder / "carbon.pid"
        return [f"--config={config}", "--nodaemon", f"--pidfile={pid}", "start"]

    def ready(self):
        return listening(self.port)

    @property
    def data(self):
        """Folder of the whisper files."""
        return self.folder / "whisper"

    def names(self):
        """Dotted names of all series."""
        files = self.data.rglob("*.wsp")
        return {
            ".".join(path.relative_to(self.data).with_suffix("").parts)
            for path in files
            if not path.is_relative_to(self.data / "carbon")
        }

    def fetch(self, name):
        """Unix seconds and value of what is in a series' file."""
        path = self.data.joinpath(*name.split(".")).with_suffix(".wsp")
        done = subprocess.run(
            ["/usr/bin/whisper-fetch", "--json", path],
            env=CLEAN,
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        times = range(found["start"], found["end"], found["step"])
        values = zip(times, found["values"], strict=True)
        return [(time, value) for time, value in values if value is not None]

    def everything(self, prefix):
        """(name, Unix seconds) → value, of all series whose names begin with a word."""
        done = subprocess.run(
            ["/usr/bin/python3", "-c", FETCH_ALL, self.data, prefix],
            env=CLEAN,
            capture_output=True,
            text=True,
            check=True,
        )
        return {(name, time): value for name, time, value in json.loads(done.stdout)}


#: Reads whisper files; one process for all of them, where whisper-fetch takes one for each.
FETCH_ALL = """
import json, sys, whisper
from pathlib import Path
data, found = Path(sys.argv[1]), []
for path in data.joinpath(sys.argv[2]).rglob("*.wsp"):
    name = ".".join(path.relative_to(data).with_suffix("").parts)
    times, values = whisper.fetch(str(path), 0)
    found += [(name, t, v) for t, v in zip(range(*times), values) if v is not None]
json.dump(found, sys.stdout)
"""

SETTINGS = """
SECRET_KEY = "only for tests"
STORAGE_DIR = LOG_DIR = "{folder}"
WHISPER_DIR = "{data}"
INDEX_FILE = "{folder}/index"
CARBONLINK_HOSTS = ["127.0.0.1:{query}"]
CLUSTER_SERVERS = []
SQLITE = {{"NAME": "{folder}/graphite.db", "ENGINE": "django.db.backends.sqlite3"}}
DATABASES = {{"default": SQLITE}}
LOG_ROTATION = False
FUNCTION_PLUGINS = []
ALLOWED_HOSTS = ["127.0.0.1"]
"""

SERVE = """
from wsgiref.simple_server import make_server
import django
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)
with make_server("127.0.0.1", {port}, get_wsgi_application()) as server:
    server.serve_forever()
"""


class GraphiteWeb(Server):
    """The web application over the files of a carbon."""

    program = Path("/usr/bin/python3")

    def __init__(self, folder, carbon):
        super().__init__(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._carbon = carbon

    def command(self):
        settings = SETTINGS.format(
            folder=self.folder, data=self._carbon.data, query=self._carbon.query_port
        )
        (self.folder / "graphite_test_settings.py").write_text(settings)
        return ["-c", SERVE.format(port=self.port)]

    def environment(self):
        return {
            "PYTHONPATH": str(self.folder),
            "DJANGO_SETTINGS_MODULE": "graphite.settings",
            "GRAPHITE_SETTINGS_MODULE": "graphite_test_settings",
        }

    def ready(self):
        return get(f"{self.url}/metrics/find", query="*") is not None

    def render(self, target, since="-5min", **more):
        """Name → values that are there, of all series that a target brings."""
        found = self.points(target, since, **more)
        return {name: [value for _, value in points] for name, points in found.items()}

    def points(self, target, since="-5min", **more):
        """The same, each with its Unix seconds."""
        more["from"] = since
        found = get_json(f"{self.url}/render", target=target, format="json", **more)
        return {
            series["target"]: [(t, value) for value, t in series["datapoints"] if value is not None]
            for series in found
        }

    def find(self, query):
        """Names below a pattern, as for the choices of a template variable."""
        return [node["text"] for node in get_json(f"{self.url}/metrics/find", query=query)]
