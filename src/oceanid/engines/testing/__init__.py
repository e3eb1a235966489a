"""The contract suite: what every engine must do, run by subclassing one class in a test module."""

from oceanid.engines.testing.bench import Bench, shell
from oceanid.engines.testing.commands import CommandContract
from oceanid.engines.testing.fence import FenceContract
from oceanid.engines.testing.files import FileContract
from oceanid.engines.testing.tasks import HOSTILE, TaskContract

__all__ = ["HOSTILE", "Bench", "EngineContract", "shell"]


class EngineContract(TaskContract, FenceContract, FileContract, CommandContract):
    """Subclass it as ``TestMyEngine``, give :meth:`make_engine`, and let pytest collect it.

    A test gets the fixture ``tmp_path``; nothing else of pytest is needed. An engine that reaches
    its scheduler over the network raises ``timeout_s``. What an engine has no capability for is
    skipped.
    """
