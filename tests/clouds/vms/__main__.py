"""Clusters for a look by hand, and what is left of harnesses that were killed.

sudo python -m tests.clouds.vms build             make the machines' tree, once
sudo python -m tests.clouds.vms up [WORKERS]      boot a cluster; it ends with the command
sudo python -m tests.clouds.vms down              remove what killed harnesses left
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.clouds.vms.booter import TREES, VmBooter, sweep
from tests.clouds.vms.cluster import Cluster
from tests.clouds.vms.ground import VmError, missing
from tests.clouds.vms.tree import build


def main(words: Sequence[str]) -> int:
    """Do what was asked for."""
    if problem := missing():
        raise VmError(problem)
    match list(words):
        case ["build"]:
            begin = time.monotonic()
            print(f"{build(TREES)}, after {time.monotonic() - begin:.0f} s")
        case ["down"]:
            sweep()
        case ["up"]:
            up(0)
        case ["up", number] if number.isdigit():
            up(int(number))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def up(workers: int) -> None:
    """Boot a cluster, tell how it is entered, and wait to be interrupted."""
    with VmBooter() as booter, tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        cluster = Cluster(booter, "demo", works=workers == 0)
        cluster.wait(cluster.master_id)
        print(f"the master is ready after {time.monotonic() - begin:.1f} s")
        begin = time.monotonic()
        made = cluster.grow(workers)
        cluster.wait(*made)
        if made:
            print(f"{workers} workers are ready after {time.monotonic() - begin:.1f} s more")
        key, known = Path(folder, "key"), Path(folder, "known_hosts")
        key.touch(0o600)
        key.write_text(cluster.secrets["private_key"])
        known.write_text(f"{cluster.addresses.public} {cluster.host_public_key}\n")
        print(f"ssh -i {key} -o UserKnownHostsFile={known} oceanid@{cluster.addresses.public}")
        for each in (cluster.master_id, *made):
            print(f"# as root of {each}:\n{' '.join(cluster.machine(each).entering())} bash")
        print("Interrupt to end it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("ending")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except VmError as problem:
        sys.exit(str(problem))
