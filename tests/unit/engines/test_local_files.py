"""A job's files: what it lays out as traps is not stepped into."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.running import eventually

from oceanid.engines.testing import Bench, shell
from oceanid.specs import Observation, TaskSpec, Transfer
from oceanid.states import TaskState

Outcome = Callable[..., Observation]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The job's own directory."""
    folder = tmp_path / "jobs/job"
    folder.mkdir(parents=True)
    return folder


def boxed(script: str, job: Path, **fields: object) -> TaskSpec:
    """A task in a sandbox."""
    return shell(script, job, transfer_files=True, **fields)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../secret", "/etc", "/no/where"])
def test_a_link_out_of_the_sandbox_is_not_followed(
    outcome: Outcome, job: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    end = outcome(boxed(f"ln -s {target} out; echo fine > good", job))
    assert end.state is TaskState.COMPLETE
    assert "out" in end.reason
    assert sorted(each.name for each in job.iterdir()) == ["good"]


def test_a_declared_output_that_leads_out_is_an_error(outcome: Outcome, job: Path) -> None:
    outputs = (Transfer("out", str(job / "out")),)
    end = outcome(boxed("ln -s /etc/passwd out", job, outputs=outputs))
    assert (end.state, end.reason_code) == (TaskState.ERROR, "missing-output")
    assert not list(job.iterdir())


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a/.."])
def test_a_declared_name_that_leads_out_is_refused(outcome: Outcome, job: Path, name: str) -> None:
    (job.parent / "x").write_text("kept")
    outputs = (Transfer(name, str(job / "y")),)
    end = outcome(boxed("true", job, outputs=outputs))
    assert (end.state, end.reason_code) == (TaskState.ERROR, "bad-name")
    assert not list(job.iterdir())


def test_a_remap_that_leads_up_is_refused(outcome: Outcome, job: Path) -> None:
    remaps = (("x", f"{job}/../../taken"),)
    end = outcome(boxed("echo x > x", job, output_remaps=remaps))
    assert (end.state, end.reason_code) == (TaskState.ERROR, "bad-name")
    assert not (job.parent.parent / "taken").exists()


def test_a_link_inside_comes_back_as_its_content(outcome: Outcome, job: Path) -> None:
    end = outcome(boxed("mkdir d; echo x > d/x; ln -s d/x out; ln -s loop loop", job))
    assert end.state is TaskState.COMPLETE
    assert (job / "out").read_text() == "x\n"
    assert not (job / "out").is_symlink()


def test_links_inside_a_declared_directory_lead_nowhere(outcome: Outcome, job: Path) -> None:
    outputs = (Transfer("d", str(job / "d")),)
    script = "mkdir d; echo 1 > d/a; ln -s /etc/passwd d/b; ln -s / d/c; ln -s .. d/e; mkfifo d/f"
    end = outcome(boxed(script, job, outputs=outputs))
    assert end.state is TaskState.COMPLETE
    assert [each.name for each in (job / "d").iterdir()] == ["a"]


def test_pipes_and_directories_stay_in_the_sandbox(outcome: Outcome, job: Path) -> None:
    end = outcome(boxed("mkfifo pipe; mkdir d; echo x > d/x; echo y > y", job))
    assert end.state is TaskState.COMPLETE
    assert [each.name for each in (job).iterdir()] == ["y"]


def test_a_link_in_the_jobs_directory_is_not_written_through(outcome: Outcome, job: Path) -> None:
    outside = job.parent / "outside"
    outside.mkdir()
    (job / "sub").symlink_to(outside)
    (job / "file").symlink_to(outside / "file")
    outputs = (Transfer("a", str(job / "sub/a")),)
    end = outcome(boxed("echo x > a", job, outputs=outputs))
    assert (end.state, end.reason_code) == (TaskState.ERROR, "bad-name")
    end = outcome(boxed("echo x > file", job))
    assert end.state is TaskState.COMPLETE
    assert (job / "file").read_text() == "x\n"
    assert not list(outside.iterdir())


@pytest.mark.parametrize("trap", ["link", "pipe", "folder"])
def test_a_trap_in_the_place_of_stdout_is_refused(outcome: Outcome, job: Path, trap: str) -> None:
    victim = job.parent / "victim"
    victim.write_text("kept")
    out = job / "out"
    if trap == "link":
        out.symlink_to(victim)
    elif trap == "pipe":
        os.mkfifo(out)
    else:
        out.mkdir()
    end = outcome(shell("echo x", job, stdout=str(out)))
    assert (end.state, end.reason_code) == (TaskState.ERROR, "not-started")
    assert victim.read_text() == "kept"


def test_a_job_can_not_alter_its_inputs(outcome: Outcome, job: Path) -> None:
    source = job / "in"
    source.write_text("kept")
    inputs = (Transfer(str(source), "in"),)
    outputs = (Transfer("new", str(job / "new")),)
    end = outcome(boxed("echo x > in; echo x > new", job, inputs=inputs, outputs=outputs))
    assert end.state is TaskState.COMPLETE
    assert source.read_text() == "kept"


def test_unchanged_inputs_and_the_executable_do_not_come_back(
    outcome: Outcome, job: Path, tmp_path: Path
) -> None:
    program = tmp_path / "program.sh"
    program.write_text("#!/bin/sh\ncat in > out\n")  # not executable: the copy is made so
    (tmp_path / "in").write_text("x")
    inputs = (Transfer(str(tmp_path / "in"), "in"),)
    spec = TaskSpec(executable=str(program), initialdir=str(job), inputs=inputs)
    end = outcome(spec)
    assert end.state is TaskState.COMPLETE, end.reason
    assert [each.name for each in (job).iterdir()] == ["out"]


def test_the_sandbox_goes_whatever_the_job_made_of_it(
    outcome: Outcome, job: Path, tmp_path: Path
) -> None:
    script = "mkdir -p a/b; touch a/b/c; chmod 0 a/b a; touch $TMPDIR/left; pwd > here"
    end = outcome(boxed(script, job))
    assert end.state is TaskState.COMPLETE
    assert not Path((job / "here").read_text().strip()).exists()
    # The runner removes it behind the last end that it tells.
    boxes = tmp_path / "spool/sandboxes"
    eventually(lambda: not list(boxes.iterdir()), within_s=10, what="the sandbox goes")


@pytest.mark.parametrize(
    "script",
    ["true", "touch x; mkdir y", "chmod 555 .", "chmod 2770 .", "rmdir $PWD",
     "rmdir $PWD; ln -s /etc $PWD", "rmdir $PWD; touch $PWD",
     "python3 -c 'import os; os.setxattr(\".\", \"user.mine\", b\"1\")' || true"],
)  # fmt: skip
def test_no_task_sees_what_another_made_of_its_sandbox(
    play: Callable[..., None], job: Path, tmp_path: Path, script: str
) -> None:
    look = (
        "ls -la . | tail -n +4; stat -c '%F %a %u' .; pwd; getfattr -d . 2>&1"
        " || python3 -c 'import os; print(os.listxattr(\".\"))'"
    )

    async def scenario(bench: Bench) -> None:
        folders = [job / str(number) for number in range(3)]
        batch = bench.batch(
            boxed(look, folders[0], outputs=(), stdout=f"{folders[0]}/out"),
            boxed(script, folders[1], outputs=()),
            boxed(look, folders[2], outputs=(), stdout=f"{folders[2]}/out"),
        )
        await bench.engine.submit(batch)
        await bench.ends(batch)
        first, last = ((folder / "out").read_text() for folder in (folders[0], folders[2]))
        assert "700" in first
        assert first.replace("/0\n", "/N\n") == last.replace("/2\n", "/N\n")

    play(scenario)
    # The runner removes it behind the last end that it tells.
    boxes = tmp_path / "spool/sandboxes"
    eventually(lambda: not list(boxes.iterdir()), within_s=10, what="the sandbox goes")


def test_why_a_program_does_not_start_is_said_in_plain_words(
    outcome: Outcome, job: Path, tmp_path: Path
) -> None:
    def program(name: str, text: str, mode: int) -> str:
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
        return str(tmp_path / name)

    cases = {
        str(tmp_path / "missing"): "is not there",
        str(tmp_path): "is a directory",
        program("plain", "#!/bin/sh\n", 0o600): "may not be executed",
        program("odd", "\x01\x02 nothing", 0o700): "neither a program",
        program("shebang", "#!/no/such/thing\n", 0o700): "interpreter",
    }
    for executable, words in cases.items():
        end = outcome(shell("", job, executable=executable, arguments=()))
        assert (end.state, end.reason_code) == (TaskState.ERROR, "not-started"), executable
        assert words in end.reason
        assert end.exit_code is None
    for executable in (str(tmp_path / "missing"), str(tmp_path)):
        end = outcome(TaskSpec(executable=executable, initialdir=str(job)))
        assert (end.state, end.reason_code) == (TaskState.ERROR, "not-started"), executable
