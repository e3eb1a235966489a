"""A job sees nothing of the portal: no variable, no descriptor, no parent that knows more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LOOKS_AROUND = r"""
import os, glob
print("env", dict(os.environ))
print("fds", sorted(os.listdir("/proc/self/fd"), key=int))
for fd in os.listdir("/proc/self/fd"):
    try: print("fd", fd, os.readlink(f"/proc/self/fd/{fd}"))
    except OSError: pass
pid = os.getpid()
while pid > 1:
    for name in ("environ", "cmdline"):
        try: print(name, pid, open(f"/proc/{pid}/{name}").read())
        except OSError: pass
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
print("umask", oct(os.umask(0)))
"""

SUBMITS = """
import asyncio, os, sys, uuid
from oceanid.engines.local import LocalEngine
from oceanid.engines.testing import Bench, shell
from oceanid.specs import SchedulerSpec
from pathlib import Path
secret = os.open(sys.argv[1] + "/secret.key", os.O_RDWR | os.O_CREAT)
os.set_inheritable(secret, True)
async def main():
    spec = SchedulerSpec(uuid.uuid4(), "x", sys.argv[1] + "/spool", secrets={"token": "hunter2"})
    engine = LocalEngine(spec)
    await engine.open()
    async with Bench(engine, timeout_s=20) as bench:
        task = shell("", Path(sys.argv[1]), executable=sys.executable, stdout=sys.argv[1] + "/out",
            stderr=sys.argv[1] + "/err",
            arguments=("-I", "-S", "-c", sys.argv[2]))
        batch = bench.batch(task)
        await engine.submit(batch)
        print((await bench.ends(batch))[0].state.word)
asyncio.run(main())
"""


def test_a_job_that_looks_around_finds_no_secret(tmp_path: Path) -> None:
    environment = {**os.environ, "SECRET_KEY": "hunter2", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SUBMITS, str(tmp_path), LOOKS_AROUND],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "Complete", (tmp_path / "err").read_text()
    told = (tmp_path / "out").read_text()
    assert "hunter2" not in told
    assert "secret.key" not in told
    assert "PYTHONPATH" not in told
    assert "fds ['0', '1', '2', '3']" in told  # 3 is the listing itself
    assert "umask 0o77" in told
    for path in (tmp_path / "spool").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path
