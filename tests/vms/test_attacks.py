"""What the root of a worker, and the user that a job runs as, can't do."""

from __future__ import annotations

import re
import socket

import pytest

from tests.clouds.vms.machine import VirtualMachine
from tests.vms.conftest import Grown

pytestmark = [pytest.mark.vms, pytest.mark.ssh]
JOB_USER = "slot1_1"

AS_ROOT_OF_A_WORKER = [
    # to make a token
    "condor_token_create -identity condor@grown.oceanid.internal",
    "condor_token_fetch -type collector -pool $MASTER",
    "condor_token_fetch -type schedd -name $SCHEDD",
    "condor_token_fetch -type master -name $SCHEDD -authz ADMINISTRATOR",
    "timeout 20 condor_token_request -type collector -identity condor@grown.oceanid.internal",
    "condor_token_request_list -type collector",
    "condor_token_request_auto_approve -type collector -netblock 10.0.0.0/8 -lifetime 600",
    # to command the master
    "condor_off -name $SCHEDD",
    "condor_restart -name $SCHEDD",
    "condor_reconfig -name $SCHEDD",
    "condor_config_val -name $SCHEDD -set 'ALLOW_WRITE = *'",
    "condor_config_val -name $SCHEDD -rset 'ALLOW_WRITE = *'",
    "condor_config_val -name $SCHEDD -schedd -rset 'ALLOW_WRITE = *'",
    "condor_fetchlog $SCHEDD SCHEDD",
    "condor_userprio -setfactor oceanid@grown.oceanid.internal 100",
    # to see or change jobs
    "condor_q -name $SCHEDD -allusers",
    "condor_qedit -name $SCHEDD 1 Note 1",
    "condor_rm -name $SCHEDD -all",
    "condor_hold -name $SCHEDD -all",
    "printf 'executable = /bin/true\\nqueue\\n' | condor_submit -spool -name $SCHEDD -",
    "printf 'executable = /bin/true\\nqueue\\n' | condor_submit -remote $SCHEDD -",
    # to command another worker
    "condor_drain $OTHER",
    "condor_drain -cancel $OTHER",
    "condor_off -name $OTHER",
    "condor_off -fast -name $OTHER",
    "condor_vacate $OTHER",
    "condor_fetchlog $OTHER STARTD",
    "condor_status -direct $OTHER -af Name",
    # to pass for the master
    'printf \'MyType = "Scheduler"\\nName = "evil"\\n\' >/root/ad;'
    " condor_advertise UPDATE_SCHEDD_AD /root/ad",
    'printf \'MyType = "Generic"\\nName = "oceanid-token-x"\\n\' >/root/ad;'
    " condor_advertise UPDATE_AD_GENERIC /root/ad",
    # to log in anywhere
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=no oceanid@$MASTER id",
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=no root@$MASTER id",
]

AS_A_JOBS_USER = [
    "cat /etc/condor/tokens.d/oceanid",
    "ls /etc/condor/tokens.d /etc/condor/passwords.d",
    "cat /etc/oceanid/seal.key",
    "cat /var/lib/cloud/instance/user-data.txt",
    "cat /run/cloud-init/instance-data-sensitive.json",
    "cat /var/log/cloud-init-output.log",
    "cat /proc/1/environ",
    "sudo -n id",
    "sudo -n /usr/local/sbin/oceanid-keeper look",
    "su -c id </dev/null",
    "nft list ruleset",
    "condor_token_create -identity condor@grown.oceanid.internal",
    "condor_token_fetch -type collector",
    "condor_status",
    "condor_off",
    "condor_config_val -startd -rset 'ALLOW_WRITE = *'",
]

METADATA = """\
import sys, urllib.request
for method, url, headers in (
    ("PUT", "http://169.254.169.254/latest/api/token",
     {"X-aws-ec2-metadata-token-ttl-seconds": "60"}),
    ("GET", "http://169.254.169.254/metadata/instance/compute/userData?format=text",
     {"Metadata": "true"}),
    ("GET", "http://168.63.129.16/machine?comp=goalstate", {}),
):
    try:
        asked = urllib.request.Request(url, method=method, headers=headers)
        print(urllib.request.urlopen(asked, timeout=3).status)
    except OSError as problem:
        print(getattr(problem, "reason", problem))
"""


