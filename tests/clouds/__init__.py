"""Emulated clouds, and machines for them that really boot."""
