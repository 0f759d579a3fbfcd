"""``tools/site_check.py SITE``: check the links of the pages, and of the site made of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import site_built
import site_links

ROOT = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Those of the command line.

    Returns:
        0 when all links are right, 1 when one is wrong.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="folder that mkdocs has written")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the repository")
    chosen = parser.parse_args(arguments)
    found = [*site_links.problems(chosen.root), *site_built.problems(chosen.site.resolve())]
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
