"""Text made from the code: sample configurations, and regions of the documentation.

A region of a Markdown file lies between two comments, and belongs to the generator whose name
they carry::

    <!-- begin generated: options -->
    …
    <!-- end generated: options -->

``python -m rct_collector.docs`` writes everything anew, ``--check`` names what is stale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rct_collector.docs import devices, metrics, samples, tables, words
from rct_collector.drivers import BUILTIN, driver
from rct_collector.errors import CollectorError
from rct_collector.markdown import fenced

Generator = Callable[[], str]

#: Root of the repository → every file that is made there, and what should be in it.
Files = Callable[[Path], Iterator[tuple[Path, str]]]

#: File, seen from the root of the repository → what makes it.
FILES: dict[str, Generator] = {
    "docs/config.yaml": samples.config_yaml,
    "plugins/collectd/sample.conf": samples.collectd_conf,
    "plugins/telegraf/sample.conf": samples.telegraf_conf,
    "rct_collector/web/page/words.json": words.for_page,
}

#: Where regions are looked for.
MARKDOWN = ("README.md", "docs/**/*.md", "plugins/*/README.md")

#: Name of a region → what makes it.
REGIONS: dict[str, Generator] = {
    "options": tables.options,
    "history-options": tables.history_options,
    "addresses": tables.addresses,
    "transports": tables.transports,
    "metrics": metrics.by_measurement,
    "devices": tables.devices,
    "codes": tables.codes,
    "exit-codes": tables.exit_codes,
    "findings": tables.findings,
    "config-sample": lambda: fenced("yaml", samples.config_yaml()),
    "collectd-sample": lambda: fenced("apache", samples.collectd_conf()),
    "collectd-options": tables.collectd_options,
    "collectd-metrics": metrics.collectd_measured,
    "telegraf-sample": lambda: fenced("toml", samples.telegraf_conf()),
}

for _name in BUILTIN:
    _own = driver(_name).tools().documents()
    FILES.update(_own.files)
    REGIONS.update(_own.regions)
    if driver(_name).faults:
        REGIONS[f"{_name}-faults"] = partial(tables.faults, _name)
    if driver(_name).history is not None:
        REGIONS[f"{_name}-memory"] = partial(devices.memory, _name)
    if driver(_name).queries:
        REGIONS[f"{_name}-objects"] = partial(devices.objects, _name)
        REGIONS[f"{_name}-parts"] = partial(devices.parts, _name)
    if driver(_name).settings:
        REGIONS[f"{_name}-settings"] = partial(devices.settings, _name)
    if _own.versions:
        REGIONS[f"{_name}-firmware"] = partial(devices.firmware, _name)

_BEGIN = re.compile(r"^<!-- begin generated: (?P<name>\S+) -->\n", re.MULTILINE)


class DocsError(CollectorError):
    """A region without end, or of a name that no generator has."""


def generated(root: Path) -> Iterator[tuple[Path, str]]:
    """Every file with generated text, and what should be in it.

    Args:
        root: Folder of the repository.

    Raises:
        DocsError: The marks of a region are wrong.
    """
    for name, generator in FILES.items():
        yield root / name, generator()
    for pattern in MARKDOWN:
        for path in sorted(root.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            if _BEGIN.search(text):
                yield path, fill(text, str(path.relative_to(root)))


def fill(text: str, origin: str) -> str:
    """Put generated text into the regions of a file.

    Args:
        text: The file as it is.
        origin: Its name, for messages.

    Raises:
        DocsError: The marks of a region are wrong.
    """
    parts = []
    position = 0
    for begin in _BEGIN.finditer(text):
        name = begin["name"]
        end = text.find(f"<!-- end generated: {name} -->", begin.end())
        if begin.start() < position or end < 0:
            raise DocsError(f"{origin}: the region {name!r} has no end")
        if name not in REGIONS:
            raise DocsError(f"{origin}: no region is called {name!r}; known: {', '.join(REGIONS)}")
        parts += [text[position : begin.end()], "\n", REGIONS[name]().strip("\n"), "\n\n"]
        position = end
    return "".join([*parts, text[position:]])


def stale(root: Path, files: Files = generated) -> list[Path]:
    """The files that would change."""
    return [path for path, text in files(root) if _present(path) != text]


def write(root: Path, files: Files = generated) -> list[Path]:
    """Write what is stale; returns the files that changed."""
    changed = []
    for path, text in files(root):
        if _present(path) != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def _present(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
