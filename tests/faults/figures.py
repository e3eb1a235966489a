"""What the faults came to, for `make faults` to print at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Rounds:
    """The rounds on one database.

    Args:
        done: Rounds that came to their end, good or bad.
        kills: Processes that were killed, by what they were.
        jobs: Jobs that went through, and their processes.
        seconds: How long each round took.
    """

    done: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    processes: int = 0
    duplicates: int = 0
    losses: int = 0
    wrong: int = 0
    orphans: int = 0
    seconds: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Figures:
    """All figures of a run."""

    seed: str
    rounds: dict[str, Rounds] = field(default_factory=dict)
    takeovers: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """As a person reads them."""
        yield f"seed {self.seed} (OCEANID_FAULT_SEED repeats it)"
        for database, each in self.rounds.items():
            took = f"{min(each.seconds):.1f} to {max(each.seconds):.1f} s" if each.seconds else "?"
            killed = ", ".join(f"{count} {what}" for what, count in sorted(each.kills.items()))
            yield (
                f"{database}: {each.done} rounds, {each.kills.total()} kills ({killed}), "
                f"{each.jobs} jobs of {each.processes} processes"
            )
            yield (
                f"{database}: {each.duplicates} duplicates, {each.losses} losses, "
                f"{each.wrong} wrong, {each.orphans} orphans; "
                f"a round took {took}"
            )
        for database, seconds in self.takeovers.items():
            told = ", ".join(f"{each:.1f}" for each in seconds)
            yield f"{database}: another supervisor took over after {told} s (at most 15)"
        yield from self.notes
