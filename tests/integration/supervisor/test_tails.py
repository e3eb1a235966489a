"""Output of a running task on another machine: read while somebody looks, by a supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from oceanid.engines import registry
from oceanid.models import JobEvent, Scheduler, TailWish
from oceanid.services import tails
from oceanid.states import Health, JobState
from oceanid.supervisor import tails as reading
from tests.faults.engines import offer
from tests.integration.running import eventually
from tests.integration.supervisor.house import Running, gone, reaches, supervising

Shell = Callable[..., Any]
Look = Callable[..., dict[str, Any]]


EVERY_S = 1.0
"""Instead of the supervisor's own pace, so that nobody waits here longer than it takes."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reading.LOOK_S < reading.EVERY_S, "what is due is noticed in time"
    monkeypatch.setattr(reading, "EVERY_S", EVERY_S)
    monkeypatch.setattr(reading, "LOOK_S", 0.2)


class Gate:
    """What a task waits for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.waits = f"until [ -e {path} ]; do sleep 0.05; done"

    def open(self) -> None:
        """Let the task go on."""
        self._path.touch()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate, opened at the end whatever happens."""
    made = Gate(tmp_path / "go")
    yield made
    made.open()


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engines that fail on purpose, installed."""
    monkeypatch.syspath_prepend(str(offer(tmp_path / "plugins")))
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()


@pytest.fixture
def far(engines: None, _house: None, tmp_path: Path) -> Scheduler:
    """A scheduler whose tasks write on another machine."""
    config = {"calls": str(tmp_path / "calls"), "mood": str(tmp_path / "mood"), "cpus": 4}
    return Scheduler.objects.create(name="far", engine="far", config=config)


@pytest.fixture
def look(client: Client, ann: User) -> Look:
    """Asks for a task's output as a page does."""
    client.force_login(ann)

    def ask(job: Any, stream: str = "stdout", index: int = 0, **parameters: Any) -> dict[str, Any]:
        answer = client.get(f"/compute/jobs/{job.pk}/tasks/{index}/{stream}/", parameters)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    return ask


def running(job: Any) -> Any:
    job.execute()
    return reaches(job, JobState.RUNNING)


def calls(far: Scheduler, stream: str) -> list[float]:
    lines = Path(far.config["calls"]).read_text().splitlines()
    return [float(line.split()[2]) for line in lines if line.startswith(stream)]


def read_on(look: Look, job: Any, text: str, offset: int) -> tuple[str, int]:
    """What a page shows after one more look, and where it goes on."""
    found = look(job, offset=offset)
    if found["truncated"] or found["offset"] > offset:
        text = ""
    return text + found["text"], found["next"]


def test_the_text_is_seen_before_the_task_ends_and_goes_on_in_its_file(
    supervisor: Running, far: Scheduler, shell: Shell, gate: Gate, look: Look
) -> None:
    job = running(shell(f"echo ünder way; echo oops >&2; {gate.waits}; echo over", scheduler=far))
    shown, offset = "", 0

    def reads(wanted: str) -> bool:
        nonlocal shown, offset
        shown, offset = read_on(look, job, shown, offset)
        return shown == wanted

    eventually(lambda: reads("ünder way\n"), within_s=20, what="the text while it runs")
    eventually(lambda: look(job, "stderr")["text"] == "oops\n", within_s=20, what="its errors")
    assert not look(job)["is_here"]
    assert reaches(job, JobState.RUNNING).status == "Running"
    gate.open()
    reaches(job, JobState.COMPLETE)
    eventually(lambda: reads("ünder way\nover\n"), within_s=10, what="the rest from the file")
    found = look(job, offset=offset)
    assert (found["ended"], found["is_here"], found["note"]) == (True, True, "")


def test_the_page_itself_asks_and_shows_what_is_known(
    supervisor: Running, far: Scheduler, shell: Shell, gate: Gate, look: Look, client: Client
) -> None:
    job = running(shell(f"echo '<b>words'; {gate.waits}", scheduler=far))
    assert "Asking the scheduler" in client.get(f"/compute/jobs/{job.pk}/").content.decode()

    def told() -> bool:
        text = client.get(f"/compute/jobs/{job.pk}/").content.decode()
        return "&lt;b&gt;words" in text and "Read from the machine" in text

    eventually(told, within_s=20, what="the page shows it")
    gate.open()
    reaches(job, JobState.COMPLETE)


def test_many_pages_share_one_read_every_few_seconds(
    supervisor: Running, far: Scheduler, shell: Shell, gate: Gate, look: Look
) -> None:
    job = running(shell(f"echo shared; {gate.waits}", scheduler=far))

    def read_thrice() -> bool:
        for _tab in range(5):
            look(job, offset=0)
        return len(calls(far, "stdout")) >= 3

    eventually(read_thrice, within_s=30, what="it is read again and again")
    times = calls(far, "stdout")
    assert TailWish.objects.count() == 1
    assert all(later - earlier >= EVERY_S for earlier, later in pairwise(times))
    gate.open()
    reaches(job, JobState.COMPLETE)


