"""The harness itself: machines boot, keep their disk, end, and leave nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.clouds.vms import processes
from tests.clouds.vms.booter import HOME, VmBooter, sweep
from tests.clouds.vms.cluster import until

pytestmark = pytest.mark.vms
# capabilities(7): CAP_SYS_MODULE, CAP_SYS_RAWIO and CAP_SYS_TIME, by number.
FORBIDDEN = 1 << 16 | 1 << 17 | 1 << 25
BOOTED = "#cloud-config\nruncmd:\n- [sh, -c, 'echo it ran as $(id -un); touch /kept']\n"


def boot(booter: VmBooter, machine_id: str, user_data: str = BOOTED, role: str = "WOR") -> None:
    booter.boot(machine_id, user_data, role)
    until(lambda: "Cloud-init v. 25" in booter.console(machine_id), awaited="cloud-init")
    until(lambda: "finished at" in booter.console(machine_id), awaited="the end of the boot")


def test_a_machine_does_what_its_user_data_say_keeps_its_disk_and_leaves_nothing(
    booter: VmBooter,
) -> None:
    boot(booter, "i-plain")
    assert booter.state("i-plain") == "running"
    assert "it ran as root" in booter.console("i-plain")
    machine = booter.machine("i-plain")
    assert machine.run("ls", "/kept").strip() == "/kept"

    booter.stop("i-plain")
    until(lambda: booter.state("i-plain") == "stopped", awaited="the stop")
    assert "it ran as root" in booter.console("i-plain")
    booter.stop("i-plain")
    booter.start("i-plain")
    booter.start("i-plain")
    until(lambda: booter.console("i-plain").count("finished at") == 2, awaited="another boot")
    assert machine.run("ls", "/kept").strip() == "/kept"
    # What is done once for a machine is not done again.
    assert booter.console("i-plain").count("it ran as root") == 1

    inside = Path(f"/proc/{processes.recorded(machine.folder / 'pid')}")
    assert inside.exists()
    booter.end("i-plain")
    booter.end("i-plain")
    assert booter.state("i-plain") == "gone"
    assert booter.console("i-plain") == ""
    assert not inside.exists()
    assert not machine.folder.exists()
    assert not machine.group.exists()


def test_the_same_id_is_the_same_machine(booter: VmBooter) -> None:
    first = booter.boot("i-twice", BOOTED, "WOR")
    assert booter.boot("i-twice", "other", "MAS") == first
    booter.end("i-twice")


def test_the_metadata_service_gives_each_machine_its_own_user_data(booter: VmBooter) -> None:
    others = BOOTED + "# ☃ other\n"
    boot(booter, "i-one")
    boot(booter, "i-other", others)
    script = (
        "import urllib.request as u\n"
        "base = 'http://169.254.169.254/latest/'\n"
        "def ask(method, path, **more):\n"
        "    return u.urlopen(u.Request(base + path, method=method, headers=more)).read()\n"
        "token = ask('PUT', 'api/token', **{'X-aws-ec2-metadata-token-ttl-seconds': '9'})\n"
        "said = ask('GET', 'user-data', **{'X-aws-ec2-metadata-token': token.decode()})\n"
        "print(said.decode(), end='')\n"
        "try:\n"
        "    ask('GET', 'user-data')\n"
        "except u.HTTPError as problem:\n"
        "    print('without a token:', problem.code)\n"
    )
    for machine_id, user_data in (("i-one", BOOTED), ("i-other", others)):
        said = booter.machine(machine_id).run("python3", "-c", script)
        assert said == f"{user_data}without a token: 401\n"
        booter.end(machine_id)


@pytest.mark.parametrize("user_data", ["", "garbage", "#cloud-config\n: [", "#!/bin/sh\nexit 1\n"])
def test_a_machine_with_useless_user_data_still_has_a_console(
    booter: VmBooter, user_data: str
) -> None:
    boot(booter, "i-useless", user_data)
    assert booter.state("i-useless") == "running"
    booter.end("i-useless")


def test_who_does_not_know_a_machine_can_do_nothing_to_it(booter: VmBooter) -> None:
    for act in (booter.stop, booter.start, booter.end):
        act("i-nobody")
    assert booter.state("i-nobody") == "gone"
    assert booter.console("i-nobody") == ""


def test_nobody_in_a_machine_can_change_the_clock_or_the_kernel_of_this_one(
    booter: VmBooter,
) -> None:
    # The rights are read, and nothing is tried: what is tried in vain today may work tomorrow.
    boot(booter, "i-inside")
    machine = booter.machine("i-inside")
    # In one look, and a process that ends while it is looked at is none: a machine that has just
    # booted still starts some. The shell and cat are among them, as whoever comes in by this way.
    told = machine.run("sh", "-c", "cat /proc/self/status /proc/[0-9]*/status 2>/dev/null || :")
    names = re.findall(r"^Name:\t(.*)$", told, re.MULTILINE)
    rights = re.findall(r"^CapBnd:\t([0-9a-f]+)$", told, re.MULTILINE)
    assert {"systemd", "sh", "cat"} <= set(names), names
    assert len(rights) > 3
    assert not [bound for bound in rights if int(bound, 16) & FORBIDDEN], told
    mounts = machine.run("cat", "/proc/self/mounts").splitlines()
    options = {line.split()[1]: line.split()[3].split(",") for line in mounts}
    assert "ro" in options["/proc/sys"]
    assert "ro" in options["/sys"]
    booter.end("i-inside")


def test_a_sweep_removes_what_nobody_owns_any_more_and_nothing_else(booter: VmBooter) -> None:
    left = HOME / "net-249"
    (left / "machines").mkdir(parents=True)
    (left / "owner").write_text(f"{os.getpid()} 1\n")  # an id that another process has by now
    boot(booter, "i-stays")
    sweep()
    assert not left.exists()
    assert booter.state("i-stays") == "running"
    booter.end("i-stays")
