"""The built site: every link leads somewhere, and nothing is fetched from anywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

#: Attributes that name a place, or something to be loaded.
_PLACES = ("href", "src", "data", "poster")

#: Elements that are links, and load nothing.
_LINKS = ("a", "area")

_CSS = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)")

#: Classes whose elements Material's script would draw with a program that it fetches.
_FETCHING = ("mermaid",)


class Found(NamedTuple):
    """One attribute that names a place.

    Attributes:
        tag: Element.
        target: Value.
    """

    tag: str
    target: str


class _Reader(HTMLParser):
    """Gathers places and anchors of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Found] = []
        self.anchors: set[str] = set()
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one element."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name == "class" and value:
                self.classes.update(value.split())
            elif name in _PLACES and value:
                self.found.append(Found(tag, value))


def problems(site: Path) -> Iterator[str]:
    """What is wrong with a site, one sentence each.

    Args:
        site: Folder that MkDocs has written.
    """
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site}: there are no pages"
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for kind in _FETCHING:
            if kind in page.classes:
                yield f"{name}: elements of class {kind!r} are drawn by a program from elsewhere"
        for found in dict.fromkeys(page.found):
            problem = _problem(site, path, found, pages)
            if problem:
                yield f"{name}: <{found.tag}> {found.target}: {problem}"
    for path in sorted(site.rglob("*.css")):
        for target in _CSS.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site).as_posix()}: {target}: is loaded from elsewhere"


def _read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    return reader


def _problem(site: Path, page: Path, found: Found, pages: dict[Path, _Reader]) -> str:
    """What is wrong with one place; "" if nothing is."""
    parts = urlsplit(found.target)
    if parts.scheme == "data":
        return ""
    if parts.scheme or parts.netloc:
        return "" if found.tag in _LINKS else "is loaded from elsewhere"
    path = unquote(parts.path)
    if path.startswith("/"):
        file = site / path.lstrip("/")
    else:
        file = (page.parent / path).resolve() if path else page
    if file.is_dir():
        file /= "index.html"
    if not file.is_file():
        return "there is no such file"
    if parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].anchors:
        return "there is no such place on the page"
    return ""
