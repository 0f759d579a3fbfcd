"""Links of the documentation: what is wrong with them is found, and none of ours is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import library
from tools import site_built, site_links

ROOT = Path(__file__).parents[1]


def test_all_links_of_the_repository_are_right():
    assert list(site_links.problems(ROOT)) == []


def test_the_pages_of_the_repository_are_found_and_have_links():
    pages = site_links.sources(ROOT)
    assert {"README.md", "SECURITY.md", "docs/metrics.md", "docs/protocols/rct.md"} <= {*pages}
    counts = [len([*site_links.targets((ROOT / page).read_text())]) for page in pages]
    assert sum(counts) > 100


# -- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](b.md)", [(1, "b.md")]),
        ("![a](b.svg) and [two\nlines](c.md#d)", [(1, "b.svg"), (2, "c.md#d")]),
        ("| [a](b.md) | [c](d.md) |", [(1, "b.md"), (1, "d.md")]),
        ("[`code`](b.md)", [(1, "b.md")]),
        ("`[a](b.md)` and ``[c](`d`)``", []),
        ("a ` alone\n\n[a](b.md) `x`", [(3, "b.md")]),
        ("```sh\n[a](b.md)\n```\n\n[c](d.md)", [(5, "d.md")]),
        ("  ```\n  [a](b.md)\n  ```\n[c](d.md)", [(4, "d.md")]),
        ("````\n```\n[a](b.md)\n```\n````\n[c](d.md)", [(6, "d.md")]),
        ("fast (10 s) [not a link] (b.md)", []),
    ],
)
def test_links_are_found(text, found):
    assert list(site_links.targets(text)) == found


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Quick start", "quick-start"),
        ("4. Let your agent collect", "4-let-your-agent-collect"),
        ("`write_http`", "write_http"),
        ("Where, and how?", "where-and-how"),
        ("Not your device?", "not-your-device"),
        ("A [link](b.md) in it", "a-link-in-it"),
        ("Länge – groß", "länge--groß"),
    ],
)
def test_headings_have_the_anchors_of_forges(heading, anchor):
    assert site_links.slug(heading) == anchor
    assert site_links.anchors(f"# Top\n\n```\n## Not this\n```\n\n## {heading}\n") == {
        "top",
        anchor,
    }


@pytest.mark.parametrize("heading", ["Quick start", "4. Let your agent", "`write_http`", "a – b"])
def test_the_site_makes_the_same_anchors(heading):
    slugs = library("pymdownx.slugs")
    made = slugs.slugify(case="lower")(heading.replace("`", ""), "-")
    assert made == site_links.slug(heading)


# -- judging -----------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path):
    """A folder that passes for the repository, with all pages that there have to be."""
    for page in (*site_links.PAGES, "docs/a.md", "docs/deep/b.md"):
        path = tmp_path / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# Top\n\n## Two words\n")
    (tmp_path / "packaging").mkdir()
    (tmp_path / "packaging" / "notes.md").write_text("# Top\n")
    (tmp_path / "code.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [
        "deep/b.md", "deep/b.md#two-words", "#two-words", "../README.md", "../code.py",
        "../plugins/collectd/README.md#top", "https://example.org/a?b=c#d",
    ],
)  # fmt: skip
def test_right_links_are_no_problem(checkout, target):
    (checkout / "docs/a.md").write_text(f"## Two words\n\n[x]({target})\n")
    assert list(site_links.problems(checkout)) == []


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("b.md", "there is no such file"),
        ("../docs", "is a folder"),
        ("../../else.md", "leads out of the repository"),
        ("/etc/passwd", "leads out of the repository"),
        ("deep/b.md#three-words", "docs/deep/b.md has no heading of that name"),
        ("#three-words", "docs/a.md has no heading of that name"),
        ("../code.py#L3", "only pages have anchors"),
        ("../packaging/notes.md", "is no page of the site"),
        ("http://example.org", "links to other sites begin with https://"),
        ("https://example", "there is no host of that name"),
        ("https:///path", "there is no host of that name"),
        ("//example.org/x", "links to other sites begin with https://"),
    ],
)
def test_wrong_links_are_told_with_file_and_line(checkout, target, words):
    (checkout / "docs/a.md").write_text(f"# A\n\nSee [x]({target}).\n")
    (problem,) = site_links.problems(checkout)
    assert problem.startswith(f"docs/a.md:3: {target}: ")
    assert words in problem


# -- moving ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "target", "moved"),
    [
        ("README.md", "docs/metrics.md", "metrics.md"),
        ("README.md", "docs/protocols/rct.md#frames", "protocols/rct.md#frames"),
        ("README.md", "plugins/telegraf/README.md", "agents/telegraf.md"),
        ("README.md", "plugins/telegraf/sample.conf", "files/plugins/telegraf/sample.conf"),
        ("README.md", "docs/assets/way.svg", "assets/way.svg"),
        ("docs/metrics.md", "../README.md#installation", "index.md#installation"),
        ("docs/metrics.md", "dashboards/influxdb.json", "dashboards/influxdb.json"),
        ("docs/protocols/rct.md", "../../setup.py", "../files/setup.py"),
        ("plugins/telegraf/README.md", "../../docs/metrics.md", "../metrics.md"),
        (
            "plugins/telegraf/README.md",
            "outputs/a.conf",
            "../files/plugins/telegraf/outputs/a.conf",
        ),
        ("docs/metrics.md", "#faults", "#faults"),
        ("docs/metrics.md", "https://example.org/", "https://example.org/"),
    ],
)
def test_links_move_with_their_page(page, target, moved):
    assert site_links.moved(page, target) == moved
    text = f"[a]({target}) `[a]({target})`\n\n```\n[a]({target})\n```\n\n![b]({target})\n"
    new = f"[a]({moved}) `[a]({target})`\n\n```\n[a]({target})\n```\n\n![b]({moved})\n"
    assert site_links.relocated(text, page) == new


# -- the built site ----------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path):
    """A small site without a fault."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "style.css").write_text("a { background: url(style.css), url(data:x) }")
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="style.css"><h1 id="top">x</h1>'
        '<a href="deep/page.html#there">a</a><a href="#top">b</a><a href="deep">c</a>'
        '<a href="https://example.org/">d</a><img src="data:image/png;base64,AA==">'
    )
    (tmp_path / "deep/page.html").write_text('<p id="there">x</p><a href="/index.html#top">a</a>')
    (tmp_path / "deep/index.html").write_text('<a href="../index.html">a</a>')
    return tmp_path


