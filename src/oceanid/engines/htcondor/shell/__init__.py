"""Where HTCondor's commands run: a shell of this machine, or one kept-open SSH connection."""

from oceanid.engines.htcondor.shell.base import Completed, Identity, Shell
from oceanid.engines.htcondor.shell.listing import Entry
from oceanid.engines.htcondor.shell.local import LocalShell
from oceanid.engines.htcondor.shell.sh import Script, lines, quote, sh
from oceanid.engines.htcondor.shell.transfer import Download, Transferred, Upload

__all__ = [
    "Completed",
    "Download",
    "Entry",
    "Identity",
    "LocalShell",
    "Script",
    "Shell",
    "Transferred",
    "Upload",
    "lines",
    "quote",
    "sh",
]
