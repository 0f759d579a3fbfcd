"""The web: a page, an interface for programs and one for Prometheus, as a client of the doors.

The process that faces the network is not the one that holds a device: it has no line to an
inverter, and asks whoever collects on this host (:mod:`rct_collector.control`), as any other
program may. Each device is subscribed to once, however many browsers look on.

::

    doors ─► overview ─► state: the latest values, the last 24 hours, words for codes
              │
              └─► server ─► / (page) · /api (WebSocket) · /rpc · /metrics · /login
"""
