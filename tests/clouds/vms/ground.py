"""What the machines' harness asks of the machine that it runs on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


class VmError(Exception):
    """A machine could not be made, or something is missing here."""


def run(*command: str, check: bool = True, stdin: str = "", timeout_s: float = 120) -> str:
    """Run a command; what it printed.

    Raises:
        VmError: It failed.
    """
    done = subprocess.run(
        command,
        input=stdin,
        text=True,
        errors="replace",
        capture_output=True,
        timeout=timeout_s,
    )
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise VmError(f"{' '.join(command)}: exit status {done.returncode}: {said}")
    return done.stdout


def missing() -> str:
    """Why no machine can be booted here; "" when they can."""
    if sys.platform != "linux":
        return "Machines that really boot need Linux."
    if os.geteuid() != 0:
        return "Machines that really boot need root: sudo make test-vms"
    for command, package in {
        "mmdebstrap": "mmdebstrap",
        "unshare": "util-linux",
        "nsenter": "util-linux",
        "script": "bsdutils",
        "ip": "iproute2",
        "nft": "nftables",
        "ssh-keygen": "openssh-client",
    }.items():
        if shutil.which(command) is None:
            return f"Machines that really boot need {command}: apt-get install {package}"
    return ""
