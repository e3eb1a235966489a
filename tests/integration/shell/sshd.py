"""A private OpenSSH server: own port, own host keys, own account's rules; root not needed."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from oceanid.engines.htcondor.shell import Target
from tests.conftest import SBIN

LOGIN_SHELLS = {
    # As the account's login shell would be run by sshd, with a home of its own.
    "bash": 'exec bash -c "$SSH_ORIGINAL_COMMAND"',
    "csh": 'exec tcsh -c "$SSH_ORIGINAL_COMMAND"',
    "fish": 'exec fish -c "$SSH_ORIGINAL_COMMAND"',
    "nologin": "echo This account is currently not available.; exit 1",
}


class Sshd:
    """One server; ``options`` are lines of sshd_config."""

    def __init__(
        self,
        folder: Path,
        *,
        options: Sequence[str] = (),
        login_shell: str = "",
        port: int = 0,
        host_key_types: Sequence[str] = ("ed25519",),
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.client_key = folder / "id_ed25519"
        if not self.client_key.exists():
            keygen(self.client_key, "ed25519")
        self.host_keys = [folder / f"host_{kind}" for kind in host_key_types]
        for kind, file in zip(host_key_types, self.host_keys, strict=True):
            if not file.exists():
                keygen(file, kind)
        self.authorized = folder / "authorized_keys"
        self.authorized.write_text(self.client_key.with_suffix(".pub").read_text())
        self.config = folder / f"sshd_config_{self.port}"
        force = []
        if login_shell:
            wrapper = folder / "login_shell"
            words = LOGIN_SHELLS[login_shell]
            wrapper.write_text(f"#!/bin/sh\nHOME={self.home}\nexport HOME\n{words}\n")
            wrapper.chmod(0o755)
            force = [f"ForceCommand {wrapper}"]
        self.config.write_text(
            "\n".join(
                [
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    *(f"HostKey {file}" for file in self.host_keys),
                    f"AuthorizedKeysFile {self.authorized}",
                    "PidFile none",
                    "UsePAM no",
                    "StrictModes no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "UseDNS no",
                    *options,
                    *force,
                    "",
                ]
            )
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path=SBIN)
        assert program is not None
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise AssertionError((self.folder / "sshd.log").read_text()) from None
                time.sleep(0.02)

    def members(self) -> list[int]:
        """The server and its children, which serve the connections."""
        assert self.process is not None
        found = [self.process.pid]
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[1]) in found:
                    found.append(int(entry.name))
        return sorted(found)

    def signal(self, number: int) -> None:
        """Send a signal to the server and to all who serve its connections."""
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):  # a connection that ended by itself
                os.kill(pid, number)

    def stop(self) -> None:
        """End it and every connection."""
        if self.process is None:
            return
        # The server before what it runs: a command that is killed still tells so through it.
        for pid in self.members():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        self.process = None

    @property
    def host_key(self) -> str:
        """The public halves of its host keys."""
        return "".join(file.with_suffix(".pub").read_text() for file in self.host_keys)

    def target(self, **changes: object) -> Target:
        """The account that a client logs in to."""
        given: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "key_path": str(self.client_key),
            "host_key": self.host_key,
        }
        return Target(**(given | changes))  # type: ignore[arg-type]


def keygen(file: Path, kind: str, passphrase: str = "") -> None:
    """Make a key pair."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "test", "-f", str(file)],
        check=True,
    )


def fingerprint(file: Path) -> str:
    """What ssh-keygen calls a public key."""
    told = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(file.with_suffix(".pub"))],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return told.stdout.split()[1]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
