"""How samples are written for others: line protocol, JSON, tables."""
