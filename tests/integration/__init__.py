"""Rooms together, in real processes."""
