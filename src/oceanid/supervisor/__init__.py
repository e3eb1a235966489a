"""Drives reality toward what is wanted, and writes back what it observed."""
