"""A process of its own that opens pages of one portal: asked by lines, it answers by lines.

    python -m benchmarks.visitor '{"place": …, "database": …, "jobs": …, "tasks": …}'

Each portal needs its own process, for Django connects to one database; two of them are asked in
turn. It fills the portal first when that has not been done.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
import sys
from time import perf_counter
from typing import Any

from benchmarks import filled, throwaway, visits
from benchmarks.filled import Size

CUT = b"The search stopped after a moment"
ROW = re.compile(rb'id="jobs?-row-|class="field-name_shown')


class Visitor:
    """The asking side: a portal behind a process.

    Args:
        size: How much the portal holds.
        database: The address of its empty database; "" for a kept SQLite file.
    """

    def __init__(self, size: Size, *, database: str = "") -> None:
        said = {"jobs": size.jobs, "tasks": size.tasks, "database": database}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.visitor", json.dumps(said)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def names(self) -> dict[str, list[str]]:
        """The kinds of visits, and their names."""
        return dict(self._ask({}))

    def visit(self, name: str) -> dict[str, Any]:
        """Open a page; gives ``seconds``, ``queries`` and what was wrong."""
        return dict(self._ask({"name": name}))

    def look(self, name: str) -> dict[str, Any]:
        """Open a page and count its queries; gives no time."""
        return dict(self._ask({"name": name, "look": True}))

    def close(self) -> None:
        """End the process."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(30)

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("A visitor has ended; its last words stand above.")
        return json.loads(answer)


def main() -> None:
    """Answer until nobody asks any more."""
    said = json.loads(sys.argv[1])
    size = Size(jobs=said["jobs"], tasks=said["tasks"])
    _enter(size, said["database"])
    kinds = {
        "lists": dict(visits.lists()),
        "others": dict(visits.others()),
        "anywhere": dict(visits.anywhere()),
    }
    known = {name: visit for kind in kinds.values() for name, visit in kind.items()}
    guests: dict[str, Any] = {}
    for line in sys.stdin:
        question = json.loads(line)
        if not question:
            answer: Any = {kind: list(named) for kind, named in kinds.items()}
        else:
            visit = known[question["name"]]
            if visit.person not in guests:
                guests[visit.person] = _guest(visit.person)
            answer = _open(guests[visit.person], visit.address, look=question.get("look", False))
        print(json.dumps(answer), flush=True)


def _enter(size: Size, database: str) -> None:
    place = filled.home_of(size)
    if database:
        place = place.with_name(f"{place.name}-postgresql")
        shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        # Of two runs at once, one fills and the other waits for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        whole = place / "whole"
        is_new = not whole.exists()
        if is_new:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        throwaway.join(place, database=database)
        if is_new:
            begun = perf_counter()
            filled.fill(size)
            print(f"{size.jobs} jobs written in {perf_counter() - begun:.0f} s", file=sys.stderr)
            whole.touch()


def _guest(name: str) -> Any:
    from django.contrib.auth.models import User
    from django.test import Client

    guest = Client(SERVER_NAME="127.0.0.1")
    guest.force_login(User.objects.get(username=name))
    return guest


def _open(guest: Any, address: str, *, look: bool) -> dict[str, Any]:
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    if look:
        reset_queries()
        with CaptureQueriesContext(connection) as captured:
            answer = _first_of(guest.get(address))
        statements = [query["sql"] for query in captured]
        return {
            "queries": len(statements),
            "trouble": _trouble(answer, address, statements),
            "rows": 0 if answer.streaming else len(ROW.findall(answer.content)),
            "told_cut": not answer.streaming and CUT in answer.content,
            "statements": statements,
        }
    begun = perf_counter()
    answer = _first_of(guest.get(address))
    return {"seconds": perf_counter() - begun, "trouble": _trouble(answer, address, [])}


def _first_of(answer: Any) -> Any:
    """An answer that is streamed, read as far as its first piece."""
    if answer.streaming:
        next(iter(answer.streaming_content))
        answer.close()
    return answer


def _trouble(answer: Any, address: str, statements: list[str]) -> str:
    if answer.status_code != 200:
        return f"{address} answers {answer.status_code}"
    for statement in statements:
        counts = re.search(r"COUNT\(", statement) and "oceanid_job" in statement
        if counts and "LIMIT" not in statement:
            return f"{address} counts without a bound: {statement[:300]}"
    return ""


if __name__ == "__main__":
    main()
