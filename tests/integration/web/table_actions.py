"""What the buttons of the tests' tables call; found again by its path, as an app's would be."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from oceanid.errors import IllegalTransition

called: list[tuple[str, int]] = []


def note(job: Any) -> str:
    """Remember that it was called; a sentence to show."""
    called.append(("note", job.pk))
    return f"Noted <b>{job.name}</b>."


async def note_later(job: Any) -> None:
    """The same, asynchronously."""
    called.append(("later", job.pk))


def refuse(job: Any) -> None:
    """An error that says what to do."""
    raise IllegalTransition("Not on a Sunday.", hint="Come back tomorrow.")


def break_down(job: Any) -> None:
    """An error that nobody foresaw."""
    raise RuntimeError("Xk9 internals")


def is_even(job: Any) -> bool:
    """Whether it can be done; odd jobs break it."""
    return {0: True}[job.pk % 2]


def page_of(job: Any) -> str:
    """Where a job is watched."""
    return f"/somewhere/{job.uuid}/"


def details(request: HttpRequest, job_id: int) -> HttpResponse:
    """What fills a dialog."""
    return HttpResponse(f"<p>All about {job_id}</p>")
