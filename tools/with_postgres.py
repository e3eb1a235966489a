"""Runs a command beside a private PostgreSQL cluster, which is made for it and removed after.

    python tools/with_postgres.py pytest -x

The command finds the cluster's address in OCEANID_TEST_POSTGRES. The cluster listens on
loopback alone, under a random password; it keeps nothing safe on disk, for it is thrown away.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OLDEST = 15
CURE = "On Debian: apt-get install postgresql"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


def main(command: Sequence[str]) -> int:
    """Run the command; its exit code is ours."""
    programs = find_programs()
    if programs is None:
        print(f"PostgreSQL {OLDEST} or newer is not here. {CURE}", file=sys.stderr)
        return 1
    with cluster(programs) as address:
        running = subprocess.Popen(command, env={**os.environ, "OCEANID_TEST_POSTGRES": address})
        # A Ctrl-C reaches the command by itself; the cluster goes when it has ended.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: running.terminate())
        return running.wait()


def find_programs() -> Path | None:
    """The directory of PostgreSQL's own programs, the newest first; None when there is none."""
    debian = [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    newest = sorted(debian, key=lambda each: int(each.parts[-2]), reverse=True)
    in_path = shutil.which("initdb")
    for directory in [*newest, *([Path(in_path).resolve().parent] if in_path else [])]:
        told = subprocess.run([directory / "initdb", "--version"], capture_output=True, text=True)
        digits = told.stdout.split()[2:3]
        if told.returncode == 0 and digits and int(digits[0].split(".")[0]) >= OLDEST:
            return directory
    return None


@contextmanager
def cluster(programs: Path) -> Iterator[str]:
    """Make and start a cluster; yields its address, and leaves nothing behind."""
    place = Path(tempfile.mkdtemp(prefix="oceanid-postgres-"))
    identity = _identity()
    password, port = secrets.token_hex(16), _free_port()
    secret = place / "password"
    secret.write_text(password)
    if identity:
        for each in (place, secret):
            shutil.chown(each, identity["user"], identity["group"])
    data = place / "data"
    try:
        _run(
            programs / "initdb",
            *("-D", data, "-U", "oceanid", "--pwfile", secret, "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            identity=identity,
        )
        options = " ".join(
            ["-c listen_addresses=127.0.0.1", f"-p {port}", f"-k {place}"]
            + [f"-c {each}" for each in FAST]
        )
        control = [programs / "pg_ctl", "-D", data, "-w"]
        _run(*control, "-l", place / "log", "-o", options, "start", identity=identity)
        try:
            yield f"postgres://oceanid:{password}@127.0.0.1:{port}/postgres"
        finally:
            _run(*control, "-m", "immediate", "stop", identity=identity)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _identity() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; its own user, or nobody, runs it then."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise SystemExit("PostgreSQL can't run as root, and there is no user postgres or nobody.")


def _run(*command: object, identity: dict[str, Any]) -> None:
    words = [str(each) for each in command]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        timeout=120,
        **identity,
    )
    if done.returncode:
        raise SystemExit(f"{words[0]} failed:\n{done.stdout}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
