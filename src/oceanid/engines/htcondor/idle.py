"""Finds out now and then why jobs wait: one look for all of them, an analysis for each shape."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID

from oceanid.engines.htcondor.describe import string
from oceanid.engines.htcondor.holds import Why
from oceanid.engines.htcondor.ledger import Ledger
from oceanid.engines.htcondor.remote import Answer, Remote, failure, told
from oceanid.engines.htcondor.why_idle import Analysis, Room, number, slots_of, why_idle
from oceanid.errors import EngineError
from oceanid.specs import Observation
from oceanid.states import TaskState

log = logging.getLogger(__name__)

MOST_SHAPES: Final = 5
"""How many shapes one look has analysed; the others have their turn in the next."""

MOST_TOLD: Final = 5_000
REST: Final = 30
"""A look that took long is followed by a rest of so many times as long."""

# Tasks of one shape as ranges: a look at 100,000 tasks is a few lines.
_LOOK: Final = """\
f="tmp/idle.$$"; trap 'rm -f "$f"' EXIT
q() {
    condor_q "$@" -constraint "$C" -af:t OceanidBatch OceanidProc ClusterId ProcId \\
        LastRejMatchReason RequestCpus RequestMemory RequestDisk RequestGPUs ConcurrencyLimits \\
        'unparse(Requirements)' >"$f"
}
q -allusers 2>/dev/null || q || exit 1
t=$(printf '\\t')
awk -F'\\t' '
    { s = $6; for (i = 7; i <= NF; i++) s = s FS $i
      if (!(s in n)) { n[s] = ++c; id[c] = $3 "." $4; shape[c] = s; why[c] = "" }
      if ($5 != "undefined") why[n[s]] = $5
      print "T" FS n[s] FS $1 FS $2 }
    END { for (i = 1; i <= c; i++) print "G" FS i FS id[i] FS why[i] FS shape[i] }
' "$f" | sort -t "$t" -k1,1 -k2,2n -k3,3 -k4,4n | awk -F'\\t' '
    function close_range() { if (a != "") r = r (r == "" ? "" : ",") (a == b ? a : a "-" b) }
    function close_batch() { if (k != "") { close_range(); print k FS r } r = a = "" }
    $1 == "G" { print; next }
    { if ($1 FS $2 FS $3 != k) { close_batch(); k = $1 FS $2 FS $3 }
      if (a != "" && $4 == b + 1) b = $4; else { close_range(); a = b = $4 } }
    END { close_batch() }
'
"""
# The analysis is made of the machines as if all of them were free: what is carved out of a slot
# now says nothing of what it could run later.
_ANALYSE: Final = """\
f="tmp/slots.$$"; trap 'rm -f "$f" "$f.free"' EXIT
condor_status -constraint 'SlotType =!= "Dynamic"' -long >"$f" || exit 1
: >"$f.free"
awk -v out="$f.free" '
    BEGIN { RS = ""; FS = "\\n"; m = split("Cpus Memory Disk GPUs", names, " ") }
    { split("", v)
      for (i = 1; i <= NF; i++) {
          p = index($i, " = ")
          v[substr($i, 1, p - 1)] = substr($i, p + 3)
      }
      parts = v["PartitionableSlot"] == "true"
      row = ""; free = ""
      for (j = 1; j <= m; j++) {
          has = v[names[j]] + 0; all = v["TotalSlot" names[j]]; all = all == "" ? has : all + 0
          row = row "\\t" all
          free = free "\\t" (parts || v["State"] == "\\"Unclaimed\\"" ? has : 0)
          if (parts && v[names[j]] != "") v[names[j]] = all
      }
      print row free
      for (name in v) if (v[name] != "") print name " = " v[name] >out
      print "" >out }
' OFMT=%.0f CONVFMT=%.0f "$f" | sort | uniq -c | head -n 1000
for id in $IDS; do
    echo "$MARK $id"
    timeout 40 condor_q -better-analyze -slotads "$f.free" "$id" 2>&1
done
:
"""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Jobs that differ in nothing that matters to the negotiator."""

    key: str
    job: str
    refusal: str
    asked: Room
    tasks: tuple[tuple[UUID, str], ...]
    """Each batch, and the numbers of its tasks as ranges."""


