"""What a master's keeper answers is read as coming from a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from oceanid.engines.htcondor import HTCondorEngine
from oceanid.engines.pools import Pool, PoolLook, PoolNode
from oceanid.errors import EngineError, EngineUnavailable

T = TypeVar("T")
LOOK = (
    '{"nodes": [{"address": "10.0.0.4", "host_name": "w", "jobs_running": 2, "cpus": 4, '
    '"memory_mib": 8000, "is_leaving": true, "heard_at": 1795680706}], "idle_jobs": 3, '
    '"idle_cpus": 6, "running_jobs": 2}'
)


def asked(folder: Path, script: str, question: Callable[[Pool], Awaitable[T]]) -> T:
    """Ask a pool whose keeper, on this machine, is a script."""
    sudo = folder / "sudo"
    sudo.write_text(f"#!/bin/sh\n{script}\n")
    sudo.chmod(0o755)
    config = {"host_key": "ssh-ed25519 AAAA", "path": [str(folder)]}

    async def whole() -> T:
        pool = HTCondorEngine.pool(config, {})
        await pool.open()
        try:
            return await question(pool)
        finally:
            await pool.close()

    return asyncio.run(whole())


def test_a_look_is_what_the_keeper_found(tmp_path: Path) -> None:
    found = asked(tmp_path, f"cat <<'E'\n{LOOK}\nE", lambda pool: pool.look())
    heard = datetime(2026, 11, 26, 8, 11, 46, tzinfo=UTC)
    node = PoolNode("10.0.0.4", "w", 2, 4, 8000, is_leaving=True, heard_at=heard)
    assert found == PoolLook((node,), idle_jobs=3, idle_cpus=6, running_jobs=2)


def test_each_method_is_one_command_with_its_words(tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = f'printf "%s\\n" "$*" >>{said}; echo \'{{"token": "a.b.c"}}\''

    async def all_of_them(pool: Pool) -> None:
        assert await pool.worker_token(lifetime_s=600) == "a.b.c"
        await pool.let_master_work(True)
        await pool.let_master_work(False)
        await pool.drain(["10.0.0.4", "10.0.0.5"])
        await pool.undrain(["10.0.0.4"])
        await pool.drain([])
        await pool.undrain([])

    asked(tmp_path, script, all_of_them)
    command = "-n /usr/local/sbin/oceanid-keeper"
    assert said.read_text().splitlines() == [
        f"{command} token 600",
        f"{command} works on",
        f"{command} works off",
        f"{command} drain 10.0.0.4 10.0.0.5",
        f"{command} undrain 10.0.0.4",
    ]


@pytest.mark.parametrize(
    "answer",
    ["", "[]", "null", "{}", "not json", '{"nodes": 3}', LOOK.replace("2", '"x"', 1),
     LOOK.replace("1795680706", "1e999"), LOOK.replace('"w"', '"w').replace("nodes", "n"),
     '{"nodes": [7], "idle_jobs": 0, "idle_cpus": 0, "running_jobs": 0}', "\\377\\376"],
)  # fmt: skip
def test_an_answer_of_another_form_is_an_error_and_no_look(tmp_path: Path, answer: str) -> None:
    with pytest.raises(EngineError, match="understood"):
        asked(tmp_path, f"printf '%b' '{answer}'", lambda pool: pool.look())


@pytest.mark.parametrize("answer", ["{}", '{"token": 5}', '{"token": "ab"}', '{"token": null}'])
def test_what_is_no_token_is_not_taken_for_one(tmp_path: Path, answer: str) -> None:
    with pytest.raises(EngineError, match="understood"):
        asked(tmp_path, f"echo '{answer}'", lambda pool: pool.worker_token(lifetime_s=60))


def test_an_answer_without_an_end_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as cut:
        asked(tmp_path, "yes", lambda pool: pool.look())
    assert cut.value.slug == "too-much-output"


def test_a_pool_whose_collector_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    script = "echo 'oceanid-keeper: condor_status: Failed to connect to <10.0.0.1>' >&2; exit 1"
    with pytest.raises(EngineUnavailable):
        asked(tmp_path, script, lambda pool: pool.look())


def test_what_the_keeper_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="a token lives"):
        asked(tmp_path, "echo 'a token lives for 60 s' >&2; exit 1",
              lambda pool: pool.worker_token(lifetime_s=1))  # fmt: skip


def test_a_master_whose_host_key_is_not_known_is_not_reached() -> None:
    with pytest.raises(EngineError) as refused:
        HTCondorEngine.pool({"host": "192.0.2.1", "user": "oceanid-keeper"}, {})
    assert refused.value.slug == "host-key-missing"
