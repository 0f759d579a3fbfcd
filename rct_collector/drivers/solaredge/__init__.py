"""SolarEdge inverters, in the protocol in which they call home."""
