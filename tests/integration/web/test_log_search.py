"""Finding a text in a log: every line that has it, within bounds, whatever is in the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from oceanid.models import Job, Task
from oceanid.services import paths
from oceanid.submit import SubmitDescription
from oceanid.web import find, tail
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    job = make_job("log", type="CONDOR", state="RUN", wanted="RUN", attempt=1)
    described = SubmitDescription.from_attributes(
        {"executable": "/bin/true"}, directory=str(paths.job_dir(job))
    )
    Job.objects.filter(pk=job.pk).update(spec=described.to_json())
    Task.objects.create(job=job, index=0, state="RUN")
    job.refresh_from_db()
    return job


@pytest.fixture
def log(job: Job) -> Path:
    path, _told = tail.log_path(job, job.tasks.get(), "stdout")
    whole = paths.job_dir(job) / path
    whole.parent.mkdir(parents=True)
    return whole


@pytest.fixture
def ask(client: Client, owner: User, job: Job) -> Ask:
    client.force_login(owner)

    def get(**parameters: object) -> dict[str, Any]:
        answer = client.get(f"/compute/jobs/{job.pk}/tasks/0/stdout/", parameters)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    return get


def everything(ask: Ask, needle: str) -> list[int]:
    """All lines, as a page collects them."""
    lines, at = [], 0
    while True:
        found = ask(find=needle, offset=at)
        lines += found["lines"]
        if found["next"] >= found["size"]:
            return lines
        assert found["next"] > at
        at = found["next"]


def test_each_line_that_has_it_is_found_once_in_any_case(ask: Ask, log: Path) -> None:
    text = "one Needle\ntwo\nNEEDLE needle\n\x1b[31mnee\x1b[0mdle\nlast needle"
    log.write_text(text)
    found = everything(ask, "nEEdle")
    assert [text[at:].partition("\n")[0] for at in found] == [
        "one Needle", "NEEDLE needle", "\x1b[31mnee\x1b[0mdle", "last needle",
    ]  # fmt: skip


def test_lines_that_lie_across_what_is_read_at_once_are_found(
    ask: Ask, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "_CHUNK", 1000)
    monkeypatch.setattr(find, "MOST_READ", 5000)
    monkeypatch.setattr(find, "MOST_LINES", 7)
    lines = [f"line {n} {'needle' if n % 3 == 0 else 'straw'} ü" for n in range(2000)]
    log.write_text("\n".join(lines))
    data = log.read_bytes()
    found = everything(ask, "needle")
    assert [data[at:].partition(b"\n")[0].decode() for at in found] == lines[::3]


def test_a_huge_log_is_searched_a_bounded_piece_at_a_time(ask: Ask, log: Path) -> None:
    with log.open("wb") as file:
        file.truncate(3 * 1024**3)
        file.seek(0, os.SEEK_END)
        file.write(b"\nneedle\n")
    found = ask(find="needle", offset=0)
    assert (found["lines"], found["next"]) == ([], find.MOST_READ)
    found = ask(find="needle", offset=log.stat().st_size - 2**20)
    assert found["lines"] == [log.stat().st_size - 7]


@pytest.mark.parametrize("line", [b"x", b"\r", b"\x1b]", b"\x1b[", b"ab\r"])
def test_one_endless_line_is_read_quickly(ask: Ask, log: Path, line: bytes) -> None:
    log.write_bytes(line * (2 * 1024**2 // len(line)))
    begun = perf_counter()
    ask(find="needle", offset=0)
    ask(offset=0)
    ask()
    assert perf_counter() - begun < 3


def test_a_match_is_shown_with_what_stands_around_it(ask: Ask, log: Path) -> None:
    log.write_text("".join(f"line {n}\n" for n in range(50_000)))
    [at] = ask(find="line 25000", offset=0)["lines"]
    piece = ask(around=at)
    assert piece["text"].startswith("line 25000\nline 25001\n")
    assert piece["before"].endswith("\nline 24999\n")
    assert piece["before"].startswith("line 2")
    assert len(piece["before"]) + len(piece["text"]) <= tail.LIMIT


@pytest.mark.parametrize(
    "wrong", [{"find": "x" * 5000}, {"find": "\x00"}, {"find": "needle", "offset": "-5"},
              {"around": "99999999999"}, {"around": "x"}, {"find": "a", "offset": "9" * 17}],
)  # fmt: skip
def test_strange_questions_have_an_answer(ask: Ask, log: Path, wrong: dict[str, str]) -> None:
    log.write_text("words\n")
    ask(**wrong)


def test_nothing_outside_is_searched(ask: Ask, log: Path) -> None:
    log.symlink_to("/etc/passwd")
    assert ask(find="root", offset=0)["lines"] == []
    assert ask(around=0)["text"] == ""


def test_an_open_page_is_told_that_its_job_is_gone(
    ask: Ask, client: Client, job: Job, log: Path
) -> None:
    log.write_text("words\n")
    assert ask()["text"] == "words\n"
    address = f"/compute/jobs/{job.pk}/tasks/0/stdout/"
    Job.objects.filter(pk=job.pk).delete()
    asked = {"Accept": "application/json"}
    answer = client.get(address, headers=asked)
    assert answer.status_code == 200, "an error that nobody made stands in no console"
    assert answer.json() == {"is_gone": True}
    assert client.get(address).status_code == 404
    assert client.get(f"{address}?download", headers=asked).status_code == 404


@pytest.mark.parametrize(("state", "is_followed"), [("RUN", True), ("COM", False)])
def test_what_has_ended_is_not_followed(
    ask: Ask, client: Client, job: Job, log: Path, state: str, is_followed: bool
) -> None:
    log.write_text("words\n")
    Task.objects.filter(job=job).update(state=state)
    page = client.get(f"/compute/jobs/{job.pk}/").content.decode()
    assert "data-log=" in page
    assert ("data-ended" not in page) is is_followed
