"""Links of Markdown files: found, checked, and written anew for the place of a page in the site.

A link in the repository is right when the file is there, and a heading of its name where the link
has an anchor. Pages link to files only, never to folders, since a site has no page for a folder.
Links to other sites are held against the form of an address; no network is used.

Pages live in ``docs``, except for those that have to stand elsewhere in the repository
(:data:`PAGES`); these are shown where the navigation of the site wants them, so that nothing is
written twice. Other files that a page links to, such as configurations to copy, come along.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Folder of the pages.
DOCS = "docs"

#: Page that stands elsewhere in the repository → where it is in the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "plugins/collectd/README.md": "agents/collectd.md",
    "plugins/telegraf/README.md": "agents/telegraf.md",
}

#: Where the site keeps other files of the repository that are linked to.
FILES = "files"

_FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1?\2[ \t]*$", re.MULTILINE | re.DOTALL)
#: Code within a line is passed over; of a link, the target counts.
_LINK = re.compile(r"(?P<code>(`+)(?:[^`\n]|\n(?!\s*\n))+\2)|(?<=\]\()(?P<target>[^)\s]+)(?=\))")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a id=\"([^\"]+)\"></a>")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)


def sources(root: Path) -> list[str]:
    """Every page, seen from the root of the repository."""
    pages = (path.relative_to(root).as_posix() for path in (root / DOCS).rglob("*.md"))
    return sorted([*PAGES, *pages])


def targets(text: str) -> Iterator[tuple[int, str]]:
    """The links of a page.

    Args:
        text: Markdown.

    Yields:
        Line, counted from 1, and target as it is written.
    """
    prose = _without_code(text)
    for match in _LINK.finditer(prose):
        if match["target"]:
            yield prose.count("\n", 0, match.start()) + 1, match["target"]


def _without_code(text: str) -> str:
    """The same lines, with blocks of code left empty."""
    return _FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)


def anchors(text: str) -> set[str]:
    """The names by which places of a page can be linked to."""
    prose = _without_code(text)
    return {slug(match[1]) for match in _HEADING.finditer(prose)} | {*_ANCHOR.findall(prose)}


def slug(heading: str) -> str:
    """The anchor of a heading, as forges and our site make it.

    Args:
        heading: Its text, in Markdown.
    """
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def is_external(target: str) -> bool:
    """Whether a link leads out of the repository."""
    return bool(urlsplit(target).scheme) or target.startswith("//")


def problems(root: Path) -> Iterator[str]:
    """What is wrong with the links of all pages, one sentence each, with file and line."""
    known: dict[str, set[str]] = {}
    for page in sources(root):
        for line, target in targets((root / page).read_text(encoding="utf-8")):
            problem = (
                _external(target) if is_external(target) else _local(root, page, target, known)
            )
            if problem:
                yield f"{page}:{line}: {target}: {problem}"


def _external(target: str) -> str:
    """What is wrong with an address elsewhere; "" if nothing can be seen."""
    parts = urlsplit(target)
    if parts.scheme != "https":
        return "links to other sites begin with https://"
    if not _HOST.fullmatch(parts.hostname or ""):
        return "there is no host of that name"
    return ""


def _local(root: Path, page: str, target: str, known: dict[str, set[str]]) -> str:
    """What is wrong with a link within the repository; "" if nothing is."""
    path, anchor = resolve(page, target)
    if path.startswith(("../", "/")):
        return "leads out of the repository"
    file = root / path
    if file.is_dir():
        return "is a folder; link to a file in it"
    if not file.is_file():
        return "there is no such file"
    if not path.endswith(".md"):
        return "only pages have anchors" if anchor else ""
    if place(path).startswith(f"{FILES}/"):
        return "is no page of the site"
    if anchor:
        if path not in known:
            known[path] = anchors(file.read_text(encoding="utf-8"))
        if anchor not in known[path]:
            return f"{path} has no heading of that name"
    return ""


def resolve(page: str, target: str) -> tuple[str, str]:
    """File that a link of a page means, seen from the root of the repository, and its anchor."""
    path, _, anchor = target.partition("#")
    if not path:
        return page, anchor
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(path))), anchor


def place(path: str) -> str:
    """Where a file of the repository is in the site, before MkDocs makes HTML of it."""
    if path in PAGES:
        return PAGES[path]
    inside = path.removeprefix(f"{DOCS}/")
    return inside if inside != path else f"{FILES}/{path}"


def relocated(text: str, page: str) -> str:
    """A page with the links that it needs at its place in the site.

    Args:
        text: Markdown.
        page: Where it is in the repository.
    """
    parts = []
    position = 0
    for match in _FENCED.finditer(text):
        parts += [_replaced(text[position : match.start()], page, moved), match[0]]
        position = match.end()
    return "".join([*parts, _replaced(text[position:], page, moved)])


def moved(page: str, target: str) -> str:
    """A link of a page, as seen from the place of the page in the site."""
    if is_external(target) or target.startswith("#"):
        return target
    path, anchor = resolve(page, target)
    link = posixpath.relpath(place(path), posixpath.dirname(place(page)) or ".")
    return f"{link}#{anchor}" if anchor else link


def _replaced(prose: str, page: str, change: Callable[[str, str], str]) -> str:
    return _LINK.sub(
        lambda match: change(page, match["target"]) if match["target"] else match[0], prose
    )