def test_a_good_site_has_no_problems(site):
    assert list(site_built.problems(site)) == []


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ('<a href="gone.html">', "<a> gone.html: there is no such file"),
        ('<a href="page.html#gone">', "<a> page.html#gone: there is no such place on the page"),
        ('<img src="gone.png">', "<img> gone.png: there is no such file"),
        ('<script src="https://cdn.example/x.js">', "is loaded from elsewhere"),
        ('<script src="//cdn.example/x.js">', "is loaded from elsewhere"),
        ('<link rel="preconnect" href="https://fonts.example">', "is loaded from elsewhere"),
        ('<img src="https://badge.example/x.svg">', "is loaded from elsewhere"),
        ('<iframe src="https://video.example/">', "is loaded from elsewhere"),
        ('<pre class="mermaid big">', "drawn by a program from elsewhere"),
    ],
)
def test_what_is_wrong_with_a_site_is_told(site, html, words):
    with (site / "deep/page.html").open("a") as page:
        page.write(html)
    (problem,) = site_built.problems(site)
    assert problem.startswith("deep/page.html: ")
    assert words in problem


@pytest.mark.parametrize(
    "css", ["@import 'https://f.example/a';", "a { b: url(//f.example/a) }", 'url("http://f.e/a")']
)
def test_styles_load_nothing_from_elsewhere(site, css):
    (site / "style.css").write_text(css)
    (problem,) = site_built.problems(site)
    assert problem.startswith("style.css: ")
    assert problem.endswith("is loaded from elsewhere")


def test_a_site_without_pages_is_none(tmp_path):
    (problem,) = site_built.problems(tmp_path)
    assert "there are no pages" in problem


@pytest.mark.slow
def test_the_command_tells_all_problems_and_fails(checkout, site):
    (checkout / "docs/a.md").write_text("[x](gone.md)\n")
    command = [sys.executable, str(ROOT / "tools/site_check.py"), str(site)]
    options = {"capture_output": True, "text": True, "check": False}

    run = subprocess.run([*command, "--root", str(checkout)], **options)
    assert run.returncode == 1
    assert "error: docs/a.md:1: gone.md: there is no such file" in run.stderr
    (site / "index.html").write_text('<a href="gone.html">')
    assert "error: index.html: <a> gone.html" in subprocess.run(command, **options).stderr


@pytest.mark.slow
def test_the_command_is_content_with_a_good_site(checkout, site):
    command = [
        sys.executable,
        str(ROOT / "tools/site_check.py"),
        str(site),
        "--root",
        str(checkout),
    ]
    assert subprocess.run(command, check=True, capture_output=True).stderr == b""
