"""``python -m rct_collector.docs``: write the generated text, or check that it is fresh."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rct_collector.docs import Files, generated, stale, write
from rct_collector.errors import CollectorError


def main(
    arguments: list[str] | None = None,
    files: Files = generated,
    module: str = "rct_collector.docs",
    description: str | None = __doc__,
) -> int:
    """Run the command.

    Args:
        arguments: Those of the command line.
        files: What there is to write.
        module: How the command is started.
        description: What ``--help`` says of it.

    Returns:
        0 when all is well, 1 when something is stale or wrong.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--check", action="store_true", help="change nothing, name what is stale")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(__file__).parents[2],
        help="folder of the repository (default: that of this module)",
    )
    chosen = parser.parse_args(arguments)
    root: Path = chosen.root
    if not (root / "pyproject.toml").exists():
        print(f"error: {root} is no checkout of the repository", file=sys.stderr)
        return 1
    try:
        found = stale(root, files) if chosen.check else write(root, files)
    except CollectorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in found:
        verb = "stale, run `make docs`:" if chosen.check else "written:"
        print(verb, path.relative_to(root), file=sys.stderr if chosen.check else sys.stdout)
    return int(chosen.check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
