"""Grafana dashboards for InfluxDB, Prometheus and Graphite, all made from one table of panels.

:mod:`.panels` says what is shown, :mod:`.queries` how each data source is asked for it,
:mod:`.looks` how values look (most of that follows from the catalogue), and :mod:`.build` puts
it together with Grafana's own library. ``python -m tools.dashboards`` writes the files,
``--check`` names what is stale.
"""
