"""Fuzzing: nothing that comes from a line or a file may upset what reads it.

Each module named in :data:`TARGETS` has one function ``check(data)``, which raises when a law is
broken, whatever the bytes. The same function is called by three:

* ``make fuzz``, where coverage decides which bytes are tried next (atheris, see ``engine.py``);
* ``make test``, which replays ``corpus/<target>.hex`` and does a short run with a fixed seed;
* hypothesis, which makes its own bytes and shrinks what fails.

A target may have ``mutate(data, random)``, since blind changes never get past a checksum, and
``dictionary()``, words that matter.
"""

TARGETS = (
    *("frame", "flood", "session", "payload", "decode", "dump", "capture", "lineprotocol"),
    *("config", "state", "voltronic_frame", "voltronic_session"),
    *("solaredge_frame", "solaredge_session", "flows", "settings", "command"),
)