def test_only_the_end_of_much_is_read_and_what_is_left_out_is_told(
    supervisor: Running, far: Scheduler, shell: Shell, gate: Gate, look: Look
) -> None:
    job = running(shell(f"seq 1 60000; {gate.waits}", scheduler=far))
    eventually(lambda: "60000\n" in look(job)["text"], within_s=20, what="the end")
    found = look(job, offset=5)
    assert found["offset"] > found["size"] - tails.MOST_BYTES
    assert found["text"].startswith(str(60000 - found["text"].count("\n") + 1))
    assert found["text"].endswith("60000\n")
    row = TailWish.objects.get()
    assert len(row.data) == tails.MOST_BYTES
    searched = look(job, find="59999")
    assert len(searched["lines"]) == 1
    assert "only its end" in searched["bound"]
    assert look(job, around=searched["lines"][0])["text"].startswith("59999\n")
    gate.open()
    reaches(job, JobState.COMPLETE)


@pytest.mark.parametrize(
    ("mood", "told"),
    [("refuse", "The machine does not answer."), ("raise", "a bug in tail"), ("hang", "in time")],
)
def test_a_read_that_fails_is_told_and_changes_nothing(
    supervisor: Running, far: Scheduler, shell: Shell, gate: Gate, look: Look, mood: str, told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("oceanid.supervisor.tails.MOST_S", 1.0)
    Path(far.config["mood"]).write_text(mood)
    job = running(shell(f"echo words; {gate.waits}", scheduler=far))
    eventually(lambda: told in look(job)["note"], within_s=20, what="why it can't be read")
    other = shell("true", scheduler=far)
    other.execute()
    reaches(other, JobState.COMPLETE, within_s=10)
    far.refresh_from_db()
    assert far.health == Health.OK.value
    job.refresh_from_db()
    assert (job.state, job.status_message) == (JobState.RUNNING, "")
    Path(far.config["mood"]).unlink()
    eventually(lambda: look(job)["text"] == "words\n", within_s=20, what="it is tried again")
    gate.open()
    reaches(job, JobState.COMPLETE)


def test_a_wish_dies_when_nobody_looks_and_a_new_one_is_served(
    supervisor: Running,
    far: Scheduler,
    shell: Shell,
    gate: Gate,
    look: Look,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tails, "LIFE_S", 2.0)
    job = running(shell(f"echo words; {gate.waits}", scheduler=far))
    for _time in range(2):
        eventually(lambda: look(job)["text"] == "words\n", within_s=20, what="it is read")
        eventually(lambda: not TailWish.objects.exists(), within_s=20, what="the wish is gone")
    gate.open()
    reaches(job, JobState.COMPLETE)


def test_a_wish_that_nobody_serves_is_removed_in_the_end(
    far: Scheduler, shell: Shell, ann: User
) -> None:
    far.enabled = False
    far.save()
    job = shell("true", scheduler=far)
    job.save()
    for number, until in enumerate((timedelta(hours=-2), timedelta(seconds=-5))):
        TailWish.objects.create(
            job=job, task_id=number, scheduler=far, stream="stdout",
            wanted_until=timezone.now() + until,
        )  # fmt: skip
    with supervising():
        eventually(lambda: TailWish.objects.count() == 1, within_s=20, what="the old one goes")
    assert TailWish.objects.get().task_id == 1


def test_who_wishes_for_too_much_waits(
    supervisor: Running, far: Scheduler, shell: Shell, gate: Gate, look: Look,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(tails, "MOST_WISHES", 3)
    monkeypatch.setattr(tails, "LIFE_S", 3.0)
    job = running(shell(f"echo words; {gate.waits}", scheduler=far))
    for number in range(3):
        TailWish.objects.create(
            job=job, task_id=-number, scheduler=far, stream="stdout",
            wanted_until=timezone.now() + timedelta(seconds=2),
        )  # fmt: skip
    assert "waits for its turn" in look(job)["note"]
    assert TailWish.objects.count() == 3
    eventually(lambda: look(job)["text"] == "words\n", within_s=60, what="its turn comes")
    gate.open()
    reaches(job, JobState.COMPLETE)


def test_a_wish_goes_with_its_job(
    supervisor: Running, far: Scheduler, shell: Shell, gate: Gate, look: Look
) -> None:
    job = running(shell(gate.waits, scheduler=far))
    look(job)
    assert TailWish.objects.count() == 1
    job.delete()
    gone(job)
    assert not TailWish.objects.exists()


def test_a_scheduler_that_can_not_says_so(
    supervisor: Running, engines: None, shell: Shell, gate: Gate, look: Look
) -> None:
    mute = Scheduler.objects.create(name="mute", engine="mute", config={"cpus": 4})
    job = running(shell(f"echo words; {gate.waits}", scheduler=mute))
    assert "no output before the task has ended" in look(job)["note"]
    assert not TailWish.objects.exists()
    gate.open()
    reaches(job, JobState.COMPLETE)
    assert look(job)["text"] == "words\n"


def test_strangers_make_no_wish(
    supervisor: Running, far: Scheduler, shell: Shell, gate: Gate, client: Client, bob: User
) -> None:
    job = running(shell(gate.waits, scheduler=far))
    client.force_login(bob)
    for address in (f"/compute/jobs/{job.pk}/", f"/compute/jobs/{job.pk}/tasks/0/stdout/"):
        assert client.get(address).status_code == 404
    assert not TailWish.objects.exists()
    gate.open()
    reaches(job, JobState.COMPLETE)


def test_while_nobody_looks_nothing_is_asked_of_the_database(
    far: Scheduler, shell: Shell, supervisor: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = tails.wanted
    monkeypatch.setattr(tails, "wanted", lambda pk: asked.append(pk) or real(pk))
    for _time in range(3):
        job = shell("true", scheduler=far)
        job.execute()
        reaches(job, JobState.COMPLETE)
    assert JobEvent.objects.count() > 6
    assert len(asked) <= 1  # what a former supervisor may have left, looked for once
