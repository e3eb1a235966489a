"""Oceanid in a real Tethys Portal."""
