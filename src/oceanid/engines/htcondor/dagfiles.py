"""Writes what DAGMan reads: the graph, each node's submit description, and what runs around it."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from oceanid.dags import Dag, DagNode, Script
from oceanid.engines.htcondor.describe import NOTE, Placed, describe, literal, string
from oceanid.engines.htcondor.manifest import Manifest
from oceanid.engines.htcondor.nodescript import NODE_SH
from oceanid.engines.htcondor.placing import Places
from oceanid.engines.htcondor.shell import quote
from oceanid.errors import EngineError
from oceanid.specs import BatchItem, BatchSpec

DAG_FILE: Final = "workflow.dag"
_NIL: Final = UUID(int=0)
_MACROS: Final = frozenset({"RETRY", "DAG_STATUS", "FAILED_COUNT", "JOBID", "RETURN"})
# What a node's scripts are called with; a PRE script knows nothing of its job yet.
_CALL_PRE: Final = "$RETRY $DAG_STATUS $FAILED_COUNT"
_CALL_POST: Final = f"{_CALL_PRE} $JOBID $RETURN"
_CONFIG: Final = """\
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_MAX_SUBMITS_PER_INTERVAL = 500
DAGMAN_ALWAYS_RUN_POST = False
DAGMAN_MAX_JOB_HOLDS = 0
DAGMAN_PUT_FAILED_JOBS_ON_HOLD = False
DAGMAN_PROHIBIT_MULTI_JOBS = False
DAGMAN_REMOVE_NODE_JOBS = True
DAGMAN_USE_STRICT = 0
"""


def dag_files(
    batch: BatchSpec,
    dag: Dag,
    *,
    folder: str,
    log: str,
    placed: Callable[[BatchItem], Placed],
    scripts: Mapping[str, str],
) -> dict[str, bytes]:
    """The files of a workflow in its batch's folder, by name.

    Nothing that a person has named stands in the graph itself: nodes and categories are numbered
    there, and scripts are called by :data:`~oceanid.engines.htcondor.nodescript.NODE_SH`, which has
    their arguments quoted in a file of the node's own.

    Args:
        batch: The batch.
        dag: Its workflow.
        folder: The batch's folder on the submit host.
        log: The event log on the submit host.
        placed: Where a task's files lie there.
        scripts: Where the workflow's scripts lie there, by their paths here.

    Raises:
        EngineError: A node can't be written in DAGMan's language.
    """
    items = {item.proc: item for item in batch.items}
    files = {
        DAG_FILE: _graph(dag).encode(),
        "dagman.config": _CONFIG.encode(),
        "dagman.own": _own(batch, dag, items[dag.proc], log).encode(),
        "node.sh": NODE_SH.encode(),
        "noop.sub": b"executable = /bin/true\nqueue\n",
    }
    outlets = {parent for node in dag.nodes for parent in node.parents}
    for number, node in enumerate(dag.nodes):
        members = [items[proc] for proc in node.procs]
        if members:
            text = _description(batch, node, members, folder=folder, log=log, placed=placed)
            files[f"n/{number}.sub"] = text.encode()
        is_read = node.name in outlets or node.after is not None
        published = [line for item in members if is_read for line in _published(dag, item)]
        around = _around(dag, node, members, published, scripts)
        files[f"n/{number}.sh"] = around.encode(errors="surrogateescape")
    return files


def dag_folders(dag: Dag) -> list[str]:
    """The folders that there must be before DAGMan begins."""
    below = {_below(node.directory, dag.directory) or "." for node in dag.nodes}
    found = {f"w/{path}" for path in below}
    for node in dag.nodes:
        for script in (node.before, node.after):
            if script is not None and (rel := _below(script.stdout, dag.directory)):
                found.add(f"w/{posixpath.dirname(rel)}")
    return [f"o/{dag.proc}/logs", *sorted(found)]


def relative(path: str, dag: Dag) -> str | None:
    """Where a file lies below the workflow's directory; None when it is not there."""
    return _below(path, dag.directory)


