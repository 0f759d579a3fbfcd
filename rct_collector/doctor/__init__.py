"""Examines a unit and the line to it, and says what to do.

::

    examiner ─► figures ─► recommendation ─► findings
    (sans I/O)             (pure functions and a table of rules)
       ▲
    checkup (the line, the lock and the clock)

A minute of reading few objects at several paces, never more than five requests a second, tells
how the line does; what is attached is learnt as the collector learns it.
"""
