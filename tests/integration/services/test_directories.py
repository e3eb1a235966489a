"""A job's directory goes with the job, whatever the job made of it."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oceanid.models import Job
from oceanid.services import intents, paths

SOMEBODY = 65534


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder that belongs to an ordinary user."""
    folder = Path(tempfile.mkdtemp(prefix="oceanid-test-"))
    if os.geteuid() == 0:
        os.chown(folder, SOMEBODY, SOMEBODY)
    yield folder
    shutil.rmtree(folder)


def as_somebody(call: Callable[[], object]) -> None:
    """Do something as an ordinary user: to root, no permission is ever missing."""
    if os.geteuid() != 0:
        call()
        return
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(SOMEBODY)
            os.setuid(SOMEBODY)
            call()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_folders_without_any_permission_go_too(workspace: Path) -> None:
    job = Job(workspace=str(workspace))
    directory = paths.job_dir(job)

    def fill() -> None:
        deep = directory / "a/b/c"
        deep.mkdir(parents=True)
        (deep / "file").write_text("x")
        (directory / "link").symlink_to("/etc")
        for folder in (deep, deep.parent, deep.parent.parent, directory):
            folder.chmod(0)

    as_somebody(fill)
    mode = Path("/etc").stat().st_mode
    as_somebody(lambda: intents.remove_directory(job))
    assert not list(workspace.iterdir())
    assert Path("/etc").stat().st_mode == mode
