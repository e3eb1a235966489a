"""Runs a command beside a real HTCondor pool of several machines, made for it and removed after.

    sudo python tools/with_condor.py --suite trixie pytest -m condor
    sudo python tools/with_condor.py --suite trixie --suite sid pytest -m condor

With several suites there is a pool of each, and the command runs beside each of them at the same
time; its lines then begin with the suite's name. The command finds its pool in
OCEANID_TEST_CONDOR (see ``tests/contract/condor.py``). The pool is started by ``condor-pool``:
that of OCEANID_CONDOR_POOL, of this folder, or of PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

WORKERS = 2
# A limit that is always used up, and machines that refuse a job that says so of itself. DAGMan
# waits twice as long before each further try: six of them, as usual, take half a minute.
CONFIG = """\
FILESYSTEM_DOMAIN = pool.test
OCEANID_NONE_LIMIT = 0
START = TARGET.Unwelcome =!= True
DAGMAN_MAX_SUBMIT_ATTEMPTS = 3
"""
CPUS = "16"


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code, or the first bad one, is ours."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--suite", action="append", help="trixie (HTCondor 23.9) or sid (25.x); may be repeated"
    )
    parser.add_argument("--net", default="10.79.0", help="the first pool's own /24")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    tool = find_tool()
    if tool is None:
        print("There is no condor-pool: set OCEANID_CONDOR_POOL to it.", file=sys.stderr)
        return 1
    if os.geteuid() != 0:
        print("A pool of several machines needs root: sudo make test-condor.", file=sys.stderr)
        return 1
    suites = asked.suite or ["trixie"]
    # Who ends us ends the command too; the pools must still go.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with ThreadPoolExecutor(len(suites)) as beside:
        told_apart = len(suites) > 1
        running = [
            beside.submit(run_beside, tool, asked.command, suite=suite, net=net, prefix=told_apart)
            for suite, net in zip(suites, nets(asked.net), strict=False)
        ]
        codes = [each.result() for each in running]
    return next(filter(None, codes), 0)


def run_beside(tool: str, command: Sequence[str], *, suite: str, net: str, prefix: bool) -> int:
    """Run the command beside a pool of its own; its exit code."""
    with pool(tool, suite=suite, net=net) as told:
        environment = {**os.environ, "OCEANID_TEST_CONDOR": json.dumps(told)}
        if not prefix:
            return subprocess.run(command, env=environment).returncode
        process = subprocess.Popen(
            command, env=environment, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            print(f"{suite:6} {line}", end="", flush=True)
        return process.wait()


def nets(first: str) -> Iterator[str]:
    """The networks of pools that stand side by side."""
    head, _, last = first.rpartition(".")
    middle, _, number = head.rpartition(".")
    for more in range(256 - int(number)):
        yield f"{middle}.{int(number) + more}.{last}"


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
        "CONDOR_POOL_ROOT": os.environ.get("CONDOR_POOL_ROOT", str(base / "trees")),
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
        control = ["env", *(f"{name}={value}" for name, value in settings.items()), tool]
        yield {
            "control": control,
            "enter": [*control, "exec", "submit:alice"],
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
