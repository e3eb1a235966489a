"""Oceanid in a plain Django site."""