def _graph(dag: Dag) -> str:
    numbers = {node.name: number for number, node in enumerate(dag.nodes)}
    categories = {name: number for number, (name, _) in enumerate(dag.max_jobs)}
    lines = ["CONFIG dagman.config"]
    for number, node in enumerate(dag.nodes):
        name = f"n{number}"
        lines.append(f"JOB {name} n/{number}.sub" if node.procs else f"JOB {name} noop.sub NOOP")
        if node.before is not None:
            lines.append(f"SCRIPT PRE {name} ./node.sh pre {number} {_CALL_PRE}")
        lines.append(f"SCRIPT POST {name} ./node.sh post {number} {_CALL_POST}")
        if node.skip_code is not None and node.before is not None:
            lines.append(f"PRE_SKIP {name} {_skip_as(node)}")
        if node.retries:
            unless = "" if node.unless_code is None else f" UNLESS-EXIT {node.unless_code}"
            lines.append(f"RETRY {name} {node.retries}{unless}")
        if node.abort_code is not None:
            returned = "" if node.abort_return is None else f" RETURN {node.abort_return % 256}"
            lines.append(f"ABORT-DAG-ON {name} {node.abort_code}{returned}")
        if node.category in categories:
            lines.append(f"CATEGORY {name} c{categories[node.category]}")
        if node.priority:
            lines.append(f"PRIORITY {name} {node.priority}")
    children: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, node in enumerate(dag.nodes):
        if node.parents:
            children[tuple(sorted(numbers[parent] for parent in node.parents))].append(number)
    for parents, of in children.items():
        lines.append(f"PARENT {_names(parents)} CHILD {_names(of)}")
    lines += [f"MAXJOBS c{number} {most}" for number, (_, most) in enumerate(dag.max_jobs)]
    return "\n".join([*lines, ""])


def _skip_as(node: DagNode) -> int:
    """The exit code by which DAGMan is told to skip the rest; 0 can't be that."""
    return node.skip_code or 250


def _names(numbers: Sequence[int]) -> str:
    return " ".join(f"n{number}" for number in numbers)


def _own(batch: BatchSpec, dag: Dag, item: BatchItem, log: str) -> str:
    """What DAGMan's own job has of ours; the rest is written by condor_submit_dag."""
    label = [f"batch_name = {literal(' '.join(batch.label.split()))}"] if batch.label else []
    return "\n".join(
        [
            *label,
            f"log = {log}",
            # Any exit code is an end; without one it died, and is started again to recover.
            "on_exit_remove = (ExitSignal =?= 11 || (ExitCode =!= UNDEFINED && ExitCode >= 0))",
            f"My.OceanidBatch = {string(str(batch.batch))}",
            f"My.OceanidProc = {dag.proc}",
            f"My.OceanidKey = {string(item.key)}",
            f"submit_event_user_notes = {NOTE} {batch.batch} {dag.proc} {item.key}",
            "",
        ]
    )


def _description(
    batch: BatchSpec,
    node: DagNode,
    members: Sequence[BatchItem],
    *,
    folder: str,
    log: str,
    placed: Callable[[BatchItem], Placed],
) -> str:
    success = members[0].spec.success_exit_code
    if success and len(members) > 1:
        raise EngineError(
            "Node “{title}”: DAGMan takes every exit code but 0 of a process for a failure.",
            hint="Let its processes end with 0, or make each of them a node.",
            code="not-expressible",
            title=node.title,
        )
    if node.max_retries:
        again = (("max_retries", str(node.max_retries)), ("success_exit_code", str(success)))
        members = [
            replace(each, spec=replace(each.spec, passthrough=(*each.spec.passthrough, *again)))
            for each in members
        ]
    part = BatchSpec(batch.batch, tuple(members), batch.resources)
    try:
        found = describe(part, folder=folder, log=log, placed=placed)
    except EngineError as problem:
        raise EngineError(
            "Node “{title}”: {said}",
            hint=problem.hint,
            code=problem.slug,
            title=node.title,
            said=problem.message,
        ) from problem
    if len(found) != 1:
        raise EngineError(
            "Node “{title}”: its processes differ in what they ask for, and DAGMan runs "
            "a node as one cluster.",
            hint="Make those that differ nodes of their own.",
            code="not-expressible",
            title=node.title,
        )
    return found[0].text


