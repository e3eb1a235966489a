"""Brings inputs to the submit host: the same content once, by its hash, however many tasks need it.

Contents lie in ``store/`` under their hash; a batch has a folder for each distinct set of inputs,
laid out as the sandbox will be, whose files are hard links to them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import stat
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Final

from oceanid.dags import Dag
from oceanid.engines.htcondor.dagfiles import relative
from oceanid.engines.htcondor.describe import Placed
from oceanid.engines.htcondor.remote import Remote, failure, told
from oceanid.errors import EngineError, MissingFile
from oceanid.specs import BatchItem, BatchSpec, TaskSpec, Transfer
from oceanid.submit.fields import is_url

_CHUNK: Final = 1 << 20
_DEEPEST: Final = 64
_MISSING: Final = """\
while read -r h; do
    if [ -e "store/$h" ]; then touch -c "store/$h"; else echo "$h"; fi
done
"""
# Its time is that of its coming (-m): what is old and not linked to is removed by forgetting.
_STORE: Final = """\
(
    mkdir "tmp/$T" && cd "tmp/$T" && tar -xmf - || exit 1
    for f in *; do printf '%s  %s\\n' "${f%x}" "$f"; done | sha256sum -c --quiet >&2 || exit 1
    chmod 600 -- * && { chmod 700 -- *x 2>/dev/null; mv -f -- * ../../store/; }
) && rmdir "tmp/$T" || { rm -rf "tmp/$T"; exit 1; }
"""


@dataclass(slots=True)
class Staged:
    """Where each task's files will lie in the batch's folder on the submit host.

    Args:
        links: Names in the batch's folder, and the contents that they are links to.
        placed: Gives what the description needs for a task.
        scripts: Where the workflow's scripts lie there, by their paths here.
    """

    links: dict[str, str]
    placed: Callable[[BatchItem], Placed]
    scripts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Plan:
    """What is to be there, and from where it comes."""

    contents: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    inputs: dict[tuple[Transfer, ...], str] = field(default_factory=dict)
    single: dict[tuple[str, str], str] = field(default_factory=dict)
    dag: Dag | None = None
    late: set[int] = field(default_factory=set)
    scripts: dict[str, str] = field(default_factory=dict)


class Stager:
    """Knows the hashes of files that did not change since it read them."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._hashes: dict[tuple[str, int, int, int, int], str] = {}

    async def stage(self, batch: BatchSpec, folder: str) -> Staged:
        """Bring what a batch needs and is not there yet.

        Args:
            batch: The batch.
            folder: Its folder on the submit host, which is made by the submission.

        Raises:
            MissingFile: An input is not there or can't be read.
            EngineUnavailable: The submit host can't be reached.
        """
        plan = await asyncio.to_thread(self._plan, batch)
        if plan.contents:
            await self._send(plan.contents)
        links = {name: f"../../store/{content}" for name, content in plan.links.items()}
        scripts = {path: f"{folder}/{name}" for path, name in plan.scripts.items()}
        return Staged(links, partial(_placed, plan, folder), scripts)

    def _plan(self, batch: BatchSpec) -> _Plan:
        plan = _Plan()
        if len(self._hashes) > 50_000:
            self._hashes.clear()
        if batch.dag is not None:
            self._plan_dag(plan, batch.dag)
        for item in batch.items:
            spec = item.spec
            if not spec.transfer_files:
                continue
            if item.proc in plan.late:
                self._plan_late(plan, spec)
                continue
            if spec.inputs and spec.inputs not in plan.inputs:
                self._plan_inputs(plan, spec.inputs)
            if spec.transfer_executable and spec.executable:
                self._plan_single(plan, "x", spec.executable, runs=True)
            if spec.stdin:
                self._plan_single(plan, "in", spec.stdin, runs=False)
        return plan

    def _plan_dag(self, plan: _Plan, dag: Dag) -> None:
        """Nodes after others, and those with a PRE script, read what was made before them: it lies
        in the workflow's folder ``w/``, which begins with what is here now."""
        plan.dag = dag
        for node in dag.nodes:
            if node.parents or node.before is not None:
                plan.late |= set(node.procs)
            for script in (node.before, node.after):
                if script is None or script.executable in plan.scripts:
                    continue
                path, rel = script.executable, relative(script.executable, dag)
                plan.scripts[path] = f"w/{rel}" if rel else f"x/s{len(plan.scripts)}"
                if not rel or not node.parents or os.path.exists(path):  # noqa: PTH110
                    plan.links[plan.scripts[path]] = self._content(plan, path, runs=True)

    def _plan_late(self, plan: _Plan, spec: TaskSpec) -> None:
        rest = tuple(each for each in spec.inputs if not _is_late(plan, each))
        if rest and rest not in plan.inputs:
            self._plan_inputs(plan, rest)
        for each in spec.inputs:
            if _is_late(plan, each):
                self._plan_seed(plan, each.source)
        if spec.transfer_executable and spec.executable:
            if _late(plan, spec.executable):
                self._plan_seed(plan, spec.executable, runs=True)
            else:
                self._plan_single(plan, "x", spec.executable, runs=True)
        if spec.stdin:
            if _late(plan, spec.stdin):
                self._plan_seed(plan, spec.stdin)
            else:
                self._plan_single(plan, "in", spec.stdin, runs=False)

    def _plan_seed(self, plan: _Plan, source: str, *, runs: bool | None = None) -> None:
        """Let the workflow's folder begin with what is here of a file or directory."""
        name = f"w/{_late(plan, source)}"
        if ("seed", source) in plan.single or not os.path.exists(source):  # noqa: PTH110
            return
        plan.single["seed", source] = name
        for path, below in _files_of(Transfer(source, name)):
            plan.links[below] = self._content(plan, path, runs=runs)

    def _plan_inputs(self, plan: _Plan, inputs: tuple[Transfer, ...]) -> None:
        below = f"i/{len(plan.inputs)}"
        plan.inputs[inputs] = ""
        for each in inputs:
            if is_url(each.source):
                continue
            for path, name in _files_of(each):
                plan.inputs[inputs] = below
                # The last of a name counts, as when HTCondor copies one after the other.
                plan.links[f"{below}/{name}"] = self._content(plan, path, runs=None)

    def _plan_single(self, plan: _Plan, kind: str, path: str, *, runs: bool) -> None:
        if (kind, path) not in plan.single:
            name = f"{kind}/{len(plan.single)}"
            plan.single[kind, path] = name
            plan.links[name] = self._content(plan, path, runs=runs or None)

    def _content(self, plan: _Plan, path: str, *, runs: bool | None) -> str:
        try:
            found = os.stat(path)  # noqa: PTH116
            if not stat.S_ISREG(found.st_mode):
                raise MissingFile("“{path}” is not a regular file.", path=path)
            known = (path, found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns)
            digest = self._hashes.get(known)
            if digest is None:
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                self._hashes[known] = digest
        except OSError as problem:
            raise MissingFile(
                "The file “{path}” can't be read: {strerror}.",
                hint="It must be there when the job is submitted.",
                path=path,
                strerror=problem.strerror,
            ) from problem
        name = digest + "x" * (bool(found.st_mode & 0o100) if runs is None else runs)
        plan.contents[name] = path
        return name

    async def _send(self, contents: dict[str, str]) -> None:
        names = "".join(f"{name}\n" for name in contents)
        answer = await self._remote.run(_MISSING, stdin=names.encode(), timeout_s=120)
        if answer.exit_status:
            raise failure("The inputs can't be compared with what is there", told(answer))
        missing = [name for name in answer.stdout.decode().split() if name in contents]
        if not missing:
            return
        size = sum(os.stat(contents[name]).st_size for name in missing)  # noqa: PTH116
        answer = await self._remote.run(
            _STORE,
            stdin=_archive({name: contents[name] for name in missing}),
            timeout_s=120 + size / 500_000,
            T=secrets.token_hex(16),
        )
        if answer.exit_status:
            raise EngineError(
                "The inputs could not be brought to the submit host: {answer}",
                hint="Is its disk full, or did an input change meanwhile?",
                code="staging-failed",
                transient=True,
                answer=told(answer),
            )


