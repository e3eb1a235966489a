"""Which batch a cluster belongs to, and what is to be known of its tasks; all of it is also on the
submit host, and read back from there when it is not known here."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable
from uuid import UUID

from oceanid.engines.htcondor.describe import NOTE
from oceanid.engines.htcondor.eventlog import LogEvent
from oceanid.engines.htcondor.manifest import Entry, Manifest, Plan
from oceanid.engines.htcondor.remote import Remote, failure, told
from oceanid.specs import Observation

_ANSWERS = """\
find b -mindepth 2 -maxdepth 2 -name answer -exec grep -H . {} +
for c in $CLUSTERS; do
    cat log/* 2>/dev/null | grep -a -A2 "^0[03][05] (0*$c\\." |
        awk -v c="$c" -v note="$NOTE" '/^0[03][05] / { split($2, job, "."); next }
            $1 == note { print "note", c, job[2] + 0, $2, $3; exit }'
done
:
"""
_MANIFESTS = """\
find $FOLDERS -mindepth 1 -maxdepth 1 -name manifest -print0 2>/dev/null | tar --null -T - -cf -
"""
_ANSWER = re.compile(r"b/([0-9a-f-]{36})/answer:(\d+)\.\d+")
_NOTED = re.compile(r"note (\d+) (-?\d+) ([0-9a-f-]{36}) (\d+)")


class Ledger:
    """What the engine knows of its batches."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._clusters: dict[int, UUID] = {}
        self._order: dict[UUID, list[int]] = {}
        self._odd: dict[tuple[int, int], int] = {}
        self._shift: dict[int, int] = {}
        self._strangers: set[int] = set()
        self._manifests: dict[UUID, Manifest] = {}
        self._gone: set[UUID] = set()
        self.ends: dict[UUID, dict[int, Observation]] = {}
        """The ends that are known of batches that are not forgotten."""

    def submitted(self, batch: UUID, clusters: Iterable[int], manifest: Manifest | None) -> None:
        """Take note of a batch that was submitted."""
        self._order[batch] = list(clusters)
        self._clusters |= dict.fromkeys(self._order[batch], batch)
        if manifest is not None:
            self._manifests[batch] = manifest

    def noted(self, event: LogEvent) -> None:
        """Take note of what a submit event tells."""
        for line in event.body:
            words = line.split()
            if len(words) == 4 and words[0] == NOTE and words[2].isdigit():
                try:
                    batch = UUID(words[1])
                except ValueError:
                    continue
                self._clusters[event.cluster] = batch
                if event.proc >= 0:
                    self._number(event.cluster, event.proc, int(words[2]))

    def _number(self, cluster: int, proc: int, number: int) -> None:
        """Take note of a task's number where it is not that of its job within the cluster."""
        shift = number - proc
        if self._shift.get(cluster, 0) == shift or (proc == 0 and shift):
            # A node's tasks are numbered one after the other, from its first one on.
            self._shift[cluster] = shift
        else:
            self._odd[cluster, proc] = number

    @property
    def has_batches(self) -> bool:
        """Whether any batch is known that is not forgotten."""
        return bool(self._order or self._clusters)

    def knows(self, cluster: int) -> bool:
        """Whether anything is known of a cluster, or known not to be to be had."""
        return cluster in self._clusters or cluster in self._strangers

    def batch_of(self, cluster: int) -> UUID | None:
        """The batch that a cluster belongs to."""
        return self._clusters.get(cluster)

    def task_of(self, cluster: int, proc: int) -> tuple[UUID, int] | None:
        """The batch and the task's number in it of a job of HTCondor's."""
        batch = self._clusters.get(cluster)
        if batch is None or proc < 0:
            return None
        odd = self._odd.get((cluster, proc))
        if odd is not None:
            return batch, odd
        order, manifest = self._order.get(batch, []), self._manifests.get(batch)
        if manifest is not None and cluster in order:
            numbers = manifest.orders[order.index(cluster)]
            return (batch, numbers[proc]) if proc < len(numbers) else None
        return batch, proc + self._shift.get(cluster, 0)

    def job_of(self, batch: UUID, number: int) -> str | None:
        """HTCondor's name of a task: ``cluster.proc``."""
        manifest = self._manifests.get(batch)
        for cluster, numbers in zip(
            self._order.get(batch, []), manifest.orders if manifest else [], strict=False
        ):
            if number in numbers:
                return f"{cluster}.{numbers.index(number)}"
        return None

    def plan(self, batch: UUID) -> Plan | None:
        """What is to be known of the workflow that a batch is."""
        manifest = self._manifests.get(batch)
        return manifest.plan if manifest is not None else None

    def entry(self, batch: UUID, number: int) -> Entry | None:
        """What is to be known of a task."""
        manifest = self._manifests.get(batch)
        return manifest.entries.get(number) if manifest is not None else None

    def numbers(self, batch: UUID) -> set[int]:
        """Every task's number of a batch."""
        manifest = self._manifests.get(batch)
        return set(manifest.entries) if manifest is not None else set()

    def clusters(self, batch: UUID) -> list[tuple[int, list[int]]]:
        """A batch's clusters, each with its tasks' numbers in the order of its procs."""
        manifest = self._manifests.get(batch)
        if manifest is None or manifest.plan is not None:
            return []
        return list(zip(self._order.get(batch, []), manifest.orders, strict=False))

    def factories(self, batch: UUID) -> list[tuple[int, list[int]]]:
        """Those of a batch's clusters that are made into jobs little by little."""
        manifest = self._manifests.get(batch)
        if manifest is None or not manifest.late:
            return []
        return [each for at, each in enumerate(self.clusters(batch)) if at in manifest.late]

    def behind(self, cluster: int, made: int) -> list[tuple[UUID, int]]:
        """The tasks of a cluster behind its first ``made`` ones."""
        batch = self._clusters.get(cluster)
        if batch is None:
            return []
        found = dict(self.clusters(batch)).get(cluster, [])
        return [(batch, number) for number in found[made:]]

    async def resolve(self, clusters: set[int]) -> None:
        """Find out about clusters that nothing is known of."""
        asked = " ".join(str(cluster) for cluster in sorted(clusters))
        answer = await self._remote.run(_ANSWERS, CLUSTERS=asked, NOTE=NOTE, timeout_s=120)
        if answer.exit_status:
            raise failure("The batches on the submit host can't be listed", told(answer))
        order: dict[UUID, list[int]] = {}
        for line in answer.stdout.decode(errors="replace").splitlines():
            if match := _ANSWER.match(line):
                order.setdefault(UUID(match[1]), []).append(int(match[2]))
            elif match := _NOTED.match(line):
                self._clusters.setdefault(int(match[1]), UUID(match[3]))
                self._number(int(match[1]), int(match[2]), int(match[4]))
        for batch, members in order.items():
            self.submitted(batch, members, None)
        many = {batch for batch, members in order.items() if len(members) > 1}
        await self.load(many)
        self._strangers |= clusters - self._clusters.keys()

    async def load(self, batches: Iterable[UUID]) -> None:
        """Read the manifests of these batches, where they are not known."""
        wanted = [
            each for each in batches if each not in self._manifests and each not in self._gone
        ]
        for begin in range(0, len(wanted), 200):
            some = wanted[begin : begin + 200]
            # The folders are uuids: nothing in them needs quoting.
            script = _MANIFESTS.replace("$FOLDERS", " ".join(f"b/{batch}" for batch in some))
            answer = await self._remote.run(script, timeout_s=120)
            if answer.exit_status:
                raise failure("Manifests can't be read", told(answer))
            with tarfile.open(fileobj=io.BytesIO(answer.stdout)) as tar:
                for info in tar:
                    content = tar.extractfile(info)
                    if content is not None:
                        manifest = Manifest.load(content.read())
                        self._manifests[manifest.batch] = manifest
            self._gone |= set(some) - self._manifests.keys()

    def ended(self, seen: Observation) -> None:
        """Take note of a task's end."""
        self.ends.setdefault(seen.batch, {})[seen.proc] = seen

    def forget(self, batch: UUID) -> None:
        """Drop what is known of a batch."""
        order = self._order.pop(batch, [])
        if self.plan(batch) is not None:
            order = [cluster for cluster, of in self._clusters.items() if of == batch]
        for cluster in order:
            self._clusters.pop(cluster, None)
            self._shift.pop(cluster, None)
            self._strangers.discard(cluster)
        self._manifests.pop(batch, None)
        self.ends.pop(batch, None)
        if any(self._clusters.get(cluster) == batch for cluster, _ in self._odd):
            self._odd = {
                job: number for job, number in self._odd.items()
                if self._clusters.get(job[0]) != batch
            }  # fmt: skip
