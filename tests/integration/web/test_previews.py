"""A file of a job is shown as text, as a table or as a picture, and never runs."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from oceanid.models import Job
from oceanid.services import paths
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    return make_job("preview", type="CONDOR", state="COM", attempt=1)


@pytest.fixture
def folder(job: Job) -> Path:
    found = paths.job_dir(job)
    found.mkdir(parents=True)
    return found


@pytest.fixture
def reader(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def shown(reader: Client, job: Job, name: str) -> str:
    answer = reader.get(f"/compute/jobs/{job.pk}/files/{name}?view")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_text_is_text(reader: Client, job: Job, folder: Path) -> None:
    (folder / "page.html").write_text("<script>alert(1)</script>\n\x1b[31mred")
    text = shown(reader, job, "page.html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\nred" in text
    assert "<script>alert" not in text


def test_much_text_is_cut_and_says_so(reader: Client, job: Job, folder: Path) -> None:
    (folder / "much").write_text("a line\n" * 1_000_000)
    text = shown(reader, job, "much")
    assert "Only its beginning is shown" in text
    assert len(text) < 400_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv", 'time,level,note\n1,2.5,"a, <b>"\n2,3,\n'),
        ("r.CSV", 'time;level;note\n1;2.5;"a, <b>"\n2;3\n'),
        ("r.tsv", "time\tlevel\tnote\n1\t2.5\ta, <b>\n2\t3\t\n"),
        ("bom.csv", "\ufefftime,level,note\r\n1,2.5,\"a, <b>\"\r\n2,3,\r\n"),
    ],
)  # fmt: skip
def test_values_are_a_table(
    reader: Client, job: Job, folder: Path, name: str, content: str
) -> None:
    (folder / name).write_text(content)
    text = shown(reader, job, name)
    assert '<th scope="col">time</th><th scope="col">level</th>' in text
    assert "<td>1</td><td>2.5</td><td>a, &lt;b&gt;</td>" in text
    assert text.count("<td>") == 6


def test_a_large_table_is_cut_both_ways(reader: Client, job: Job, folder: Path) -> None:
    line = ",".join("x" * 5 for _ in range(60)) + "\n"
    (folder / "large.csv").write_text(line * 3000)
    text = shown(reader, job, "large.csv")
    assert "The first 50 of 60 columns are shown." in text
    assert "The first 200 rows are shown" in text
    assert text.count("<tr>") == 201


@pytest.mark.parametrize("content", ['a,"b\n' * 100_000, "no separator\n", '"' * 300_000, "\0,\0"])
def test_a_strange_table_is_no_error(reader: Client, job: Job, folder: Path, content: str) -> None:
    (folder / "strange.csv").write_text(content)
    shown(reader, job, "strange.csv")


def test_a_picture_is_shown_and_can_do_nothing_else(reader: Client, job: Job, folder: Path) -> None:
    (folder / "plot.txt").write_bytes(PIXEL)
    assert "plot.txt?picture" in shown(reader, job, "plot.txt")
    answer = reader.get(f"/compute/jobs/{job.pk}/files/plot.txt?picture")
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Disposition"].startswith("inline")
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"".join(answer.streaming_content) == PIXEL


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("evil.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("evil.svg", b"<svg/>"),
        ("evil.gif", b"<html><script>alert(1)</script>"),
        ("short.webp", b"RIFF"),
        ("none", b""),
    ],
)
def test_what_is_no_picture_is_not_served_as_one(
    reader: Client, job: Job, folder: Path, name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)
    assert reader.get(f"/compute/jobs/{job.pk}/files/{name}?picture").status_code == 404
    shown(reader, job, name)


@pytest.mark.parametrize("what", ["view", "picture", "zip"])
@pytest.mark.parametrize("way", ["secret", "outside/passwd", "../x", "nothing", "logs%00"])
def test_nothing_outside_is_shown(
    reader: Client, job: Job, folder: Path, way: str, what: str
) -> None:
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / "outside").symlink_to("/etc")
    answer = reader.get(f"/compute/jobs/{job.pk}/files/{way}?{what}")
    assert answer.status_code == 404
    assert b"root:" not in answer.content


def test_bytes_are_told_to_be_no_text(reader: Client, job: Job, folder: Path) -> None:
    (folder / "bytes").write_bytes(bytes(range(256)) * 50)
    assert "neither text nor a picture" in shown(reader, job, "bytes")
    (folder / "empty").touch()
    assert "This file is empty" in shown(reader, job, "empty")
