"""Exports: every job that matches and that the person may see, and no formula in any cell."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from oceanid.models import Job
from oceanid.services import export as service
from oceanid.services.asked import Asked
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db


def text_of(client: Client, query: str) -> str:
    answer = client.get(f"/compute/jobs/export/?{query}")
    assert answer.status_code == 200
    return b"".join(answer).decode()  # type: ignore[arg-type]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("few", [True, False])
def test_every_format_holds_every_matching_job_once_the_newest_first(
    client: Client,
    owner: User,
    many_jobs: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    few: bool,
) -> None:
    monkeypatch.setattr(service, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(service, "LOOKED_AT_ONCE", 11)
    if not few:
        monkeypatch.setattr(service.listing, "COUNT_LIMIT", 5)
    client.force_login(owner)
    for query in ("scope=mine", "app=floods&status=Error", "q=lauf 1", "q=auf 0&match=any"):
        expected = Job.objects.filter(user=owner)
        if "floods" in query:
            expected = expected.filter(app="floods", state="ERR")
        if "q=" in query:
            expected = expected.filter(name__contains="auf " + query.partition("auf ")[2][0])
        ids = list(expected.order_by("-pk").values_list("pk", flat=True))
        assert [int(row["id"]) for row in table(text_of(client, f"{query}&format=csv"))] == ids
        assert [row["id"] for row in json.loads(text_of(client, f"{query}&format=json"))] == ids
        lines = text_of(client, f"{query}&format=jsonl").splitlines()
        assert [json.loads(line)["id"] for line in lines] == ids


def test_an_empty_export_is_still_a_whole_one(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert table(text_of(client, "format=csv")) == []
    assert text_of(client, "format=csv").startswith("\ufeffid,uuid,name")
    assert json.loads(text_of(client, "format=json")) == []
    assert text_of(client, "format=jsonl") == ""


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", '=HYPERLINK("x")'],
)
def test_no_cell_is_a_formula(client: Client, owner: User, make_job: MakeJob, name: str) -> None:
    make_job(
        name,
        app=name,
        status_message=name,
        state="OTH",
        custom_status=name,
        extended_properties={"p": name, "=q": {"r": name}},
    )
    client.force_login(owner)
    text = text_of(client, "columns=extended_properties.p,extended_properties.=q")
    (row,) = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    for cell in ("name", "app", "status_message", "status", "extended_properties.p"):
        assert row[cell] == f"'{name}", cell
    found = json.loads(text_of(client, "format=json&columns=extended_properties.p"))
    assert found[0]["name"] == name and found[0]["extended_properties.p"] == name


def test_odd_texts_come_through(client: Client, owner: User, make_job: MakeJob) -> None:
    make_job('a, "b"\nc 🌊 Überflutung', description="</script>\u2028")
    client.force_login(owner)
    assert table(text_of(client, ""))[0]["name"] == 'a, "b"\nc 🌊 Überflutung'
    assert json.loads(text_of(client, "format=jsonl"))["description"] == "</script>\u2028"


def test_nobody_exports_what_they_may_not_see(
    client: Client, owner: User, other: User, staff: User, make_job: MakeJob
) -> None:
    job = make_job("secret", spec={"environment": "Xk9"}, attributes={"password": "Xk9"})
    client.force_login(other)
    assert table(text_of(client, "scope=mine")) == []
    assert client.get("/compute/jobs/export/?scope=all").status_code == 403
    assert client.get("/compute/jobs/export/?format=exe").status_code == 404
    client.force_login(staff)
    text = text_of(client, "scope=all&format=json")
    assert [row["id"] for row in json.loads(text)] == [job.pk]
    assert "Xk9" not in text


def test_a_right_that_is_taken_away_ends_the_export(
    staff: User, many_jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ROWS_AT_ONCE", 10)
    source = service.Export(Asked(scope="all"), staff, "jsonl")
    assert source.piece().count("\n") == 10
    staff.user_permissions.clear()
    assert source.piece() == ""


def test_memory_and_queries_do_not_grow_with_the_number_of_jobs(
    owner: User, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(service.listing, "COUNT_LIMIT", 5)
    first = make_job("first")
    rows = [
        Job(user=owner, name=f"job {n}", creation_time=first.creation_time, description="d" * 200)
        for n in range(3000)
    ]
    Job.objects.bulk_create(rows)
    source = service.Export(Asked(), owner, "csv")
    source.piece()
    tracemalloc.start()
    begun = tracemalloc.get_traced_memory()[0]
    pieces = 0
    with CaptureQueriesContext(connection) as captured:
        while source.piece():
            pieces += 1
    peak = tracemalloc.get_traced_memory()[1] - begun
    tracemalloc.stop()
    assert pieces >= 29
    assert len(captured) <= 2 * pieces + 4
    assert peak < 6_000_000


@pytest.mark.asyncio
@pytest.mark.django_db(transaction=True)
async def test_it_streams_under_asgi_too(owner: User, make_job: MakeJob) -> None:
    job = await sync_to_async(make_job)("one")
    client = AsyncClient()
    await sync_to_async(client.force_login)(owner)
    answer = await client.get("/compute/jobs/export/?format=jsonl")
    assert answer.is_async
    text = b"".join([piece async for piece in answer])  # type: ignore[union-attr]
    await sync_to_async(connections.close_all)()
    assert json.loads(text)["id"] == job.pk
