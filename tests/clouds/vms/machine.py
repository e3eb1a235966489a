"""One machine: namespaces around a systemd of its own, on a disk over the common tree."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.clouds.vms import processes
from tests.clouds.vms.ground import VmError, run
from tests.clouds.vms.network import Network

STOPS_WITHIN_S: Final = 25
_INIT: Final = Path(__file__).with_name("init.sh")
_NAMESPACES: Final = ("--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup")
WITHOUT: Final = "-sys_time,-sys_module,-sys_rawio,-mac_admin,-mac_override"
"""Rights over this machine's clock and kernel, which no process of a machine may have."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class VirtualMachine:
    """A machine, by the folder that holds its disk, its console and its record.

    Args:
        folder: The folder.
        tree: The tree below its disk.
        network: Where it is plugged in.
        number: Which one it is in the network.
    """

    def __init__(self, folder: Path, tree: Path, network: Network, number: int) -> None:
        self.folder = folder
        self._tree = tree
        self._network = network
        self.number = number
        self._record = folder / "pid"
        self.console_file = folder / "console"
        self.group = _groups() / f"oceanid-vm-{network.number}-{number}"

    @property
    def host_name(self) -> str:
        return f"ip-{self._network.private(self.number).replace('.', '-')}"

    @property
    def address(self) -> str:
        return self._network.private(self.number)

    @property
    def public_address(self) -> str:
        return self._network.public(self.number)

    @property
    def is_up(self) -> bool:
        return bool(processes.recorded(self._record))

    def make(self, *, machine_id: str, user_data: str) -> None:
        """Make its disk, with a seed for cloud-init that is exactly the user-data."""
        seed = self.folder / "upper/var/lib/cloud/seed/nocloud"
        for each in (seed, self.folder / "work", self.folder / "root"):
            each.mkdir(parents=True)
        self.become(machine_id)
        (self.folder / "user-data").write_text(user_data)
        (seed / "user-data").write_text(user_data)
        (seed / "user-data").chmod(0o600)
        # Folders of the disk that are not in the tree have the tree's rights below.
        for below in ("var", "var/lib", "var/lib/cloud"):
            (self.folder / "upper" / below).chmod(0o755)
        seed.parent.chmod(0o700)

    def become(self, machine_id: str) -> None:
        """Be another machine of the cloud from the next boot on, as a copy of a disk is."""
        (self.folder / "id").write_text(machine_id)
        meta = f"instance-id: {machine_id}\nlocal-hostname: {self.host_name}\n"
        (self.folder / "upper/var/lib/cloud/seed/nocloud/meta-data").write_text(meta)

    def power_on(self) -> None:
        """Begin to boot it; returns when its network stands."""
        self._record.unlink(missing_ok=True)
        self.group.mkdir(exist_ok=True)
        private = self._network.private(self.number)
        init = [
            "unshare", *_NAMESPACES, "--fork", "--kill-child", str(_INIT), str(self.folder),
            str(self._tree), self.host_name, f"{private}/16", self._network.gateway, WITHOUT,
        ]  # fmt: skip
        join = f"echo $$ >{self.group}/cgroup.procs; exec {' '.join(init)}"
        with (self.folder / "init.log").open("ab") as log:
            subprocess.Popen(
                ["script", "-q", "-f", "-a", "-e", "-c", join, str(self.console_file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + 20
        while not self.is_up:
            if time.monotonic() > until:
                raise VmError(f"A machine did not start: {self.console()[-1000:]}")
            time.sleep(0.02)
        self._network.plug(self.number, processes.recorded(self._record))

    def power_off(self) -> None:
        """Let it shut down, and switch it off if it takes too long."""
        pid = processes.recorded(self._record)
        if pid:
            # systemd(1): SIGRTMIN+4 starts poweroff.target.
            os.kill(pid, signal.SIGRTMIN + 4)
            if not processes.wait_gone(self._record, timeout_s=STOPS_WITHIN_S):
                processes.end(self._record)
        self._clear_group()

    def remove(self) -> None:
        """Switch it off, and remove its disk."""
        processes.end(self._record)
        self._clear_group()
        run("rm", "-rf", "--one-file-system", str(self.folder))

    def console(self) -> str:
        """What it wrote to its console."""
        try:
            text = self.console_file.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", text)

    def run(self, *command: str, user: str = "root", check: bool = True) -> str:
        """Run a command in it, as somebody who sits before it would."""
        return run(*self.entering(user), *command, check=check)

    def entering(self, user: str = "root") -> tuple[str, ...]:
        """The command line that enters it as an account."""
        pid = processes.recorded(self._record)
        if not pid:
            raise VmError("The machine is not up.")
        become = ("--reuid", user, "--regid", user, "--init-groups")
        return (
            "nsenter", "-t", str(pid), "-m", "-n", "-p", "-u", "-i", "-C", "-r", "-w",
            "env", "-i", f"PATH={_PATH}", "LANG=C.UTF-8", "HOME=/",
            # Whoever enters has no more rights over this machine than what boots there.
            "setpriv", f"--bounding-set={WITHOUT}", *(become if user != "root" else ()), "--",
        )  # fmt: skip

    def _clear_group(self) -> None:
        if self.group.is_dir():
            for folder in sorted(_below(self.group), key=lambda each: -len(each.parts)):
                _remove_group(folder)


def _groups() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise VmError("Machines that really boot need a cgroup2 hierarchy.")


def _below(group: Path) -> Iterator[Path]:
    yield group
    for folder in group.rglob("*"):
        if folder.is_dir():
            yield folder


def _remove_group(folder: Path) -> None:
    for _ in range(100):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
