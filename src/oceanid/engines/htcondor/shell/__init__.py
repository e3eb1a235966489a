"""Where HTCondor's commands run: a shell of this machine, or one kept-open SSH connection.

``SshShell`` is imported from ``.ssh``, for it needs the extra ``oceanid[ssh]``.
"""

from oceanid.engines.htcondor.shell.base import Completed, Identity, Shell
from oceanid.engines.htcondor.shell.listing import Entry
from oceanid.engines.htcondor.shell.local import LocalShell
from oceanid.engines.htcondor.shell.sh import Script, lines, quote, sh
from oceanid.engines.htcondor.shell.target import HostKeyChanged, HostKeyUnknown, Target
from oceanid.engines.htcondor.shell.transfer import Download, Transferred, Upload

__all__ = [
    "Completed",
    "Download",
    "Entry",
    "HostKeyChanged",
    "HostKeyUnknown",
    "Identity",
    "LocalShell",
    "Script",
    "Shell",
    "Target",
    "Transferred",
    "Upload",
    "lines",
    "quote",
    "sh",
]
