"""How a line to a device is kept: opened again, locked for this host, tapped, not flooded."""
