"""The pool to measure on, reached over one kept-open SSH connection, and a portal that uses it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks import throwaway

_COUNT = """\
[ -n "$COUNTED" ] || echo x >>"$HOME/.sessions"
export COUNTED=1
"""
DOOR = 2222
_DOOR = """\
mkdir -p -m 700 door && cd door && cat >keys || exit 1
[ -e host ] || ssh-keygen -q -t ed25519 -N '' -f host
/usr/sbin/sshd -f /dev/null -h "$PWD/host" -p PORT -o PidFile="$PWD/pid" -o UsePAM=no \\
    -o UseDNS=no -o StrictModes=no -o AuthorizedKeysFile="$PWD/keys" \\
    -o Subsystem='sftp internal-sftp' </dev/null >log 2>&1 || { cat log >&2; exit 1; }
"""
_EMPTY = "while condor_q -af ClusterId | grep -q .; do sleep 0.2; done\n"


@dataclass(slots=True)
class PoolHost:
    """The pool's submit host as one account sees it.

    Args:
        options: Those of a scheduler record that reaches it.
        folder: A folder of ours, for keys and the connection's socket.
    """

    options: dict[str, Any]
    folder: Path
    _ssh: list[str] = field(init=False)

    def __post_init__(self) -> None:
        known = self.folder / "known_hosts"
        known.write_text(self.options["host_key"])
        self._ssh = [
            "ssh", "-q", "-i", self.options["key_path"], "-o", f"UserKnownHostsFile={known}",
            "-o", "ControlMaster=auto", "-o", f"ControlPath={self.folder}/ssh",
            "-o", "ControlPersist=600", f"{self.options['user']}@{self.options['host']}",
        ]  # fmt: skip

    def run(self, script: str, *, stdin: str = "") -> str:
        """Run a script there; what it says."""
        # As an argument of sh, whatever the login shell is; the input stays free.
        word = "'" + script.replace("'", "'\\''") + "'"
        done = subprocess.run(
            [*self._ssh, f"exec sh -c {word}"], input=stdin, text=True, capture_output=True
        )
        if done.returncode:
            raise SystemExit(f"On the submit host: {done.stderr or done.stdout}")
        return done.stdout

    def following(self, script: str) -> subprocess.Popen[str]:
        """Start a script there."""
        word = "'" + script.replace("'", "'\\''") + "'"
        return subprocess.Popen(
            [*self._ssh, f"exec sh -c {word}"], stdout=subprocess.PIPE, text=True
        )

    def empty(self) -> None:
        """Take everything out of the queue, and wait until it is."""
        self.run("condor_rm -all >/dev/null 2>&1\n" + _EMPTY)

    def rsa_door(self) -> tuple[str, int]:
        """The path of an RSA key, the only kind that condorpy knows, and the port where an SSH
        server of the account's own takes it."""
        path = self.folder / "id_rsa"
        make = ["ssh-keygen", "-q", "-t", "rsa", "-b", "3072", "-m", "PEM", "-N", ""]
        subprocess.run([*make, "-f", str(path)], check=True)
        self.run(_DOOR.replace("PORT", str(DOOR)), stdin=path.with_suffix(".pub").read_text())
        return str(path), DOOR

    def shut_door(self) -> None:
        """End that server."""
        self.run("kill $(cat door/pid)")

    def count_sessions(self) -> None:
        """Have every command that comes over SSH counted."""
        self.run(
            'cat - "$HOME/.bashrc" >"$HOME/.counting" 2>/dev/null; '
            'mv "$HOME/.counting" "$HOME/.bashrc"; : >"$HOME/.sessions"',
            stdin=_COUNT,
        )

    def sessions(self) -> int:
        """How many commands came so far; this one is one of them."""
        return int(self.run('wc -l <"$HOME/.sessions"'))

    def close(self) -> None:
        """Let go of the connection."""
        subprocess.run([*self._ssh[:-1], "-O", "exit", self._ssh[-1]], capture_output=True)


@contextmanager
def reached(folder: Path) -> Iterator[PoolHost]:
    """The pool that OCEANID_TEST_CONDOR tells of."""
    told = os.environ.get("OCEANID_TEST_CONDOR")
    if not told:
        raise SystemExit("There is no pool to measure on: make bench-condor starts one.")
    host = PoolHost(json.loads(told)["ssh"], folder)
    try:
        yield host
    finally:
        host.close()


def record(host: PoolHost) -> Any:
    """The pool as an administrator's record, used by default."""
    from oceanid.models import Scheduler

    return Scheduler.objects.create(name="pool", engine="htcondor", config=dict(host.options))


def draft(user: Any, scheduler: Any, *, name: str = "run", **fields: Any) -> Any:
    """A job that waits in the pool's queue for ever: what runs would be measured too."""
    from oceanid.jobs import JobManager

    plain: dict[str, Any] = {"executable": "/bin/true", "transfer_executable": False}
    return JobManager("bench").create_job(
        name, user, job_type="CONDOR", scheduler=scheduler, requirements="false",
        **(plain | fields),
    )  # fmt: skip


def sent(since: Any, count: int, *, within_s: float = 900) -> None:
    """Wait until the handles of so many tasks are saved that were committed since then."""
    from django.db.models import Sum

    from oceanid.models import Batch

    batches = Batch.objects.filter(state="SNT", created_at__gte=since)

    def saved() -> bool:
        found = batches.aggregate(size=Sum("size"))["size"]
        return bool(found == count)

    throwaway.until(saved, within_s=within_s, what=f"the handles of {count} tasks", every_s=0.05)


def ended(*, within_s: float = 900) -> None:
    """Wait until no job is under way."""
    from oceanid.models import Job

    going = Job.objects.filter(completion_time__isnull=True)
    throwaway.until(
        lambda: not going.exists(), within_s=within_s, what="the end of all jobs", every_s=0.2
    )


def batch_of(jobs: int) -> Any:
    """What the last submissions gave the engine, as one batch of so many tasks."""
    from oceanid.models import Batch
    from oceanid.services import dispatch
    from oceanid.specs import BatchItem, BatchSpec

    specs: list[Any] = []
    for batch in Batch.objects.filter(state="SNT").order_by("-created_at"):
        specs += [item.spec for item in dispatch.load(batch.pk).items]
        if len(specs) >= jobs:
            break
    identity = UUID(int=1)
    items = tuple(
        BatchItem(number, f"{identity}.1.{number}", spec)
        for number, spec in enumerate(specs[:jobs])
    )
    return BatchSpec(identity, items, specs[0].resources)
