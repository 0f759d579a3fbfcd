"""Instructions per exchange, or per record of units that are not asked, beside those kept.

::

    python -m tests.bench.instructions            # shows both
    python -m tests.bench.instructions --keep     # what was found is what is kept from now on

What a processor executes for the same work is the same on a busy machine and on a quiet one, so it
can be held against a number, where a time cannot. It is counted for Debian's Python, which is the
same program everywhere; others count differently. A change of a number is a commit of its own,
whose message says why.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.bench.in_memory import FAMILIES, count_instructions
from tests.bench.report import markdown

KEPT = Path(__file__).with_suffix(".json")

PYTHON = Path("/usr/bin/python3")

#: How far a count may be off the number that is kept. Two counts of one program differ by 0.01 %.
TOLERANCE = 0.05

_BUILD = """
import platform as p
print("Debian:", p.python_implementation(), p.python_version(), p.python_compiler(), p.machine())
"""


def build():
    """The name of the interpreter; "" where there is none of Debian."""
    if not (PYTHON.exists() and Path("/etc/debian_version").exists()):
        return ""
    run = subprocess.run([PYTHON, "-c", _BUILD], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def kept():
    """Interpreter → family → the number that is kept."""
    return json.loads(KEPT.read_text(encoding="utf-8"))


def counted():
    """Family → instructions per exchange or record."""
    # What the collector needs is pure Python, or does without what is not.
    path = sysconfig.get_path("purelib")
    found = count_instructions([PYTHON], [*FAMILIES], 1, path=path)
    return {name: round(number / done.exchanges) for name, (done, number) in found.items()}


def differences(found, right):
    """What is off, in words.

    Args:
        found: What was counted, by family.
        right: What is kept.
    """
    for name, number in found.items():
        if name not in right:
            yield f"{name}: {number:,} instructions; no number is kept for it.{_remedy()}"
        elif abs(off := number / right[name] - 1) > TOLERANCE:
            yield (
                f"{name}: {number:,} instructions per {_each(name)}, {off:+.1%} of the"
                f" {right[name]:,} that are kept; {TOLERANCE:.0%} are allowed."
                + (_DEARER if off > 0 else _CHEAPER)
                + _remedy()
            )


_DEARER = (
    " It has become dearer: look for what is done more often than it need be"
    " (python -m cProfile -s tottime -m tests.bench.in_memory FAMILY --devices 1 --here)."
    " If the work is wanted, keep the new number."
)
_CHEAPER = " It has become cheaper: keep the new number, so that this is not lost again."


def _remedy():
    return (
        " To keep it: python -m tests.bench.instructions --keep, and commit"
        f" tests/bench/{KEPT.name} alone, with the reason."
    )


def _each(name):
    return "record" if name == "solaredge" else "exchange"


def keep(name, found):
    """Keep numbers from now on.

    Args:
        name: The interpreter.
        found: What was counted, by family.
    """
    numbers = json.dumps({**kept(), name: found}, indent=2, sort_keys=True)
    KEPT.write_text(numbers + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="keep what is found from now on")
    words = parser.parse_args()
    name = build()
    if not name:
        sys.exit(f"{PYTHON} is no Python of Debian: nothing is kept for others")
    found, right = counted(), kept().get(name, {})
    rows = [
        (family, _each(family), f"{number:,}", f"{right[family]:,}" if family in right else "none")
        for family, number in found.items()
    ]
    print(name, markdown(["family", "per", "found", "kept"], rows), sep="\n\n")
    if words.keep:
        keep(name, found)


if __name__ == "__main__":
    main()
