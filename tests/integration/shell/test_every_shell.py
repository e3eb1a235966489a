"""What every shell promises, whatever stands at its other end."""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from oceanid.engines.htcondor.shell import Download, Shell, Upload, sh
from oceanid.errors import EngineError, EngineUnavailable

pytestmark = pytest.mark.asyncio

NASTY = [
    "", " ", "a b", "'", '"', "$(x)", "$$(x)", "`id`", "\\", "é\u2028", "\udcff\udc80", "-n",
    "!!", "*", "~", "a=b", "%s", "{a,b}", "#", ";", "&", "line\nbreak", "\t", "\x01\x81", "[@x@]",
]  # fmt: skip


async def test_a_script_gets_its_values_stdin_and_environment_and_nothing_else_is_heard(
    shell: Shell,
) -> None:
    script = sh(
        'printf "%s\\0" @words@; printf "%s\\0" "$FOO"; cat; echo oh dear >&2; exit 7', words=NASTY
    )
    done = await shell.run(script, stdin=b"in\0put\n")

    told = done.stdout.split(b"\0")
    assert [each.decode("utf-8", "surrogateescape") for each in told[: len(NASTY)]] == NASTY
    assert told[len(NASTY) :] == [b"a 'b' $(c)", b"in", b"put\n"]
    assert done.stderr == b"oh dear\n"
    assert done.exit_status == 7
    assert done.complaint == "oh dear"


async def test_large_output_and_input_pass_whole(shell: Shell) -> None:
    data = os.urandom(3_000_000)
    done = await shell.run(sh("cat; echo x >&2"), stdin=data)
    assert done.stdout == data


async def test_input_that_nobody_reads_is_no_mistake(shell: Shell) -> None:
    done = await shell.run(sh("echo done"), stdin=b"x" * 3_000_000)
    assert (done.exit_status, done.stdout) == (0, b"done\n")


async def test_what_a_script_leaves_running_is_not_waited_for(shell: Shell) -> None:
    begun = time.monotonic()
    done = await shell.run(sh("sleep 60 & echo $!"), timeout_s=40)
    assert time.monotonic() - begun < 30
    os.kill(int(done.stdout), 9)


async def test_a_script_that_takes_too_long_is_given_up_and_killed(
    shell: Shell, tmp_path: Path
) -> None:
    with pytest.raises(EngineUnavailable, match="did not end within 1 s") as told:
        await shell.run(sh("echo $$ >@file@; exec sleep 60", file=tmp_path / "pid"), timeout_s=1)
    assert told.value.slug == "engine-timeout"


async def test_too_much_output_is_refused(shell: Shell) -> None:
    with pytest.raises(EngineError) as told:
        await shell.run(sh("yes"), max_output=100_000)
    assert told.value.slug == "too-much-output"


async def test_broken_syntax_is_the_scripts_own_failure(shell: Shell) -> None:
    done = await shell.run(sh("if then"))
    assert done.exit_status
    assert (await shell.run(sh("echo well"))).stdout == b"well\n"


async def test_a_stream_comes_as_it_is_written_and_dies_with_its_reader(
    shell: Shell, tmp_path: Path
) -> None:
    log = tmp_path / "a log"
    log.write_bytes(b"one\n")
    follow = sh("sleep 300 & echo $! >@pid@; tail -n +1 -f @log@", log=log, pid=tmp_path / "pid")
    async with asyncio.timeout(60), aclosing(shell.follow(follow)) as stream:
        seen = b""
        async for data in stream:
            seen += data
            if seen == b"one\n":
                with log.open("ab") as file:
                    file.write(b"two")
                # Others are not kept waiting by a stream.
                assert (await shell.run(sh("echo hi"))).stdout == b"hi\n"
            if seen == b"one\ntwo":
                break
    await gone(int((tmp_path / "pid").read_text()))


