"""What goes through the portal while it is treated badly, and how each piece must end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCRIPT = """\
#!/bin/sh
# ledger name process seconds exit-code kind
label="$2/$3"
printf 'B %s\\n' "$label" >> "$1"
if [ -r "$_CONDOR_JOB_AD" ]; then
    printf 'J %s %s\\n' "$label" "$(grep '^GlobalJobId' "$_CONDOR_JOB_AD")" >> "$1"
fi
i=0
while [ $i -lt 25 ]; do echo "line $i of $label"; i=$((i + 1)); done
sleep "$4"
code=$5
case $6 in
array) code=$(($3 % 3)) ;;
files) echo "result of $label" > result.txt ;;
again) if mkdir "$1.$2.tried"; then code=9; fi ;;
daemon)
    setsid sh -c 'sleep 900 & echo $! >> "$0.pids"; echo $$ >> "$0.pids"; sleep 900' "$1" \\
        > /dev/null 2>&1 &
    until grep -q . "$1.pids"; do sleep 0.01; done ;;
esac
echo "end of $label"
printf 'E %s\\n' "$label" >> "$1"
exit $code
"""
LINES = 25
MIDDLE = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """One job of the load.

    Args:
        name: Its name, unique.
        kind: ``plain``, ``array``, ``files``, ``again``, ``daemon``, ``python``, ``workflow``.
        script: The program that it runs.
        ledger: The file to which each process appends when it begins and when it ends.
        processes: How many there are; of a workflow the nodes in its middle, if more than one.
        seconds: How long each takes.
        code: How each exits; of an array its number modulo 3 counts instead.
        more: What else its submit description has; jobs that differ in it differ in shape.
    """

    name: str
    kind: str
    script: str
    ledger: str
    processes: int = 1
    seconds: float = 0.05
    code: int = 0
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> dict[str, Any]:
        """As it goes to the client."""
        return asdict(self)

    @property
    def codes(self) -> list[int]:
        """The exit code of each process."""
        if self.kind == "array":
            return [process % 3 for process in range(self.processes)]
        return [self.code] * self.processes

    @property
    def state(self) -> str:
        """The state in which it must end."""
        bad = sum(1 for code in self.codes if code)
        return "COM" if not bad else "ERR" if bad == self.processes else "VCP"

    @property
    def middle(self) -> int:
        """How many nodes a workflow has in its middle."""
        return self.processes if self.processes > 1 else MIDDLE

    @property
    def labels(self) -> Counter[str]:
        """How often each of its processes must stand in the ledger."""
        if self.kind == "python":
            return Counter()
        if self.kind == "workflow":
            found = Counter({f"{self.name}.{n}/0": 1 for n in ("first", "last", "post")})
            found.update(f"{self.name}.middle{n}/0" for n in range(self.middle))
            found.update(f"{self.name}.middle0/{n}" for n in (1, 2))
            found[f"{self.name}.middle1/0"] = 2
            return found
        times = 2 if self.kind == "again" else 1
        return Counter({f"{self.name}/{n}": times for n in range(self.processes)})


def write_script(folder: Path) -> Path:
    """Put the program of all jobs into a folder."""
    script = folder / "job.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    return script


def mixed(chance: random.Random, *, name: str, script: Path, ledger: Path) -> list[Wanted]:
    """200 jobs of every kind and a workflow, shuffled."""
    kinds = (
        ["plain"] * 152 + ["array"] * 18 + ["files"] * 12 + ["again"] * 6 + ["daemon"] * 6
        + ["python"] * 6
    )  # fmt: skip
    chance.shuffle(kinds)
    found = []
    for number, kind in enumerate(kinds):
        long = chance.random() < 0.05
        found.append(
            Wanted(
                f"{name}-{number}",
                kind,
                str(script),
                str(ledger),
                processes=chance.randint(2, 6) if kind == "array" else 1,
                seconds=round(chance.uniform(0.5, 2.0) if long else chance.uniform(0, 0.06), 2),
                code=chance.choice([0, 0, 0, 1, 3, 42]) if kind == "plain" else 0,
            )
        )
    flow = Wanted(f"{name}-flow", "workflow", str(script), str(ledger))
    found.insert(chance.randrange(60), flow)
    return found


def _attributes(wanted: Wanted, name: str, kind: str) -> dict[str, Any]:
    arguments = [wanted.ledger, name, "$(Process)", str(wanted.seconds), str(wanted.code), kind]
    return {"executable": wanted.script, "arguments": " ".join(arguments)}


def attributes(wanted: Wanted) -> dict[str, Any]:
    """What the Job Manager is given for a plain job or an array."""
    found = _attributes(wanted, wanted.name, wanted.kind) | {"num_jobs": wanted.processes}
    if wanted.kind == "again":
        found["max_retries"] = 2
    return found | dict(wanted.more)


def nodes(wanted: Wanted) -> Iterator[tuple[str, dict[str, Any]]]:
    """A diamond: the first node, those in the middle (one an array, one tried again), the last."""

    def described(name: str, kind: str = "plain") -> dict[str, Any]:
        return {"attributes": _attributes(wanted, f"{wanted.name}.{name}", kind)}

    yield "first", described("first")
    middle = [f"middle{number}" for number in range(wanted.middle)]
    for number, name in enumerate(middle):
        fields = described(name, "again" if number == 1 else "plain") | {"parents": ["first"]}
        if number == 0:
            fields["num_jobs"] = 3
        if number == 1:
            fields["retry"] = 2
        if number == 2:
            fields |= {
                "post_script": wanted.script,
                "post_script_args": f"{wanted.ledger} {wanted.name}.post 0 0 0 plain",
            }
        yield name, fields
    yield "last", described("last") | {"parents": middle}


@dataclass(slots=True)
class Verdict:
    """What the ledger and the portal say of a load.

    Args:
        processes: How many had to run.
        doubled: Those that ran too often.
        lost: Those that ran too seldom or did not come to their end.
        wrong: Every job whose state, exit codes, output or result is not what it must be.
    """

    processes: int
    doubled: list[str]
    lost: list[str]
    wrong: list[str]

    @property
    def is_good(self) -> bool:
        """Whether all is as it must be."""
        return not (self.doubled or self.lost or self.wrong)


def judge(load: Sequence[Wanted], ledger: Path, outcome: dict[str, dict[str, Any]]) -> Verdict:
    """Hold what happened against what was wanted."""
    due: Counter[str] = Counter()
    for wanted in load:
        due.update(wanted.labels)
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    begun = Counter(line[2:] for line in lines if line.startswith("B "))
    ended = Counter(line[2:] for line in lines if line.startswith("E "))
    wrong = [f"{line!r} in the ledger" for line in set(begun) - set(due)]
    for wanted in load:
        wrong += [f"{wanted.name}: {what}" for what in _look(wanted, outcome, lines)]
    return Verdict(
        processes=due.total(),
        doubled=sorted((begun - due).elements()),
        lost=sorted(((due - begun) | (due - ended)).elements()),
        wrong=wrong,
    )


def _look(
    wanted: Wanted, outcome: dict[str, dict[str, Any]], lines: Sequence[str]
) -> Iterator[str]:
    seen = outcome.get(wanted.name)
    if seen is None:
        yield "is not there"
        return
    if seen["state"] != wanted.state:
        yield f"is {seen['status']}, not {wanted.state}\n{seen['told']}"
    if wanted.kind == "python":
        if seen["result"] != 42:
            yield f"returned {seen['result']}, not 42"
    elif wanted.kind == "workflow":
        odd = {name: node for name, node in seen["nodes"].items() if node[0] != "DON" or node[1]}
        if odd:
            yield f"nodes are not done: {odd}\n{seen['told']}"
        yield from _out_of_order(wanted, lines)
    else:
        yield from _output(wanted, seen)


def _output(wanted: Wanted, seen: dict[str, Any]) -> Iterator[str]:
    if seen["codes"] != wanted.codes:
        yield f"exited with {seen['codes']}, not {wanted.codes}\n{seen['told']}"
    for process in range(wanted.processes):
        label = f"{wanted.name}/{process}"
        lines = [f"line {number} of {label}" for number in range(LINES)] + [f"end of {label}"]
        output = str(seen["output"].get(str(process))).splitlines()
        if output[-len(lines) :] != lines or (wanted.kind != "again" and output != lines):
            yield f"process {process} said {output[:2]} … {output[-2:]} ({len(output)} lines)"
    if wanted.kind == "files" and "result.txt" not in seen["files"]:
        yield f"brought back {seen['files']}"


def _out_of_order(wanted: Wanted, lines: Sequence[str]) -> Iterator[str]:
    place = {line: number for number, line in enumerate(lines)}
    first, last = place.get(f"E {wanted.name}.first/0"), place.get(f"B {wanted.name}.last/0")
    middle = [at for line, at in place.items() if line[2:].startswith(f"{wanted.name}.middle")]
    if None in (first, last) or not middle:
        yield "did not run whole"
    elif not first < min(middle) <= max(middle) < last:  # type: ignore[operator]
        yield "ran its nodes out of order"
