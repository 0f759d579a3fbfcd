"""PostgreSQL, with an empty database."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.processes import CLEAN, Server, free_port, require

#: Whom root lets run it, since it refuses to be root.
NOBODY = "nobody"


class PostgreSQL(Server):
    """The server; it trusts everybody on loopback, and forgets what it has at its end.

    Attributes:
        database: Name of the database, and of its owner.
    """

    program = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=Path("postgres"))
    database = "solar"

    def __init__(self):
        # The folders of the tests are for root only.
        super().__init__(Path(tempfile.mkdtemp(prefix="postgresql-")))
        self.port = free_port()
        if os.geteuid() == 0:
            self.user = NOBODY
            shutil.chown(self.folder, NOBODY)

    def command(self):
        self._run("initdb", "--pgdata=data", "--auth=trust", f"--username={self.database}",
                  "--encoding=UTF8", "--no-sync", "--no-instructions")  # fmt: skip
        return [
            *("-D", self.folder / "data", "-h", "127.0.0.1", "-p", self.port, "-k", self.folder),
            *("-c", "fsync=off", "-c", "timezone=Asia/Tokyo"),
        ]

    def ready(self):
        try:
            self._psql("template1", "SELECT 1")
        except subprocess.CalledProcessError:
            return False
        return True

    def __enter__(self):
        require(self.program)
        super().__enter__()
        self._psql("template1", f"CREATE DATABASE {self.database}")
        return self

    def __exit__(self, *details):
        super().__exit__(*details)
        shutil.rmtree(self.folder)

    def rows(self, table):
        """The rows of a table as dictionaries, without what is null."""
        text = self._psql(self.database, f'SELECT row_to_json(t) FROM "{table}" t')  # noqa: S608
        found = map(json.loads, text.splitlines())
        return [{key: x for key, x in row.items() if x is not None} for row in found]

    def column(self, statement):
        """The texts of a query of one column."""
        return self._psql(self.database, statement).splitlines()

    def _psql(self, database, statement):
        options = ("--no-psqlrc", "-At", "-h", "127.0.0.1", "-p", str(self.port))
        return self._run("psql", *options, "-U", self.database, database, "-c", statement)

    def _run(self, name, *arguments):
        done = subprocess.run(
            [self.program.parent / name, *arguments],
            env={**CLEAN, "HOME": str(self.folder)},
            cwd=self.folder,
            user=self.user,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout
