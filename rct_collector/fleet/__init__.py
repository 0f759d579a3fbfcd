"""Many processes on many hosts, each device asked by exactly one of them.

A hash says who should, a key with a lease says who may, a deadline says who still may:

* ``sharding``: devices fall into shards by their address, shards to processes by their weights.
* ``engine``: what keeps the keys, and lets them go with whoever held them; ``etcd`` is one, by
  ``gateway``.
* ``membership``: what a process takes, keeps and gives back, without input, output or a clock.
* ``fence``: what is asked before every request to a device.
* ``service``: all of it around a collector.
* ``keys``: what is kept; ``applying`` and ``plain``: how devices of a file come there.
* ``overview``: how a fleet stands; ``plan``: what one of some size would be like.

Nothing of this is loaded where the configuration has no ``fleet``.
"""
