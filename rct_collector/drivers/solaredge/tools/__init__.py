"""What there is for SolarEdge units beside collecting: see :class:`.drivers.tools.Tools`."""
