"""Any text without a NUL passes through a real SSH server and a shell, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oceanid.engines.htcondor.shell import sh
from oceanid.engines.htcondor.shell.ssh import SshShell
from tests.integration.shell.sshd import Sshd

pytestmark = pytest.mark.ssh

HOSTILE = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        st.text(st.sampled_from(" '\"\\$`(){}[]<>|&;#~*?!%=,\t\n\r-@é\u2028\x01\x7f\x81")),
        st.binary().map(lambda each: each.replace(b"\0", b"").decode("utf-8", "surrogateescape")),
        st.sampled_from(["$(x)", "$$(x)", "`id`", "-n", "", "@words@", "a=b", "!!", "'\\''"]),
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    made = Sshd(tmp_path_factory.mktemp("sshd"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shell(server: Sshd, loop: asyncio.AbstractEventLoop) -> Iterator[SshShell]:
    made = SshShell(server.target())
    yield made
    loop.run_until_complete(made.close())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=HOSTILE)
def test_hostile_words_come_back_as_they_were(
    shell: SshShell, loop: asyncio.AbstractEventLoop, words: list[str]
) -> None:
    script = sh('set -- @words@; for word; do printf "%s\\0" "$word"; done', words=words)
    done = loop.run_until_complete(shell.run(script, timeout_s=120))
    assert done.exit_status == 0, done
    assert done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1] == words
