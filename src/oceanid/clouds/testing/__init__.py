"""The contract suite: what every cloud must do, run by subclassing one class in a test module."""

from oceanid.clouds.testing.contract import CloudContract
from oceanid.clouds.testing.paper import PaperCloud
from oceanid.clouds.testing.stage import Memory, Stage
from oceanid.clouds.testing.world import World

__all__ = ["CloudContract", "Memory", "PaperCloud", "Stage", "World"]
