"""Shells to test: of this machine, and over real SSH servers of every manner."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from oceanid.engines.htcondor.shell import LocalShell, Shell
from oceanid.engines.htcondor.shell.ssh import SshShell
from tests.integration.shell.sshd import Sshd

NOISE = 'echo "Welcome to the cluster!"; echo "be careful" >&2; printf "no line end"\n'
MANNERS: dict[str, dict[str, Any]] = {
    "openssh": {},
    "one-session": {"options": ["MaxSessions 1"]},
    "noisy-bash": {"login_shell": "bash"},
    "csh": {"login_shell": "csh"},
    "fish": {"login_shell": "fish"},
}
PROGRAMS = {"csh": "tcsh", "fish": "fish"}


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Makes SSH servers, which end with the test."""
    made: list[Sshd] = []

    def make(**given: Any) -> Sshd:
        folder = tmp_path / f"sshd{len(made)}"
        folder.mkdir()
        server = Sshd(folder, **given)
        for name in (".bashrc", ".cshrc"):
            (server.home / name).write_text(NOISE.replace(">&2", "") if "csh" in name else NOISE)
        fish = server.home / ".config" / "fish"
        fish.mkdir(parents=True)
        (fish / "config.fish").write_text(NOISE)
        server.start()
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


@pytest_asyncio.fixture(params=["here", *(pytest.param(m, marks=pytest.mark.ssh) for m in MANNERS)])
async def shell(request: pytest.FixtureRequest, sshd: Callable[..., Sshd]) -> AsyncIterator[Shell]:
    """A shell of each kind, which all keep the same promises."""
    if request.param == "here":
        made: Shell = LocalShell(environment={"FOO": "a 'b' $(c)"}, path=["/opt/x y"])
    else:
        program = PROGRAMS.get(request.param, "sh")
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: apt-get install {program}")
        server = sshd(**MANNERS[request.param])
        made = SshShell(server.target(), environment={"FOO": "a 'b' $(c)"}, path=["/opt/x y"])
    yield made
    await made.close()
