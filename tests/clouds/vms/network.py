"""The machines' network: a router of its own, which is the cloud's firewall as well.

The router is a network namespace with a bridge for the machines and one link to this machine,
which is the world. Its rules are the security groups: from the world only port 22 of masters is
reached, by their public addresses; machines reach each other's ports 22 and 9618 and the metadata
service, and not the world. This machine gets one link and one route, and no rule.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.clouds.vms import processes
from tests.clouds.vms.ground import VmError, run
from tests.clouds.vms.metadata import SERVES

METADATA: Final = "169.254.169.254"
_RULES: Final = """
table ip cloud {{
  set masters {{ type ipv4_addr; }}
  map public {{ type ipv4_addr : ipv4_addr; }}
  chain arriving {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname "world" dnat to ip daddr map @public
  }}
  chain passing {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "machines" oifname "machines" accept
    iifname "world" ip daddr @masters tcp dport 22 accept
  }}
  chain own {{
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    iifname "machines" ip daddr {metadata} tcp dport 80 accept
    icmp type echo-request accept
    ct state established,related accept
  }}
}}
table bridge cloud {{
  chain among {{
    type filter hook forward priority filter; policy drop;
    ether type arp accept
    ip protocol icmp accept
    tcp dport {{ 22, 9618 }} accept
    tcp sport {{ 22, 9618 }} tcp flags & (syn | ack) != syn accept
  }}
}}
"""


class Network:
    """One network of up to 250 machines.

    Args:
        folder: Where its state is written down.
        number: Which one of this machine's: its private addresses are 10.NUMBER.0.0/16, the
            public ones 198.18.NUMBER.0/24.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._record = folder / "router"
        self._log = folder / "metadata.log"
        self.number = number
        self.gateway = f"10.{number}.0.1"
        self.link = f"ocvm{number}"

    def up(self) -> None:
        """Make it."""
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", f"{self.link}r")
        service = subprocess.Popen(
            ["unshare", "--net", sys.executable, "-m", "tests.clouds.vms.metadata",
             METADATA, str(self._folder / "machines")],
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=Path(__file__).parents[3],
        )  # fmt: skip
        processes.record(self._record, service.pid)
        self._wait_apart(service.pid)
        run("ip", "link", "set", f"{self.link}r", "netns", str(service.pid), "name", "world")
        world = f"198.19.{self.number}"
        self._inside("ip", "addr", "add", f"{world}.2/30", "dev", "world")
        self._inside("ip", "link", "add", "machines", "type", "bridge", "stp_state", "0")
        self._inside("ip", "addr", "add", f"{self.gateway}/16", "dev", "machines")
        self._inside("ip", "addr", "add", f"{METADATA}/32", "dev", "machines")
        for name in ("lo", "world", "machines"):
            self._inside("ip", "link", "set", name, "up")
        self._inside("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self._inside("nft", "-f", "-", stdin=_RULES.format(metadata=METADATA))
        # The answers to the world go back to it, wherever it asked from.
        self._inside("ip", "route", "add", "default", "via", f"{world}.1")
        run("ip", "addr", "add", f"{world}.1/30", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        run("ip", "route", "add", f"198.18.{self.number}.0/24", "via", f"{world}.2")
        self._wait_serving()

    def down(self) -> None:
        """Remove it."""
        processes.end(self._record)
        run("ip", "link", "del", self.link, check=False)

    def private(self, machine: int) -> str:
        """The private address of a machine, by its number."""
        return f"10.{self.number}.1.{machine}"

    def public(self, machine: int) -> str:
        """Its public one."""
        return f"198.18.{self.number}.{machine}"

    def plug(self, machine: int, pid: int) -> None:
        """Give a machine's namespace its card, which is the same after each start."""
        router = str(processes.recorded(self._record))
        run(
            "ip", "link", "add", f"m{machine}", "netns", router, "type", "veth",
            "peer", "name", "eth0", "address", f"02:00:0a:{self.number:02x}:01:{machine:02x}",
            "netns", str(pid),
        )  # fmt: skip
        self._inside("ip", "link", "set", f"m{machine}", "master", "machines", "up")

    def publish(self, machine: int, *, is_master: bool) -> None:
        """Let the world see a machine."""
        private = self.private(machine)
        rules = [f"add element ip cloud public {{ {self.public(machine)} : {private} }}"]
        if is_master:
            rules.append(f"add element ip cloud masters {{ {private} }}")
        self._inside("nft", "-f", "-", stdin="\n".join(rules))

    def forget(self, machine: int) -> None:
        """Take a machine's public address away."""
        private = self.private(machine)
        for element in (f"public {{ {self.public(machine)} }}", f"masters {{ {private} }}"):
            self._inside("nft", f"delete element ip cloud {element}", check=False)

    def _inside(self, *command: str, stdin: str = "", check: bool = True) -> str:
        pid = str(processes.recorded(self._record))
        return run("nsenter", "-t", pid, "-n", *command, stdin=stdin, check=check)

    @staticmethod
    def _wait_apart(pid: int) -> None:
        own = Path("/proc/self/ns/net").readlink()
        for _ in range(500):
            if Path(f"/proc/{pid}/ns/net").readlink() != own:
                return
            time.sleep(0.01)
        raise VmError("The machines' router did not start.")

    def _wait_serving(self) -> None:
        for _ in range(2000):
            told = self._log.read_text(errors="replace")
            if SERVES in told:
                return
            time.sleep(0.01)
        raise VmError(f"The metadata service did not start: {told}")


def free_numbers() -> Iterator[int]:
    """Numbers of networks that nobody here uses."""
    there = run("ip", "-o", "link") + run("ip", "-4", "route")
    for number in range(90, 250):
        if f"ocvm{number}" not in there and f"10.{number}." not in there:
            yield number
