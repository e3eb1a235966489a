"""Submits a batch once or never: the scripts that decide it where it happens, and their answers."""

from __future__ import annotations

import io
import re
import tarfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from oceanid.engines.htcondor.describe import NOTE, Description
from oceanid.engines.htcondor.remote import Answer, Remote, failure, told
from oceanid.errors import EngineError
from oceanid.specs import Found, Handle, Settlement

# Runs in a session of its own: it goes on to its end when the connection that began it is lost.
# It holds the lock as long as condor_submit lives, so that nobody decides meanwhile.
_RUN: Final = """\
B=$1 T=$2
exec 9>>"lock/$B" || exit 1
flock 9
if [ -e "grave/$B" ] || [ -e "b/$B" ]; then rm -rf "tmp/$T"; exit 0; fi
mv "tmp/$T" "b/$B" && cd "b/$B" || exit 1
# Where there is no room for what must be kept, nothing is submitted.
give_up() { rm -f started; exit 1; }
mkdir -p o s && tr '\\n' '\\0' <folders | xargs -0 mkdir -p -- && date +%s >started || give_up
[ ! -e dagman ] || read -r DAGMAN <dagman
fail() {
    mv error refused
    [ "$n" = 0 ] || condor_rm -constraint "OceanidBatch == \\"$B\\"" 9>&-
    exit 0
}
export _CONDOR_SUBMIT_SKIP_FILECHECKS=true _CONDOR_SUBMIT_SKIP_FILECHECK=true
n=0
if [ -e workflow.dag ]; then
    # Scripts may write into their files; what is kept for others by its content must not change.
    [ ! -e scripts ] || [ ! -d w ] || { cp -R w w.own && rm -rf w && mv w.own w; } || give_up
    chmod 700 node.sh && echo "$(date +%s) 0 0 begin" >"../../dag/$B" || give_up
    condor_submit_dag -no_submit -force -autorescue 0 -suppress_notification \\
        -outfile_dir "o/$DAGMAN/logs" -insert_sub_file dagman.own workflow.dag >out 2>error 9>&- ||
        { cat out >>error; grep -qi "no space" error && give_up; fail; }
    mv workflow.dag.condor.sub submit.0 || give_up
fi
if [ -e submit.1 ]; then
    while [ -e "submit.$n" ]; do
        condor_submit -dry-run /dev/null "submit.$n" >out 2>error 9>&- || { n=0; fail; }
        n=$((n + 1))
    done
fi
n=0
cat started >answer.new || exit 1
while [ -e "submit.$n" ]; do
    condor_submit -terse "submit.$n" >out 2>error || fail
    [ -s out ] && cat out >>answer.new || exit 1
    n=$((n + 1))
done
sync answer.new 2>/dev/null
mv answer.new answer
rm -f submit.* folders out error
"""
_TELL: Final = """\
if [ -e "grave/$B" ]; then echo dead
elif [ -e "b/$B/answer" ]; then echo answer; cat "b/$B/answer"
elif [ -e "b/$B/refused" ]; then echo refused; cat "b/$B/refused"
else echo unknown; cat "b/$B/error" 2>/dev/null; fi
"""
_SUBMIT: Final = (
    """\
if [ ! -e "grave/$B" ] && [ ! -e "b/$B" ]; then
    mkdir "tmp/$T" && tar -C "tmp/$T" -P -xf - || { rm -rf "tmp/$T"; exit 1; }
    setsid -w sh "tmp/$T/run" "$B" "$T" </dev/null >/dev/null 2>&1 &
    wait $!
else
    cat >/dev/null
    exec 9>>"lock/$B"; flock -w 30 9; exec 9>&-
fi
"""
    + _TELL
)
_SETTLE: Final = (
    """\
exec 9>>"lock/$B" || exit 1
flock -w 3 9 || { echo unknown; exit 0; }
bury() { : >"grave/$B" && rm -rf "b/$B" "dag/$B"; }
found() {
    { cat "b/$B/started"; echo "$1" | tr ' ' '\\n' | sed 's/$/.0/'; } >"b/$B/answer.new" &&
        mv "b/$B/answer.new" "b/$B/answer"; rm -f "b/$B/refused"
}
look() {
    [ -e "b/$B/started" ] || { bury; return; }
    q() { condor_q "$@" -constraint "OceanidBatch == \\"$B\\"" -af ClusterId 2>b/$B/error 9>&-; }
    c=$(cat log/* 2>/dev/null | grep -a -B1 "^    $NOTE $B " |
        sed -n 's/^000 (0*\\([0-9]*\\)\\..*/\\1/p' | sort -nu)
    [ -n "$c" ] || { c=$(q -allusers) || c=$(q) || { echo unknown; exit 0; }; }
    s=$(cat "b/$B/started")
    past="CompletionDate > 0 && CompletionDate < $((s - 3600))"
    [ -n "$c" ] || c=$(condor_history -since "$past" -constraint "OceanidBatch == \\"$B\\"" \\
        -af ClusterId 2>>"b/$B/error" 9>&-)
    c=$(echo "$c" | sort -nu)
    [ ! -e "b/$B/workflow.dag" ] || c=$(echo "$c" | head -n 1)
    k=$(ls b/$B/submit.* 2>/dev/null | wc -l)
    if [ -z "$c" ]; then bury
    elif [ "$(echo "$c" | wc -l)" -lt "$k" ]; then
        condor_rm -constraint "OceanidBatch == \\"$B\\"" >/dev/null 2>&1 9>&-; bury
    else found "$(echo $c)"; fi
}
[ -e "grave/$B" ] || [ -e "b/$B/answer" ] || look
"""
    + _TELL
)
_CLUSTER = re.compile(r"(\d+)\.(\d+)(?: - \d+\.(\d+))?")


