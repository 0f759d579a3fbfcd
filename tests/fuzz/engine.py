"""Corpora as text, and the fuzzer around a target."""

from __future__ import annotations

import hashlib
import importlib
import shlex
import sys
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
#: Where long runs leave what they find.
WORK = ROOT / ".fuzz"

#: Longer inputs are tried when shorter ones bring nothing new; beyond that they only take time.
LONGEST = 512


def load(name):
    """``check`` and the rest of a target."""
    return importlib.import_module(f"tests.fuzz.{name}")


def seeds(name):
    """The inputs kept in the repository: those that reach most, and those that once failed."""
    return [data for path in texts(name) if path.exists() for data in _read(path)]


def texts(name):
    """The two files of a target; the second is never minimised, for its lines are explained."""
    return CORPUS / f"{name}.hex", CORPUS / f"{name}.kept.hex"


def _read(path):
    lines = (line.partition("#")[0] for line in path.read_text(encoding="ascii").splitlines())
    return [bytes.fromhex(line) for line in lines if line.strip()]


def write(name, inputs):
    """Replace the minimised corpus, the short ones first."""
    found = set(map(bytes, inputs)) - set(_read(texts(name)[1]) if texts(name)[1].exists() else [])
    lines = [data.hex() for data in sorted(found, key=lambda data: (len(data), data)) if data]
    texts(name)[0].write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def unpack(name, folder):
    """Write the inputs into a folder, one file each, as libFuzzer wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in seeds(name):
        (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    return folder


def fuzz(name, options, work):
    """Fuzz; does not return.

    Args:
        name: Name of the target.
        options: For libFuzzer; those given here win over the defaults. A file among them is
            tried once instead.
        work: Folder in which each target has one, for its corpus and what fails.
    """
    try:
        import atheris
    except ImportError:
        sys.exit("error: no atheris here; the extra 'fuzz' brings it, on Linux on x86-64")
    work = work / name
    corpus = unpack(name, work / "corpus")
    with atheris.instrument_imports(include=["rct_collector"]):
        target = load(name)
    arguments = [
        str(_itself(name, work)),
        f"-max_len={LONGEST}",
        "-len_control=10",
        "-timeout=60",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={work}/",
    ]
    if hasattr(target, "dictionary"):
        arguments.append(f"-dict={_write_dictionary(target.dictionary(), work / 'dictionary')}")
    if all(option.startswith("-") for option in options):
        options = [*options, str(corpus)]

    def mutator(data, size, seed):
        random = Random(seed)
        if random.random() < 0.5:
            changed = target.mutate(data, random)
            if 0 < len(changed) <= size:
                return changed
        return atheris.Mutate(data, size)

    mutators = {"custom_mutator": mutator} if hasattr(target, "mutate") else {}
    atheris.Setup([*arguments, *options], target.check, **mutators)
    atheris.Fuzz()


def _itself(name, work):
    """A program that is this fuzzer; libFuzzer starts itself anew to merge."""
    path = work / "fuzzer"
    command = shlex.join([sys.executable, "-m", "tests.fuzz", name, f"--work={work.parent}"])
    path.write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))}\nexec {command} "$@"\n')
    path.chmod(0o755)
    return path


def _write_dictionary(words, path):
    lines = ('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in words)
    path.write_text("".join(dict.fromkeys(lines)), encoding="ascii")
    return path
