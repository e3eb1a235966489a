"""Oceanid: the distributed-computing layer of a web portal."""

__version__ = "0.1.0"
