"""The embedded local engine: jobs as processes of this machine, with nothing installed."""

from oceanid.engines.local.engine import LocalEngine

__all__ = ["LocalEngine"]