class Idle:
    """Looks at what waits, at most once in ``every_s``, while there are batches.

    What it was told is only remembered so as not to be told again.
    """

    def __init__(
        self,
        remote: Remote,
        ledger: Ledger,
        *,
        wake: Callable[[], None],
        after_s: float = 30.0,
        every_s: float = 60.0,
    ) -> None:
        self._remote, self._ledger, self._wake = remote, ledger, wake
        self._after_s, self._every_s = after_s, every_s
        self._ready: list[Observation] = []
        self._back: set[tuple[UUID, int]] = set()
        self._told: dict[tuple[UUID, Why], str] = {}
        self._known: dict[str, tuple[Why, float]] = {}

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any],
        remote: Remote,
        ledger: Ledger,
        *,
        wake: Callable[[], None],
    ) -> Idle:
        """As a record's options ``idle_after_s`` and ``idle_every_s`` say.

        Raises:
            EngineError: One of them is no number of seconds.
        """
        seconds = {}
        for name, usual in (("idle_after_s", 30.0), ("idle_every_s", 60.0)):
            value = config.get(name, usual)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise EngineError(
                    "“{name}” must be a number of seconds.", code="bad-option", name=name
                )
            seconds[name] = float(value)
        return cls(
            remote, ledger, wake=wake,
            after_s=seconds["idle_after_s"], every_s=seconds["idle_every_s"],
        )  # fmt: skip

    async def run(self) -> None:
        """Look until cancelled."""
        pause = min(self._after_s, self._every_s)
        while True:
            await asyncio.sleep(pause)
            pause = self._every_s
            if not self._ledger.has_batches:
                continue
            begun = monotonic()
            try:
                await self._look()
            except EngineError as problem:
                log.info(
                    "Why jobs wait can't be found out now: %s", problem,
                    extra={"action": "idle.look"},
                )  # fmt: skip
            pause = max(pause, REST * (monotonic() - begun))

    def see(self, seen: Observation) -> None:
        """Take note of a task that moved: one that waits again is to be told of again."""
        if seen.state is TaskState.SUBMITTED:
            self._back.add((seen.batch, seen.proc))

    def take(self) -> list[Observation]:
        """What is to be told now."""
        ready, self._ready = self._ready, []
        return ready

    async def _look(self) -> None:
        back, self._back = self._back, set()
        log_folder = f"{(await self._remote.host()).base}/log/"
        constraint = (
            f"JobStatus == 1 && time() - EnteredCurrentStatus >= {self._after_s:.0f}"
            f" && OceanidBatch =!= undefined"
            f" && substr(UserLog, 0, {len(log_folder)}) =?= {string(log_folder)}"
        )
        answer = await self._remote.run(_LOOK, C=constraint, timeout_s=120)
        if answer.exit_status:
            raise failure("condor_q", told(answer))
        shapes = list(_shapes(answer.stdout.decode(errors="replace")))
        present = {shape.key for shape in shapes}
        self._known = {key: known for key, known in self._known.items() if key in present}
        await self._analyse(shapes)
        self._tell(shapes, back)
        if self._ready:
            self._wake()

    async def _analyse(self, shapes: list[_Shape]) -> None:
        """Have those analysed anew that were not for the longest time."""
        unknown = (None, 0.0)
        oldest = sorted(shapes, key=lambda shape: self._known.get(shape.key, unknown)[1])
        some = {shape.job: shape for shape in oldest[:MOST_SHAPES]}
        if not some:
            return
        mark = "oceanid-analysis"
        answer: Answer = await self._remote.run(
            _ANALYSE, IDS=" ".join(some), MARK=mark, timeout_s=300
        )
        if answer.exit_status:
            raise failure("condor_status", told(answer))
        head, *parts = answer.stdout.decode(errors="replace").split(f"{mark} ")
        slots = slots_of([line.split() for line in head.splitlines() if line.strip()])
        for part in parts:
            job, _, text = part.partition("\n")
            shape = some.get(job.strip())
            if shape is not None:
                why = why_idle(shape.asked, slots, Analysis.of(text), shape.refusal)
                self._known[shape.key] = (why, monotonic())

    def _tell(self, shapes: Iterable[_Shape], back: set[tuple[UUID, int]]) -> None:
        """Make ready what was not told before, and remember it."""
        before, self._told = self._told, {}
        at, left = datetime.now(UTC), MOST_TOLD
        waiting: dict[tuple[UUID, Why], list[str]] = {}
        for shape in shapes:
            if shape.key in self._known:
                for batch, ranges in shape.tasks:
                    why = self._known[shape.key][0]
                    waiting.setdefault((batch, why), []).append(ranges)
        again = {batch for batch, _ in back}
        for (batch, why), parts in waiting.items():
            text = ",".join(parts)
            if before.get((batch, why)) == text and batch not in again:
                self._told[batch, why] = text
                continue
            numbers = set(_expanded(text))
            known = numbers & set(_expanded(before.get((batch, why), "")))
            known -= {number for of, number in back if of == batch}
            fresh = sorted(numbers - known)[:left]
            left -= len(fresh)
            self._told[batch, why] = ",".join(_ranges(sorted(known.union(fresh))))
            self._ready += [
                Observation(
                    batch, number_, TaskState.SUBMITTED, at, moves=False,
                    reason_code=why.code, reason=why.reason, hint=why.hint,
                )
                for number_ in fresh
            ]  # fmt: skip


def _shapes(text: str) -> Iterator[_Shape]:
    groups: dict[str, list[str]] = {}
    tasks: dict[str, list[tuple[UUID, str]]] = {}
    for line in text.splitlines():
        word, number_, *rest = line.split("\t")
        if word == "G":
            groups[number_] = rest
        elif word == "T" and _is_uuid(rest[0]):
            tasks.setdefault(number_, []).append((UUID(rest[0]), rest[1]))
    for number_, (job, refusal, *shape) in groups.items():
        if number_ in tasks:
            asked = Room(*(number(each) for each in shape[:4]))
            key = "\t".join(shape)
            yield _Shape(key, job, refusal.strip(), asked, tuple(tasks[number_]))


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


def _expanded(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            yield from range(int(first), int(last or first) + 1)


def _ranges(numbers: Iterable[int]) -> Iterator[str]:
    first = last = -1
    for each in numbers:
        if last >= 0 and each == last + 1:
            last = each
            continue
        if last >= 0:
            yield f"{first}-{last}" if last > first else str(first)
        first = last = each
    if last >= 0:
        yield f"{first}-{last}" if last > first else str(first)
