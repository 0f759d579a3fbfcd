"""What was learnt about a device, kept on disk: one small JSON file per device.

A folder that cannot be written to costs a message, not a sample: everything is learnt again
after each start then. A damaged file is set aside the same way.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

#: Version of the layout below; another one is not read.
VERSION = 1


class StateFile:
    """Where the facts about one device are kept."""

    def __init__(self, folder: Path, device: str, driver: str) -> None:
        """Name the file after the device.

        Args:
            folder: State folder; made when needed.
            device: Configured name.
            driver: Driver name; facts of another driver are not taken up.
        """
        self.path = folder / f"{device}.json"
        self._driver = driver
        self._device = device
        self._complained = False

    def load(self) -> dict[str, Any]:
        """The facts of an earlier run; none where there are none that can be used."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["version"] != VERSION or content["driver"] != self._driver:
                return {}
            facts = content["facts"]
            return dict(facts)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: %s is not used: %s", self._device, self.path, error)
            return {}

    def save(self, facts: dict[str, Any]) -> None:
        """Keep the facts; the file is replaced as a whole or not at all."""
        content = {"version": VERSION, "driver": self._driver, "facts": facts}
        draft = self.path.with_suffix(f".{os.getpid()}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A new file, and no link that another one who may write here has put in its place:
            # of those who share the folder one may be root.
            draft.unlink(missing_ok=True)
            with draft.open("x", encoding="utf-8") as file:
                file.write(json.dumps(content, indent=1) + "\n")
            draft.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            if not self._complained:
                log.warning(
                    "%s: cannot keep what was learnt in %s (%s); it will be learnt again after"
                    " each start",
                    self._device,
                    self.path.parent,
                    error.strerror or error,
                )
            self._complained = True
