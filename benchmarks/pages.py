"""Pages of a portal with 1,000,000 jobs and 20,000,000 events against those of one with 1,000 jobs.

    python -m benchmarks.pages [--rounds 5] [--smoke] [--only TEXT] [--all]
    python tools/with_postgres.py python -m benchmarks.pages --postgres

Real requests through Django's test client, as an administrator who sees all jobs, as a user with
50 and as one with a tenth of all. Prints what is slowest, and every figure with ``--all``; the
exit code is 1 when one falls short.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager

from benchmarks import filled, throwaway
from benchmarks.figures import Rounds, Verdict
from benchmarks.filled import Size
from benchmarks.visitor import Visitor

SMALL, LARGE = Size(jobs=1000, tasks=10), Size(jobs=1_000_000, tasks=100_000)
SMOKE = Size(jobs=2000, tasks=50)
RATIO = 1.5
MOST_QUERIES = 22
SEARCH_S = 2.5
SHOWN = 15
SMOKE_PAGES = 12


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="small numbers, no limits of time")
    parser.add_argument("--postgres", action="store_true", help="on OCEANID_TEST_POSTGRES")
    parser.add_argument("--only", default="", help="only pages whose names have this in them")
    parser.add_argument("--all", action="store_true", help="print every figure")
    given = parser.parse_args()
    verdict = Verdict()
    with _portals(SMOKE if given.smoke else LARGE, given) as (small, large):
        every = large.names()
        names = {
            kind: [name for name in each if given.only in name] for kind, each in every.items()
        }
        if given.smoke:
            names = {kind: each[:: len(each) // SMOKE_PAGES + 1] for kind, each in names.items()}
        compared = [*names["lists"], *names["others"]]
        whole = [name for name in every["lists"] if name.endswith("by created, first page")]
        against = _look(small, large, compared, whole, verdict)
        if not given.smoke:
            _compare(small, large, against, verdict, given)
            _bound(large, names["anywhere"], verdict)
    return verdict.exit_code()


@contextmanager
def _portals(size: Size, given: Namespace) -> Iterator[tuple[Visitor, Visitor]]:
    """Both portals, each behind its process."""
    filled.forget_others(size)
    databases = {"small": "", "large": ""}
    if given.postgres:
        databases = {name: throwaway.fresh_database(name) for name in databases}
    with (
        closing(Visitor(SMALL, database=databases["small"])) as small,
        closing(Visitor(size, database=databases["large"])) as large,
    ):
        yield small, large


def _look(
    small: Visitor, large: Visitor, names: list[str], whole: list[str], verdict: Verdict
) -> dict[str, str]:
    """Each page answers, counts nothing without a bound, and asks a fixed number of queries.

    Gives for each page the one of the small portal to compare it with: itself, or where the small
    one has fewer rows to draw, the emptiest page of the same list that has as many: of these names,
    or of the whole lists.
    """
    wrong, most = [], 0
    rows = {name: (small.look(name)["rows"], 0) for name in whole}
    for name in names:
        few, many = small.look(name), large.look(name)
        rows[name] = few["rows"], many["rows"]
        most = max(most, many["queries"])
        if many["queries"] > MOST_QUERIES:
            wrong.append(f"{name}: {many['queries']} queries")
        wrong += [f"{name}: {each['trouble']}" for each in (few, many) if each["trouble"]]
    for each in wrong:
        print(f"        {each}")
    verdict.at_most(f"{len(names)} pages: those that are wrong", len(wrong), 0)
    verdict.at_most("queries of the page with the most", most, MOST_QUERIES)
    return {name: _as_full(name, rows) for name in names}


def _as_full(name: str, rows: dict[str, tuple[int, int]]) -> str:
    few, many = rows[name]
    if few >= many:
        return name
    person = name.partition(":")[0]
    full = [(drawn[0], each) for each, drawn in rows.items()
            if each.startswith(f"{person}:") and drawn[0] >= many]  # fmt: skip
    return min(full)[1] if full else name


def _compare(
    small: Visitor, large: Visitor, against: dict[str, str], verdict: Verdict, given: Namespace
) -> None:
    """Each page against its like, the two portals in turn; a slow one is measured once more."""
    within: list[tuple[float, str, str]] = []
    for name, other in against.items():
        ratio, few, many = _ratio(small, large, other, name, given.rounds)
        if ratio > RATIO:
            ratio, few, many = _ratio(small, large, other, name, 3 * given.rounds)
        detail = f"{many * 1000:.1f} ms, small {few * 1000:.1f} ms"
        detail += "" if other == name else f" of {other.partition(': ')[2]}"
        if given.all or ratio > RATIO:
            verdict.at_most(name, ratio, RATIO, detail)
        else:
            within.append((ratio, name, detail))
    for ratio, name, detail in sorted(within, reverse=True)[:SHOWN]:
        verdict.at_most(name, ratio, RATIO, detail)


def _ratio(
    small: Visitor, large: Visitor, few: str, many: str, rounds: int
) -> tuple[float, float, float]:
    measured = Rounds()
    measured.run(
        rounds, {"small": lambda: _seconds(small, few), "large": lambda: _seconds(large, many)}
    )
    return measured.ratio("large", "small"), measured.median("small"), measured.median("large")


def _seconds(visitor: Visitor, name: str) -> float:
    seconds: float = visitor.visit(name)["seconds"]
    return seconds


def _bound(large: Visitor, names: list[str], verdict: Verdict) -> None:
    """A search through all names takes as long as it may, and says so when it was cut."""
    for name in names:
        seconds = _seconds(large, name)
        told = large.look(name)["told_cut"]
        detail = "s; it says that it was cut" if told else "s; it was not cut"
        verdict.at_most(f"a search for {name}", seconds, SEARCH_S, detail)


if __name__ == "__main__":
    sys.exit(main())
