"""Starts a task's program with streams, environment and limits that owe nothing to the portal."""

from __future__ import annotations

import errno
import os
import pwd
import resource
import signal

from . import files
from .files import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .main import Runner
    from .record import Item

_MIB = 1 << 20


def start(runner: Runner, item: Item, *, program: str, here: str, boxed: bool) -> int:
    """Start a task's program in a session of its own, in the directory ``here``.

    Raises:
        Refused: It can't be started; the reason is in plain words.
    """
    try:
        os.chdir(here)
    except OSError as problem:
        raise Refused(
            "not-started",
            f"The directory “{here}” can't be entered: {os.strerror(problem.errno or 0)}.",
        ) from problem
    opened: list[int] = []
    limit = runner.manifest.max_output_mib
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        streams = _streams(runner, item, opened)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit * _MIB, hard))
        environment = _environment(runner, item, here=here, boxed=boxed)
        pid = _spawn(runner, [program, *item.arguments], environment, streams)
        if limit is not None and hasattr(resource, "prlimit"):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit * _MIB, limit * _MIB))
        return pid
    except ProcessLookupError:
        return pid
    except (OSError, ValueError) as problem:
        raise Refused("not-started", *_why_not(program, problem)) from problem
    finally:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        for descriptor in opened:
            os.close(descriptor)


def _streams(runner: Runner, item: Item, opened: list[int]) -> list[int]:
    null = runner.null
    given = [null, null, null]
    if item.stdin and item.stdin != os.devnull:
        try:
            opened.append(os.open(item.stdin, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as problem:
            raise Refused(
                "not-started",
                f"The input “{item.stdin}” can't be read: {os.strerror(problem.errno or 0)}.",
            ) from problem
        os.set_blocking(opened[-1], True)
        given[0] = opened[-1]
    for number, path in ((1, item.stdout), (2, item.stderr)):
        if not path or path == os.devnull:
            continue
        if number == 1 or path != item.stdout:
            opened.append(
                files.open_output(path, initialdir=item.initialdir, append=item.stdout_append)
            )
        given[number] = opened[-1]
    return given


def _spawn(runner: Runner, argv: list[str], environment: dict[str, str], streams: list[int]) -> int:
    if runner.owner is not None:
        import subprocess

        process = subprocess.Popen(
            argv,
            env=environment,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=True,
            user=runner.owner[0],
            group=runner.owner[1],
            extra_groups=[],
        )
        process.returncode = 0  # or its destructor takes the exit status away from us
        return process.pid
    # posix_spawn makes no copy of this process and needs a tenth of a millisecond less.
    return os.posix_spawn(
        argv[0],
        argv,
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, streams[number], number) for number in (0, 1, 2)],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )


def _environment(runner: Runner, item: Item, *, here: str, boxed: bool) -> dict[str, str]:
    threads = str(item.cpus)
    environment = {
        "PATH": runner.manifest.path,
        "LANG": "C.UTF-8",
        "HOME": here,
        "USER": runner.user_name,
        "LOGNAME": runner.user_name,
        "TMPDIR": runner.scratch,
        "TMP": runner.scratch,
        "TEMP": runner.scratch,
        "OMP_NUM_THREADS": threads,
        "_CONDOR_SCRATCH_DIR": here if boxed else runner.scratch,
        "_CONDOR_JOB_IWD": here,
        "_CONDOR_SLOT": "slot1",
        "_CONDOR_NUM_CPUS": threads,
    }
    environment.update(item.environment)
    environment["OCEANID_KEY"] = item.key
    environment["OCEANID_BATCH"] = runner.manifest.batch  # finds the children of a dead runner
    return environment


def user_of(name: str) -> tuple[str, tuple[int, int] | None]:
    """The name of the Unix user that tasks run as, and its user and group when not our own."""
    if name:
        user = pwd.getpwnam(name)
        return name, (user.pw_uid, user.pw_gid)
    try:
        return pwd.getpwuid(os.getuid()).pw_name, None
    except KeyError:  # containers have users without a name
        return str(os.getuid()), None


def _why_not(program: str, problem: OSError | ValueError) -> tuple[str, str]:
    """Why a program could not be started, and what to do, in plain words."""
    number = problem.errno if isinstance(problem, OSError) else None
    if number == errno.ENOENT and os.path.exists(program):
        return (
            f"The first line of “{program}” names an interpreter that is not on this machine.",
            "Correct the line that starts with “#!”.",
        )
    if number in (errno.ENOENT, errno.ENOTDIR):
        return f"The executable “{program}” is not there.", "Check its name and place."
    if os.path.isdir(program):
        return f"The executable “{program}” is a directory.", "Name a program file."
    if number in (errno.EACCES, errno.EPERM):
        return f"The file “{program}” may not be executed.", "Make it executable: chmod +x."
    if number == errno.ENOEXEC:
        return (
            f"“{program}” is neither a program for this machine nor a script.",
            "A script needs a first line such as “#!/bin/sh”.",
        )
    if number == errno.E2BIG:
        return "The arguments and the environment are too long.", "Pass a file instead."
    return f"“{program}” could not be started: {problem}.", ""
