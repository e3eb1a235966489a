"""How SSH connections come about, are shared, break and come back, with a real OpenSSH."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from oceanid.engines.htcondor.shell import HostKeyChanged, HostKeyUnknown, Target, sh
from oceanid.engines.htcondor.shell.ssh import SshShell
from oceanid.errors import EngineError, EngineUnavailable
from tests.integration.shell.sshd import Sshd, fingerprint, free_port, keygen

pytestmark = [pytest.mark.asyncio, pytest.mark.ssh]
Servers = Callable[..., Sshd]


async def says(shell: SshShell) -> bytes:
    """Whether it works."""
    return (await shell.run(sh("echo well"), timeout_s=60)).stdout


async def opened(target: Target) -> bytes:
    """Connect, say something, and leave."""
    shell = SshShell(target)
    try:
        await shell.open()
        return await says(shell)
    finally:
        await shell.close()


async def test_an_unknown_host_key_is_told_with_its_fingerprint_and_nothing_is_sent(
    sshd: Servers,
) -> None:
    server = sshd()
    with pytest.raises(HostKeyUnknown) as told:
        await opened(server.target(host_key="", password="Xk9-secret"))
    assert told.value.fingerprint == fingerprint(server.host_keys[0])
    assert told.value.slug == "host-key-unknown"
    assert "authenticating" not in (server.folder / "sshd.log").read_text().lower()
    assert await opened(server.target(host_key=told.value.key)) == b"well\n"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_a_changed_host_key_is_refused_and_both_are_told(
    sshd: Servers, tmp_path: Path, kind: str
) -> None:
    server = sshd()
    keygen(tmp_path / "other", kind)
    other = (tmp_path / "other.pub").read_text()
    with pytest.raises(HostKeyChanged) as told:
        await opened(server.target(host_key=other))
    assert told.value.fingerprint == fingerprint(server.host_keys[0])
    assert told.value.accepted == (fingerprint(tmp_path / "other"),)


async def test_of_several_host_keys_the_accepted_one_is_asked_for(sshd: Servers) -> None:
    server = sshd(host_key_types=("ed25519", "rsa"))
    rsa = server.host_keys[1].with_suffix(".pub").read_text()
    assert await opened(server.target(host_key=rsa)) == b"well\n"
    known_hosts = f"# a comment\n[127.0.0.1]:{server.port} {rsa}"
    assert await opened(server.target(host_key=known_hosts)) == b"well\n"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_keys_come_from_a_path_or_a_text_with_or_without_a_passphrase(
    sshd: Servers, tmp_path: Path, kind: str
) -> None:
    server = sshd()
    file = tmp_path / "key"
    keygen(file, kind, "Xk9 pass")
    server.authorized.write_text(file.with_suffix(".pub").read_text())
    given = {"key_path": str(file), "passphrase": "Xk9 pass"}
    assert await opened(server.target(**given)) == b"well\n"
    pasted = file.read_text().replace("\n", "\r\n").strip()
    text = {"key_path": "", "key_text": pasted, "passphrase": "Xk9 pass"}
    assert await opened(server.target(**text)) == b"well\n"
    for passphrase, what in (("", "protected by a passphrase"), ("x", "does not open")):
        with pytest.raises(EngineError, match=what) as told:
            await opened(server.target(**(text | {"passphrase": passphrase})))
        assert "Xk9" not in str(told.value)
    assert "Xk9" not in repr(server.target(**text)), "secrets are in no repr"


async def test_the_agents_keys_are_used_only_when_wanted(
    sshd: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = sshd()
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while not socket.exists() and time.monotonic() < until:
            await asyncio.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(server.client_key)], check=True, capture_output=True)
        assert await opened(server.target(key_path="", use_agent=True)) == b"well\n"
        with pytest.raises(EngineUnavailable) as told:
            await opened(server.target(key_path=""))
        assert told.value.slug == "login-refused"
    finally:
        agent.kill()
        agent.wait()


async def test_a_refused_login_is_not_tried_again_at_once(sshd: Servers) -> None:
    server = sshd()
    server.authorized.write_text("")
    shell = SshShell(server.target())
    for _ in range(4):
        with pytest.raises(EngineUnavailable) as told:
            await says(shell)
        assert told.value.slug == "login-refused"
    tries = (server.folder / "sshd.log").read_text().count("[preauth]")
    assert tries <= 1
    await shell.close()


async def test_it_goes_through_another_machine_whose_key_is_checked_too(sshd: Servers) -> None:
    jump, server = sshd(), sshd()
    jump.authorized.write_text(server.client_key.with_suffix(".pub").read_text())
    config = {
        "host": "127.0.0.1", "port": server.port, "key_path": str(server.client_key),
        "user": server.target().user, "host_key": server.host_key,
        "proxy_jump": f"127.0.0.1:{jump.port}",
    }  # fmt: skip
    with pytest.raises(HostKeyUnknown) as told:
        await opened(Target.of(config, {}))
    assert told.value.target.port == jump.port
    config["proxy_jump_host_key"] = jump.host_key
    assert await opened(Target.of(config, {})) == b"well\n"


async def test_an_account_without_a_shell_is_told(sshd: Servers) -> None:
    server = sshd(login_shell="nologin")
    shell = SshShell(server.target())
    with pytest.raises(EngineError, match="currently not available") as told:
        await says(shell)
    assert told.value.slug == "no-shell"
    await shell.close()


async def test_a_server_without_sessions_is_told(sshd: Servers) -> None:
    shell = SshShell(sshd(options=["MaxSessions 0"]).target())
    with pytest.raises(EngineUnavailable) as told:
        await says(shell)
    assert told.value.slug == "no-session"
    await shell.close()


async def test_ten_streams_and_commands_beside_them_fit_a_server_of_openssh_s_defaults(
    sshd: Servers,
) -> None:
    shell = SshShell(sshd().target())
    async with asyncio.timeout(120):
        streams = [shell.follow(sh("echo x; exec sleep 300")) for _ in range(10)]
        assert await asyncio.gather(*(anext(aiter(each)) for each in streams)) == [b"x\n"] * 10
        assert await says(shell) == b"well\n"
        for each in streams:
            await each.aclose()  # type: ignore[attr-defined]
    await shell.close()


async def test_it_comes_back_when_the_server_does(sshd: Servers) -> None:
    server = sshd()
    shell = SshShell(server.target())
    assert await says(shell) == b"well\n"
    with pytest.raises(EngineUnavailable):
        async with aclosing(shell.follow(sh("echo x; exec sleep 300"))) as stream:
            async for _ in stream:
                server.stop()
    with pytest.raises(EngineUnavailable, match="can't be reached"):
        await says(shell)
    server.start()
    async with asyncio.timeout(90):
        while True:
            try:
                assert await says(shell) == b"well\n"
                break
            except EngineUnavailable:
                await asyncio.sleep(0.1)
    await shell.close()


async def test_a_frozen_connection_is_noticed_by_a_stream_and_a_command(sshd: Servers) -> None:
    server = sshd()
    shell = SshShell(server.target(), keepalive_s=1.0)
    assert await says(shell) == b"well\n"
    begun = 0.0
    try:
        with pytest.raises(EngineUnavailable) as told:
            async with (
                asyncio.timeout(60),
                aclosing(shell.follow(sh("echo x; exec sleep 300"))) as stream,
            ):
                async for _ in stream:
                    server.signal(signal.SIGSTOP)
                    begun = time.monotonic()
        assert told.value.transient
        assert time.monotonic() - begun < 30
    finally:
        server.signal(signal.SIGCONT)
    await shell.close()


async def test_nobody_there_is_told(tmp_path: Path) -> None:
    keygen(tmp_path / "key", "ed25519")
    target = Target("127.0.0.1", port=free_port(), user="x", key_path=str(tmp_path / "key"))
    with pytest.raises(EngineUnavailable, match="can't be reached"):
        await opened(target)