async def test_a_stream_that_ends_by_itself_leaves_no_process(shell: Shell, tmp_path: Path) -> None:
    follow = sh("sleep 300 >/dev/null 2>&1 & echo $! >@pid@; echo over", pid=tmp_path / "pid")
    async with asyncio.timeout(60), aclosing(shell.follow(follow)) as stream:
        assert b"".join([data async for data in stream]) == b"over\n"
    await gone(int((tmp_path / "pid").read_text()))


async def test_a_stream_that_ends_says_why(shell: Shell) -> None:
    with pytest.raises(EngineError, match="no such thing"):
        async with aclosing(shell.follow(sh("echo no such thing >&2; exit 1"))) as stream:
            async for _ in stream:
                pass


async def test_many_at_once_all_get_their_own_answers(shell: Shell) -> None:
    async with asyncio.timeout(120):
        done = await asyncio.gather(
            *(shell.run(sh("sleep 0.01; echo @n@", n=n), timeout_s=100) for n in range(30))
        )
    assert [int(each.stdout) for each in done] == list(range(30))


async def test_it_knows_who_it_is(shell: Shell) -> None:
    found = await shell.identity()
    assert found.user == getpass.getuser()
    assert abs(found.clock_ahead_s) < 30
    assert found.system.startswith(os.uname().sysname)


async def test_files_go_there_and_come_back(shell: Shell, tmp_path: Path) -> None:
    names = ["a", "b c/'d' $(e)", "b c/-f", "é\udcff/\\x", "deep/er/g", "b c/*"]
    big = tmp_path / "big"
    big.write_bytes(os.urandom(2_000_000))
    files = [Upload(name.encode("utf-8", "surrogateescape"), name) for name in names]
    files += [Upload(big, "big"), Upload(b"", "empty"), Upload(b"#!/bin/sh\n", "run", 0o755)]
    root = tmp_path / "there $x"

    sent = await shell.put(str(root), files)
    assert (sent.copied, sent.already_there) == (len(files), 0)
    assert (root / "big").read_bytes() == big.read_bytes()
    assert os.access(root / "run", os.X_OK) and not os.access(root / "a", os.X_OK)
    assert sorted(each.name for each in root.iterdir() if each.name.startswith(".")) == []

    again = await shell.put(str(root), [*files, Upload(b"new", "a2")])
    assert (again.copied, again.already_there) == (1, len(files))

    (root / "link").symlink_to("/etc/passwd")
    found = {each.path: each for each in await shell.entries(str(root))}
    assert found["link"].kind == "link"
    assert found["b c"].kind == "directory"
    assert found["big"].size == 2_000_000

    back = tmp_path / "back"
    wanted = [Download(each.target, back / each.target) for each in files]
    wanted += [Download(name, back / name) for name in ("link", "missing", "deep")]
    got = await shell.get(str(root), wanted)
    assert got.copied == len(files)
    assert set(got.refused) == {"link", "missing", "deep"}
    for each in files:
        assert (back / each.target).read_bytes() == (root / each.target).read_bytes()
    assert os.access(back / "run", os.X_OK)
    assert (await shell.get(str(root), wanted)).already_there == len(files)


async def test_a_directory_that_is_not_there_is_empty(shell: Shell, tmp_path: Path) -> None:
    assert await shell.entries(str(tmp_path / "none")) == ()
    got = await shell.get(str(tmp_path / "none"), [Download("x", tmp_path / "x")])
    assert got.refused == ("x",)


async def test_a_copy_that_can_not_be_made_says_why(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EngineError) as told:
        await shell.put(str(tmp_path / "file" / "below"), [Upload(b"x", "x")])
    assert told.value.slug == "copy-failed"


async def test_a_name_that_leads_out_is_refused(shell: Shell, tmp_path: Path) -> None:
    for name in ("../x", "/x", "a/../../x", "", "a\nb"):
        with pytest.raises(EngineError) as told:
            await shell.put(str(tmp_path), [Upload(b"x", name)])
        assert told.value.slug == "bad-name"


async def gone(pid: int) -> None:
    """Wait until a process is over."""
    async with asyncio.timeout(20):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.05)
