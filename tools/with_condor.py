"""Runs a command beside a real HTCondor pool of several machines, made for it and removed after.

    sudo python tools/with_condor.py --suite trixie pytest -m condor

The command finds the pool in OCEANID_TEST_CONDOR (see ``tests/contract/condor.py``). The pool is
started by ``condor-pool``: that of OCEANID_CONDOR_POOL, of this folder, or of PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

WORKERS = 2
CONFIG = "FILESYSTEM_DOMAIN = pool.test\n"
CPUS = "16"


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code is ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="trixie", help="trixie: HTCondor 23.9; sid: 25.x")
    parser.add_argument("--net", default="10.79.0", help="the pool's own /24")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    tool = find_tool()
    if tool is None:
        print("There is no condor-pool: set OCEANID_CONDOR_POOL to it.", file=sys.stderr)
        return 1
    if os.geteuid() != 0:
        print("A pool of several machines needs root: sudo make test-condor.", file=sys.stderr)
        return 1
    with pool(tool, suite=asked.suite, net=asked.net) as told:
        environment = {**os.environ, "OCEANID_TEST_CONDOR": json.dumps(told)}
        return subprocess.run(asked.command, env=environment).returncode


def find_tool() -> str | None:
    """The program that starts pools."""
    beside = Path(__file__).with_name("condor-pool")
    given = os.environ.get("OCEANID_CONDOR_POOL")
    return given or (str(beside) if beside.exists() else shutil.which("condor-pool"))


@contextmanager
def pool(tool: str, *, suite: str, net: str) -> Iterator[dict[str, object]]:
    """A pool while the block lasts; what a test needs to know of it."""
    # Not in /tmp, which HTCondor gives each job anew.
    base = Path(os.environ.get("OCEANID_CONDOR_DIR", "/var/tmp/oceanid-condor"))  # noqa: S108
    base.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix=f"{suite}.", dir=base))
    share = Path(tempfile.mkdtemp(prefix="oceanid-pool.", dir="/srv"))
    share.chmod(0o777)
    config = home / "pool.config"
    config.write_text(CONFIG)
    settings = {
        "CONDOR_POOL_ROOT": str(base / "trees"),
        "CONDOR_POOL_RUN": str(home / "run"),
        "CONDOR_POOL_NET": net,
        "CONDOR_POOL_SUITE": suite,
        "CONDOR_POOL_CPUS": CPUS,
        "CONDOR_POOL_MEMORY": "16384",
    }
    options = ["--workers", str(WORKERS), "--ssh", "--config", str(config), "--share", str(share)]
    try:
        run(tool, settings, "up", *options)
        client = home / "run" / "client"
        yield {
            "enter": [
                *("env", *(f"{name}={value}" for name, value in settings.items())),
                *(tool, "exec", "submit:alice"),
            ],
            "share": str(share),
            "ssh": {
                "host": f"{net}.1",
                "user": "alice",
                "key_path": str(client / "id_ed25519"),
                "host_key": (client / "known_hosts").read_text(),
            },
        }
    finally:
        run(tool, settings, "down")
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(share, ignore_errors=True)


def run(tool: str, settings: Mapping[str, str], *words: str) -> None:
    """Run the program that starts pools."""
    subprocess.run([tool, *words], env={**os.environ, **settings}, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
