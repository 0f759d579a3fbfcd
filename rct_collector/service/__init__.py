"""The collector as a service of its own, for hosts without an agent that would start it."""
