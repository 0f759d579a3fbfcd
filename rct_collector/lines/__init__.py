"""How a line is kept: opened again, shared by units, locked for this host, tapped, not flooded."""
