"""A cluster of one machine: the master alone, which works too."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from oceanid.clouds.userdata import WorkerPlan, rendered
from oceanid.engines.htcondor.shell import HostKeyChanged
from oceanid.engines.testing import Bench, shell
from oceanid.states import TaskState
from tests.clouds.vms.booter import VmBooter
from tests.clouds.vms.cluster import Cluster, key_pair, until

pytestmark = [pytest.mark.vms, pytest.mark.ssh]


def test_a_job_runs_on_it_by_way_of_the_known_host_key(alone: Cluster, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        out = tmp_path / "out"
        batch = bench.batch(
            shell("id -un; echo made >made", tmp_path, transfer_files=True, stdout=str(out))
        )
        handle = await bench.engine.submit(batch)
        seen = await bench.ends(batch)
        assert seen[0].state is TaskState.COMPLETE, seen[0].reason
        await bench.engine.fetch(handle, [0])
        # Not as the account that submits: that one's files, and its log, are out of reach.
        assert out.read_text().startswith("slot1_")
        assert (tmp_path / "made").read_text() == "made\n"

    alone.on_pool(tmp_path, scenario)


WORKER = WorkerPlan(
    cluster="alone", master_address="10.0.0.4", token=f"eyJ{'h' * 40}.eyJ{'p' * 400}.{'s' * 43}"
)


@pytest.mark.parametrize("kind", ["idle master", "working master", "worker", "spot worker"])
def test_debians_cloud_init_finds_no_fault_in_what_machines_boot_with(
    alone: Cluster, kind: str
) -> None:
    plan = {
        "idle master": replace(alone.plan, works=False),
        "working master": alone.plan,
        "worker": WORKER,
        "spot worker": replace(WORKER, spot=True),
    }[kind]
    machine = alone.master
    write = ("sh", "-c", "umask 077; cat >/run/user-data")
    subprocess.run([*machine.entering(), *write], input=rendered(plan), text=True, check=True)
    said = machine.run("cloud-init", "schema", "-c", "/run/user-data")
    assert "Valid schema" in said, said


def test_the_check_of_a_scheduler_record_finds_nothing_wrong(
    alone: Cluster, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        report = await bench.engine.check()
        assert all(step.ok for step in report.steps), report.message

    alone.on_pool(tmp_path, scenario)


def test_a_look_finds_the_master_itself_and_its_address_at_the_cloud(alone: Cluster) -> None:
    (node,) = alone.look().nodes
    assert node.address == alone.addresses.private
    assert node.cpus >= 1
    assert node.memory_mib >= 1
    assert node.heard_at is not None
    assert not node.is_leaving


def test_a_job_on_a_master_reaches_nothing_of_who_submitted_it(alone: Cluster) -> None:
    for attack in (
        "ls /home/oceanid",
        "ls /home/oceanid-keeper",
        "cat /etc/condor/passwords.d/POOL",
        "ls /var/lib/oceanid",
        "condor_status",
        "condor_q -allusers",
        "condor_off",
        "condor_token_fetch",
        "printf 'executable = /bin/true\\nqueue\\n' | condor_submit -",
        "sudo -n /usr/local/sbin/oceanid-keeper look",
    ):
        said = alone.master.run("sh", "-c", f"{attack} && echo IT WORKED; exit 0", user="slot1_1")
        assert "IT WORKED" not in said, attack


def test_dagman_runs_a_workflow_on_it(alone: Cluster) -> None:
    script = (
        "set -e; cd /home/oceanid; mkdir dag; cd dag\n"
        "printf 'executable = /bin/sleep\\narguments = 0\\ntransfer_executable = false\\n"
        "should_transfer_files = yes\\nlog = nodes.log\\nqueue\\n' >node.sub\n"
        "printf 'JOB a node.sub\\nJOB b node.sub\\nPARENT a CHILD b\\n' >two.dag\n"
        "condor_submit_dag two.dag >/dev/null\n"
        "condor_wait -wait 150 two.dag.dagman.log >/dev/null\n"
        "grep -c '^005 ' nodes.log; grep -o 'EXITING WITH STATUS 0' two.dag.dagman.out\n"
        "cd ..; rm -r dag\n"
    )
    said = alone.master.run("sh", "-c", script, user="oceanid")
    assert said.split("\n")[:2] == ["2", "EXITING WITH STATUS 0"]


def test_a_master_with_another_host_key_is_told_nothing(alone: Cluster) -> None:
    known = alone.host_public_key
    alone.host_public_key = key_pair()[1]
    try:
        with pytest.raises(HostKeyChanged):
            alone.look()
    finally:
        alone.host_public_key = known


def test_a_stopped_one_starts_again_with_its_disk_and_the_same_signing_key(
    booter: VmBooter, alone: Cluster
) -> None:
    key = alone.master.run("sha256sum", "/etc/condor/passwords.d/POOL")
    alone.master.run("touch", "/home/oceanid/kept")
    booter.stop(alone.master_id)
    until(lambda: booter.state(alone.master_id) == "stopped", awaited="the stop")
    booter.start(alone.master_id)
    alone.wait(alone.master_id, times=2)
    assert alone.master.run("sha256sum", "/etc/condor/passwords.d/POOL") == key
    assert alone.master.run("ls", "/home/oceanid").split() == ["kept"]
    assert [node.address for node in alone.look().nodes] == [alone.addresses.private]


def test_a_copy_of_its_disk_brings_none_of_its_keys_and_boots_like_an_image_of_ones_own(
    booter: VmBooter, alone: Cluster
) -> None:
    # HTCondor is installed and starts by itself before cloud-init has told it how.
    key = alone.master.run("cat", "/etc/condor/passwords.d/POOL")
    alone.master.run("rm", "-r", "/etc/systemd/system/condor.service.d")
    alone.master.run("rm", "/usr/local/sbin/oceanid-node", "/srv/archive/Packages")
    alone.master.run("rm", "/etc/ssh/ssh_host_ed25519_key")
    booter.stop(alone.master_id)
    until(lambda: booter.state(alone.master_id) == "stopped", awaited="the stop")
    alone.master.become("i-copy")
    times = alone.master.console().count("oceanid: ready") + 1
    booter.start(alone.master_id)
    alone.wait(alone.master_id, times=times)
    assert alone.master.run("cat", "/etc/condor/passwords.d/POOL") != key
    until(lambda: alone.look().nodes, awaited="the master to be in its pool")
    assert alone.master.run("cat", "/etc/oceanid/instance") == "i-copy\n"