@pytest.fixture(scope="module")
def worker(grown: Grown) -> VirtualMachine:
    return grown.cluster.machine(grown.workers[0])


@pytest.fixture(scope="module")
def names(grown: Grown, worker: VirtualMachine) -> str:
    """The names that attacks use, as the beginning of a script."""
    schedd = worker.run("condor_status", "-schedd", "-af", "Name").strip()
    other = grown.cluster.machine(grown.workers[1])
    name = other.run("condor_config_val", "FULL_HOSTNAME").strip()
    return f"MASTER={grown.cluster.addresses.private}; SCHEDD={schedd}; OTHER={name}; "


@pytest.mark.parametrize("attack", AS_ROOT_OF_A_WORKER)
def test_the_root_of_a_worker_is_refused(
    worker: VirtualMachine, names: str, attack: str, grown: Grown
) -> None:
    said = worker.run("sh", "-c", f"{names} set -e; {attack} && echo IT WORKED; exit 0")
    assert "IT WORKED" not in said
    # And the pool stands as before.
    assert {each.address for each in grown.cluster.look().nodes} == grown.addresses


def test_no_key_that_signs_tokens_is_on_a_worker(grown: Grown) -> None:
    key = grown.cluster.master.run("cat", "/etc/condor/passwords.d/POOL").strip()
    worker = grown.cluster.machine(grown.workers[0])
    assert not worker.run("ls", "-A", "/etc/condor/passwords.d")
    found = worker.run(
        "grep", "-rlF", "--devices=skip", key[:40], "/etc", "/var", "/run", "/root", "/home",
        "/usr/local", check=False,
    )  # fmt: skip
    assert not found


def test_a_token_that_a_worker_has_is_no_more_than_allowed_anywhere(
    worker: VirtualMachine, names: str
) -> None:
    allowed = {"collector": {"ALLOW", "READ", "ADVERTISE_STARTD", "ADVERTISE_MASTER"}}
    for daemon in ("collector", "schedd", "negotiator", "master"):
        where = f"-type {daemon}" + (" -name $SCHEDD" if daemon in ("schedd", "master") else "")
        said = worker.run("sh", "-c", f"{names} condor_ping {where} -table ALL; exit 0")
        rows = [line.split() for line in said.splitlines()[1:] if line.split()]
        assert rows, said
        may = {row[0] for row in rows if row[4] == "ALLOW"}
        assert may <= allowed.get(daemon, {"ALLOW"}), said


@pytest.mark.parametrize("attack", AS_A_JOBS_USER)
def test_a_jobs_user_is_refused(worker: VirtualMachine, attack: str) -> None:
    said = worker.run("sh", "-c", f"({attack}) && echo IT WORKED; exit 0", user=JOB_USER)
    assert "IT WORKED" not in said


def test_only_root_reaches_the_metadata_service(worker: VirtualMachine) -> None:
    assert worker.run("python3", "-c", METADATA).split()[:2] == ["200", "200"]
    refused = worker.run("python3", "-c", METADATA, user=JOB_USER)
    assert refused.count("Connection refused") == 3, refused
    # A user who is root in a namespace of their own is still that user.
    apart = worker.run("unshare", "-r", "python3", "-c", METADATA, user=JOB_USER, check=False)
    assert "200" not in apart


def test_the_master_lets_no_user_reach_the_metadata_service_either(grown: Grown) -> None:
    for user in ("oceanid", "oceanid-keeper", JOB_USER):
        said = grown.cluster.master.run("python3", "-c", METADATA, user=user)
        assert said.count("Connection refused") == 3, (user, said)


def test_who_submits_has_no_right_of_root(grown: Grown) -> None:
    master = grown.cluster.master
    for attack in (
        "sudo -n id",
        "sudo -n /usr/local/sbin/oceanid-keeper look",
        "cat /etc/condor/passwords.d/POOL",
        "condor_token_create -identity condor@grown.oceanid.internal",
        "condor_token_fetch -type collector",
        "condor_off",
        "condor_reconfig",
        "condor_drain $(condor_config_val FULL_HOSTNAME)",
        "condor_config_val -schedd -rset 'ALLOW_WRITE = *'",
    ):
        said = master.run("sh", "-c", f"{attack} && echo IT WORKED; exit 0", user="oceanid")
        assert "IT WORKED" not in said, attack


