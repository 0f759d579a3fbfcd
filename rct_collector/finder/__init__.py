"""Finds devices: what is connected to this host, and what answers in a network that is named.

::

    host ──────┐  USB devices and serial ports, from sysfs: nothing is opened
    network ───┼─► places ─► probe     one harmless question, over a line like any other
               │             (only if it is wanted)
    drivers' tools: how a family is found

Nothing here knows a family; each tells how it is found, see
:class:`rct_collector.drivers.tools.Search`.
"""