def _around(
    dag: Dag,
    node: DagNode,
    members: Sequence[BatchItem],
    published: Sequence[str],
    scripts: Mapping[str, str],
) -> str:
    """The file of one node that NODE_SH reads."""
    below = _below(node.directory, dag.directory)
    in_place = any(not item.spec.transfer_files for item in members)
    where = node.directory if in_place or below is None else f"w/{below}"
    success = members[0].spec.success_exit_code if members else 0
    names = {
        "N": " ".join(map(str, node.procs)),
        "D": where,
        "W": "" if where == node.directory else "w",
        "DAGMAN": str(dag.proc),
        "MOST": str(node.retries),
        "UNLESS": "" if node.unless_code is None else str(node.unless_code),
        "SKIP": "" if node.skip_code is None else str(node.skip_code),
        "SKIP_AS": str(_skip_as(node)),
        "ABORT": "" if node.abort_code is None else str(node.abort_code),
        "SUCCESS": str(success),
        "AFTER": "" if node.after is None else "yes",
    }
    lines = [f"{name}={quote(value)}" for name, value in names.items()]
    lines += ["publish() {", *published, ":", "}"]
    for name, script in (("before", node.before), ("after", node.after)):
        if script is not None:
            lines += [f"{name}() (", *_called(dag, node, script, scripts, in_place), ")"]
    return "\n".join([*lines, ""])


def _published(dag: Dag, item: BatchItem) -> Iterator[str]:
    """The calls that put a task's outputs where the nodes after it look for them."""
    if not item.spec.transfer_files:
        return
    number = item.proc
    entry = Manifest.of(BatchSpec(_NIL, (item,), item.spec.resources), []).entries[number]
    places = Places(entry.wanted)
    rest = _below(places.rest, dag.directory)
    if entry.wanted.outputs != () and rest is not None:
        yield f"all {number} {quote(rest)}"
    moved = {f"o/{number}/{name}": target for name, target in places.exact.items()}
    moved = {
        name: target + posixpath.basename(name) * target.endswith("/")
        for name, target in moved.items()
        if target != f"{entry.wanted.folder}/{name.split('/', 2)[2]}"
    }
    streams = {f"s/{number}.out": entry.stdout}
    if entry.stderr != entry.stdout:
        streams[f"s/{number}.err"] = entry.stderr
    for name, target in (moved | streams).items():
        to = _below(target, dag.directory) if target else None
        if to:
            last = posixpath.basename(to)
            yield f"put {quote(name)} {quote(last)} {quote(posixpath.dirname(to) or '.')}"


def _called(
    dag: Dag, node: DagNode, script: Script, scripts: Mapping[str, str], in_place: bool
) -> Iterator[str]:
    """Runs a script: its own streams, its folder, its arguments; in a subshell of its own."""
    words = [_word(node, each) for each in script.arguments]
    path = script.executable if in_place else scripts[script.executable]
    streams = [script.stdout, script.stderr]
    if not in_place:
        below = [_below(each, dag.directory) for each in streams]
        streams = [f"w/{rel}" if rel else "/dev/null" for rel in below]
    yield 'cd "$here" || exit 125'
    yield f"mkdir -p -- {quote(posixpath.dirname(streams[0]))}"
    yield f"exec >{quote(streams[0])} 2>{quote(streams[1])} || exit 125"
    yield 'cd -- "$D" || exit 125'
    yield " ".join(["exec", quote(path), *words])


def _word(node: DagNode, word: str) -> str:
    """An argument: quoted, or the variable that has the macro's value."""
    fixed = {"$JOB": node.title, "$MAX_RETRIES": str(node.retries)}
    if word in fixed:
        return quote(fixed[word])
    if word[:1] == "$" and word[1:] in _MACROS:
        return f'"{word}"'
    return quote(word)


def _below(path: str, directory: str) -> str | None:
    inside = posixpath.normpath(path)
    if inside == directory:
        return "."
    return inside.removeprefix(f"{directory}/") if inside.startswith(f"{directory}/") else None
