"""``python -m tests.fuzz TARGET [OPTION...]``: fuzz, or keep what was found.

Options are libFuzzer's, such as ``-max_total_time=600`` or ``-runs=20000 -seed=1``; the name of a
file tries that input once. Three more are ours:

``--work=FOLDER``
    Where to put what is found, instead of ``.fuzz``.
``--minimise``
    Put the fewest inputs into the repository's corpus that reach what the long runs reached.
``--keep FILE...``
    Put inputs that fail among those that every test run tries.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz import TARGETS, engine


def minimise(name, work):
    """Merge what the repository has with what was found; libFuzzer chooses the small ones."""
    found = engine.unpack(name, work / name / "corpus")
    with tempfile.TemporaryDirectory() as folder:
        options = (f"--work={work}", "-merge=1", "-use_counters=0", folder, str(found))
        subprocess.run([sys.executable, "-m", "tests.fuzz", name, *options], check=True)
        engine.write(name, (path.read_bytes() for path in Path(folder).iterdir()))


def keep(name, files):
    """Append to the inputs that are never minimised."""
    with engine.texts(name)[1].open("a", encoding="ascii") as text:
        for file in files:
            text.write(f"{Path(file).read_bytes().hex()}  # say here what was wrong\n")
    print(f"Now complete the comment in {engine.texts(name)[1]}.")


def main(arguments):
    if not arguments or arguments[0] not in TARGETS:
        sys.exit(f"{__doc__}\nTargets: {', '.join(TARGETS)}")
    name, *options = arguments
    work = engine.WORK
    if options[:1] and options[0].startswith("--work="):
        work = Path(options.pop(0).partition("=")[2]).resolve()
    if options[:1] == ["--minimise"]:
        minimise(name, work)
    elif options[:1] == ["--keep"]:
        keep(name, options[1:])
    else:
        engine.fuzz(name, options, work)


if __name__ == "__main__":
    main(sys.argv[1:])
