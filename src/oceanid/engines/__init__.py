"""Engines: each runs batches of tasks somewhere and tells what became of them."""