def _placed(plan: _Plan, folder: str, item: BatchItem) -> Placed:
    spec = item.spec
    if not spec.transfer_files:
        return Placed(spec.executable, (), spec.stdin)
    if item.proc in plan.late:
        return _placed_late(plan, folder, spec)
    executable, stdin = spec.executable, spec.stdin
    if spec.transfer_executable and executable:
        executable = f"{folder}/{plan.single['x', executable]}"
    if stdin:
        stdin = f"{folder}/{plan.single['in', stdin]}"
    inputs = [each.source for each in spec.inputs if is_url(each.source)]
    if below := plan.inputs.get(spec.inputs, ""):
        inputs.append(f"{folder}/{below}/")
    return Placed(executable, tuple(inputs), stdin)


def _placed_late(plan: _Plan, folder: str, spec: TaskSpec) -> Placed:
    executable, stdin = spec.executable, spec.stdin
    if spec.transfer_executable and executable:
        rel = _late(plan, executable)
        executable = f"{folder}/" + (f"w/{rel}" if rel else plan.single["x", executable])
    if stdin:
        rel = _late(plan, stdin)
        stdin = f"{folder}/" + (f"w/{rel}" if rel else plan.single["in", stdin])
    inputs = [each.source for each in spec.inputs if is_url(each.source)]
    rest = tuple(each for each in spec.inputs if not _is_late(plan, each))
    if below := plan.inputs.get(rest, ""):
        inputs.append(f"{folder}/{below}/")
    for each in spec.inputs:
        if _is_late(plan, each):
            inputs.append(f"{folder}/w/{_late(plan, each.source)}" + "/" * each.contents_only)
    return Placed(executable, tuple(inputs), stdin)


