"""Who holds a device answers for it: values, state and settings, to others on the same host.

The process that collects from a device holds a lock (:mod:`rct_collector.lines.lock`), which is a
socket that anybody may connect to. On it JSON-RPC 2.0 is spoken, one message a line::

    client ── connect ──► lock ── accepted ──► doorway ── first call ──► door ──► methods
                                                                          │          │
        device ── batch ──► broker ── topic ──► subscriptions ── line ────┘          │
                              └──────────────── last values, state ──────────────────┘

* :mod:`.broker` and :mod:`.doorway` are all that a process has of it that nobody calls: the last
  values of its devices, and the way in.
* :mod:`.door` is one line's: who may come in, how many, how much of each; :mod:`.rights` decides
  by what the kernel tells of the other end, :mod:`.methods` answers.
* :mod:`.messages` and :mod:`.batches` are the bytes, without input or output.
* :mod:`.client` calls, :mod:`.doors` finds who can be called.
"""
