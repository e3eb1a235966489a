"""What comes out of a job is hostile: links, ways upward, scripts, endless logs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client

from oceanid.models import Job, Task
from oceanid.services import paths
from oceanid.submit import SubmitDescription
from oceanid.web import tail
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    job = make_job("files", type="CONDOR", state="RUN", wanted="RUN", attempt=1)
    folder = paths.job_dir(job)
    (folder / "logs").mkdir(parents=True)
    described = SubmitDescription.from_attributes(
        {"executable": "/bin/true"}, directory=str(folder)
    )
    Job.objects.filter(pk=job.pk).update(spec=described.to_json())
    Task.objects.create(job=job, index=0, state="RUN")
    return job


@pytest.fixture
def folder(job: Job) -> Path:
    return paths.job_dir(job)


@pytest.fixture
def reader(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.mark.parametrize(
    "way",
    [
        "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "%2fetc/passwd",
        "logs/../../x", "secret", "outside/passwd", "logs/%00", "nowhere", "pipe", "a" * 5000,
        "/".join("a" * 100),
    ],
)  # fmt: skip
def test_nothing_outside_of_the_directory_is_served(
    reader: Client, job: Job, folder: Path, way: str
) -> None:
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / "outside").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    answer = reader.get(f"/compute/jobs/{job.pk}/files/{way}")
    assert answer.status_code == 404
    assert b"root:" not in answer.content


def test_links_are_listed_but_lead_nowhere(reader: Client, job: Job, folder: Path) -> None:
    (folder / "secret").symlink_to("/etc/passwd")
    text = reader.get(f"/compute/jobs/{job.pk}/files/").content.decode()
    assert "link, not followed" in text
    assert f"/jobs/{job.pk}/files/secret" not in text


def test_a_directory_that_is_itself_a_link_elsewhere_is_not_listed(
    reader: Client, job: Job, folder: Path
) -> None:
    (folder / "etc").symlink_to("/etc")
    assert reader.get(f"/compute/jobs/{job.pk}/files/etc/").status_code == 404
    assert reader.get(f"/compute/jobs/{job.pk}/files/etc").status_code == 404


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil.js", 'quo"te;.html', "ü 🌊.xml"])
def test_html_and_svg_are_served_inert(reader: Client, job: Job, folder: Path, name: str) -> None:
    (folder / name).write_text("<svg onload=alert(1)><script>alert(1)</script></svg>")
    answer = reader.get(f"/compute/jobs/{job.pk}/files/{quote(name)}")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert "\n" not in answer["Content-Disposition"]
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"".join(answer.streaming_content).startswith(b"<svg")


def test_names_are_text(reader: Client, job: Job, folder: Path) -> None:
    (folder / "<img src=x onerror=alert(1)>").write_text("x")
    (folder / os.fsdecode(b"bad\xff")).write_text("x")
    (folder / "two\nlines").write_text("x")
    for address in (f"/compute/jobs/{job.pk}/", f"/compute/jobs/{job.pk}/files/"):
        answer = reader.get(address)
        assert answer.status_code == 200
        assert b"<img" not in answer.content


def test_every_folder_that_is_offered_can_be_opened(reader: Client, job: Job, folder: Path) -> None:
    (folder / "/".join("d" * 70)).mkdir(parents=True)
    at = f"/compute/jobs/{job.pk}/files/"
    for depth in (63, 64):
        answer = reader.get(at + "/".join("d" * depth))
        assert answer.status_code == 200
        offered = f'/files/{"/".join("d" * (depth + 1))}"'.encode() in answer.content
        assert offered is (depth == 63)
    assert reader.get(at + "/".join("d" * 65)).status_code == 404


def test_a_huge_directory_is_cut_and_says_so(reader: Client, job: Job, folder: Path) -> None:
    for number in range(1005):
        (folder / f"{number}").touch()
    text = reader.get(f"/compute/jobs/{job.pk}/files/").content.decode()
    assert "the first 1,000 are shown" in text


Ask = Callable[..., dict[str, object]]


@pytest.fixture
def ask(reader: Client, job: Job) -> Ask:
    def get(**parameters: object) -> dict[str, object]:
        at = f"/compute/jobs/{job.pk}/tasks/0/stdout/"
        found: dict[str, object] = reader.get(at, parameters).json()
        return found

    return get


@pytest.fixture
def log(job: Job) -> Path:
    task = job.tasks.get()
    job.refresh_from_db()
    path, _told = tail.log_path(job, task, "stdout")
    whole = paths.job_dir(job) / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    return whole


def test_a_growing_log_is_read_on_from_where_it_was(ask: Ask, log: Path) -> None:
    assert ask(offset=0)["text"] == ""
    log.write_text("one\n")
    first = ask(offset=0)
    assert (first["text"], first["next"], first["ended"]) == ("one\n", 4, False)
    log.write_text("one\ntwo ü")
    assert ask(offset=4)["text"] == "two ü"


def test_a_character_that_is_cut_waits_for_its_other_half(ask: Ask, log: Path) -> None:
    log.write_bytes(b"price: \xe2\x82")
    first = ask(offset=0)
    assert first["text"] == "price: "
    log.write_bytes(b"price: \xe2\x82\xac 5")
    assert ask(offset=first["next"])["text"] == "€ 5"


def test_a_log_that_became_shorter_is_begun_anew(ask: Ask, log: Path) -> None:
    log.write_text("x")
    answer = ask(offset=500)
    assert answer["truncated"] is True
    assert answer["next"] == 0


def test_a_huge_log_shows_its_end_only(reader: Client, job: Job, ask: Ask, log: Path) -> None:
    with log.open("wb") as file:
        file.truncate(5 * 1024**3)
        file.seek(0, os.SEEK_END)
        file.write(b"\nthe end\n")
    page = reader.get(f"/compute/jobs/{job.pk}/").content
    assert b"the end" in page
    assert b"are left out here" in page
    assert len(page) < 200_000
    assert len(str(ask(offset=0)["text"])) <= tail.LIMIT


def test_a_log_that_is_a_link_is_not_read(reader: Client, job: Job, ask: Ask, log: Path) -> None:
    log.symlink_to("/etc/passwd")
    assert ask(offset=0)["text"] == ""
    assert b"root:" not in reader.get(f"/compute/jobs/{job.pk}/").content
    download = reader.get(f"/compute/jobs/{job.pk}/tasks/0/stdout/", {"download": ""})
    assert download.status_code == 404


def test_what_a_job_writes_is_text(reader: Client, job: Job, log: Path) -> None:
    log.write_text("</pre><script>alert(1)</script>\x1b[31mred")
    text = reader.get(f"/compute/jobs/{job.pk}/").content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;red" in text


def test_other_streams_do_not_exist(reader: Client, job: Job) -> None:
    for stream in ("stdin", "environ", "spec"):
        assert reader.get(f"/compute/jobs/{job.pk}/tasks/0/{stream}/").status_code == 404
