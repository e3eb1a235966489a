"""The pool's machines, to be broken and mended from outside."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence

from tests.integration.running import eventually

PORTAL = 254
"""This machine's number in the pool's network."""

PROGRAM = "/usr/local/bin/condor_submit"
AT_A_PART = """\
#!/bin/sh
real=/usr/bin/condor_submit
case "$*" in *dry-run* | *dagman*) exec "$real" "$@" ;; *@part@*) ;; *) exec "$real" "$@" ;; esac
mkdir /tmp/at/once 2>/dev/null || exec "$real" "$@"
[ @how@ = before ] || "$real" "$@" >/dev/null 2>&1
touch /tmp/at/now
until [ -e /tmp/at/gone ]; do sleep 0.01; done
[ @how@ = after ] || exec "$real" "$@"
echo "ERROR: Failed to commit job submission into the queue." >&2
exit 1
"""


class Machines:
    """The nodes of a running pool, with root's rights on each.

    Args:
        control: The command line that steers them.
        address: The submit host's address.
    """

    def __init__(self, control: Sequence[str], address: str) -> None:
        self._control = list(control)
        self._portal = f"{address.rpartition('.')[0]}.{PORTAL}"

    def run(
        self, script: str, *, on: str = "submit", timeout_s: float = 120, stdin: str = ""
    ) -> str:
        """Run a script; what it said, whatever its exit code."""
        done = subprocess.run(
            [*self._control, "exec", on, "sh", "-c", script],
            input=stdin, capture_output=True, text=True, timeout=timeout_s,
        )  # fmt: skip
        return done.stdout.strip()

    def signal(self, program: str, signal: str) -> bool:
        """Send a signal to every process of a program; whether there was any."""
        pids = self.run(f"pgrep -x {shlex.quote(program)}").split()
        if pids:
            self.run(f"kill -{signal} {' '.join(pids)}")
        return bool(pids)

    def freeze_at_submission(self) -> subprocess.Popen[bytes]:
        """Freeze the schedd as soon as somebody submits; the process that does it."""
        wait = "until pgrep -x condor_submit >/dev/null; do :; done; pkill -STOP -x condor_schedd"
        return subprocess.Popen(
            [*self._control, "exec", "submit", "sh", "-c", wait], stdin=subprocess.DEVNULL
        )

    def kill_schedd_at(self, part: str, how: str) -> subprocess.Popen[bytes]:
        """Kill the schedd just ``before`` or ``after`` it is given one part of one batch; the
        process that does it.

        The account finds another condor_submit before its own on its PATH.
        """
        self.run(
            f"rm -rf /tmp/at && mkdir -m 777 /tmp/at && cat >{PROGRAM} && chmod 755 {PROGRAM}",
            stdin=AT_A_PART.replace("@part@", part).replace("@how@", how),
        )
        kill = "until [ -e /tmp/at/now ]; do sleep 0.01; done; pkill -KILL -x condor_schedd"
        return subprocess.Popen(
            [*self._control, "exec", "submit", "sh", "-c", f"{kill}; touch /tmp/at/gone"],
            stdin=subprocess.DEVNULL,
        )

    def schedd_answers(self) -> bool:
        """Whether the schedd answers."""
        return self.run("condor_q -allusers -totals >/dev/null 2>&1 && echo yes") == "yes"

    def stop_ssh(self) -> None:
        """End the SSH server and every connection."""
        # Newer servers have a program of its own for each connection.
        servers = "sshd|sshd-session|sshd-auth"
        self.run(f"pkill -KILL -x '{servers}'")
        eventually(lambda: not self.run(f"pgrep -x '{servers}'"), within_s=10, what="sshd ends")

    def start_ssh(self) -> None:
        """Start the SSH server."""
        self.run("/usr/sbin/sshd")
        eventually(lambda: self.run("pgrep -x sshd"), within_s=10, what="sshd starts")

    def swallow(self) -> None:
        """From now on every packet to the portal is dropped: nothing is reset, nothing answers."""
        self.run(f"ip route add blackhole {self._portal}/32")

    def deliver(self) -> None:
        """Let packets to the portal through again."""
        self.run(f"ip route del blackhole {self._portal}/32")

    def cut(self, node: str) -> None:
        """Take a node off the network."""
        subprocess.run([*self._control, "cut", node], check=True)

    def heal(self, node: str) -> None:
        """Bring it back."""
        subprocess.run([*self._control, "heal", node], check=True)

    def mend(self) -> None:
        """Undo whatever a test that failed has left."""
        self.run(f"rm -f {PROGRAM}; mkdir -p /tmp/at; touch /tmp/at/now; pkill -CONT condor_schedd")
        self.deliver()
        if not self.run("pgrep -x sshd"):
            self.start_ssh()
        for node in ("worker1", "worker2"):
            self.heal(node)
        eventually(self.schedd_answers, within_s=60, what="the schedd answers")

    def jobs(self, constraint: str = "true") -> list[str]:
        """The queue's jobs, ``cluster.proc`` each."""
        asked = f"condor_q -allusers -constraint {shlex.quote(constraint)} -af:j OceanidBatch"
        return [line.split()[0] for line in self.run(asked).splitlines()]