def _late(plan: _Plan, path: str) -> str | None:
    """A file's name in the workflow's folder; None when it does not belong there."""
    return relative(path, plan.dag) if plan.dag is not None else None


def _is_late(plan: _Plan, each: Transfer) -> bool:
    """Whether an input is taken from the workflow's folder when its node begins.

    One that keeps its folders in the sandbox, or has a name that HTCondor can't be given, is taken
    as it is when the workflow is submitted."""
    if is_url(each.source):
        return False
    name = os.path.basename(each.source)  # noqa: PTH119
    is_plain = each.target in ("", ".", "./") if each.contents_only else each.target in ("", name)
    rel = _late(plan, each.source)
    return is_plain and rel is not None and not set(rel) & {",", '"'} and rel == rel.strip()


def _files_of(each: Transfer, depth: int = 0) -> Iterator[tuple[str, str]]:
    """The regular files of an input, and their names in the sandbox; links are followed, as they
    are the portal's own."""
    if depth > _DEEPEST:
        raise MissingFile(
            "“{source}” is nested too deeply.", hint="Does a link lead back?", source=each.source
        )
    target = "" if each.target in ("", ".", "./") else each.target.rstrip("/")
    if not os.path.isdir(each.source):  # noqa: PTH112
        yield each.source, target or os.path.basename(each.source)  # noqa: PTH119
        return
    with os.scandir(each.source) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            below = f"{target}/{entry.name}" if target else entry.name
            if entry.is_dir():
                yield from _files_of(Transfer(entry.path, below), depth + 1)
            elif entry.is_file():
                yield entry.path, below


async def _archive(files: dict[str, str]) -> AsyncIterator[bytes]:
    """The files as a tar stream, without ever holding one of them whole."""
    for name, path in files.items():
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                yield _header(name, size)
                async for data in _read(file, size, path):
                    yield data
        except OSError as problem:
            raise MissingFile(
                "The file “{path}” can't be read: {strerror}.", path=path, strerror=problem.strerror
            ) from problem
    yield bytes(1024)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


async def _read(file: IO[bytes], size: int, path: str) -> AsyncIterator[bytes]:
    left = size
    while left:
        data = await asyncio.to_thread(file.read, min(_CHUNK, left))
        if not data:
            raise EngineError(
                "“{path}” became shorter while it was sent.", transient=True, path=path
            )
        left -= len(data)
        yield data
    if size % 512:
        yield bytes(512 - size % 512)
