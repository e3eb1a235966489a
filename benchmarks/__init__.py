"""Measures Oceanid against the limits that it promises; each figure is a ratio in one run."""
