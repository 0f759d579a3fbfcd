"""What MkDocs does besides: pages from all over the repository, and the files they link to."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_links import FILES, PAGES, is_external, place, relocated, resolve, sources, targets

_ORIGINS = {site: page for page, site in PAGES.items()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in ``docs``, and every other file that is linked to."""
    root = Path(config.config_file_path).parent
    wanted = {*PAGES}
    for page in sources(root):
        for _, target in targets((root / page).read_text(encoding="utf-8")):
            if not is_external(target):
                path, _ = resolve(page, target)
                if place(path).startswith(f"{FILES}/") and (root / path).is_file():
                    wanted.add(path)
    for path in sorted(wanted):
        files.append(File.generated(config, place(path), abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the links of a page for its place in the site, and let it fold what forges fold."""
    uri = page.file.src_uri
    text = relocated(markdown, _ORIGINS.get(uri, f"docs/{uri}"))
    # Unlike forges, Python-Markdown takes what is inside for HTML unless it is told.
    return text.replace("\n<details>\n", "\n<details markdown>\n")