async def submit(
    remote: Remote,
    batch: UUID,
    descriptions: Sequence[Description],
    *,
    files: Mapping[str, bytes],
    links: Mapping[str, str],
    folders: Iterable[str],
    timeout_s: float,
) -> Handle:
    """Submit a batch, unless it was submitted or given up before.

    A workflow has no descriptions here: condor_submit_dag makes DAGMan's own from its files.

    Raises:
        EngineError: It was given up (``batch-dead``), refused, or its fate is unknown now.
        EngineUnavailable: The submit host or its schedd can't be reached.
    """
    content = {f"submit.{at}": each.text.encode() for at, each in enumerate(descriptions)}
    below = "".join(f"{name}\n" for name in folders).encode(errors="surrogateescape")
    content |= {"run": _RUN.encode(), "folders": below, **files}
    answer = await remote.run(
        _SUBMIT, stdin=packed(content, links), timeout_s=timeout_s, B=str(batch), T=uuid.uuid4().hex
    )
    word, text = _read(answer, "The batch could not be handed over")
    if word == "dead":
        raise EngineError(
            f"Batch {batch} was given up and may not be submitted any more.",
            hint="Submit its tasks in a new batch.",
            code="batch-dead",
        )
    if word != "answer":
        problem = failure("condor_submit refused it", " ".join(text.split()) or "no reason given")
        if word == "unknown":
            problem.transient = True
        raise problem
    return _handle(batch, text)


async def settle(remote: Remote, batch: UUID, *, timeout_s: float) -> Settlement:
    """Find out a batch's fate; see :meth:`oceanid.engines.base.Engine.settle`."""
    answer = await remote.run(_SETTLE, timeout_s=timeout_s, B=str(batch), NOTE=NOTE)
    word, text = _read(answer, "The batch's fate could not be found out")
    if word == "answer":
        return Settlement(Found.SUBMITTED, _handle(batch, text))
    return Settlement(Found.NEVER if word == "dead" else Found.UNKNOWN)


def packed(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    """Files, and hard links to what is there already, as a tar archive."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), int(time.time()), 0o600
            tar.addfile(info, io.BytesIO(data))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            tar.addfile(info)
    return archive.getvalue()


def _read(answer: Answer, what: str) -> tuple[str, str]:
    if answer.exit_status:
        # The script itself broke off, by a full disk for example: nobody refused the batch.
        problem = failure(what, told(answer))
        problem.transient = True
        raise problem
    word, _, text = answer.stdout.decode(errors="replace").partition("\n")
    if word in ("answer", "dead", "refused", "unknown"):
        return word, text
    raise EngineError(f"{what}: the submit host gave no answer. {told(answer)}", transient=True)


def _handle(batch: UUID, text: str) -> Handle:
    at, *rest = text.split("\n")
    found = [match for match in map(_CLUSTER.match, rest) if match]
    data: dict[str, Any] = {
        "clusters": [int(match[1]) for match in found],
        "size": sum(int(match[3] or match[2]) - int(match[2]) + 1 for match in found),
        "at": int(at) if at.strip().isdigit() else 0,
    }
    return Handle(batch, data)
