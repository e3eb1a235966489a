"""All files of a job as one zip: whole, safe to unpack, and sent while it is made."""

from __future__ import annotations

import io
import os
import resource
import zipfile
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from oceanid.models import Job
from oceanid.services import paths
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    return make_job("bundle", type="CONDOR", state="COM", attempt=1)


@pytest.fixture
def folder(job: Job) -> Path:
    found = paths.job_dir(job)
    found.mkdir(parents=True)
    return found


@pytest.fixture
def reader(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def unpacked(reader: Client, job: Job, way: str = "") -> zipfile.ZipFile:
    answer = reader.get(f"/compute/jobs/{job.pk}/files/{way}?zip")
    assert answer.status_code == 200
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert archive.testzip() is None
    return archive


def test_it_holds_all_plain_files_and_says_what_it_leaves_out(
    reader: Client, job: Job, folder: Path
) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "ü 🌊.txt").write_text("words")
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o700)
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / "outside").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    archive = unpacked(reader, job)
    assert sorted(archive.namelist()) == ["LEFT-OUT.txt", "a/ü 🌊.txt", "run.sh"]
    assert archive.read("a/ü 🌊.txt") == b"words"
    assert archive.getinfo("run.sh").external_attr >> 16 & 0o777 == 0o755
    told = archive.read("LEFT-OUT.txt").decode()
    assert [name in told for name in ("secret", "outside", "pipe")] == [True] * 3
    assert "root:" not in told


def test_names_can_not_lead_out_of_where_it_is_unpacked(
    reader: Client, job: Job, folder: Path, tmp_path: Path
) -> None:
    for name in ("..\\..\\evil", "C:evil", "two\nlines", os.fsdecode(b"bad\xff"), "dot.", "con?"):
        (folder / name).write_text(name.encode("utf-8", "replace").decode())
    (folder / "C_evil").write_text("the same name afterwards")
    archive = unpacked(reader, job)
    assert len(set(archive.namelist())) == 7
    for name in archive.namelist():
        assert not set(name) & set('\\:\n*?"<>|')
    archive.extractall(tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 7
    assert not (tmp_path / "evil").exists()


def test_a_folder_of_it_can_be_had_alone_and_nothing_else(
    reader: Client, job: Job, folder: Path
) -> None:
    (folder / "logs").mkdir()
    (folder / "logs" / "one").write_text("1")
    (folder / "two").write_text("2")
    (folder / "out").symlink_to("/etc")
    assert unpacked(reader, job, "logs/").namelist() == ["one"]
    for way in ("out/", "../", "nothing/", "..%2f"):
        assert reader.get(f"/compute/jobs/{job.pk}/files/{way}?zip").status_code == 404
    answer = reader.get(f"/compute/jobs/{job.pk}/files/logs/?zip")
    assert answer["Content-Disposition"].startswith('attachment; filename="logs.zip"')
    assert answer["Content-Security-Policy"].startswith("sandbox")
    answer.close()


def test_a_job_without_a_directory_has_no_zip(reader: Client, job: Job) -> None:
    assert reader.get(f"/compute/jobs/{job.pk}/files/?zip").status_code == 404


def test_an_empty_directory_is_an_empty_zip(reader: Client, job: Job, folder: Path) -> None:
    assert unpacked(reader, job).namelist() == []


def test_a_huge_file_takes_no_memory_and_what_is_left_early_is_closed(
    reader: Client, job: Job, folder: Path
) -> None:
    with (folder / "huge").open("wb") as file:
        file.truncate(5 * 1024**3)
    answer = reader.get(f"/compute/jobs/{job.pk}/files/?zip")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pieces = iter(answer.streaming_content)
    sizes = [len(next(pieces)) for _ in range(3)]
    assert max(sizes) < 4 * 1024**2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    descriptors = Path("/dev/fd")
    before = len(list(descriptors.iterdir()))
    answer.close()
    assert len(list(descriptors.iterdir())) < before


def test_a_file_that_grows_and_one_that_goes_do_no_harm(
    reader: Client, job: Job, folder: Path
) -> None:
    (folder / "a-large").write_bytes(os.urandom(3 * 1024**2))
    (folder / "grows").write_text("one\n")
    (folder / "z-goes").write_text("x")
    answer = reader.get(f"/compute/jobs/{job.pk}/files/?zip")
    pieces = iter(answer.streaming_content)
    held = next(pieces)
    with (folder / "a-large").open("ab") as file:
        file.write(b"more")
    (folder / "z-goes").unlink()
    archive = zipfile.ZipFile(io.BytesIO(held + b"".join(pieces)))
    assert archive.testzip() is None
    assert archive.getinfo("a-large").file_size == 3 * 1024**2
    assert "z-goes" in archive.read("LEFT-OUT.txt").decode()


@pytest.mark.django_db(transaction=True)
def test_it_streams_where_the_site_is_asynchronous(job: Job, folder: Path, owner: User) -> None:
    (folder / "words").write_text("words" * 100_000)
    client = AsyncClient()
    client.force_login(owner)

    async def fetched() -> bytes:
        answer = await client.get(f"/compute/jobs/{job.pk}/files/?zip")
        return b"".join([piece async for piece in answer.streaming_content])

    data = async_to_sync(fetched)()
    assert zipfile.ZipFile(io.BytesIO(data)).read("words") == b"words" * 100_000
