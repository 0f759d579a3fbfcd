"""Settings by MQTT: a client of the doors of this host, and of one broker.

::

    broker ── inverter/<source>/set ───────► commands ─► judge ─► journal ─► doors ─► device
              inverter/<source>/set/<name>      │          │                   │
           ◄─ inverter/<source>/result ◄────────┴──────────┴───────────────────┘

* :mod:`.commands` are the bytes: what a message wants, and what it is answered.
* :mod:`.judge` says which of them are too old, or were here before.
* :mod:`.journal` is what of that outlives this process.
* :mod:`.broker` is the connection, with paho-mqtt of either generation.
* :mod:`.mirror` keeps the present values of settings at the broker.
* :mod:`.relay` takes each command to the device's door, once, and brings back what became of it.

The bridge has no right of its own: what may be set, by whom and how often, is decided at the door
and by the device's gate behind it.
"""
