"""What the exit status of our commands says. Scripts rely on it, so no number changes meaning."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit status of ``rct-collector``."""

    OK = 0
    BUG = 1
    USAGE = 2
    UNREACHABLE = 3
    BUSY = 4
    PROBLEM = 5
    OUTPUT = 6
    REFUSED = 7
    UNCONFIRMED = 8
    INTERRUPTED = 130
    PIPE = 141


#: Status → meaning, for the help text and the documentation.
MEANINGS: dict[Exit, str] = {
    Exit.OK: "Done.",
    Exit.BUG: "A defect of this program; please report it.",
    Exit.USAGE: "Wrong usage, or a configuration that cannot be used.",
    Exit.UNREACHABLE: "A device could not be reached, or did not answer; the rest was printed.",
    Exit.BUSY: "Another process on this host holds the device.",
    Exit.PROBLEM: "The doctor found a problem, and printed what to do about it.",
    Exit.OUTPUT: "The output could not be written, for example since the disk is full.",
    Exit.REFUSED: "A setting was refused: by a rule, by the device, or since it is not allowed.",
    Exit.UNCONFIRMED: "A setting was sent, and does not show: perhaps not yet.",
    Exit.INTERRUPTED: "Interrupted with Ctrl-C; what was read by then was printed.",
    Exit.PIPE: "The program that read the output has ended.",
}
