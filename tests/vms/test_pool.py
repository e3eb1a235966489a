"""A master with two workers: they join, work, leave softly, and get new tokens."""

from __future__ import annotations

import json
import time
from base64 import b64decode, urlsafe_b64decode
from pathlib import Path

import pytest

from oceanid import conf
from oceanid.engines.pools import PoolNode
from oceanid.engines.testing import Bench, shell
from oceanid.states import TaskState
from tests.clouds.vms.cluster import Cluster, until
from tests.vms.conftest import Grown

pytestmark = [pytest.mark.vms, pytest.mark.ssh]
TOKEN = "/etc/condor/tokens.d/oceanid"


def node(cluster: Cluster, address: str) -> PoolNode | None:
    return next((each for each in cluster.look().nodes if each.address == address), None)


def test_the_workers_join_and_a_master_that_does_not_work_is_no_node(grown: Grown) -> None:
    assert {each.address for each in grown.cluster.look().nodes} == grown.addresses


def test_jobs_run_on_the_workers(grown: Grown, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(*(
            shell("hostname", tmp_path, transfer_files=True, stdout=f"{tmp_path}/out.{number}")
            for number in range(6)
        ))  # fmt: skip
        handle = await bench.engine.submit(batch)
        seen = await bench.ends(batch)
        assert {each.state for each in seen.values()} == {TaskState.COMPLETE}
        await bench.engine.fetch(handle, range(6))
        names = {(tmp_path / f"out.{number}").read_text().strip() for number in range(6)}
        assert names <= {grown.cluster.machine(each).host_name for each in grown.workers}

    grown.cluster.on_pool(tmp_path, scenario)


def test_a_drained_worker_finishes_its_job_and_gets_no_other(grown: Grown, tmp_path: Path) -> None:
    cluster = grown.cluster
    wait = "hostname; until [ -e /run/gate ]; do sleep 0.2; done; echo done"

    async def scenario(bench: Bench) -> None:
        task = shell(wait, tmp_path, transfer_files=True, stdout=str(tmp_path / "first"))
        batch = bench.batch(task)
        handle = await bench.engine.submit(batch)
        await bench.until(batch, 0, TaskState.RUNNING)
        pool = bench.engine.pool(cluster.config("oceanid-keeper"), cluster.secrets)
        await pool.open()

        async def nodes() -> dict[str, PoolNode]:
            return {each.address: each for each in (await pool.look()).nodes}

        async def soon(address: str, *, leaves: bool, jobs: int) -> None:
            for _ in range(100):
                found = (await nodes()).get(address)
                if found and found.is_leaving is leaves and found.jobs_running == jobs:
                    return
            pytest.fail(f"{address}: {found}")

        busy = await _busy(nodes)
        machine = next(
            cluster.machine(each) for each in grown.workers if cluster.machine(each).address == busy
        )
        other = (grown.addresses - {busy}).pop()
        await pool.drain([busy])
        await pool.drain([busy])
        await soon(busy, leaves=True, jobs=1)

        more = bench.batch(*(
            shell("hostname", tmp_path, transfer_files=True, stdout=f"{tmp_path}/more.{number}")
            for number in range(3)
        ))  # fmt: skip
        later = await bench.engine.submit(more)
        await bench.ends(more)
        await bench.engine.fetch(later, range(3))
        ran_on = {(tmp_path / f"more.{number}").read_text().strip() for number in range(3)}
        assert ran_on == {f"ip-{other.replace('.', '-')}"}
        await soon(busy, leaves=True, jobs=1)

        machine.run("touch", "/run/gate")
        seen = await bench.ends(batch)
        assert seen[0].state is TaskState.COMPLETE, seen[0].reason
        assert len(bench.history(batch, 0)) == len(set(bench.history(batch, 0)))
        await bench.engine.fetch(handle, [0])
        assert (tmp_path / "first").read_text().splitlines()[1:] == ["done"]
        await soon(busy, leaves=True, jobs=0)
        await pool.undrain([busy])
        await pool.undrain([busy, other])
        await soon(busy, leaves=False, jobs=0)
        machine.run("rm", "/run/gate")
        await pool.close()

    cluster.on_pool(tmp_path, scenario)


async def _busy(nodes: object) -> str:
    for _ in range(200):
        for address, each in (await nodes()).items():  # type: ignore[operator]
            if each.jobs_running:
                return str(address)
    raise AssertionError("no node is busy")


def test_an_address_that_is_in_no_pool_is_drained_already(grown: Grown) -> None:
    grown.cluster.ask(lambda pool: pool.drain(["192.0.2.7"]))
    grown.cluster.ask(lambda pool: pool.undrain(["192.0.2.7"]))


def test_the_master_works_when_it_is_told_to_and_no_longer_when_not(grown: Grown) -> None:
    cluster, own = grown.cluster, grown.cluster.addresses.private
    cluster.ask(lambda pool: pool.let_master_work(True))
    until(lambda: node(cluster, own), awaited="the master to work")
    cluster.ask(lambda pool: pool.let_master_work(False))
    until(lambda: not node(cluster, own), awaited="the master to work no more")


def test_waiting_jobs_are_counted_with_the_processors_that_they_ask_for(
    grown: Grown, tmp_path: Path
) -> None:
    master = grown.cluster.master
    (tmp_path / "sub").write_text(
        "executable = /bin/true\ntransfer_executable = false\nrequest_cpus = 500\n"
        "log = /dev/null\nqueue 7\n"
    )
    master.run("sh", "-c", f"cat >/tmp/sub <<'E'\n{(tmp_path / 'sub').read_text()}E\n")
    said = master.run("condor_submit", "-terse", "/tmp/sub", user="oceanid")
    try:
        look = grown.cluster.look()
        assert look.idle_jobs == 7
        assert look.idle_cpus == 3500
    finally:
        master.run("condor_rm", said.partition(".")[0], user="oceanid")


def claims(token: str) -> dict[str, object]:
    body = token.split(".")[1]
    found: dict[str, object] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_a_worker_takes_its_next_token_before_the_first_one_ends(grown: Grown) -> None:
    cluster = grown.cluster
    worker = cluster.machine(grown.workers[0])
    # Its timer may have been here before us.
    first = cluster.first_token
    cluster.master.run("systemctl", "start", "oceanid-renew")
    worker.run("systemctl", "start", "oceanid-renew")
    second = worker.run("cat", TOKEN).strip()
    has, got = claims(first), claims(second)
    assert got["exp"] > has["exp"]  # type: ignore[operator]
    assert {**got, "exp": 0, "iat": 0, "jti": ""} == {**has, "exp": 0, "iat": 0, "jti": ""}
    assert worker.run("stat", "-c", "%U %a", TOKEN) == "root 600\n"
    # With the new one it joins as before.
    worker.run("systemctl", "restart", "condor")
    own = worker.run("condor_config_val", "FULL_HOSTNAME").strip()
    query = ("condor_status", "-af", "Name", "-constraint", f'Machine == "{own}"')
    until(lambda: worker.run(*query, check=False), awaited="the worker to join again")


def test_a_token_that_has_ended_is_refused_and_the_next_one_is_looked_for_in_time(
    grown: Grown,
) -> None:
    worker, master = grown.cluster.machine(grown.workers[1]), grown.cluster.master
    domain = master.run("condor_config_val", "TRUST_DOMAIN").strip()

    def with_token(*, lifetime_s: int) -> str:
        token = master.run(
            "condor_token_create", "-identity", f"oceanid-worker@{domain}", "-key", "POOL",
            "-lifetime", str(lifetime_s), "-authz", "READ", "-authz", "ADVERTISE_STARTD",
        ).strip()  # fmt: skip
        worker.run("sh", "-c", f"umask 077; mkdir -p /run/trial; echo {token} >/run/trial/it")
        assert claims(token)["exp"] == claims(token)["iat"] + lifetime_s  # type: ignore[operator]
        return token

    def may_join() -> bool:
        trial = "_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY=/run/trial"
        ping = f"{trial} condor_ping -type collector ADVERTISE_STARTD >/dev/null 2>&1; echo $?"
        return worker.run("sh", "-c", ping).strip() == "0"

    with_token(lifetime_s=600)
    assert may_join(), "this is how one that holds is taken"
    with_token(lifetime_s=1)
    until(lambda: not may_join(), awaited="the token to end")
    # The next token is there from the first round of the master's timer on, and asked for by a
    # timer that runs some hundred times within the life of the first.
    for machine in (master, worker):
        assert machine.run("systemctl", "is-active", "oceanid-renew.timer") == "active\n"
    timer = worker.run("cat", "/etc/systemd/system/oceanid-renew.timer")
    assert "OnUnitInactiveSec=300" in timer
    assert conf.current().clusters.token_days * 86_400 > 300 * 100


def test_an_ended_job_is_soon_no_reason_to_keep_its_worker(grown: Grown, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        batch = bench.batch(shell("true", tmp_path, transfer_files=True))
        await bench.engine.submit(batch)
        seen = await bench.ends(batch)
        assert seen[0].state is TaskState.COMPLETE, seen[0].reason
        pool = bench.engine.pool(grown.cluster.config("oceanid-keeper"), grown.cluster.secrets)
        await pool.open()
        began = time.monotonic()
        while any(each.jobs_running for each in (await pool.look()).nodes):
            assert time.monotonic() < began + 20, "it is told at once, not every minute"
        await pool.close()

    grown.cluster.on_pool(tmp_path, scenario)


def test_a_sealed_token_is_of_no_use_to_another_worker(grown: Grown) -> None:
    first, second = (grown.cluster.machine(each) for each in grown.workers)
    grown.cluster.master.run("systemctl", "start", "oceanid-renew")
    sealed = first.run(
        "sh", "-c",
        "openssl x509 -in /etc/oceanid/seal.crt -outform DER | sha256sum | cut -d' ' -f1",
    ).strip()  # fmt: skip
    query = (
        f"condor_status -generic -af OceanidSealed -constraint 'Name == \"oceanid-token-{sealed}\"'"
    )
    opened = "base64 -d | openssl cms -decrypt -inform DER -inkey /etc/oceanid/seal.key | base64"
    token = b64decode(first.run("sh", "-c", f"{query} | {opened}"))
    assert token.count(b".") == 2
    assert token not in b64decode(second.run("sh", "-c", f"{query} | {opened}; exit 0"))