@pytest.mark.parametrize(
    "words",
    [[], ["sh"], ["token"], ["token", "1"], ["token", "-5"], ["token", "1e9"], ["token", "$(id)"],
     ["works"], ["works", "maybe"], ["works", "on", "off"], ["drain"], ["drain", "-all"],
     ["drain", "10.0.0.1;id"], ["drain", "../../x"], ["undrain", "a.b.c.d"], ["look", "at"],
     ["--help"], [""], ["look\n"]],
)  # fmt: skip
def test_the_keepers_one_command_takes_nothing_else(grown: Grown, words: list[str]) -> None:
    command = ("sudo", "-n", "/usr/local/sbin/oceanid-keeper", *words)
    said = grown.cluster.master.run(*command, user="oceanid-keeper", check=False)
    assert not said


def test_the_keeper_may_do_nothing_else_as_root(grown: Grown) -> None:
    for attack in ("sudo -n id", "sudo -n sh", "sudo -n -u oceanid id", "cat /etc/shadow"):
        said = grown.cluster.master.run(
            "sh", "-c", f"{attack} && echo IT WORKED; exit 0", user="oceanid-keeper"
        )
        assert "IT WORKED" not in said, attack


def reached(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_from_the_world_only_the_masters_ssh_port_is_open(grown: Grown) -> None:
    master = grown.cluster.addresses.public
    assert reached(master, 22)
    assert not [port for port in (80, 111, 9618, 9619) if reached(master, port)]
    for each in grown.workers:
        public = grown.cluster.machine(each).public_address
        assert not [port for port in (22, 9618) if reached(public, port)]


def test_machines_reach_no_port_of_each_other_but_condors_and_ssh(
    grown: Grown, worker: VirtualMachine
) -> None:
    master = grown.cluster.master
    listening = {int(line.split()[3].rpartition(":")[2]) for line in master.run(
        "ss", "-Htln").splitlines()}  # fmt: skip
    assert listening > {22, 9618}
    script = (
        "import socket, sys\n"
        "for port in sys.argv[2:]:\n"
        "    with socket.socket() as tried:\n"
        "        tried.settimeout(0.5)\n"
        "        print(port) if tried.connect_ex((sys.argv[1], int(port))) == 0 else None\n"
    )
    ports = [str(port) for port in sorted(listening)]
    said = worker.run("python3", "-c", script, grown.cluster.addresses.private, *ports)
    assert said.split() == ["22", "9618"]


def test_a_worker_listens_to_nothing_but_condor(grown: Grown) -> None:
    for each in grown.workers:
        said = grown.cluster.machine(each).run("ss", "-Htlnp")
        assert {line.split('"')[1] for line in said.splitlines()} == {"condor_shared_p"}, said


def test_whatever_condors_package_says_nobody_goes_without_a_name_or_in_the_open(
    grown: Grown,
) -> None:
    for machine in (grown.cluster.master, grown.cluster.machine(grown.workers[0])):
        said = machine.run("condor_config_val", "-dump", "SEC_")
        kinds = "AUTHENTICATION|ENCRYPTION|INTEGRITY"
        found = dict(re.findall(rf"^(SEC_[A-Z]+_(?:{kinds})) = (\w+)$", said, re.MULTILINE))
        assert len(found) >= 9
        assert set(found.values()) == {"REQUIRED"}, found


def test_the_console_of_a_machine_tells_no_secret(grown: Grown) -> None:
    cluster = grown.cluster
    token = cluster.machine(grown.workers[1]).run("cat", "/etc/condor/tokens.d/oceanid").strip()
    for each in (cluster.master_id, *grown.workers):
        console = cluster.machine(each).console()
        assert "oceanid: ready" in console
        assert token not in console
        assert "PRIVATE KEY" not in console
