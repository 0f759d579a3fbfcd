"""Many processes on many hosts, each device asked by exactly one of them.

A ring says who should, a key with a lease says who may, a deadline says who still may:

* ``sharding``: devices fall into shards by their address, shards to processes by their weights.
* ``engine``: what keeps the keys, and lets them go with whoever held them; ``etcd`` is one.
* ``membership``: what a process takes, keeps and gives back, without input, output or a clock.
* ``fence``: what is asked before every request to a device.
* ``service``: all of it around a collector.

Nothing of this is loaded where the configuration has no ``fleet``.
"""
