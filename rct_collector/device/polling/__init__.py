"""Asking a unit on a schedule: what, when, how fast, and what came of it."""
